/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The HTTP client against a server that says exactly what the test wants: sockets on loopback, one
 * event loop, no threads. A loop that does not come to its end is stopped after a generous time and
 * fails the test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "http.h"
#include "loop.h"

/* --- a server with one answer for everybody --- */

struct world {
	struct event_base *base;
	struct evconnlistener *listener;
	struct http *http;
	struct event *deadline;
	const char *answer; /* sent after the request's head; then closed if close is set */
	bool close;
	struct bufferevent *open; /* a connection that is not closed by us */
	char url[64];
	char request[4096]; /* the last head */
	struct http_call *call;
	int opened, done;
	long status;
	char error[200], body[256], data[256], header[64];
};

static void on_sent(struct bufferevent *connection, void *arg)
{
	struct world *world = arg;

	if (world->close)
		bufferevent_free(connection);
}

static void on_read(struct bufferevent *connection, void *arg)
{
	struct world *world = arg;
	struct evbuffer *input = bufferevent_get_input(connection);
	size_t len = evbuffer_get_length(input);

	assert_true(len < sizeof(world->request));
	evbuffer_remove(input, world->request, len);
	world->request[len] = '\0';
	bufferevent_setcb(connection, NULL, on_sent, NULL, world);
	bufferevent_write(connection, world->answer, strlen(world->answer));
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *peer,
		      int len, void *arg)
{
	struct world *world = arg;
	struct bufferevent *connection =
		bufferevent_socket_new(world->base, fd, BEV_OPT_CLOSE_ON_FREE);

	(void)listener;
	(void)peer;
	(void)len;
	if (!world->close) {
		assert_null(world->open);
		world->open = connection;
	}
	bufferevent_setcb(connection, on_read, NULL, NULL, world);
	bufferevent_enable(connection, EV_READ | EV_WRITE);
}

static void open_world(struct world *world)
{
	memset(world, 0, sizeof(*world));
	world->base = event_base_new();
	world->http = http_new(world->base);
	world->deadline = loop_deadline(world->base);
	assert_non_null(world->http);
}

static void serve(struct world *world, const char *answer, bool close)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);

	world->answer = answer;
	world->close = close;
	world->listener = evconnlistener_new_bind(world->base, on_accept, world,
						  LEV_OPT_CLOSE_ON_FREE, -1,
						  (struct sockaddr *)&address, sizeof(address));
	assert_non_null(world->listener);
	getsockname(evconnlistener_get_fd(world->listener), (struct sockaddr *)&address, &len);
	snprintf(world->url, sizeof(world->url), "http://127.0.0.1:%u/path",
		 ntohs(address.sin_port));
}

static void close_world(struct world *world)
{
	http_free(world->http);
	if (world->open)
		bufferevent_free(world->open);
	if (world->listener)
		evconnlistener_free(world->listener);
	event_free(world->deadline);
	event_base_free(world->base);
}

static void on_done(void *ctx, const struct http_answer *answer)
{
	struct world *world = ctx;
	const char *header = http_header(answer, "x-test");

	world->done++;
	world->status = answer->status;
	assert_int_equal(strlen(answer->body), answer->body_len);
	snprintf(world->error, sizeof(world->error), "%s", answer->error);
	snprintf(world->body, sizeof(world->body), "%s", answer->body);
	snprintf(world->header, sizeof(world->header), "%s", header ? header : "");
	event_base_loopbreak(world->base);
}

static struct http_request request_of(struct world *world)
{
	return (struct http_request){ .method = "GET",
				      .url = world->url,
				      .max_bytes = 100,
				      .connect_ms = 5000,
				      .total_ms = 20000,
				      .ctx = world,
				      .done = on_done };
}

static void run(struct world *world, const struct http_request *request)
{
	world->call = http_start(world->http, request);
	assert_non_null(world->call);
	assert_int_equal(world->done, 0); /* never from inside */
	event_base_dispatch(world->base);
	assert_int_equal(world->done, 1);
}

static void an_answer(void **state)
{
	struct world world;
	struct http_request request;

	(void)state;
	open_world(&world);
	serve(&world,
	      "HTTP/1.1 200 OK\r\nX-Test: yes\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
	      true);
	request = request_of(&world);
	request.user = "me:secret";
	request.headers[0] = "Accept: application/json";
	run(&world, &request);
	assert_int_equal(world.status, 200);
	assert_string_equal(world.body, "abc");
	assert_string_equal(world.header, "yes");
	assert_string_equal(world.error, "");
	assert_non_null(strstr(world.request, "GET /path HTTP/1.1\r\n"));
	assert_non_null(strstr(world.request, "Accept: application/json\r\n"));
	assert_non_null(strstr(world.request, "Authorization: Basic bWU6c2VjcmV0\r\n"));
	assert_null(strstr(world.request, "Accept-Encoding"));
	close_world(&world);
}

static void not_followed_not_proxied(void **state)
{
	struct world world;
	struct http_request request;

	(void)state;
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	open_world(&world);
	serve(&world,
	      "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
	      true);
	request = request_of(&world);
	run(&world, &request);
	assert_int_equal(world.status, 302);
	assert_string_equal(world.error, "");
	close_world(&world);
	unsetenv("http_proxy");
}

