/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a listening socket does when no descriptor is left to accept with (EMFILE, ENFILE): the
 * socket stays readable, so without a pause the event loop would spin on it and log each round. The
 * listener is switched off for a second, one line is logged an episode. Knows nothing of what is
 * listened for.
 */
#ifndef SLUICED_LISTEN_PAUSE_H
#define SLUICED_LISTEN_PAUSE_H

#include <stdbool.h>

struct evconnlistener;
struct event_base;
struct listen_pause;

/*
 * Watch over listener from now on; name (borrowed) is for the log. NULL with errno set. Takes the
 * listener's error callback, leaves its others alone.
 */
struct listen_pause *listen_pause_new(struct event_base *base, struct evconnlistener *listener,
				      const char *name);
/* Before the listener is freed. Accepts NULL. */
void listen_pause_free(struct listen_pause *pause);

/* Is the listener switched off at the moment? */
bool listen_pause_is_on(const struct listen_pause *pause);

#endif
