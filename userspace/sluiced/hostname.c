/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * getaddrinfo() in a thread of its own, since it may take half a minute to fail. The thread shares nothing with the loop but a pipe, whose
 * writing end it owns.
 */
#include "hostname.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

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

struct question {
	int fd;
	char name[]; /* with its 0 */
};

static void *ask(void *arg)
{
	struct question *question = arg;
	const struct addrinfo hints = { .ai_family = AF_UNSPEC,
					.ai_socktype = SOCK_STREAM,
					.ai_flags = AI_CANONNAME };
	struct addrinfo *found = NULL;
	int err = getaddrinfo(question->name, NULL, &hints, &found);
	char known = !err || err == EAI_NONAME || err == EAI_NODATA;

	if (found)
		freeaddrinfo(found);
	/* if nobody reads any more, nobody needs it */
	while (write(question->fd, &known, 1) < 0 && errno == EINTR)
		;
	close(question->fd);
	free(question);
	return NULL;
}

/* Signals are the loop's. */
static int start_thread(struct question *question)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	pthread_t thread;
	int err;

	err = pthread_attr_init(&attributes);
	if (err)
		return -err;
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&thread, &attributes, ask, question);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return -err;
}

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
	char known = 0;

	(void)what;
	if (read(fd, &known, 1) != 1)
		known = 0;
	end_question(hostname);
	if (!known || !hostname->answered(hostname->ctx)) /* true: we may be freed */
		wait_again(hostname);
}

static int start_question(struct hostname *hostname)
{
	size_t len = strlen(hostname->name) + 1;
	struct question *question;
	int ends[2], err;

	question = malloc(sizeof(*question) + len);
	if (!question)
		return -ENOMEM;
	memcpy(question->name, hostname->name, len);
	if (pipe2(ends, O_CLOEXEC)) {
		err = -errno;
		free(question);
		return err;
	}
	hostname->fd = ends[0];
	question->fd = ends[1];
	hostname->reply = event_new(hostname->base, ends[0], EV_READ, on_reply, hostname);
	err = hostname->reply && !event_add(hostname->reply, NULL) ? start_thread(question)
								   : -ENOMEM;
	if (err) {
		end_question(hostname);
		close(ends[1]);
		free(question);
	}
	return err;
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