/* A server that says in headers and in what curl reports what it was sent. */
static void secrets_that_come_back_are_hidden(void **state)
{
	struct world world;
	struct http_request request;
	char url[80];

	(void)state;
	open_world(&world);
	serve(&world,
	      "HTTP/1.1 302 Found\r\nX-Test: http://me:sesame@h/bWU6c2VzYW1l\r\nContent-Length: 6\r\n\r\nsesame",
	      true);
	request = request_of(&world);
	request.user = "me:sesame";
	run(&world, &request);
	assert_int_equal(world.status, 302);
	assert_string_equal(world.header, "http://me:******@h/************");
	assert_string_equal(world.body, "******");
	close_world(&world);
	open_world(&world);
	request = request_of(&world);
	serve(&world, "no TLS", false); /* the client leaves before it has said anything */
	snprintf(url, sizeof(url), "https%.70s", world.url + strlen("http"));
	request.url = url;
	request.user = "me:sesame";
	request.ca_file = "/nonexistent/sesame.pem";
	run(&world, &request);
	assert_int_equal(world.status, 0);
	assert_non_null(strstr(world.error, "(ca_file: /nonexistent/******.pem)"));
	assert_null(strstr(world.error, "sesame"));
	close_world(&world);
}

static void bad_answers(void **state)
{
	static const char *const rows[][2] = {
		{ "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf", "remaining" },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf",
		  "transfer closed" },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "chunk" },
		{ "HTTP/1.1 200 OK\r\n\r\n"
		  "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789x",
		  "larger than 100 bytes" },
		{ "nonsense\r\n\r\n", "HTTP/0.9" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct world world;
		struct http_request request;

		open_world(&world);
		serve(&world, rows[i][0], true);
		request = request_of(&world);
		run(&world, &request);
		if (!strstr(world.error, rows[i][1]))
			fail_msg("\"%s\" does not say \"%s\"", world.error, rows[i][1]);
		close_world(&world);
	}
}

static void nobody_listens(void **state)
{
	struct world world;
	struct http_request request;

	(void)state;
	open_world(&world);
	snprintf(world.url, sizeof(world.url), "http://127.0.0.1:%u/", loop_free_port());
	request = request_of(&world);
	run(&world, &request);
	assert_int_equal(world.status, 0);
	assert_non_null(strstr(world.error, "onnect"));
	close_world(&world);
}

static void only_http(void **state)
{
	struct world world;
	struct http_request request;

	(void)state;
	open_world(&world);
	snprintf(world.url, sizeof(world.url), "file:///etc/hostname");
	request = request_of(&world);
	run(&world, &request);
	assert_true(world.error[0]);
	assert_string_equal(world.body, "");
	close_world(&world);
}

/* --- streams --- */

static void on_opened(void *ctx, const struct http_answer *answer)
{
	struct world *world = ctx;

	assert_int_equal(answer->status, 200);
	assert_int_equal(strlen(world->data), 0);
	world->opened++;
}

static void on_data(void *ctx, const char *bytes, size_t len)
{
	struct world *world = ctx;

	assert_int_equal(world->opened, 1);
	strncat(world->data, bytes, len);
}

static struct http_request stream_of(struct world *world)
{
	struct http_request request = request_of(world);

	request.max_bytes = 0;
	request.total_ms = 0;
	request.opened = on_opened;
	request.data = on_data;
	return request;
}

static void a_stream(void **state)
{
	struct world world;
	struct http_request request;

	(void)state;
	open_world(&world);
	serve(&world, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: x\r\n\r\n",
	      true);
	request = stream_of(&world);
	run(&world, &request);
	assert_int_equal(world.opened, 1);
	assert_string_equal(world.data, "data: x\r\n\r\n");
	assert_string_equal(world.body, "");
	assert_string_equal(world.error, "");
	close_world(&world);
}

static void a_refused_stream(void **state)
{
	struct world world;
	struct http_request request;

	(void)state;
	open_world(&world);
	serve(&world, "HTTP/1.1 405 No\r\nContent-Length: 4\r\n\r\nwhy?", true);
	request = stream_of(&world);
	run(&world, &request);
	assert_int_equal(world.opened, 0);
	assert_int_equal(world.status, 405);
	assert_string_equal(world.body, "why?");
	close_world(&world);
}

static void a_silent_stream(void **state)
{
	struct world world;
	struct http_request request;

	(void)state;
	open_world(&world);
	serve(&world, "HTTP/1.1 200 OK\r\n\r\nx", false);
	request = stream_of(&world);
	request.idle_ms = 1000;
	run(&world, &request);
	assert_string_equal(world.data, "x");
	assert_string_equal(world.error, "silent for 1 s");
	close_world(&world);
}

static void on_opened_cancel(void *ctx, const struct http_answer *answer)
{
	struct world *world = ctx;

	(void)answer;
	world->opened++;
	http_cancel(world->call);
	event_base_loopbreak(world->base);
}

static void cancelled_from_its_own_callback(void **state)
{
	struct world world;
	struct http_request request;

	(void)state;
	open_world(&world);
	serve(&world, "HTTP/1.1 200 OK\r\n\r\nx", false);
	request = stream_of(&world);
	request.opened = on_opened_cancel;
	world.call = http_start(world.http, &request);
	event_base_dispatch(world.base);
	assert_int_equal(world.opened, 1);
	assert_int_equal(world.done, 0);
	assert_string_equal(world.data, "");
	/* and one that is under way when everything ends; nobody has accepted it */
	assert_non_null(http_start(world.http, &request));
	close_world(&world);
}

static void escaping(void **state)
{
	char *text = http_escape("sluice:a_b.1:0/ \xc3\xa9%~");

	(void)state;
	assert_string_equal(text, "sluice%3Aa_b.1%3A0%2F%20%C3%A9%25~");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer),
		cmocka_unit_test(not_followed_not_proxied),
		cmocka_unit_test(secrets_that_come_back_are_hidden),
		cmocka_unit_test(bad_answers),
		cmocka_unit_test(nobody_listens),
		cmocka_unit_test(only_http),
		cmocka_unit_test(a_stream),
		cmocka_unit_test(a_refused_stream),
		cmocka_unit_test(a_silent_stream),
		cmocka_unit_test(cancelled_from_its_own_callback),
		cmocka_unit_test(escaping),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
