/* SPDX-License-Identifier: GPL-2.0-only */
/* Over libevent; whatever fails here fails the running test. */
#include "loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <event2/event.h>
#include <event2/http.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define DEADLINE_S 30

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	fail_msg("the event loop did not come to its end in %d s", DEADLINE_S);
}

struct event *loop_deadline(struct event_base *base)
{
	const struct timeval deadline = { .tv_sec = DEADLINE_S };
	struct event *event = evtimer_new(base, on_deadline, NULL);

	assert_non_null(event);
	assert_int_equal(evtimer_add(event, &deadline), 0);
	return event;
}

static uint16_t port_of(int fd)
{
	struct sockaddr_in address;
	socklen_t len = sizeof(address);

	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	return ntohs(address.sin_port);
}

struct evhttp *loop_serve(struct event_base *base,
			  void (*on_request)(struct evhttp_request *request, void *ctx), void *ctx,
			  uint16_t *port)
{
	struct evhttp *server = evhttp_new(base);
	struct evhttp_bound_socket *bound;

	assert_non_null(server);
	bound = evhttp_bind_socket_with_handle(server, "127.0.0.1", 0);
	assert_non_null(bound);
	evhttp_set_gencb(server, on_request, ctx);
	*port = port_of(evhttp_bound_socket_get_fd(bound));
	return server;
}

uint16_t loop_free_port(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	uint16_t port;

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	port = port_of(fd);
	evutil_closesocket(fd);
	return port;
}
