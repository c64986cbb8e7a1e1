/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An open-loop HTTP/1.1 client: requests are due at a fixed rate whatever the server does, and a request's time counts from when it was
 * due. So a stall costs every request that should have been sent meanwhile, which a client that waits for answers never shows
 * (coordinated omission). One thread; a connection carries one request at a time; nothing is retried. First all connections are opened
 * and used once; then it prints "started" and the clock runs. Ends with one line of JSON.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "arguments.h"
#include "channel.h"
#include "process.h"
#include "results.h"
#include "ring.h"
#include "schedule.h"

#define MAX_TARGETS 1024
#define OPENING_AT_ONCE 128
#define TICK_NS 200000000ull
#define LONGEST_NAP_NS 20000000ull

struct openloop {
	double rate;
	uint64_t duration_ns, above_ns;
	unsigned connections, idle;
	const char *path;
	bool random;
	struct sockaddr_storage targets[MAX_TARGETS];
	struct channel_world world;
	struct channel **channels; /* those that take part, then the idle ones */
	size_t channel_count;
	struct ring free; /* channels that can take a request */
	bool opening;
	size_t opening_owed;
	struct schedule schedule;
	uint64_t owed;
	struct results results;
};

static const char usage_text[] =
	"usage: openloop --target ADDRESS:PORT [--target ...] --rate N --duration SECONDS\n"
	"                [--connections N] [--idle N] [--turns N] [--path /] [--timeout MS] [--random] [--above MS]\n"
	"--turns: requests over one connection before a new one (1: a new one each time); --idle: more connections that are\n"
	"opened, used once and then left alone; --random: gaps of independent clients, with a fixed seed; --above: count answers\n"
	"that took longer. Exits 0 whatever the server did; failures are in the JSON, by kind.\n";

static void count_failure(struct openloop *loop, enum fate fate, uint64_t now_ns)
{
	loop->results.fates[fate]++;
	if (loop->opening)
		return;
	loop->results.last_failure_ns = now_ns - loop->results.started_ns;
	if (!loop->results.first_failure_ns)
		loop->results.first_failure_ns = loop->results.last_failure_ns;
}

static void on_done(struct channel *channel, enum fate fate, void *arg)
{
	struct openloop *loop = arg;
	const uint64_t now_ns = channel_now_ns();

	if (fate != FATE_ANSWERED)
		count_failure(loop, fate, now_ns);
	if (loop->opening) {
		loop->opening_owed--;
		return;
	}
	loop->owed--;
	if (fate != FATE_ANSWERED)
		return;
	loop->results.fates[fate]++;
	loop->results.last_answer_ns = now_ns;
	histogram_add(&loop->results.latency, now_ns - channel_intended_ns(channel));
	histogram_add(&loop->results.service, now_ns - channel_sent_ns(channel));
	if (loop->world.target_count <= 16)
		results_count_who(&loop->results, channel_who(channel));
}

static void on_freed(struct channel *channel, void *arg)
{
	struct openloop *loop = arg;

	if (!loop->opening)
		ring_push(&loop->free, channel);
}

/* --- the command line --- */

static void add_target(struct openloop *loop, const char *text)
{
	struct sockaddr_in *address;
	const char *colon = strrchr(text, ':');

	if (loop->world.target_count == MAX_TARGETS)
		arguments_die("too many targets", text);
	address = (struct sockaddr_in *)&loop->targets[loop->world.target_count++];
	if (!arguments_ipv4(text, colon, &address->sin_addr))
		arguments_die("not ADDRESS:PORT with an IPv4 address", text);
	address->sin_family = AF_INET;
	address->sin_port = htons((uint16_t)arguments_number("--target", colon + 1, 1, 65535));
}

