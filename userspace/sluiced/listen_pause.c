/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * See listen_pause.h. libevent gives an error callback the argument of the accept callback, which is
 * not ours (evhttp sets its own), so the pause is found by its listener in a list.
 */
#include "listen_pause.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "clock.h"
#include "log.h"

#define PAUSE_S 1
#define EPISODE_MS 60000 /* so long without an error is the end of the episode */

struct listen_pause {
	LIST_ENTRY(listen_pause) link;
	struct evconnlistener *listener;
	struct event *timer;
	const char *name;
	int64_t last_ms; /* 0: never */
};

static LIST_HEAD(, listen_pause) pauses = LIST_HEAD_INITIALIZER(pauses);

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct listen_pause *pause = arg;

	(void)fd;
	(void)what;
	evconnlistener_enable(pause->listener);
}

static void on_error(struct evconnlistener *listener, void *arg)
{
	const struct timeval wait = { .tv_sec = PAUSE_S };
	int err = EVUTIL_SOCKET_ERROR();
	struct listen_pause *pause;

	(void)arg;
	LIST_FOREACH(pause, &pauses, link)
	{
		if (pause->listener != listener)
			continue;
		if (!pause->last_ms || clock_ms() - pause->last_ms > EPISODE_MS)
			log_event(LOG_ERR, "accept-failed", "listener=%s error=\"%s\"", pause->name,
				  strerror(err));
		pause->last_ms = clock_ms();
		evconnlistener_disable(listener);
		evtimer_add(pause->timer, &wait);
		return;
	}
}

struct listen_pause *listen_pause_new(struct event_base *base, struct evconnlistener *listener,
				      const char *name)
{
	struct listen_pause *pause = calloc(1, sizeof(*pause));

	if (!pause)
		return NULL;
	pause->timer = evtimer_new(base, on_timer, pause);
	if (!pause->timer) {
		free(pause);
		errno = ENOMEM;
		return NULL;
	}
	pause->listener = listener;
	pause->name = name;
	LIST_INSERT_HEAD(&pauses, pause, link);
	evconnlistener_set_error_cb(listener, on_error);
	return pause;
}

void listen_pause_free(struct listen_pause *pause)
{
	if (!pause)
		return;
	evconnlistener_set_error_cb(pause->listener, NULL);
	LIST_REMOVE(pause, link);
	event_free(pause->timer);
	free(pause);
}

bool listen_pause_is_on(const struct listen_pause *pause)
{
	return evtimer_pending(pause->timer, NULL);
}
