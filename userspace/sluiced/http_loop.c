/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * See http_loop.h. libcurl's socket and timer callbacks become libevent's events, and these call
 * libcurl back.
 */
#include "http_loop.h"

#include <errno.h>

#include <event2/event.h>

/* --- from libevent --- */

/*
 * One that failed may have left a socket unwatched and no timer behind: its call would never end.
 */
static void act(struct http_loop *loop, curl_socket_t fd, int action)
{
	int running;

	if (curl_multi_socket_action(loop->multi, fd, action, &running) != CURLM_OK)
		loop->blind = true;
	loop->turn(loop->ctx);
}

static void on_socket_event(evutil_socket_t fd, short what, void *arg)
{
	int action = 0;

	if (what & EV_READ)
		action |= CURL_CSELECT_IN;
	if (what & EV_WRITE)
		action |= CURL_CSELECT_OUT;
	act(arg, fd, action);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	act(arg, CURL_SOCKET_TIMEOUT, 0);
}

/* --- from libcurl --- */

static int on_curl_timer(CURLM *multi, long timeout_ms, void *arg)
{
	struct http_loop *loop = arg;
	const struct timeval wait = { .tv_sec = timeout_ms / 1000,
				      .tv_usec = timeout_ms % 1000 * 1000 };

	(void)multi;
	if (timeout_ms < 0)
		evtimer_del(loop->timer);
	else
		evtimer_add(loop->timer, &wait);
	return 0;
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	struct http_loop *loop = arg;
	struct event *event = socket_arg;
	short flags = EV_PERSIST;

	(void)easy;
	if (event)
		event_free(event);
	if (what == CURL_POLL_REMOVE) {
		curl_multi_assign(loop->multi, fd, NULL);
		return 0;
	}
	if (what & CURL_POLL_IN)
		flags |= EV_READ;
	if (what & CURL_POLL_OUT)
		flags |= EV_WRITE;
	event = event_new(loop->base, fd, flags, on_socket_event, loop);
	curl_multi_assign(loop->multi, fd, event);
	/* an error from here would make libcurl refuse this handle for good */
	if (!event || event_add(event, NULL))
		loop->blind = true;
	return 0;
}

/* --- handles --- */

/* 0 or -ENOMEM; multi is NULL then. */
static int open_multi(struct http_loop *loop)
{
	loop->multi = curl_multi_init();
	if (!loop->multi)
		return -ENOMEM;
	curl_multi_setopt(loop->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
	curl_multi_setopt(loop->multi, CURLMOPT_SOCKETDATA, loop);
	curl_multi_setopt(loop->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
	curl_multi_setopt(loop->multi, CURLMOPT_TIMERDATA, loop);
	return 0;
}

int http_loop_init(struct http_loop *loop, struct event_base *base, void (*turn)(void *ctx),
		   void *ctx)
{
	*loop = (struct http_loop){ .base = base, .turn = turn, .ctx = ctx };
	loop->timer = evtimer_new(base, on_timer, loop);
	return loop->timer ? open_multi(loop) : -ENOMEM;
}

void http_loop_release(struct http_loop *loop)
{
	if (loop->multi)
		curl_multi_cleanup(loop->multi);
	if (loop->timer)
		event_free(loop->timer);
}

int http_loop_add(struct http_loop *loop, CURL *easy)
{
	if (!loop->multi && open_multi(loop))
		return -ENOMEM;
	return curl_multi_add_handle(loop->multi, easy) ? -ENOMEM : 0;
}

void http_loop_remove(struct http_loop *loop, CURL *easy)
{
	curl_multi_remove_handle(loop->multi, easy);
}

CURL *http_loop_ended(struct http_loop *loop, CURLcode *result)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(loop->multi, &left))) {
		if (message->msg != CURLMSG_DONE)
			continue;
		*result = message->data.result;
		return message->easy_handle;
	}
	return NULL;
}

bool http_loop_is_blind(const struct http_loop *loop)
{
	return loop->blind;
}

void http_loop_renew(struct http_loop *loop)
{
	curl_multi_cleanup(loop->multi);
	loop->blind = false;
	open_multi(loop);
}
