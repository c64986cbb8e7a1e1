/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A load client that counts failures honestly: nothing is retried, and each request ends as answered or under exactly one
 * kind of failure. Several targets are served in turn, as an ELB would. Ends after so many requests, so much time, or at
 * SIGTERM or SIGINT; requests on their way are waited for and counted. Exits 0 only if none failed.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <float.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "arguments.h"
#include "client.h"
#include "process.h"
#include "ring.h"
#include "tally.h"

#define MAX_TARGETS 16
#define PAUSE_US 10000
#define TICK_US 100000

struct load {
	struct target targets[MAX_TARGETS];
	unsigned target_count, connections;
	uint64_t requests, duration_us, rate, timeout_ms; /* 0: no limit */
	uint64_t pause_us;				  /* between two rounds; 0: no rounds */
	uint64_t round_end; /* requests sent when the round is over; 0: the first one is to begin */
	uint64_t quiet_since_us; /* 0: an answer of the round is owed */
	bool close, json;
	const char *status_file;
	struct client **clients;
	struct ring ready, paused; /* clients that may ask, and those that have to wait */
	uint64_t paused_until_us;
	struct client_world world;
	struct tally tally;
};

static const char usage_text[] =
	"usage: load --url http://ADDRESS[:PORT]/PATH [--url ...] [--connections N]\n"
	"            --requests N | --duration SECONDS | (until SIGTERM)\n"
	"            [--pause SECONDS] [--close] [--rate N] [--timeout MS] [--json] [--status FILE]\n"
	"--close asks over a new connection each time; --rate is requests a second over all connections;\n"
	"--pause asks once over each connection, leaves all of them alone for so long, asks again, and so on;\n"
	"--status rewrites FILE with the counts so far, ten times a second, as --json prints them at the end.\n"
	"Exits 0 if no request failed, 1 if one did, 2 for wrong usage.\n";

static void on_ready(struct client *client, void *arg)
{
	struct load *load = arg;

	if (!client_wants_pause(client)) {
		ring_push(&load->ready, client);
		return;
	}
	if (!load->paused.count)
		load->paused_until_us = client_now_us() + PAUSE_US;
	ring_push(&load->paused, client);
}

/* "10.0.0.1" or "[fd00::1]". */
static bool parse_address(const char *host, unsigned port, struct sockaddr_storage *address)
{
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)address;
	struct sockaddr_in *four = (struct sockaddr_in *)address;
	char inner[INET6_ADDRSTRLEN];
	size_t len = strlen(host);

	if (host[0] != '[') {
		four->sin_family = AF_INET;
		four->sin_port = htons((uint16_t)port);
		return inet_pton(AF_INET, host, &four->sin_addr) == 1;
	}
	if (len < 4 || host[len - 1] != ']' || len - 2 >= sizeof(inner))
		return false;
	memcpy(inner, host + 1, len - 2);
	inner[len - 2] = '\0';
	six->sin6_family = AF_INET6;
	six->sin6_port = htons((uint16_t)port);
	return inet_pton(AF_INET6, inner, &six->sin6_addr) == 1;
}

static void parse_url(struct load *load, const char *url)
{
	struct target *target = &load->targets[load->target_count];
	char host[INET6_ADDRSTRLEN + 2] = "";
	unsigned port = 80;
	const char *path;
	size_t len;

	if (load->target_count == MAX_TARGETS)
		arguments_die("too many urls", url);
	if (strncmp(url, "http://", 7))
		arguments_die("not an http:// url", url);
	url += 7;
	path = url + strcspn(url, "/");
	len = url[0] == '[' ? strcspn(url, "]/") + 1 : strcspn(url, ":/");
	if (len >= sizeof(host) || len > strlen(url))
		arguments_die("not an IPv4 address or an IPv6 address in brackets", url);
	memcpy(host, url, len);
	if (url[len] == ':')
		port = (unsigned)strtoul(url + len + 1, NULL, 10);
	if (!port || port > 65535 || !parse_address(host, port, &target->address))
		arguments_die(
			"not http://ADDRESS[:PORT]/PATH with an IPv4 address or an IPv6 address in brackets",
			url);
	snprintf(target->name, sizeof(target->name), "%s:%u", host, port);
	target->request = strdup(*path ? path : "/");
	load->target_count++;
}

