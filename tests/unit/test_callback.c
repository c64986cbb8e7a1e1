/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The callback server: against the HTTP client, and against callers that are none of ours. Sockets
 * on loopback, one event loop, no threads; a loop that does not come to its end fails its test.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <event2/event.h>
#include <event2/util.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "callback.h"
#include "config.h"
#include "http.h"
#include "loop.h"

struct caller {
	unsigned call_ms;
	struct event_base *base;
	struct event *deadline;
	struct http *http; /* the client, and what it was told last */
	char url[64];
	int done;
	long status;
	struct config config;
	struct callback *server;
	char listen[32];
	int events, lost, expected, refused;
	size_t last_len;
};

static void on_event(void *ctx, const char *json, size_t len)
{
	struct caller *caller = ctx;

	caller->events++;
	caller->last_len = len;
	if (len == 2)
		assert_memory_equal(json, "{}", 2);
}

static void on_lost(void *ctx)
{
	struct caller *caller = ctx;

	caller->lost++;
}

static void open_caller(struct caller *caller, const char *from, unsigned prefix_len)
{
	const struct callback_handler handler = {
		.ctx = caller, .event = on_event, .lost = on_lost, .call_ms = caller->call_ms
	};

	caller->base = event_base_new();
	caller->deadline = loop_deadline(caller->base);
	caller->http = http_new(caller->base);
	assert_non_null(caller->http);
	snprintf(caller->listen, sizeof(caller->listen), "127.0.0.1:%u", loop_free_port());
	snprintf(caller->url, sizeof(caller->url), "http://%s/events", caller->listen);
	caller->config.callback_listen = caller->listen;
	caller->config.callback_from_count = 1;
	caller->config.callback_from[0].address = inet_addr(from);
	caller->config.callback_from[0].prefix_len = prefix_len;
	caller->server = callback_new(caller->base, &caller->config, &handler);
	assert_non_null(caller->server);
}

static void close_caller(struct caller *caller)
{
	callback_free(caller->server);
	http_free(caller->http);
	event_free(caller->deadline);
	event_base_free(caller->base);
}

static void on_answer(void *ctx, const struct http_answer *answer)
{
	struct caller *caller = ctx;

	caller->done++;
	caller->status = answer->status;
	event_base_loopbreak(caller->base);
}

static struct http_request request_of(struct caller *caller, const char *method, const char *body)
{
	return (struct http_request){ .method = method,
				      .url = caller->url,
				      .body = body,
				      .max_bytes = 10000,
				      .connect_ms = 5000,
				      .total_ms = 20000,
				      .ctx = caller,
				      .done = on_answer };
}

static long post(struct caller *caller, const char *method, const char *body)
{
	struct http_request request = request_of(caller, method, body);

	caller->done = 0;
	assert_non_null(http_start(caller->http, &request));
	assert_int_equal(caller->done, 0); /* never from inside */
	event_base_dispatch(caller->base);
	assert_int_equal(caller->done, 1);
	/* what the answer left for later */
	event_base_loop(caller->base, EVLOOP_NONBLOCK);
	return caller->status;
}

static void callbacks(void **state)
{
	const size_t huge_len = (4u << 20) + 1;
	char *huge = malloc(huge_len + 1);
	struct caller caller = {};

	(void)state;
	memset(huge, 'x', huge_len);
	huge[huge_len] = '\0';
	open_caller(&caller, "127.0.0.0", 8);
	assert_int_equal(post(&caller, "POST", "{}"), 200);
	assert_int_equal(caller.events, 1);
	assert_int_equal(post(&caller, "GET", NULL), 405);
	assert_int_equal(post(&caller, "PUT", "{}"), 405);
	assert_int_equal(post(&caller, "DELETE", ""), 405);
	assert_int_equal(caller.events, 1);
	assert_int_equal(post(&caller, "POST", huge), 413);
	assert_int_equal(caller.events, 1);
	huge[huge_len - 1] = '\0';
	assert_int_equal(post(&caller, "POST", huge), 200);
	assert_int_equal(caller.events, 2);
	assert_int_equal(caller.last_len, huge_len - 1);
	assert_int_equal(caller.lost, 1); /* the one that was too large */
	close_caller(&caller);
	free(huge);
}

static void callbacks_of_strangers(void **state)
{
	struct caller caller = {};

	(void)state;
	open_caller(&caller, "10.0.0.0", 8);
	assert_int_equal(post(&caller, "POST", "{}"), 403);
	assert_int_equal(caller.events, 0);
	caller.config.callback_from[0].address = 0;
	caller.config.callback_from[0].prefix_len = 0;
	assert_int_equal(post(&caller, "POST", "{}"), 200);
	caller.config.callback_from_count = 0;
	assert_int_equal(post(&caller, "POST", "{}"), 403);
	close_caller(&caller);
}

