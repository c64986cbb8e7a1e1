/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The callback server, see callback.h. Not on libevent's evhttp: that shows a caller's address only
 * when the whole body is in memory, and bounds neither connections nor their sum. So this speaks
 * the little of HTTP/1.1 that a callback needs: one request a connection, a body of a said length.
 * Everything is bounded before it is read: who calls, how many, how long, how much in sum.
 *
 * Marathon waits for the answer and stops calling a slow receiver for a while, so the answer goes
 * out first: the body is put into a queue that the next round of the event loop works off.
 */
#include "callback.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "callback_head.h"
#include "clock.h"
#include "config.h"
#include "listen_at.h"
#include "listen_pause.h"
#include "pace.h"

#define MAX_HEADER_BYTES 8192
#define MAX_QUEUED 1000
#define MAX_BODY_BYTES (16u << 20) /* of all bodies, those on their way included */
#define MAX_CALLERS 32
#define MAX_STRANGERS 8 /* that are told why before they are let go */
#define CALL_MS 10000	/* a whole call, from accept to close */
#define STRANGER_MS 1000
#define ANSWER_BYTES 256 /* the longest is shorter */

/* A connection: its request's head is read, then its body; then it is answered and let go. */
struct call {
	LIST_ENTRY(call) link;
	struct callback *callback;
	struct bufferevent *stream;
	struct event *deadline;
	bool stranger;
	bool has_head;
	bool answered; /* what still comes is thrown away, so that the answer is not lost by a reset */
	size_t len;    /* of the body; counted in body_bytes until it is answered */
};

struct queued {
	STAILQ_ENTRY(queued) link;
	size_t len;
	char bytes[];
};

struct callback {
	const struct config *config;
	struct callback_handler handler;
	struct event_base *base;
	struct evconnlistener *listener;
	struct listen_pause *pause;
	LIST_HEAD(, call) calls;
	unsigned callers, strangers;
	struct event *drain;
	struct pace pace;
	STAILQ_HEAD(, queued) queue;
	unsigned queued;
	size_t body_bytes; /* queued and promised */
	bool lost;
};

static bool may_call(const struct callback *callback, const struct sockaddr *peer)
{
	__be32 address;

	if (peer->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)peer;

		address = in->sin_addr.s_addr;
	} else if (peer->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)peer;

		/* a dual-stack socket shows IPv4 callers so; the list is of IPv4 networks */
		if (!IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
			return false;
		memcpy(&address, &in6->sin6_addr.s6_addr[12], sizeof(address));
	} else {
		return false;
	}
	for (unsigned i = 0; i < callback->config->callback_from_count; i++) {
		const struct config_network *from = &callback->config->callback_from[i];
		uint32_t mask = from->prefix_len ? UINT32_MAX << (32 - from->prefix_len) : 0;

		if ((ntohl(address) & mask) == ntohl(from->address))
			return true;
	}
	return false;
}

static void drain_later(struct callback *callback)
{
	const struct timeval now = {};

	if (!evtimer_pending(callback->drain, NULL))
		evtimer_add(callback->drain, &now);
}

/* false: no room. The room for the body has been taken before. */
static bool enqueue(struct callback *callback, struct evbuffer *body, size_t len)
{
	struct queued *queued;

	if (callback->queued >= MAX_QUEUED)
		return false;
	queued = malloc(sizeof(*queued) + len);
	if (!queued)
		return false;
	queued->len = len;
	evbuffer_copyout(body, queued->bytes, len);
	STAILQ_INSERT_TAIL(&callback->queue, queued, link);
	callback->queued++;
	drain_later(callback);
	return true;
}

static void lose(struct callback *callback)
{
	callback->lost = true;
	drain_later(callback);
}

/* --- one call --- */

static void end_call(struct call *call)
{
	struct callback *callback = call->callback;

	callback->body_bytes -= call->len;
	--*(call->stranger ? &callback->strangers : &callback->callers);
	LIST_REMOVE(call, link);
	if (call->deadline)
		event_free(call->deadline);
	bufferevent_free(call->stream);
	free(call);
}

