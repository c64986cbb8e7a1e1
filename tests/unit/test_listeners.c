/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's listeners, against the kernel itself: ports that open and close on loopback, with no
 * right to anything. A loop that does not come to its end is stopped and fails the test. What the
 * kernel is asked passes through a sendto() of this program's own, which can fail, and which knows
 * when a dump begins; a setsockopt() of its own can see to it that nothing is told of ends.
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
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "config.h"
#include "listeners.h"
#include "loop.h"

struct world {
	struct event_base *base;
	struct event *deadline;
	struct listeners *listeners;
	struct config config;
	struct facts_sink sink;
	uint16_t port;
	bool wanted; /* the loop ends when port listens or not, as this says */
	int answers;
	unsigned asked; /* dumps that had begun when the last answer came */
	unsigned downs; /* the source has said that it is down */
	struct facts_listeners last;
};

static struct {
	unsigned dumps; /* that were asked for: IPv4 is the first of each */
	bool refuse;	/* the next one */
	unsigned before; /* as many further ones, and ends is closed before the last of them; 0: never */
	int ends;
	bool deaf; /* no group of netlink's is joined */
} questions;

static bool begins_dump(const void *bytes, size_t len)
{
	struct inet_diag_req_v2 request;

	if (len < sizeof(struct nlmsghdr) + sizeof(request))
		return false;
	memcpy(&request, (const char *)bytes + sizeof(struct nlmsghdr), sizeof(request));
	return request.sdiag_family == AF_INET;
}

ssize_t sendto(int fd, const void *bytes, size_t len, int flags, const struct sockaddr *to,
	       socklen_t to_len)
{
	if (to && to->sa_family == AF_NETLINK && begins_dump(bytes, len)) {
		questions.dumps++;
		if (questions.before && !--questions.before)
			close(questions.ends);
		if (questions.refuse) {
			questions.refuse = false;
			errno = ENOBUFS;
			return -1;
		}
	}
	return syscall(SYS_sendto, fd, bytes, len, flags, to, to_len);
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	if (questions.deaf && level == SOL_NETLINK && name == NETLINK_ADD_MEMBERSHIP)
		return 0;
	return (int)syscall(SYS_setsockopt, fd, level, name, value, len);
}

static void on_listeners(void *ctx, const struct facts_listeners *listeners, int64_t now_ms)
{
	struct world *world = ctx;

	assert_true(now_ms > 0);
	world->answers++;
	world->asked = questions.dumps;
	world->last = *listeners;
	if (facts_listens(listeners, world->port) == world->wanted)
		event_base_loopbreak(world->base);
}

static void on_source(void *ctx, const struct facts_source *source, int64_t now_ms)
{
	struct world *world = ctx;

	(void)now_ms;
	assert_string_equal(source->name, "kernel");
	world->downs += !source->connected;
}

/* A socket that listens on address, port 0: any. */
static int listen_on(int family, uint16_t port)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
				    .sin6_port = htons(port),
				    .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	const struct sockaddr *address = family == AF_INET ? (struct sockaddr *)&in
							   : (struct sockaddr *)&in6;
	const int on = 1;
	int fd = socket(family, SOCK_STREAM, 0);

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, address, family == AF_INET ? sizeof(in) : sizeof(in6)) || listen(fd, 8)) {
		close(fd);
		return -1;
	}
	return fd;
}

static uint16_t port_of(int fd)
{
	struct sockaddr_in6 address;
	socklen_t len = sizeof(address);

	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	return ntohs(address.sin6_port); /* at the same place in both families */
}

static void open_world_with(struct world *world, uint16_t port, bool wanted, bool deaf)
{
	memset(world, 0, sizeof(*world));
	memset(&questions, 0, sizeof(questions));
	questions.deaf = deaf;
	world->port = port;
	world->wanted = wanted;
	world->config.port_min = world->config.port_max = port;
	world->sink =
		(struct facts_sink){ .ctx = world, .listeners = on_listeners, .source = on_source };
	world->base = event_base_new();
	world->deadline = loop_deadline(world->base);
	world->listeners = listeners_new(world->base, &world->config, &world->sink);
	assert_non_null(world->listeners);
	assert_false(listeners_source(world->listeners)->connected);
	assert_int_equal(world->answers, 0);
}

static void open_world(struct world *world, uint16_t port, bool wanted)
{
	open_world_with(world, port, wanted, false);
}

static void wait_for(struct world *world, bool wanted)
{
	world->wanted = wanted;
	event_base_dispatch(world->base);
	assert_int_equal(facts_listens(&world->last, world->port), wanted);
}

static void close_world(struct world *world)
{
	assert_int_equal(world->downs, 0);
	listeners_free(world->listeners);
	event_free(world->deadline);
	event_base_free(world->base);
}

static void comes_and_goes(int family)
{
	struct world world;
	int fd = listen_on(family, 0);
	uint16_t port;

	if (fd < 0)
		skip(); /* no such address family here */
	port = port_of(fd);
	open_world(&world, port, true);
	wait_for(&world, true);
	close(fd);
	wait_for(&world, false);
	/* the kernel has told of the end; if a dump was quicker, its word is still to come */
	while (!listeners_source(world.listeners)->last_event_ms)
		event_base_loop(world.base, EVLOOP_ONCE);
	fd = listen_on(family, port);
	assert_true(fd >= 0);
	wait_for(&world, true);
	close(fd);
	close_world(&world);
}

