/* SPDX-License-Identifier: GPL-2.0-only */
/* The scrape's server from outside: one page, who asks otherwise, and those that do not behave. */
#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "loop.h"
#include "scrape.h"

#define CALLERS 32
#define LARGE 3000000 /* more than a socket's buffers hold */

struct world {
	struct event_base *base;
	struct event *deadline;
	struct scrape *scrape;
	uint16_t port;
	size_t page_bytes;
	int err;
	unsigned written;
	char answer[LARGE + 1024];
};

static int write_page(void *ctx, struct evbuffer *page)
{
	struct world *world = ctx;

	world->written++;
	for (size_t i = 0; i < world->page_bytes; i++)
		evbuffer_add(page, "p", 1);
	return world->err;
}

static struct world *begin(void)
{
	static struct world world;
	char listen[32];

	world = (struct world){ .page_bytes = 10 };
	world.base = event_base_new();
	world.deadline = loop_deadline(world.base);
	world.port = loop_free_port();
	snprintf(listen, sizeof(listen), "127.0.0.1:%u", world.port);
	world.scrape = scrape_new(world.base, listen, "/metrics", write_page, &world);
	assert_non_null(world.scrape);
	return &world;
}

static void end(struct world *world)
{
	scrape_free(world->scrape);
	event_free(world->deadline);
	event_base_free(world->base);
}

static int call(const struct world *world)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons(world->port),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* Until the server has said all that it says. */
static const char *read_answer(struct world *world, int fd)
{
	size_t used = 0;
	ssize_t len;

	for (;;) {
		len = recv(fd, world->answer + used, sizeof(world->answer) - 1 - used,
			   MSG_DONTWAIT);
		if (!len || (len < 0 && errno != EAGAIN))
			break;
		if (len > 0)
			used += (size_t)len;
		else
			event_base_loop(world->base, EVLOOP_NONBLOCK);
	}
	close(fd);
	world->answer[used] = '\0';
	return world->answer;
}

static const char *ask(struct world *world, const char *request)
{
	int fd = call(world);

	assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
	return read_answer(world, fd);
}

static void assert_status(const char *answer, const char *status)
{
	if (strncmp(answer, "HTTP/1.1 ", 9) != 0 ||
	    strncmp(answer + 9, status, strlen(status)) != 0)
		fail_msg("%s was expected, and this came: %.200s", status, answer);
}

