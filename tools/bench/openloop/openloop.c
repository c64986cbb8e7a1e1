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
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "arguments.h"
#include "channel.h"
#include "histogram.h"
#include "process.h"
#include "ring.h"
#include "schedule.h"

#define MAX_TARGETS 1024
#define MAX_WHO 1024
#define OPENING_AT_ONCE 128
#define TICK_NS 200000000ull
#define LONGEST_NAP_NS 20000000ull

struct who {
	char name[64];
	uint64_t answers;
};

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
	uint64_t started_ns, last_answer_ns, first_failure_ns, last_failure_ns;
	struct schedule schedule;
	uint64_t owed, fates[FATE_COUNT];
	struct histogram latency, service,
		behind; /* from the intended time, from the sending, between the two */
	struct who who[MAX_WHO];
	size_t who_count;
};

static const char *const fate_names[FATE_COUNT] = {
	"answered", "refused", "unreachable", "reset", "eof", "stale", "timeout", "bad", "unsent",
};

static const char usage_text[] =
	"usage: openloop --target ADDRESS:PORT [--target ...] --rate N --duration SECONDS\n"
	"                [--connections N] [--idle N] [--turns N] [--path /] [--timeout MS] [--random] [--above MS]\n"
	"--turns: requests over one connection before a new one (1: a new one each time); --idle: more connections that are\n"
	"opened, used once and then left alone; --random: gaps of independent clients, with a fixed seed; --above: count answers\n"
	"that took longer. Exits 0 whatever the server did; failures are in the JSON, by kind.\n";

static void count_who(struct openloop *loop, const char *name)
{
	size_t i;

	for (i = 0; i < loop->who_count; i++)
		if (!strncmp(loop->who[i].name, name, sizeof(loop->who[i].name) - 1))
			break;
	if (i == MAX_WHO)
		return;
	if (i == loop->who_count) {
		snprintf(loop->who[i].name, sizeof(loop->who[i].name), "%.*s",
			 (int)sizeof(loop->who[i].name) - 1, name);
		loop->who_count++;
	}
	loop->who[i].answers++;
}

static void count_failure(struct openloop *loop, enum fate fate, uint64_t now_ns)
{
	loop->fates[fate]++;
	if (loop->opening)
		return;
	loop->last_failure_ns = now_ns - loop->started_ns;
	if (!loop->first_failure_ns)
		loop->first_failure_ns = loop->last_failure_ns;
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
	loop->fates[fate]++;
	loop->last_answer_ns = now_ns;
	histogram_add(&loop->latency, now_ns - channel_intended_ns(channel));
	histogram_add(&loop->service, now_ns - channel_sent_ns(channel));
	if (loop->world.target_count <= 16)
		count_who(loop, channel_who(channel));
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
	histogram_init(&loop->latency);
	histogram_init(&loop->service);
	histogram_init(&loop->behind);
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
	uint64_t now_ns = channel_now_ns() - loop->started_ns, intended_ns;

	schedule_advance(&loop->schedule, now_ns, &loop->fates[FATE_UNSENT]);
	while (schedule_peek(&loop->schedule, &intended_ns)) {
		if (now_ns > intended_ns + loop->world.timeout_ns) {
			count_failure(loop, FATE_UNSENT, loop->started_ns + now_ns);
			schedule_pop(&loop->schedule);
			continue;
		}
		if (!loop->free.count)
			return;
		schedule_pop(&loop->schedule);
		loop->owed++;
		now_ns = channel_now_ns() - loop->started_ns;
		histogram_add(&loop->behind, now_ns > intended_ns ? now_ns - intended_ns : 0);
		channel_ask(ring_pop(&loop->free), loop->started_ns + intended_ns);
	}
}

static void run(struct openloop *loop)
{
	uint64_t tick_ns = 0;

	open_all(loop);
	loop->started_ns = loop->last_answer_ns = channel_now_ns();
	while (!process_told_to_stop) {
		uint64_t next_ns, now_ns;

		send_due(loop);
		next_ns = schedule_next_ns(&loop->schedule);
		if (next_ns == UINT64_MAX && !loop->owed && !loop->schedule.count)
			break;
		now_ns = channel_now_ns() - loop->started_ns;
		wait_for_events(loop, next_ns > now_ns ? next_ns - now_ns : 0);
		check_times(loop, &tick_ns);
	}
}

/* --- what it says --- */

static void print_times(const char *name, const struct histogram *times, uint64_t above_ns)
{
	printf("\"%s\": {\"min\": %.2f, \"mean\": %.2f, \"p50\": %.2f, \"p90\": %.2f, \"p99\": %.2f, \"p999\": %.2f, "
	       "\"max\": %.2f, \"above\": %" PRIu64 "}, ",
	       name, times->total ? (double)times->min_ns / 1e3 : 0, histogram_mean(times) / 1e3,
	       (double)histogram_percentile(times, 0.5) / 1e3,
	       (double)histogram_percentile(times, 0.9) / 1e3,
	       (double)histogram_percentile(times, 0.99) / 1e3,
	       (double)histogram_percentile(times, 0.999) / 1e3, (double)times->max_ns / 1e3,
	       histogram_above(times, above_ns));
}

static void print_json(const struct openloop *loop)
{
	const double scheduled_s = (double)loop->duration_ns / 1e9;
	double seconds = (double)(loop->last_answer_ns - loop->started_ns) / 1e9;
	size_t open = 0;

	if (seconds < scheduled_s)
		seconds = scheduled_s;
	for (size_t i = loop->connections; i < loop->channel_count; i++)
		open += channel_is_open(loop->channels[i]);
	printf("{\"offered\": %" PRIu64 ", \"answered\": %" PRIu64
	       ", \"seconds\": %.6f, \"offered_rate\": %.2f, \"achieved_rate\": %.2f, "
	       "\"connections\": %" PRIu64 ", \"idle_open\": %zu, \"idle_closed\": %" PRIu64 ", ",
	       loop->schedule.offered, loop->fates[FATE_ANSWERED], seconds,
	       (double)loop->schedule.offered / scheduled_s,
	       (double)loop->fates[FATE_ANSWERED] / seconds, loop->world.connections, open,
	       loop->world.idle_closed);
	print_times("latency_us", &loop->latency, loop->above_ns);
	print_times("service_us", &loop->service, loop->above_ns);
	print_times("behind_us", &loop->behind, loop->above_ns);
	printf("\"first_failure_ms\": %.3f, \"last_failure_ms\": %.3f, \"failed\": {",
	       (double)loop->first_failure_ns / 1e6, (double)loop->last_failure_ns / 1e6);
	for (unsigned i = FATE_REFUSED; i < FATE_COUNT; i++)
		printf("%s\"%s\": %" PRIu64, i > FATE_REFUSED ? ", " : "", fate_names[i],
		       loop->fates[i]);
	printf("}, \"answered_by\": {");
	for (size_t i = 0; i < loop->who_count; i++) {
		printf("%s\"", i ? ", " : "");
		for (const char *at = loop->who[i].name; *at; at++)
			putchar(*at < ' ' || *at == '"' || *at == '\\' ? ' ' : *at);
		printf("\": %" PRIu64, loop->who[i].answers);
	}
	puts("}}");
	/* Whoever measures stops its clocks at this line: closing thousands of connections is no part of it. */
	fflush(stdout);
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
	print_json(&loop);
	release(&loop);
	return 0;
}