static void on_one_of_many(void *ctx, const struct http_answer *answer)
{
	struct caller *caller = ctx;

	assert_true(answer->status == 200 || answer->status == 503);
	caller->refused += answer->status == 503;
	if (++caller->done == caller->expected)
		event_base_loopbreak(caller->base);
}

/* Whoever is refused is told so, and the receiver hears that something is missing. */
static void too_many_callbacks(void **state)
{
	struct caller caller = {};

	(void)state;
	open_caller(&caller, "127.0.0.1", 32);
	/* the bucket holds 500 and gets one each 5 ms: less than this machine posts */
	for (int round = 0; round < 200 && !caller.refused; round++) {
		caller.expected = 30;
		caller.done = 0;
		for (int i = 0; i < caller.expected; i++) {
			struct http_request request = request_of(&caller, "POST", "{}");

			request.done = on_one_of_many;
			assert_non_null(http_start(caller.http, &request));
		}
		event_base_dispatch(caller.base);
		assert_int_equal(caller.done, caller.expected);
	}
	while (event_base_loop(caller.base, EVLOOP_NONBLOCK) == 0 && !caller.lost)
		;
	assert_true(caller.refused > 0);
	assert_true(caller.lost > 0);
	assert_true(caller.events > 0);
	close_caller(&caller);
}

/* --- callers that are no HTTP client of ours --- */

static int dial(struct caller *caller)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				       .sin_port = htons(strtoul(strrchr(caller->listen, ':') + 1,
								 NULL, 10)) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	event_base_loop(caller->base, EVLOOP_NONBLOCK);
	return fd;
}

/* What the server says to text, the start of it; "" if it closes without a word. */
static const char *hear(struct caller *caller, int fd, const char *text)
{
	static char answer[256];
	ssize_t len = -1;

	if (*text)
		assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	while (len < 0) {
		event_base_loop(caller->base, EVLOOP_NONBLOCK);
		len = recv(fd, answer, sizeof(answer) - 1, MSG_DONTWAIT);
		if (len < 0 && errno == ECONNRESET)
			len = 0;
	}
	answer[len] = '\0';
	return answer;
}

static void expect(struct caller *caller, const char *text, const char *status)
{
	int fd = dial(caller);
	const char *answer = hear(caller, fd, text);

	if (strncmp(answer, "HTTP/1.1 ", 9) != 0 || strncmp(answer + 9, status, 3) != 0)
		fail_msg("\"%s\" to \"%.60s\"", answer, text);
	assert_non_null(strstr(answer, "Connection: close"));
	evutil_closesocket(fd);
}

