/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Not on libevent's evhttp: where that lacks memory for a caller it frees what it has not finished making, and crashes
 * (2.1.12, evhttp_connection_base_bufferevent_new()). An answer goes out whole or not at all.
 */
#include "scrape.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "listen_at.h"
#include "listen_pause.h"

#define MAX_HEAD 8192
#define MAX_CALLERS 32
#define PATIENCE_S 10 /* for the whole call, however slowly it goes */
#define CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct caller {
	LIST_ENTRY(caller) link;
	struct scrape *scrape;
	struct bufferevent *stream;
	struct event *deadline;
	bool answered; /* what still comes is thrown away, so that the answer is not lost by a reset */
	bool half_closed; /* nothing comes any more, and the answer is not out yet */
};

struct scrape {
	struct evconnlistener *listener;
	struct listen_pause *pause;
	LIST_HEAD(, caller) callers;
	unsigned caller_count;
	const char *path;
	scrape_write write;
	void *ctx;
};

static void end_caller(struct caller *caller)
{
	caller->scrape->caller_count--;
	LIST_REMOVE(caller, link);
	if (caller->deadline)
		event_free(caller->deadline);
	bufferevent_free(caller->stream);
	free(caller);
}

/* --- answering --- */

/* page is emptied. With head_only its length is told, and nothing of it. */
static int send_answer(struct caller *caller, const char *status, struct evbuffer *page,
		       bool head_only)
{
	struct evbuffer *whole = evbuffer_new();
	int err = whole ? 0 : -ENOMEM;

	if (!err &&
	    evbuffer_add_printf(whole,
				"HTTP/1.1 %s\r\nContent-Type: " CONTENT_TYPE
				"\r\nContent-Length: %zu\r\n%sConnection: close\r\n\r\n",
				status, evbuffer_get_length(page),
				strncmp(status, "405", 3) ? "" : "Allow: GET, HEAD\r\n") < 0)
		err = -ENOMEM;
	if (!err && !head_only && evbuffer_add_buffer(whole, page))
		err = -ENOMEM;
	/* where it lacked memory for a callback of its own, libevent 2.1 begins no writing by itself */
	if (!err && (evbuffer_add_buffer(bufferevent_get_output(caller->stream), whole) ||
		     bufferevent_enable(caller->stream, EV_WRITE)))
		err = -ENOMEM;
	if (whole)
		evbuffer_free(whole);
	return err;
}

/* What the request line is answered with; NULL: the page. */
static const char *judge(const struct caller *caller, const char *line, bool *head_only)
{
	const char *path = strchr(line, ' '), *version = strrchr(line, ' ');
	size_t len = strlen(caller->scrape->path);

	if (!path || path == version || strncmp(version, " HTTP/1.", 8) != 0)
		return "400 Bad Request";
	*head_only = !strncmp(line, "HEAD ", 5);
	if (!*head_only && strncmp(line, "GET ", 4) != 0)
		return "405 Method Not Allowed";
	path++;
	if (strncmp(path, caller->scrape->path, len) != 0 || !strchr(" ?", path[len]))
		return "404 Not Found";
	return NULL;
}

/* The caller may be gone afterwards. line NULL: there was no memory for it. */
static void answer(struct caller *caller, const char *line, const char *status)
{
	struct scrape *scrape = caller->scrape;
	struct evbuffer *page = evbuffer_new();
	bool head_only = false;
	int err = page && line ? 0 : -ENOMEM;

	caller->answered = true;
	if (!err && !status)
		status = judge(caller, line, &head_only);
	if (!err && !status)
		err = scrape->write(scrape->ctx, page);
	if (err && page)
		evbuffer_drain(page, evbuffer_get_length(page));
	if (err)
		status = "500 Internal Server Error";
	err = page ? send_answer(caller, status ? status : "200 OK", page, head_only) : -ENOMEM;
	if (page)
		evbuffer_free(page);
	if (err)
		end_caller(caller);
}