static void parse(int argc, char **argv, struct openloop *loop)
{
	static const struct option longs[] = {
		{ "target", required_argument, NULL, 't' },
		{ "rate", required_argument, NULL, 'r' },
		{ "duration", required_argument, NULL, 'd' },
		{ "connections", required_argument, NULL, 'c' },
		{ "idle", required_argument, NULL, 'i' },
		{ "turns", required_argument, NULL, 'n' },
		{ "path", required_argument, NULL, 'p' },
		{ "timeout", required_argument, NULL, 'T' },
		{ "random", no_argument, NULL, 'R' },
		{ "above", required_argument, NULL, 'a' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 't':
			add_target(loop, optarg);
			break;
		case 'r':
			loop->rate = arguments_number("--rate", optarg, 0.1, 1e7);
			break;
		case 'd':
			loop->duration_ns =
				(uint64_t)(arguments_number("--duration", optarg, 0.01, 1e5) * 1e9);
			break;
		case 'c':
			loop->connections =
				(unsigned)arguments_number("--connections", optarg, 1, 1e6);
			break;
		case 'i':
			loop->idle = (unsigned)arguments_number("--idle", optarg, 0, 1e6);
			break;
		case 'n':
			loop->world.turns = (unsigned)arguments_number("--turns", optarg, 1, 1e9);
			break;
		case 'p':
			loop->path = optarg;
			break;
		case 'T':
			loop->world.timeout_ns =
				(uint64_t)(arguments_number("--timeout", optarg, 1, 1e6) * 1e6);
			break;
		case 'R':
			loop->random = true;
			break;
		case 'a':
			loop->above_ns =
				(uint64_t)(arguments_number("--above", optarg, 0, 1e6) * 1e6);
			break;
		case 'h':
			arguments_usage(usage_text, true);
		default:
			arguments_usage(usage_text, false);
		}
	}
	if (optind != argc)
		arguments_die("what is this", argv[optind]);
	if (!loop->world.target_count || loop->rate <= 0 || !loop->duration_ns)
		arguments_usage(usage_text, false);
}

/* --- set-up --- */

static int make_request(struct openloop *loop, bool last, const char **request, size_t *len)
{
	char *text;
	const int n = asprintf(&text, "GET %s HTTP/1.1\r\nHost: bench\r\n%s\r\n", loop->path,
			       last ? "Connection: close\r\n" : "");

	if (n < 0)
		return -ENOMEM;
	*request = text;
	*len = (size_t)n;
	return 0;
}

static int prepare(struct openloop *loop)
{
	int err;

	process_open_many();
	/* A timer's slack of 50 us would be as long as what is measured. */
	prctl(PR_SET_TIMERSLACK, 1);
	loop->world.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->world.epoll_fd < 0)
		return -errno;
	loop->world.targets = loop->targets;
	loop->world.done = on_done;
	loop->world.freed = on_freed;
	loop->world.arg = loop;
	err = make_request(loop, false, &loop->world.request, &loop->world.request_len);
	if (!err)
		err = make_request(loop, true, &loop->world.last_request,
				   &loop->world.last_request_len);
	if (!err)
		err = schedule_init(&loop->schedule, loop->rate, loop->duration_ns, loop->random);
	if (err)
		return err;
	loop->channel_count = loop->connections + loop->idle;
	loop->channels = calloc(loop->channel_count, sizeof(struct channel *));
	if (!loop->channels)
		return -ENOMEM;
	err = ring_init(&loop->free, loop->channel_count);
	if (err)
		return err;
	for (size_t i = 0; i < loop->channel_count; i++) {
		loop->channels[i] = channel_new(&loop->world, i);
		if (!loop->channels[i])
			return -ENOMEM;
	}
	results_init(&loop->results);
	return 0;
}

/* --- the loop --- */

static void wait_for_events(struct openloop *loop, uint64_t nap_ns)
{
	struct epoll_event events[256];
	struct timespec nap;
	int n;

	if (nap_ns > LONGEST_NAP_NS)
		nap_ns = LONGEST_NAP_NS;
	nap = (struct timespec){ .tv_sec = 0, .tv_nsec = (long)nap_ns };
	n = epoll_pwait2(loop->world.epoll_fd, events, 256, &nap, NULL);
	for (int i = 0; i < n; i++)
		channel_event(events[i].data.ptr, events[i].events);
}

static void check_times(struct openloop *loop, uint64_t *next_ns)
{
	const uint64_t now_ns = channel_now_ns();

	if (now_ns < *next_ns)
		return;
	*next_ns = now_ns + TICK_NS;
	for (size_t i = 0; i < loop->channel_count; i++)
		channel_check_time(loop->channels[i], now_ns);
}

