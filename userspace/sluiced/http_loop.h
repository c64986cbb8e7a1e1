/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * libcurl's multi interface on an event loop: watches the sockets that libcurl names, calls it when
 * it asks to be called, and says which handles are through. Knows easy handles; must not know
 * requests, answers or callers.
 *
 * turn() comes from the event loop, when libcurl has returned, so it may add and remove handles,
 * which libcurl refuses from inside its own callbacks.
 */
#ifndef SLUICED_HTTP_LOOP_H
#define SLUICED_HTTP_LOOP_H

#include <curl/curl.h>
#include <stdbool.h>

struct event;
struct event_base;

struct http_loop {
	struct event_base *base;
	CURLM *multi; /* NULL: there was no memory for it */
	struct event *timer;
	bool blind; /* see http_loop_is_blind() */
	void *ctx;
	void (*turn)(void *ctx);
};

/*
 * turn(ctx) follows each time that libcurl had something to do. 0 or -ENOMEM; release in both
 * cases.
 */
int http_loop_init(struct http_loop *loop, struct event_base *base, void (*turn)(void *ctx),
		   void *ctx);
/* All handles have been removed before. Accepts a zeroed structure. */
void http_loop_release(struct http_loop *loop);

/* The handle stays the caller's, who removes it before it cleans it up. 0 or -ENOMEM. */
int http_loop_add(struct http_loop *loop, CURL *easy);
void http_loop_remove(struct http_loop *loop, CURL *easy);

/* One handle that is through, not told before, and how it ended; NULL: there is none. */
CURL *http_loop_ended(struct http_loop *loop, CURLcode *result);

/*
 * There was no memory to watch a socket or to go on. Whose socket it is libcurl does not say: a
 * transfer that it carried may never end. Until http_loop_renew().
 */
bool http_loop_is_blind(const struct http_loop *loop);
/*
 * A new multi handle in place of the old one, from which all handles have been removed: libcurl
 * 7.88 divides by zero in one that lacked memory. Without memory http_loop_add() tries again.
 */
void http_loop_renew(struct http_loop *loop);

#endif
