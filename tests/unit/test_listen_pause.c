/* SPDX-License-Identifier: GPL-2.0-only */
/* A listener in a process that has no descriptor left: it rests, and goes on when there is one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "listen_pause.h"
#include "loop.h"

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *peer,
		      int len, void *arg)
{
	(void)listener;
	(void)peer;
	(void)len;
	++*(int *)arg;
	evutil_closesocket(fd);
}

static void rests_and_goes_on(void **state)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);
	struct event_base *base = event_base_new();
	struct event *end = loop_deadline(base);
	struct evconnlistener *listener;
	struct listen_pause *pause;
	struct rlimit before, none;
	int accepted = 0, client;

	(void)state;
	listener = evconnlistener_new_bind(base, on_accept, &accepted, LEV_OPT_CLOSE_ON_FREE, 8,
					   (struct sockaddr *)&address, sizeof(address));
	assert_non_null(listener);
	pause = listen_pause_new(base, listener, "test");
	assert_non_null(pause);
	assert_int_equal(
		getsockname(evconnlistener_get_fd(listener), (struct sockaddr *)&address, &len), 0);
	client = socket(AF_INET, SOCK_STREAM, 0);
	assert_true(client >= 0);
	assert_int_equal(connect(client, (struct sockaddr *)&address, len), 0);

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	while (!listen_pause_is_on(pause))
		event_base_loop(base, EVLOOP_ONCE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(accepted, 0);
	/* the connection waits, and the loop has nothing to do until the pause is over */
	event_base_loop(base, EVLOOP_NONBLOCK);
	assert_int_equal(accepted, 0);
	while (!accepted)
		event_base_loop(base, EVLOOP_ONCE);
	assert_false(listen_pause_is_on(pause));

	evutil_closesocket(client);
	listen_pause_free(pause);
	evconnlistener_free(listener);
	event_free(end);
	event_base_free(base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rests_and_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