static int build_request(struct load *load, struct target *target)
{
	char *request;
	int len = asprintf(&request, "GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", target->request,
			   target->name, load->close ? "Connection: close\r\n" : "");

	if (len < 0)
		return -ENOMEM;
	free(target->request);
	target->request = request;
	target->request_len = (size_t)len;
	return 0;
}

static uint64_t number(const char *what, const char *text, double scale)
{
	return (uint64_t)(arguments_number(what, text, DBL_TRUE_MIN, 1e12) * scale);
}

static void parse(int argc, char **argv, struct load *load)
{
	static const struct option longs[] = {
		{ "url", required_argument, NULL, 'u' },
		{ "connections", required_argument, NULL, 'c' },
		{ "requests", required_argument, NULL, 'n' },
		{ "duration", required_argument, NULL, 'd' },
		{ "pause", required_argument, NULL, 'p' },
		{ "close", no_argument, NULL, 'C' },
		{ "rate", required_argument, NULL, 'r' },
		{ "timeout", required_argument, NULL, 't' },
		{ "json", no_argument, NULL, 'j' },
		{ "status", required_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	load->connections = 10;
	load->timeout_ms = 5000;
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 'u':
			parse_url(load, optarg);
			break;
		case 'c':
			load->connections = (unsigned)number("--connections", optarg, 1);
			break;
		case 'n':
			load->requests = number("--requests", optarg, 1);
			break;
		case 'd':
			load->duration_us = number("--duration", optarg, 1e6);
			break;
		case 'p':
			load->pause_us = number("--pause", optarg, 1e6);
			break;
		case 'C':
			load->close = true;
			break;
		case 'r':
			load->rate = number("--rate", optarg, 1);
			break;
		case 't':
			load->timeout_ms = number("--timeout", optarg, 1);
			break;
		case 'j':
			load->json = true;
			break;
		case 's':
			load->status_file = optarg;
			break;
		case 'h':
			arguments_usage(usage_text, true);
		default:
			arguments_usage(usage_text, false);
		}
	}
	if (optind != argc)
		arguments_die("what is this", argv[optind]);
	if (!load->target_count)
		arguments_usage(usage_text, false);
}

static int prepare(struct load *load)
{
	int err;

	process_open_many();
	load->world = (struct client_world){
		.epoll_fd = epoll_create1(EPOLL_CLOEXEC),
		.one_request_a_connection = load->close,
		.timeout_us = load->timeout_ms * 1000,
		.tally = &load->tally,
		.ready = on_ready,
		.arg = load,
	};
	if (load->world.epoll_fd < 0)
		return -errno;
	for (unsigned i = 0; i < load->target_count; i++) {
		err = build_request(load, &load->targets[i]);
		if (err)
			return err;
	}
	err = ring_init(&load->ready, load->connections);
	if (!err)
		err = ring_init(&load->paused, load->connections);
	if (err)
		return err;
	load->clients = calloc(load->connections, sizeof(struct client *));
	if (!load->clients)
		return -ENOMEM;
	for (unsigned i = 0; i < load->connections; i++) {
		load->clients[i] = client_new(&load->world, &load->targets[i % load->target_count]);
		if (!load->clients[i])
			return -ENOMEM;
		ring_push(&load->ready, load->clients[i]);
	}
	return 0;
}

static bool over(const struct load *load, uint64_t elapsed_us)
{
	return process_told_to_stop || (load->requests && load->tally.sent >= load->requests) ||
	       (load->duration_us && elapsed_us >= load->duration_us);
}

