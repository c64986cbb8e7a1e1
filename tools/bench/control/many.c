/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What 1,000 backends over 64 services cost the daemon: processor time for a whole answer that
 * changes nothing and for one that changes half of them, memory over 10,000 changes, processor time
 * while nothing happens. The daemon's own clock (clock_getcpuclockid) and /proc/PID/status.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <time.h>

#include "clock.h"
#include "listener.h"
#include "look.h"
#include "master.h"
#include "options.h"
#include "times.h"

#define APPS 64
#define TASKS 1000
#define FIRST_PORT 31000
#define LIMIT_MS 60000
#define SETTLE_MS 5000

static const char usage[] =
	"usage: many change|idle --pins DIR --pid PID [--count N] [--host NAME] [--port P]\n";

/* Milliseconds that the process has had so far. */
static double cpu_ms(pid_t pid)
{
	struct timespec spent = { 0 };
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &spent))
		return -1;
	return (double)spent.tv_sec * 1e3 + (double)spent.tv_nsec / 1e6;
}

static long anonymous_kib(pid_t pid)
{
	char path[64], line[256];
	long kib = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "RssAnon: %ld kB", &kib) == 1)
			break;
	if (file)
		fclose(file);
	return kib;
}

static struct master *start(const struct options *options, const struct maps *maps,
			    struct master_task *tasks)
{
	struct master *master = master_new(options->port, options->host, APPS, true);

	if (!master)
		return NULL;
	for (unsigned i = 0; i < TASKS; i++)
		tasks[i] = (struct master_task){ .app = i % APPS,
						 .number = i,
						 .port = (uint16_t)(FIRST_PORT + i),
						 .well = true };
	master_set(master, tasks, TASKS);
	for (unsigned i = 0; i < TASKS; i++)
		if (!look_until(maps, tasks[i].port, true, LIMIT_MS))
			return NULL;
	return master;
}

/* Until the daemon has asked for everything once more, and has had time to work it in. */
static bool next_answer(struct master *master)
{
	uint64_t single, before = master_answers(master, &single);

	for (unsigned waited = 0; master_answers(master, &single) == before; waited += 5) {
		if (waited > LIMIT_MS)
			return false;
		clock_rest_us(5000);
	}
	return true;
}

/* CPU between two whole answers: one is taken in between, whatever else a second brings. */
static bool cost_of_answers(const struct options *options, struct master *master, unsigned rounds,
			    struct times *times)
{
	double before, after;

	if (!next_answer(master))
		return false;
	clock_rest_us(400000);
	before = cpu_ms(options->pid);
	for (unsigned i = 0; i < rounds; i++) {
		if (!next_answer(master))
			return false;
		clock_rest_us(400000);
		after = cpu_ms(options->pid);
		times_add(times, after - before);
		before = after;
	}
	return true;
}

/* Half of the tasks of each app fail, or are well again. */
static bool change_half(const struct options *options, const struct maps *maps,
			struct master *master, struct master_task *tasks, struct times *times)
{
	double before = cpu_ms(options->pid);

	for (unsigned i = 0; i < TASKS; i++)
		if (i / APPS % 2)
			tasks[i].well = !tasks[i].well;
	master_set(master, tasks, TASKS);
	if (!next_answer(master))
		return false;
	for (unsigned i = 0; i < TASKS; i++)
		if (!look_until(maps, tasks[i].port, tasks[i].well, LIMIT_MS))
			return false;
	clock_rest_us(200000);
	times_add(times, cpu_ms(options->pid) - before);
	return true;
}

static bool say_bar(const char *bar, bool met)
{
	printf("bar: %s: %s\n", bar, met ? "met" : "MISSED");
	return met;
}

static int many_change(const struct options *options, const struct maps *maps)
{
	static struct master_task tasks[TASKS];
	static struct times same, changed;
	struct master *master = start(options, maps, tasks);
	unsigned rounds = options->count / (TASKS / 2);
	long before, after;
	bool met = true;

	if (!master)
		return options_failed("the backends do not come up");
	if (!cost_of_answers(options, master, 10, &same))
		return options_failed("no further answer was asked for");
	/* twice there and back before memory is looked at: what grows once has grown */
	for (unsigned i = 0; i < 4; i++)
		if (!change_half(options, maps, master, tasks, &changed))
			return options_failed("the maps do not follow");
	changed.count = 0;
	before = anonymous_kib(options->pid);
	for (unsigned i = 0; i < rounds; i++)
		if (!change_half(options, maps, master, tasks, &changed))
			return options_failed("the maps do not follow");
	after = anonymous_kib(options->pid);
	printf("(a round is a whole answer: fetched, parsed, decided, compared, published, and what its second costs)\n");
	times_print("CPU: a round that changes nothing", &same);
	times_print("CPU: a round that changes half of 1,000 backends", &changed);
	met &= say_bar("full reconcile <= 50 ms CPU", times_quantile(&changed, 0.5) <= 50);
	printf("RssAnon: %ld KiB before %u changes, %ld KiB after\n", before, rounds * (TASKS / 2),
	       after);
	met &= say_bar("RssAnon <= 16 MB", after > 0 && after <= 16 * 1024);
	met &= say_bar("flat (within 256 KiB)", after - before <= 256);
	return met ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Behind each backend somebody listens, as on a real host: they all are in the kernel's list. */
static bool listen_on_all(void)
{
	const struct rlimit files = { 2 * TASKS, 2 * TASKS };

	if (setrlimit(RLIMIT_NOFILE, &files))
		return false;
	for (unsigned i = 0; i < TASKS; i++)
		if (listener_open((uint16_t)(FIRST_PORT + i)) < 0)
			return false;
	return true;
}

static int many_idle(const struct options *options, const struct maps *maps)
{
	static struct master_task tasks[TASKS];
	double before, share;
	uint64_t from;

	if (!listen_on_all())
		return options_failed("cannot listen");
	if (!start(options, maps, tasks))
		return options_failed("the backends do not come up");
	clock_rest_us(SETTLE_MS * 1000);
	from = clock_now_ns();
	before = cpu_ms(options->pid);
	clock_rest_us((long)options->count * 1000000);
	share = 100 * (cpu_ms(options->pid) - before) / ((double)(clock_now_ns() - from) / 1e6);
	printf("idle: %.3f %% of one processor over %u s\n", share, options->count);
	return say_bar("idle CPU <= 0.1 %", before >= 0 && share <= 0.1) ? EXIT_SUCCESS
									 : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	static const struct measurement measurements[] = { { "change", many_change },
							   { "idle", many_idle },
							   { NULL, NULL } };
	struct options options = { .host = "slave1.lab", .port = 18080 };
	const struct measurement *measurement =
		options_parse(&options, "consul", measurements, argc, argv);

	if (!measurement || !options.pid) {
		fputs(usage, stderr);
		return 2;
	}
	return options_measure(&options, measurement);
}
