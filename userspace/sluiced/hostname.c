/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A question of <canonical.h> at a time, and the pause between two of them.
 */
#include "hostname.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "canonical.h"

#define AGAIN_S 10

struct hostname {
	struct event_base *base;
	char *name;
	bool (*answered)(void *ctx);
	void *ctx;
	struct event *again;
	struct event *reply; /* on the pipe's reading end; NULL: no question is under way */
	int fd;		     /* the reading end, or -1 */
};

static void end_question(struct hostname *hostname)
{
	if (hostname->reply)
		event_free(hostname->reply);
	hostname->reply = NULL;
	if (hostname->fd >= 0)
		close(hostname->fd);
	hostname->fd = -1;
}

static void wait_again(struct hostname *hostname)
{
	const struct timeval wait = { .tv_sec = AGAIN_S };

	event_add(hostname->again, &wait);
}

static void on_reply(evutil_socket_t fd, short what, void *ctx)
{
	struct hostname *hostname = ctx;
	bool known;

	(void)what;
	known = !canonical_answer(fd, NULL, 0);
	end_question(hostname);
	if (!known || !hostname->answered(hostname->ctx)) /* true: we may be freed */
		wait_again(hostname);
}

static int start_question(struct hostname *hostname)
{
	int fd = canonical_ask(hostname->name);

	if (fd < 0)
		return fd;
	hostname->fd = fd;
	hostname->reply = event_new(hostname->base, fd, EV_READ, on_reply, hostname);
	if (hostname->reply && !event_add(hostname->reply, NULL))
		return 0;
	end_question(hostname);
	return -ENOMEM;
}

static void on_again(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	if (start_question(ctx))
		wait_again(ctx);
}

struct hostname *hostname_new(struct event_base *base, const char *name,
			      bool (*answered)(void *ctx), void *ctx)
{
	struct hostname *hostname = calloc(1, sizeof(*hostname));
	const struct timeval now = { 0 };

	if (!hostname)
		return NULL;
	*hostname = (struct hostname){ .base = base, .answered = answered, .ctx = ctx, .fd = -1 };
	hostname->name = strdup(name);
	hostname->again = evtimer_new(base, on_again, hostname);
	if (!hostname->name || !hostname->again || event_add(hostname->again, &now)) {
		hostname_free(hostname);
		errno = ENOMEM;
		return NULL;
	}
	return hostname;
}

void hostname_free(struct hostname *hostname)
{
	if (!hostname)
		return;
	end_question(hostname);
	if (hostname->again)
		event_free(hostname->again);
	free(hostname->name);
	free(hostname);
}