static void on_read(struct bufferevent *stream, void *arg)
{
	struct evbuffer *input = bufferevent_get_input(stream);
	struct caller *caller = arg;
	char *line;

	if (caller->answered) {
		evbuffer_drain(input, evbuffer_get_length(input));
		return;
	}
	if (evbuffer_search(input, "\r\n\r\n", 4, NULL).pos < 0) {
		if (evbuffer_get_length(input) >= MAX_HEAD)
			answer(caller, "", "431 Request Header Fields Too Large");
		return;
	}
	line = evbuffer_readln(input, NULL, EVBUFFER_EOL_CRLF);
	evbuffer_drain(input, evbuffer_get_length(input));
	answer(caller, line, NULL);
	free(line);
}

/* The answer is on its way: now the caller is to close. */
static void on_written(struct bufferevent *stream, void *arg)
{
	struct caller *caller = arg;

	if (caller->half_closed)
		end_caller(caller);
	else if (caller->answered)
		shutdown(bufferevent_getfd(stream), SHUT_WR);
}

static void on_event(struct bufferevent *stream, short what, void *arg)
{
	struct caller *caller = arg;

	/* who half-closes after the request is still sent the answer: on_written() ends the call */
	if ((what & BEV_EVENT_EOF) && caller->answered &&
	    evbuffer_get_length(bufferevent_get_output(stream)))
		caller->half_closed = true;
	else
		end_caller(caller);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	end_caller(arg);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *from,
		      int len, void *arg)
{
	const struct timeval patience = { .tv_sec = PATIENCE_S };
	struct scrape *scrape = arg;
	struct caller *caller = NULL;

	(void)from;
	(void)len;
	if (scrape->caller_count < MAX_CALLERS)
		caller = calloc(1, sizeof(*caller));
	if (caller)
		caller->stream = bufferevent_socket_new(evconnlistener_get_base(listener), fd,
							BEV_OPT_CLOSE_ON_FREE);
	if (!caller || !caller->stream) {
		free(caller);
		evutil_closesocket(fd);
		return;
	}
	caller->scrape = scrape;
	scrape->caller_count++;
	LIST_INSERT_HEAD(&scrape->callers, caller, link);
	bufferevent_setcb(caller->stream, on_read, on_written, on_event, caller);
	caller->deadline = evtimer_new(evconnlistener_get_base(listener), on_deadline, caller);
	if (!caller->deadline || evtimer_add(caller->deadline, &patience) ||
	    bufferevent_enable(caller->stream, EV_READ | EV_WRITE))
		end_caller(caller);
}

/* --- life --- */

static int listen_on(struct scrape *scrape, struct event_base *base, const char *at)
{
	int fd = listen_at(at);

	if (fd < 0)
		return fd;
	scrape->listener = evconnlistener_new(base, on_accept, scrape,
					      LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
	if (!scrape->listener) {
		evutil_closesocket(fd);
		return -ENOMEM;
	}
	scrape->pause = listen_pause_new(base, scrape->listener, "metrics");
	return scrape->pause ? 0 : -ENOMEM;
}

struct scrape *scrape_new(struct event_base *base, const char *listen, const char *path,
			  scrape_write write, void *ctx)
{
	struct scrape *scrape = calloc(1, sizeof(*scrape));
	int err;

	if (!scrape)
		return NULL;
	LIST_INIT(&scrape->callers);
	scrape->path = path;
	scrape->write = write;
	scrape->ctx = ctx;
	err = listen_on(scrape, base, listen);
	if (!err)
		return scrape;
	scrape_free(scrape);
	errno = -err;
	return NULL;
}

void scrape_free(struct scrape *scrape)
{
	if (!scrape)
		return;
	while (!LIST_EMPTY(&scrape->callers))
		end_caller(LIST_FIRST(&scrape->callers));
	listen_pause_free(scrape->pause);
	if (scrape->listener)
		evconnlistener_free(scrape->listener);
	free(scrape);
}
