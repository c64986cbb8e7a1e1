/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The Marathon masters of the configuration: which one is spoken to, and whether an address that
 * somebody names (a redirect, a leader header) is one of them. No other address is ever contacted,
 * so nothing that comes over the network can send the daemon anywhere else. Holds the credentials
 * and puts them on every request.
 */
#ifndef SLUICED_MASTERS_H
#define SLUICED_MASTERS_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"
#include "http.h"

struct master {
	char *base;		    /* as configured, no slash at the end */
	char *scheme, *host, *port; /* to compare: as a browser would, default port filled in */
};

struct masters {
	const struct config *config;
	struct master master[CONFIG_MAX_URLS];
	unsigned count, current;
	char *user; /* "user:password", NULL: none */
};

/* config must outlive masters and have [marathon]. 0, -EINVAL (an URL cannot be read), -ENOMEM. */
int masters_init(struct masters *masters, const struct config *config);
void masters_release(struct masters *masters);

/* Read the user file, if there is one. 0 or negative errno; the last credentials stay then. */
int masters_read_user(struct masters *masters);

/* The configured URL of one, and of the one that is spoken to now. */
const char *masters_base(const struct masters *masters, unsigned number);
const char *masters_current(const struct masters *masters);

/*
 * Number FAILED did not answer well: speak to the next one from now on, unless somebody has moved
 * on already.
 */
void masters_rotate(struct masters *masters, unsigned failed);

/* Speak to the one that url names from now on. false: it is none of ours, or is the current one. */
bool masters_switch(struct masters *masters, const char *url);

/* Fill in request what is the master's. url as in agent_request(). 0, or -ENAMETOOLONG. */
int masters_request(const struct masters *masters, const char *path, char *url, size_t len,
		    struct http_request *request);

#endif
