/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the daemon would do, without doing it: the same sources, model, plan and publication, but
 * into memory of its own that is laid out as the maps are and empty at first. Opens no map and no
 * port, registers nothing in Consul, subscribes nowhere: a configuration can be tried beside
 * HAProxy, or beside a running daemon, as any user.
 */
#ifndef SLUICED_DRY_RUN_H
#define SLUICED_DRY_RUN_H

#include <stddef.h>

/*
 * Follow what FILE names and print a line for each decision on standard output, until SIGTERM or
 * SIGINT. 0 after a clean end, else negative errno with one line for the user in error.
 */
int dry_run(const char *file, char *error, size_t len);

#endif
