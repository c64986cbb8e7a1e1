/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The daemon: puts sources, model, maps, admin socket and metrics on one event loop, reloads, and ends. Ending leaves the data plane as it is.
 */
#ifndef SLUICED_DAEMON_H
#define SLUICED_DAEMON_H

#include <stddef.h>

/*
 * Run until SIGTERM or SIGINT. 0 after a clean end, else negative errno with one line for the user in error. file: of
 * the configuration; it is read again on SIGHUP.
 */
int daemon_run(const char *file, char *error, size_t len);

#endif
