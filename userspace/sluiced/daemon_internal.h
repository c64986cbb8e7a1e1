/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The daemon's parts, for its own files alone: daemon.c is the loop, what time and signals bring about, start and end;
 * daemon_sources.c makes the sources and takes what they deliver; daemon_reload.c changes the configuration under them;
 * daemon_requests.c answers the admin socket. One thread: nothing here is locked.
 */
#ifndef SLUICED_DAEMON_INTERNAL_H
#define SLUICED_DAEMON_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addresses.h"
#include "ask.h"
#include "facts.h"
#include "reconcile.h"

struct daemon {
	struct event_base *base;
	struct config *config;
	struct model *model;
	struct reconcile reconcile;
	struct facts_sink sink;
	struct marathon *marathon;
	struct consul *consul;
	struct listeners *listeners;
	struct registrar *registrar;
	struct admin *admin;
	struct metrics *metrics;
	struct addresses *addresses;
	struct hostname *hostname; /* asks for our name; NULL: it is known */
	struct notify *notify;
	struct event *turn, *second, *on_hup, *on_term, *on_int;
	bool facts_changed;			   /* since registrations were handed over */
	bool consul_lost;			   /* it was connected, and is not */
	bool failed;				   /* cannot go on */
	bool detached;				   /* said so already */
	struct ask ask_marathon, ask_consul;	   /* for answers that confirm, or were dropped */
	uint64_t steps_seen;			   /* of all plans, and failures, a second ago */
	unsigned calm_seconds;			   /* since a turn had anything to do */
	int64_t second_ms;			   /* the last one's; 0: none yet */
	int64_t scan_ms, refresh_ms, addresses_ms; /* last time */
	uint64_t attached_ns;			   /* of the attach that needs_attach speaks of */
	char needs_attach[64];
	char address[ADDRESSES_MAX][ADDRESSES_TEXT_LEN]; /* that the model knows */
	int address_count;
};

/* --- daemon.c --- */

/*
 * Configuration, model and open maps are there: the loop, the sockets, the sources, and a first turn. 0, or negative errno
 * with error (len bytes) filled; what was made until then is daemon_release()'s.
 */
int daemon_begin(struct daemon *daemon, char *error, size_t len);
/* Everything, configuration and maps included. The data plane stays as it is. */
void daemon_release(struct daemon *daemon);
/* Decide and publish when the burst that is under way is over, or now. */
void daemon_turn_soon(struct daemon *daemon);
void daemon_take_turn(struct daemon *daemon);
/* Read this host's addresses into the maps and the model. What fails is logged. */
void daemon_learn_addresses(struct daemon *daemon);
/* Has attach been run again, with other services or other maps? Then take them. */
void daemon_refresh(struct daemon *daemon);

/* --- daemon_sources.c --- */

void daemon_fill_sink(struct daemon *daemon);
/* 0, or negative errno with error (len bytes) filled; what was made until then is daemon_free_sources()'. */
int daemon_make_sources(struct daemon *daemon, const struct config *config, char *error,
			size_t len);
/* Does nothing to sources that are not there. */
void daemon_free_sources(struct daemon *daemon);
/* "cannot start WHAT on WHERE: reason" of errno; its negative value, -EINVAL if it is 0. */
int daemon_could_not(char *error, size_t len, const char *what, const char *where);

/* --- daemon_reload.c --- */

/* The file, whole and filled up, for config_free(); NULL with error (CONFIG_ERROR_LEN bytes) filled. */
struct config *daemon_read_config(const char *file, char *error);
/* Fills needs_attach. What attach left is the judge, whatever the configuration was before. */
void daemon_judge_attach(struct daemon *daemon, const struct config *config);
/* Read the file again and change what differs. 0, or negative errno: the last good one stays. message is for people. */
int daemon_reload(struct daemon *daemon, char *message, size_t len);
/*
 * This host's addresses may be others than those among its names: if they are, the names are taken anew. called: by which name Marathon
 * calls it, "" if an address that is away is not to be missed yet.
 */
void daemon_renew_names(struct daemon *daemon, const char *called);
/*
 * Are the names of the configuration in use all that there are? If only the resolver can tell, it is asked until it does, and the model
 * knows. 0, or negative errno with error filled.
 */
int daemon_ask_for_name(struct daemon *daemon, char *error, size_t len);

/* --- daemon_requests.c --- */

/* An admin_handler: JSON text for free(). ctx is the daemon. */
char *daemon_answer(void *ctx, int argc, char **argv);

#endif
