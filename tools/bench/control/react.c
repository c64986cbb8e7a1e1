/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How soon the maps follow: from a check's turn in Consul, a kill event on Marathon's stream, and
 * the end of a listener, to the set that the BPF programs read. One clock, CLOCK_MONOTONIC of this
 * host. Run it where sluiced runs (network namespace, and as root); run (beside it) says how.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "flip.h"
#include "listener.h"
#include "look.h"
#include "master.h"
#include "options.h"
#include "times.h"

#define LIMIT_MS 20000
#define TASKS 4
/*
 * 800 ports of Marathon's tasks: who is usable there shall be one of them, not what Consul told
 * before.
 */
#define FIRST_PORT 31100
#define FLIP_PORT 31950

static const char usage[] =
	"usage: react consul|kill|veto --pins DIR [--count N] [--consul URL] [--host NAME] [--port P]\n";

/* --- Consul --- */

static int react_consul(const struct options *options, const struct maps *maps)
{
	static struct times later, query, map;
	struct flip *flip = flip_new(options->consul, "bench", FLIP_PORT);
	bool passing = true;

	if (!flip)
		return options_failed("cannot register at the agent");
	if (!flip_seen(flip, true, LIMIT_MS) || !look_until(maps, FLIP_PORT, true, LIMIT_MS) ||
	    !look_until(maps, FLIP_PORT + 1, true, LIMIT_MS)) {
		flip_free(flip);
		return options_failed("the services do not come up");
	}
	for (unsigned i = 0; i < options->count; i++) {
		uint64_t from, in_map, in_query;

		/* at least a second apart, and in no step with anybody's seconds */
		clock_rest_us(1000000 + (long)(i * 7919 % 300) * 1000);
		passing = !passing;
		from = clock_now_ns();
		flip_turn(flip, passing);
		in_map = look_until(maps, FLIP_PORT, passing, LIMIT_MS);
		in_query = flip_seen(flip, passing, LIMIT_MS);
		if (!in_map || !in_query) {
			flip_free(flip);
			return options_failed(in_map ? "the query does not tell"
						     : "the map does not follow");
		}
		times_add(&later, ((double)in_map - (double)in_query) / 1e6);
		times_add(&query, (double)(in_query - from) / 1e6);
		times_add(&map, (double)(in_map - from) / 1e6);
	}
	flip_free(flip);
	times_print("consul: turn to a bare blocking query's answer", &query);
	times_print("consul: turn to map", &map);
	times_print("consul: map later than the query", &later);
	printf("bar: median at most 10 ms later: %s\n",
	       times_quantile(&later, 0.5) <= 10 ? "met" : "MISSED");
	return times_quantile(&later, 0.5) <= 10 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* --- Marathon's kill event --- */

static bool is_bar_met(struct times *times)
{
	bool met = times_quantile(times, 0.5) <= 5 && times_quantile(times, 0.99) <= 50;

	printf("bar: median <= 5 ms, p99 <= 50 ms: %s\n", met ? "met" : "MISSED");
	return met;
}

static bool all_usable(const struct maps *maps, const struct master_task *tasks)
{
	for (unsigned i = 0; i < TASKS; i++)
		if (!look_until(maps, tasks[i].port, true, LIMIT_MS))
			return false;
	return true;
}

static struct master *start_master(const struct options *options, struct master_task *tasks)
{
	struct master *master = master_new(options->port, options->host, 1, false);

	if (!master)
		return NULL;
	for (unsigned i = 0; i < TASKS; i++)
		tasks[i] = (struct master_task){ .number = i, .port = (uint16_t)(FIRST_PORT + i) };
	master_set(master, tasks, TASKS);
	for (unsigned waited = 0; !master_streams(master) && waited < LIMIT_MS; waited += 10)
		clock_rest_us(10000);
	return master;
}

static int react_kill(const struct options *options, const struct maps *maps)
{
	static struct times times;
	struct master_task tasks[TASKS];
	struct master *master = start_master(options, tasks);

	if (!master || !all_usable(maps, tasks))
		return options_failed("the tasks do not come up");
	for (unsigned i = 0; i < options->count; i++) {
		struct master_task *task = &tasks[i % TASKS];
		uint64_t from, in_map;

		clock_rest_us(200000 + (long)(i * 7919 % 300) * 1000);
		from = master_kill(master, task);
		in_map = look_until(maps, task->port, false, LIMIT_MS);
		if (!in_map)
			return options_failed("the map does not follow");
		times_add(&times, (double)(in_map - from) / 1e6);
		/* Marathon starts another in its place */
		task->number = TASKS + i;
		task->port = (uint16_t)(FIRST_PORT + (TASKS + i) % 800);
		master_set(master, tasks, TASKS);
		master_started(master, task);
		if (!all_usable(maps, tasks))
			return options_failed("the next task does not come up");
	}
	times_print("kill: TASK_KILLING on the stream to map", &times);
	return is_bar_met(&times) ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* --- the kernel's listeners --- */

static int react_veto(const struct options *options, const struct maps *maps)
{
	static struct times times;
	struct master_task tasks[TASKS];
	struct master *master = start_master(options, tasks);
	int listener[TASKS];

	for (unsigned i = 0; i < TASKS; i++) {
		listener[i] = listener_open((uint16_t)(FIRST_PORT + i));
		if (listener[i] < 0)
			return options_failed("cannot listen");
	}
	if (!master || !all_usable(maps, tasks))
		return options_failed("the tasks do not come up");
	clock_rest_us(
		3000000); /* until each has been seen listening: the kernel is asked each second */
	for (unsigned i = 0; i < options->count; i++) {
		unsigned at = i % TASKS;
		uint64_t from, in_map;

		clock_rest_us(200000 + (long)(i * 7919 % 300) * 1000);
		from = clock_now_ns();
		close(listener[at]);
		in_map = look_until(maps, tasks[at].port, false, LIMIT_MS);
		if (!in_map)
			return options_failed("the map does not follow");
		times_add(&times, (double)(in_map - from) / 1e6);
		listener[at] = listener_open(tasks[at].port);
		if (listener[at] < 0 || !look_until(maps, tasks[at].port, true, LIMIT_MS))
			return options_failed("the listener does not come back");
	}
	times_print("veto: end of a listener to map", &times);
	return is_bar_met(&times) ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	static const struct measurement measurements[] = { { "consul", react_consul },
							   { "kill", react_kill },
							   { "veto", react_veto },
							   { NULL, NULL } };
	struct options options = {
		.consul = "http://127.0.0.1:8500", .host = "slave1.lab", .count = 20, .port = 18080
	};
	const struct measurement *measurement =
		options_parse(&options, "pid", measurements, argc, argv);

	if (!measurement) {
		fputs(usage, stderr);
		return 2;
	}
	return options_measure(&options, measurement);
}
