/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Asking sluiced, for verbs that do without it when it is not there.
 */
#ifndef SLUICECTL_DAEMON_H
#define SLUICECTL_DAEMON_H

#include <stddef.h>

struct cJSON;
struct config;

/*
 * Its answer, an object that the caller deletes. NULL: there is none, and why has a few words on it: "not running", or what went wrong.
 * *err, if not NULL: 0, -ECONNREFUSED or -ENOENT: nobody is there; else negative errno.
 */
struct cJSON *daemon_ask(const struct config *config, const char *request, char *why, size_t len,
			 int *err);

#endif