/* How many requests may have been sent by now for the rounds' sake. A round begins when nothing has been owed for the pause. */
static uint64_t round_allows(struct load *load, uint64_t now_us)
{
	const struct tally *tally = &load->tally;

	if (!load->pause_us)
		return UINT64_MAX;
	if (tally->sent < load->round_end || tally->sent != tally->answered + tally_failed(tally)) {
		load->quiet_since_us = 0;
		return load->round_end;
	}
	if (!load->quiet_since_us)
		load->quiet_since_us = now_us;
	if (!load->round_end || now_us - load->quiet_since_us >= load->pause_us)
		load->round_end += load->connections;
	return load->round_end;
}

/* A bounded number at a time: a client that fails at once is ready at once, and events must get their turn. */
static void ask(struct load *load, uint64_t elapsed_us)
{
	uint64_t allowed = load->rate ? elapsed_us * load->rate / 1000000 + 1 : UINT64_MAX;
	const uint64_t in_round = round_allows(load, client_now_us());

	if (allowed > in_round)
		allowed = in_round;
	if (load->paused.count && client_now_us() >= load->paused_until_us) {
		while (load->paused.count)
			ring_push(&load->ready, ring_pop(&load->paused));
	}
	for (size_t left = load->ready.count; left; left--) {
		if (over(load, elapsed_us) || load->tally.sent >= allowed)
			return;
		client_ask(ring_pop(&load->ready));
	}
}

static void write_status(const struct load *load, uint64_t elapsed_us)
{
	char temporary[4096];
	FILE *file;

	snprintf(temporary, sizeof(temporary), "%s.new", load->status_file);
	file = fopen(temporary, "w");
	if (!file)
		return;
	tally_print_json(&load->tally, elapsed_us / 1000, file);
	if (!fclose(file))
		rename(temporary, load->status_file);
}

static void tick(struct load *load, uint64_t now_us)
{
	for (unsigned i = 0; i < load->connections; i++)
		client_check_time(load->clients[i], now_us);
	if (load->status_file)
		write_status(load, now_us - load->world.started_us);
}

static uint64_t run(struct load *load)
{
	struct epoll_event events[256];
	uint64_t next_tick_us;

	load->world.started_us = client_now_us();
	next_tick_us = load->world.started_us + TICK_US;
	for (;;) {
		uint64_t now_us = client_now_us();
		bool owed;
		int n;

		ask(load, now_us - load->world.started_us);
		owed = load->tally.sent != load->tally.answered + tally_failed(&load->tally);
		if (!owed && over(load, now_us - load->world.started_us))
			break;
		n = epoll_wait(load->world.epoll_fd, events, 256,
			       load->rate || load->paused.count ? 1 : 20);
		for (int i = 0; i < n; i++)
			client_event(events[i].data.ptr, events[i].events);
		now_us = client_now_us();
		if (now_us >= next_tick_us) {
			tick(load, now_us);
			next_tick_us = now_us + TICK_US;
		}
	}
	return client_now_us() - load->world.started_us;
}

static void release(struct load *load)
{
	for (unsigned i = 0; load->clients && i < load->connections; i++)
		client_free(load->clients[i]);
	free(load->clients);
	ring_release(&load->ready);
	ring_release(&load->paused);
	for (unsigned i = 0; i < load->target_count; i++)
		free(load->targets[i].request);
	tally_release(&load->tally);
	close(load->world.epoll_fd);
}

int main(int argc, char **argv)
{
	struct load load = { .world.epoll_fd = -1 };
	uint64_t duration_us;
	bool failed;
	int err;

	parse(argc, argv, &load);
	process_stop_on_signals();
	err = prepare(&load);
	if (err) {
		fprintf(stderr, "load: %s\n", strerror(-err));
		release(&load);
		return 1;
	}
	duration_us = run(&load);
	if (load.status_file)
		write_status(&load, duration_us);
	if (load.json)
		tally_print_json(&load.tally, duration_us / 1000, stdout);
	else
		tally_print_text(&load.tally, duration_us / 1000, stdout);
	failed = tally_failed(&load.tally) > 0;
	release(&load);
	return failed;
}