static void ipv4(void **state)
{
	(void)state;
	comes_and_goes(AF_INET);
}

static void ipv6(void **state)
{
	(void)state;
	comes_and_goes(AF_INET6);
}

/* The end of one of two that listen on the same port is no end. */
static void one_of_two(void **state)
{
	int first = listen_on(AF_INET, 0), second;
	struct world world;

	(void)state;
	assert_true(first >= 0);
	second = listen_on(AF_INET6, port_of(first));
	if (second < 0) {
		close(first);
		skip();
	}
	open_world(&world, port_of(first), true);
	wait_for(&world, true);
	close(first);
	listeners_resync(world.listeners);
	world.answers = 0;
	wait_for(&world, true);
	assert_int_equal(world.answers, 1);
	close(second);
	wait_for(&world, false);
	close_world(&world);
}

/* A reload can narrow the config's range while backends still live outside of it. */
static void outside_the_range(void **state)
{
	int fd = listen_on(AF_INET, 0);
	struct world world;
	uint16_t port;

	(void)state;
	assert_true(fd >= 0);
	port = port_of(fd);
	open_world(&world, port == 65535 ? port - 1 : port + 1, false);
	world.port = port;
	wait_for(&world, true);
	close(fd);
	wait_for(&world, false);
	close_world(&world);
}

/* The end is told whether anybody is awaited or not. */
static void nobody_is_awaited(void **state)
{
	int fd = listen_on(AF_INET, 0);
	struct world world;
	uint16_t port;

	(void)state;
	assert_true(fd >= 0);
	port = port_of(fd);
	open_world(&world, port, true);
	wait_for(&world, true);
	listeners_await(world.listeners, false);
	close(fd);
	wait_for(&world, false);
	fd = listen_on(AF_INET, port);
	assert_true(fd >= 0);
	listeners_await(world.listeners, true);
	wait_for(&world, true);
	close(fd);
	close_world(&world);
}

/* One dump can step over a socket, the first one too. */
static void first_answer_is_of_two_dumps(void **state)
{
	int fd = listen_on(AF_INET, 0);
	struct world world;

	(void)state;
	assert_true(fd >= 0);
	open_world(&world, port_of(fd), true);
	wait_for(&world, true);
	assert_true(world.asked >= 2);
	close(fd);
	close_world(&world);
}

/* Who hears that the source is down forgets what it said, so it must be said again. */
static void a_failed_dump_is_made_up_for(void **state)
{
	int fd = listen_on(AF_INET, 0);
	struct world world;

	(void)state;
	assert_true(fd >= 0);
	open_world(&world, port_of(fd), true);
	wait_for(&world, true);
	for (questions.refuse = true; questions.refuse; wait_for(&world, true))
		world.answers = 0; /* until a dump has failed: others listen here, too */
	assert_int_equal(world.downs, 1);
	assert_int_equal(world.answers, 1);
	assert_true(listeners_source(world.listeners)->connected);
	close(fd);
	world.downs = 0;
	close_world(&world);
}

/*
 * The second of two ends while the first one's is confirmed. An end that the machine mixes in, or
 * the timer, can make the two one answer; then it is tried again.
 */
static void an_end_during_a_confirmation(void **state)
{
	bool together = true;

	(void)state;
	for (int tries = 0; together && tries < 20; tries++) {
		int first = listen_on(AF_INET, 0), second = listen_on(AF_INET, 0);
		struct world world;
		uint16_t port;

		assert_true(first >= 0 && second >= 0);
		port = port_of(second);
		open_world(&world, port_of(first), true);
		wait_for(&world, true);
		questions.ends = second;
		questions.before = 2;
		close(first);
		wait_for(&world, false);
		together = !facts_listens(&world.last, port);
		/* asked at once, by what told of the first */
		assert_true(together || questions.dumps > world.asked);
		world.port = port;
		if (!together)
			wait_for(&world, false);
		close_world(&world);
	}
	assert_false(together);
}

/* How many ends were found untold while one listener began and ended. */
static uint64_t untold_by(bool deaf)
{
	uint64_t before = listeners_untold();
	int fd = listen_on(AF_INET, 0);
	struct world world;

	assert_true(fd >= 0);
	open_world_with(&world, port_of(fd), true, deaf);
	wait_for(&world, true);
	close(fd);
	wait_for(&world, false);
	close_world(&world);
	return listeners_untold() - before;
}

/* A dump may be quicker than the kernel's word by chance, and then it is tried again. */
static void an_end_that_nobody_tells_is_counted(void **state)
{
	uint64_t untold = 1;

	(void)state;
	assert_true(untold_by(true) >= 1);
	for (int tries = 0; untold && tries < 20; tries++)
		untold = untold_by(false);
	assert_int_equal(untold, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ipv4),
		cmocka_unit_test(ipv6),
		cmocka_unit_test(one_of_two),
		cmocka_unit_test(outside_the_range),
		cmocka_unit_test(nobody_is_awaited),
		cmocka_unit_test(first_answer_is_of_two_dumps),
		cmocka_unit_test(a_failed_dump_is_made_up_for),
		cmocka_unit_test(an_end_during_a_confirmation),
		cmocka_unit_test(an_end_that_nobody_tells_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
