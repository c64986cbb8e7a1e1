/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The callback server on libevent's evhttp, see callback.h. Marathon waits for the answer and stops
 * calling a slow receiver for a while, so the answer goes out first: the body is put into a queue
 * that the next round of the event loop works off.
 */
#include "callback.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "clock.h"
#include "config.h"
#include "hint.h"
#include "pace.h"

#define MAX_HEADER_BYTES 8192
#define MAX_QUEUED 1000
#define MAX_QUEUED_BYTES (16u << 20)
#define IDLE_S 10

struct queued {
	STAILQ_ENTRY(queued) link;
	size_t len;
	char bytes[];
};

struct callback {
	const struct config *config;
	struct callback_handler handler;
	struct evhttp *server;
	struct event *drain;
	struct pace pace;
	STAILQ_HEAD(, queued) queue;
	unsigned queued;
	size_t queued_bytes;
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

/* false: no room. */
static bool enqueue(struct callback *callback, struct evbuffer *body)
{
	size_t len = evbuffer_get_length(body);
	struct queued *queued;

	if (callback->queued >= MAX_QUEUED || len > MAX_QUEUED_BYTES - callback->queued_bytes)
		return false;
	queued = malloc(sizeof(*queued) + len);
	if (!queued)
		return false;
	queued->len = len;
	evbuffer_copyout(body, queued->bytes, len);
	STAILQ_INSERT_TAIL(&callback->queue, queued, link);
	callback->queued++;
	callback->queued_bytes += len;
	drain_later(callback);
	return true;
}

static void lose(struct callback *callback)
{
	callback->lost = true;
	drain_later(callback);
}

static void on_request(struct evhttp_request *request, void *arg)
{
	struct callback *callback = arg;
	const struct sockaddr *peer =
		evhttp_connection_get_addr(evhttp_request_get_connection(request));

	if (!peer || !may_call(callback, peer)) {
		evhttp_send_error(request, 403, "Forbidden");
		return;
	}
	if (evhttp_request_get_command(request) != EVHTTP_REQ_POST) {
		evhttp_add_header(evhttp_request_get_output_headers(request), "Allow", "POST");
		evhttp_send_reply(request, 405, "Method Not Allowed", NULL);
		return;
	}
	if (!pace_try(&callback->pace, clock_ms()) ||
	    !enqueue(callback, evhttp_request_get_input_buffer(request))) {
		lose(callback);
		evhttp_send_error(request, 503, "Service Unavailable");
		return;
	}
	evhttp_send_reply(request, 200, "OK", NULL);
}

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
	callback->queued_bytes -= queued->len;
	if (!STAILQ_EMPTY(&callback->queue))
		drain_later(callback);
	callback->handler.event(callback->handler.ctx, queued->bytes, queued->len);
	free(queued);
}

static int listen_on(struct callback *callback)
{
	struct sockaddr_storage address = {};
	const int on = 1;
	int len = sizeof(address), fd, err;

	if (evutil_parse_sockaddr_port(callback->config->callback_listen,
				       (struct sockaddr *)&address, &len))
		return -EINVAL;
	fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&address, len) || listen(fd, 128)) {
		err = -errno;
		evutil_closesocket(fd);
		return err;
	}
	if (evhttp_accept_socket(callback->server, fd)) {
		evutil_closesocket(fd);
		return -ENOMEM;
	}
	return 0;
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
	callback->server = evhttp_new(base);
	callback->drain = evtimer_new(base, on_drain, callback);
	if (!callback->server || !callback->drain)
		goto fail;
	evhttp_set_max_headers_size(callback->server, MAX_HEADER_BYTES);
	evhttp_set_max_body_size(callback->server, HINT_MAX_BYTES);
	evhttp_set_timeout(callback->server, IDLE_S);
	/* all of them, so that others than POST get our 405 and not evhttp's 501 */
	evhttp_set_allowed_methods(
		callback->server, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD |
					  EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS |
					  EVHTTP_REQ_TRACE | EVHTTP_REQ_CONNECT | EVHTTP_REQ_PATCH);
	evhttp_set_gencb(callback->server, on_request, callback);
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
	if (callback->server)
		evhttp_free(callback->server);
	if (callback->drain)
		event_free(callback->drain);
	while ((queued = STAILQ_FIRST(&callback->queue))) {
		STAILQ_REMOVE_HEAD(&callback->queue, link);
		free(queued);
	}
	free(callback);
}
