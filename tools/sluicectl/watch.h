/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sluicectl attach --watch: attaches, and again whenever an interface has come back. A service of its own, for root; it knows
 * nothing of the daemon.
 */
#ifndef SLUICECTL_WATCH_H
#define SLUICECTL_WATCH_H

struct command;
struct config;

/* Attach once and print the outcome (attach.c). 0 or negative errno after the error was printed. */
int attach_and_tell(const struct command *command, const struct config *config);

/* Until SIGTERM or SIGINT. Takes over config. Returns the exit status. */
int watch_run(const struct command *command, struct config *config);

#endif