/* An event that is not taken is missing, whatever was wrong with it; what is no POST is no event. */
static void reply(struct call *call, const char *status)
{
	struct evbuffer *output = bufferevent_get_output(call->stream);

	if (!call->stranger && status[0] != '2' && strncmp(status, "405", 3) != 0)
		lose(call->callback);
	call->answered = true;
	call->callback->body_bytes -= call->len;
	call->len = 0;
	evbuffer_drain(bufferevent_get_input(call->stream), SIZE_MAX);
	bufferevent_setwatermark(call->stream, EV_READ, 0, 0);
	evbuffer_add_printf(output,
			    "HTTP/1.1 %s\r\nContent-Length: 0\r\n%sConnection: close\r\n\r\n",
			    status, strncmp(status, "405", 3) == 0 ? "Allow: POST\r\n" : "");
	/*
	 * where it lacked memory for a callback of its own, libevent 2.1 begins no writing by
	 * itself
	 */
	bufferevent_enable(call->stream, EV_WRITE);
}

static void refuse_for_now(struct call *call)
{
	reply(call, CALLBACK_HEAD_BUSY);
}

static void take_body(struct call *call)
{
	struct callback *callback = call->callback;
	struct evbuffer *input = bufferevent_get_input(call->stream);

	if (evbuffer_get_length(input) < call->len)
		return;
	if (!pace_try(&callback->pace, clock_ms()) || !enqueue(callback, input, call->len)) {
		refuse_for_now(call);
		return;
	}
	call->len = 0; /* the queue's now */
	reply(call, "200 OK");
}

static void take_head(struct call *call)
{
	struct callback *callback = call->callback;
	struct callback_head head;
	const char *status = callback_head_read(bufferevent_get_input(call->stream), &head);

	call->has_head = true;
	if (status) {
		reply(call, status);
		return;
	}
	if (head.len > MAX_BODY_BYTES - callback->body_bytes) {
		refuse_for_now(call);
		return;
	}
	call->len = head.len;
	callback->body_bytes += head.len;
	/* no high mark: libevent crashes if it lacks the memory; one read past the end is bounded */
	bufferevent_setwatermark(call->stream, EV_READ, head.len, 0);
	if (head.waits)
		evbuffer_add_printf(bufferevent_get_output(call->stream),
				    "HTTP/1.1 100 Continue\r\n\r\n");
	take_body(call);
}

static void on_read(struct bufferevent *stream, void *arg)
{
	struct evbuffer *input = bufferevent_get_input(stream);
	struct call *call = arg;

	if (call->answered) {
		evbuffer_drain(input, SIZE_MAX);
	} else if (call->has_head) {
		take_body(call);
	} else if (evbuffer_search(input, "\r\n\r\n", 4, NULL).pos >= 0) {
		take_head(call);
	} else if (evbuffer_get_length(input) >= MAX_HEADER_BYTES) {
		reply(call, "431 Request Header Fields Too Large");
	}
}

/* The answer is on its way: now the caller is to close. */
static void on_written(struct bufferevent *stream, void *arg)
{
	struct call *call = arg;

	if (call->answered)
		shutdown(bufferevent_getfd(stream), SHUT_WR);
}

/* A call ends before its event was taken. One that said nothing may have had none: something that looks for open ports. */
static void note_unanswered(struct call *call)
{
	struct evbuffer *input = bufferevent_get_input(call->stream);

	if (!call->answered && (call->has_head || evbuffer_get_length(input)))
		lose(call->callback);
}