static void a_page_is_whole(void **unused)
{
	struct world *world = begin();
	const char *answer;

	(void)unused;
	answer = ask(world, "GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_status(answer, "200 OK");
	assert_non_null(
		strstr(answer, "\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
	assert_non_null(strstr(answer, "\r\nContent-Length: 10\r\n"));
	assert_string_equal(strstr(answer, "\r\n\r\n"), "\r\n\r\npppppppppp");
	assert_status(ask(world, "GET /metrics?name=x HTTP/1.0\r\n\r\n"), "200 OK");
	world->page_bytes = LARGE;
	answer = ask(world, "GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_int_equal(strlen(strstr(answer, "\r\n\r\n")), 4 + LARGE);
	end(world);
}

static void a_head_is_the_page_without_it(void **unused)
{
	struct world *world = begin();
	const char *answer;

	(void)unused;
	answer = ask(world, "HEAD /metrics HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_status(answer, "200 OK");
	assert_non_null(strstr(answer, "\r\nContent-Length: 10\r\n"));
	assert_string_equal(strstr(answer, "\r\n\r\n"), "\r\n\r\n");
	end(world);
}

static void a_page_that_cannot_be_written_is_a_500(void **unused)
{
	struct world *world = begin();
	const char *answer;

	(void)unused;
	world->err = -ENOMEM;
	answer = ask(world, "GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_status(answer, "500 ");
	assert_non_null(strstr(answer, "\r\nContent-Length: 0\r\n"));
	assert_null(strchr(strstr(answer, "\r\n\r\n"), 'p'));
	end(world);
}

static void others_are_told(void **unused)
{
	struct world *world = begin();
	char long_head[9000];

	(void)unused;
	memset(long_head, 'x', sizeof(long_head) - 1);
	long_head[sizeof(long_head) - 1] = '\0';
	assert_status(ask(world, "GET /metricsandmore HTTP/1.1\r\n\r\n"), "404 ");
	assert_status(ask(world, "GET / HTTP/1.1\r\n\r\n"), "404 ");
	assert_status(ask(world, "POST /metrics HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"), "405 ");
	assert_non_null(strstr(world->answer, "\r\nAllow: GET, HEAD\r\n"));
	assert_status(ask(world, "GET /metrics\r\n\r\n"), "400 ");
	assert_status(ask(world, "GET HTTP/1.1\r\n\r\n"), "400 ");
	assert_status(ask(world, "\r\n\r\n"), "400 ");
	assert_status(ask(world, long_head), "431 ");
	assert_int_equal(world->written, 0);
	end(world);
}

static void a_request_in_pieces_is_one(void **unused)
{
	static const char request[] = "GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n";
	struct world *world = begin();
	int fd = call(world);

	(void)unused;
	for (size_t i = 0; i < sizeof(request) - 1; i++) {
		assert_int_equal(send(fd, request + i, 1, MSG_NOSIGNAL), 1);
		event_base_loop(world->base, EVLOOP_NONBLOCK);
	}
	assert_status(read_answer(world, fd), "200 OK");
	assert_int_equal(world->written, 1);
	end(world);
}

static void who_half_closes_gets_the_whole_page(void **unused)
{
	static const char request[] = "GET /metrics HTTP/1.1\r\n\r\n";
	struct world *world = begin();
	int fd = call(world);

	(void)unused;
	world->page_bytes = LARGE;
	assert_int_equal(send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL), sizeof(request) - 1);
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	assert_int_equal(strlen(strstr(read_answer(world, fd), "\r\n\r\n")), 4 + LARGE);
	end(world);
}

/* One byte at a time keeps no place for ever: the call as a whole has its time. */
static void who_never_ends_is_ended(void **unused)
{
	struct world *world = begin();
	int fd = call(world);
	char byte;
	ssize_t len;

	(void)unused;
	do {
		send(fd, "x", 1, MSG_NOSIGNAL);
		usleep(50000);
		event_base_loop(world->base, EVLOOP_NONBLOCK);
		len = recv(fd, &byte, 1, MSG_DONTWAIT);
	} while (len < 0 && errno == EAGAIN);
	assert_int_equal(world->written, 0);
	close(fd);
	end(world);
}

/* Those that say nothing leave no room; when one of them goes there is some. */
static void callers_are_few(void **unused)
{
	struct world *world = begin();
	int silent[CALLERS];

	(void)unused;
	for (unsigned i = 0; i < CALLERS; i++)
		silent[i] = call(world);
	assert_string_equal(ask(world, "GET /metrics HTTP/1.1\r\n\r\n"), "");
	close(silent[0]);
	do {
		event_base_loop(world->base, EVLOOP_NONBLOCK);
	} while (!*ask(world, "GET /metrics HTTP/1.1\r\n\r\n"));
	assert_status(world->answer, "200 OK");
	for (unsigned i = 1; i < CALLERS; i++)
		close(silent[i]);
	end(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_page_is_whole),
		cmocka_unit_test(a_head_is_the_page_without_it),
		cmocka_unit_test(a_page_that_cannot_be_written_is_a_500),
		cmocka_unit_test(others_are_told),
		cmocka_unit_test(a_request_in_pieces_is_one),
		cmocka_unit_test(who_half_closes_gets_the_whole_page),
		cmocka_unit_test(who_never_ends_is_ended),
		cmocka_unit_test(callers_are_few),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