static void odd_requests(void **state)
{
	struct caller caller = {};

	(void)state;
	open_caller(&caller, "127.0.0.1", 32);
	expect(&caller, "POST / HTTP/1.1\r\ncontent-length:2 \r\nX: y\r\n\r\n{}", "200");
	expect(&caller, "POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", "200");
	expect(&caller, "hello\r\n\r\n", "400");
	expect(&caller, "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", "400");
	expect(&caller, "POST / HTTP/1.1\r\nContent-Length: \r\n\r\n", "400");
	expect(&caller, "POST / HTTP/1.1\r\nContent-Length : 2\r\n\r\n{}", "400");
	expect(&caller, "POST / HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
	       "400");
	expect(&caller, "POST / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n",
	       "413");
	expect(&caller, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", "411");
	expect(&caller, "POST / HTTP/1.1\r\n\r\n", "411");
	while (event_base_loop(caller.base, EVLOOP_NONBLOCK) == 0 && caller.events < 2)
		;
	assert_int_equal(caller.events, 2);
	close_caller(&caller);
}

static void wait_for_loss(struct caller *caller)
{
	while (!caller->lost)
		event_base_loop(caller->base, EVLOOP_ONCE);
	assert_int_equal(caller->lost, 1);
	caller->lost = 0;
}

/* An event that was not taken is missing: refused as malformed, or broken off by its caller. */
static void what_is_not_taken_is_lost(void **state)
{
	static const char *const broken[] = { "POST / HTT",
					      "POST / HTTP/1.1\r\nContent-Length: 9\r\n"
					      "\r\n{" };
	struct caller caller = {};

	(void)state;
	open_caller(&caller, "127.0.0.1", 32);
	expect(&caller, "POST / HTTP/1.1\r\n\r\n", "411");
	wait_for_loss(&caller);
	expect(&caller, "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", "400");
	wait_for_loss(&caller);
	for (size_t i = 0; i < 2; i++) {
		int fd = dial(&caller);

		assert_int_equal(send(fd, broken[i], strlen(broken[i]), MSG_NOSIGNAL),
				 strlen(broken[i]));
		evutil_closesocket(fd);
		wait_for_loss(&caller);
	}
	evutil_closesocket(dial(&caller)); /* said nothing */
	expect(&caller, "GET / HTTP/1.1\r\n\r\n", "405");
	assert_int_equal(post(&caller, "POST", "{}"), 200);
	while (!caller.events)
		event_base_loop(caller.base, EVLOOP_ONCE);
	assert_int_equal(caller.lost, 0);
	close_caller(&caller);
}

/* Before a byte of the request has been read. */
static void strangers_are_not_read(void **state)
{
	struct caller caller = {};

	(void)state;
	open_caller(&caller, "10.0.0.0", 8);
	expect(&caller, "", "403");
	close_caller(&caller);
}

#define MANY 40 /* more than may call at once */

static void callers_are_bounded(void **state)
{
	struct caller caller = {};
	int fd[MANY], served = 0;

	(void)state;
	open_caller(&caller, "127.0.0.1", 32);
	for (int i = 0; i < MANY; i++)
		fd[i] = dial(&caller);
	while (!caller.lost)
		event_base_loop(caller.base, EVLOOP_NONBLOCK);
	assert_string_equal(hear(&caller, fd[MANY - 1], ""), "");
	for (int i = 0; i < MANY; i++) {
		char byte;

		served += recv(fd[i], &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
		evutil_closesocket(fd[i]);
	}
	assert_int_equal(served, 32);
	assert_int_equal(post(&caller, "POST", "{}"), 200);
	close_caller(&caller);
}

/* Bodies are promised 4 MiB each and never come: no more than 16 MiB are promised. */
static void bodies_are_bounded(void **state)
{
	static const char promise[] = "POST / HTTP/1.1\r\nContent-Length: 4194304\r\n"
				      "Expect: 100-continue\r\n\r\n";
	struct caller caller = {};
	int fd[4];

	(void)state;
	open_caller(&caller, "127.0.0.1", 32);
	for (int i = 0; i < 4; i++) {
		fd[i] = dial(&caller);
		assert_int_equal(strncmp(hear(&caller, fd[i], promise), "HTTP/1.1 100", 12), 0);
	}
	expect(&caller, promise, "503");
	for (int i = 0; i < 4; i++)
		evutil_closesocket(fd[i]);
	assert_int_equal(post(&caller, "POST", "{}"), 200);
	assert_true(caller.lost > 0);
	close_caller(&caller);
}

/* Each byte comes in time and the whole does not: the end is absolute. */
static void a_caller_that_trickles_is_cut_off(void **state)
{
	struct caller caller = { .call_ms = 200 };
	char byte = 'x';
	ssize_t len;
	int fd;

	(void)state;
	open_caller(&caller, "127.0.0.1", 32);
	fd = dial(&caller);
	assert_string_equal(hear(&caller, fd,
				 "POST / HTTP/1.1\r\nContent-Length: 4000000\r\n"
				 "Expect: 100-continue\r\n\r\n"),
			    "HTTP/1.1 100 Continue\r\n\r\n");
	do {
		send(fd, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
		event_base_loop(caller.base, EVLOOP_NONBLOCK);
		len = recv(fd, &byte, 1, MSG_DONTWAIT);
	} while (len < 0 && errno == EAGAIN); /* the deadline ends it if nobody else does */
	assert_true(len == 0 || errno == ECONNRESET);
	evutil_closesocket(fd);
	assert_int_equal(caller.events, 0);
	assert_int_equal(post(&caller, "POST", "{}"), 200);
	close_caller(&caller);
}

static void bad_listen_address(void **state)
{
	const struct callback_handler handler = { .event = on_event, .lost = on_lost };
	struct event_base *base = event_base_new();
	char text[] = "somewhere";
	struct config config = { .callback_listen = text };

	(void)state;
	assert_null(callback_new(base, &config, &handler));
	assert_int_equal(errno, EINVAL);
	event_base_free(base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(callbacks),
		cmocka_unit_test(callbacks_of_strangers),
		cmocka_unit_test(too_many_callbacks),
		cmocka_unit_test(odd_requests),
		cmocka_unit_test(what_is_not_taken_is_lost),
		cmocka_unit_test(strangers_are_not_read),
		cmocka_unit_test(callers_are_bounded),
		cmocka_unit_test(bodies_are_bounded),
		cmocka_unit_test(a_caller_that_trickles_is_cut_off),
		cmocka_unit_test(bad_listen_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