/* Each connection is opened and used once, a number at a time. Where each request has a connection of its own only the idle ones are. */
static void open_all(struct openloop *loop)
{
	const size_t first = loop->world.turns == 1 ? loop->connections : 0;
	const unsigned turns = loop->world.turns;
	uint64_t tick_ns = 0;

	loop->opening = true;
	loop->world.turns = 0; /* nobody's connection ends while it is opened */
	for (size_t at = first;
	     !process_told_to_stop && (at < loop->channel_count || loop->opening_owed);) {
		while (at < loop->channel_count && loop->opening_owed < OPENING_AT_ONCE) {
			loop->opening_owed++;
			channel_ask(loop->channels[at++], channel_now_ns());
		}
		wait_for_events(loop, LONGEST_NAP_NS);
		check_times(loop, &tick_ns);
	}
	loop->world.turns = turns;
	loop->opening = false;
	for (size_t i = 0; i < loop->connections; i++)
		ring_push(&loop->free, loop->channels[i]);
	puts("started");
	fflush(stdout);
}

/* Send what is due over the channels that are free; what has waited for longer than a request may take is given up. */
static void send_due(struct openloop *loop)
{
	uint64_t now_ns = channel_now_ns() - loop->results.started_ns, intended_ns;

	schedule_advance(&loop->schedule, now_ns, &loop->results.fates[FATE_UNSENT]);
	while (schedule_peek(&loop->schedule, &intended_ns)) {
		if (now_ns > intended_ns + loop->world.timeout_ns) {
			count_failure(loop, FATE_UNSENT, loop->results.started_ns + now_ns);
			schedule_pop(&loop->schedule);
			continue;
		}
		if (!loop->free.count)
			return;
		schedule_pop(&loop->schedule);
		loop->owed++;
		now_ns = channel_now_ns() - loop->results.started_ns;
		histogram_add(&loop->results.behind,
			      now_ns > intended_ns ? now_ns - intended_ns : 0);
		channel_ask(ring_pop(&loop->free), loop->results.started_ns + intended_ns);
	}
}

static void run(struct openloop *loop)
{
	uint64_t tick_ns = 0;

	open_all(loop);
	loop->results.started_ns = loop->results.last_answer_ns = channel_now_ns();
	while (!process_told_to_stop) {
		uint64_t next_ns, now_ns;

		send_due(loop);
		next_ns = schedule_next_ns(&loop->schedule);
		if (next_ns == UINT64_MAX && !loop->owed && !loop->schedule.count)
			break;
		now_ns = channel_now_ns() - loop->results.started_ns;
		wait_for_events(loop, next_ns > now_ns ? next_ns - now_ns : 0);
		check_times(loop, &tick_ns);
	}
}

static void say(const struct openloop *loop)
{
	struct results_setting setting = {
		.offered = loop->schedule.offered,
		.duration_ns = loop->duration_ns,
		.above_ns = loop->above_ns,
		.connections = loop->world.connections,
		.idle_closed = loop->world.idle_closed,
	};

	for (size_t i = loop->connections; i < loop->channel_count; i++)
		setting.idle_open += channel_is_open(loop->channels[i]);
	results_print_json(&loop->results, &setting);
}

static void release(struct openloop *loop)
{
	for (size_t i = 0; loop->channels && i < loop->channel_count; i++)
		channel_free(loop->channels[i]);
	free(loop->channels);
	ring_release(&loop->free);
	schedule_release(&loop->schedule);
	if (loop->world.epoll_fd >= 0)
		close(loop->world.epoll_fd);
}

int main(int argc, char **argv)
{
	static struct openloop loop = { .connections = 64, .path = "/", .world.epoll_fd = -1 };
	int err;

	loop.world.timeout_ns = 2000000000;
	parse(argc, argv, &loop);
	process_stop_on_signals();
	err = prepare(&loop);
	if (err) {
		fprintf(stderr, "openloop: %s\n", strerror(-err));
		release(&loop);
		return 1;
	}
	run(&loop);
	say(&loop);
	release(&loop);
	return 0;
}