static void on_event(struct bufferevent *stream, short what, void *arg)
{
	struct call *call = arg;

	(void)stream;
	if ((what & BEV_EVENT_ERROR) && errno == ENOMEM && !call->answered) /* in reading */
		lose(call->callback);
	note_unanswered(call);
	end_call(call);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct call *call = arg;

	(void)fd;
	(void)what;
	note_unanswered(call);
	end_call(call);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *peer,
		      int len, void *arg)
{
	struct callback *callback = arg;
	const bool stranger = !may_call(callback, peer);
	unsigned call_ms = callback->handler.call_ms ? callback->handler.call_ms : CALL_MS;
	unsigned ms = stranger ? STRANGER_MS : call_ms;
	const struct timeval patience = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };
	unsigned *count = stranger ? &callback->strangers : &callback->callers;
	struct call *call = NULL;

	(void)listener;
	(void)len;
	if (*count < (stranger ? MAX_STRANGERS : MAX_CALLERS))
		call = calloc(1, sizeof(*call));
	if (call)
		call->stream = bufferevent_socket_new(callback->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!call || !call->stream) {
		free(call);
		evutil_closesocket(fd);
		if (!stranger)
			lose(callback);
		return;
	}
	call->callback = callback;
	call->stranger = stranger;
	++*count;
	LIST_INSERT_HEAD(&callback->calls, call, link);
	bufferevent_setcb(call->stream, on_read, on_written, on_event, call);
	call->deadline = evtimer_new(callback->base, on_deadline, call);
	/* room for the answer, so that an event which is taken can be said to be */
	if (!call->deadline || evtimer_add(call->deadline, &patience) ||
	    evbuffer_expand(bufferevent_get_output(call->stream), ANSWER_BYTES) ||
	    bufferevent_enable(call->stream, EV_READ | EV_WRITE)) {
		end_call(call);
		if (!stranger)
			lose(callback);
		return;
	}
	if (stranger)
		reply(call, "403 Forbidden");
}

/* --- the queue --- */

/* One event a round, so that a burst does not hold up the rest of the daemon. */
static void on_drain(evutil_socket_t fd, short what, void *arg)
{
	struct callback *callback = arg;
	struct queued *queued = STAILQ_FIRST(&callback->queue);

	(void)fd;
	(void)what;
	if (callback->lost) {
		callback->lost = false;
		callback->handler.lost(callback->handler.ctx);
	}
	if (!queued)
		return;
	STAILQ_REMOVE_HEAD(&callback->queue, link);
	callback->queued--;
	callback->body_bytes -= queued->len;
	if (!STAILQ_EMPTY(&callback->queue))
		drain_later(callback);
	callback->handler.event(callback->handler.ctx, queued->bytes, queued->len);
	free(queued);
}

static int listen_on(struct callback *callback)
{
	int fd = listen_at(callback->config->callback_listen);

	if (fd < 0)
		return fd;
	callback->listener = evconnlistener_new(callback->base, on_accept, callback,
						LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0,
						fd);
	if (!callback->listener) {
		evutil_closesocket(fd);
		return -ENOMEM;
	}
	callback->pause = listen_pause_new(callback->base, callback->listener, "callback");
	return callback->pause ? 0 : -ENOMEM;
}

struct callback *callback_new(struct event_base *base, const struct config *config,
			      const struct callback_handler *handler)
{
	struct callback *callback = calloc(1, sizeof(*callback));
	int err = -ENOMEM;

	if (!callback)
		return NULL;
	callback->config = config;
	callback->handler = *handler;
	callback->pace = (struct pace){ .interval_ms = 5, .burst = 500 };
	STAILQ_INIT(&callback->queue);
	LIST_INIT(&callback->calls);
	callback->base = base;
	callback->drain = evtimer_new(base, on_drain, callback);
	if (!callback->drain)
		goto fail;
	err = listen_on(callback);
	if (err)
		goto fail;
	return callback;
fail:
	callback_free(callback);
	errno = -err;
	return NULL;
}

void callback_free(struct callback *callback)
{
	struct queued *queued;

	if (!callback)
		return;
	while (!LIST_EMPTY(&callback->calls))
		end_call(LIST_FIRST(&callback->calls));
	listen_pause_free(callback->pause);
	if (callback->listener)
		evconnlistener_free(callback->listener);
	if (callback->drain)
		event_free(callback->drain);
	while ((queued = STAILQ_FIRST(&callback->queue))) {
		STAILQ_REMOVE_HEAD(&callback->queue, link);
		free(queued);
	}
	free(callback);
}
