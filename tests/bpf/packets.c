/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * packets: runs the packet cases against the BPF programs by BPF_PROG_TEST_RUN, every case in every
 * ingress hook. Needs root, but no interface and no bpffs. The last line is always `N passed, N
 * failed, N skipped`; exit 0 only if nothing failed.
 */
#include <errno.h>
#include <getopt.h>
#include <glob.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "events.h"
#include "play.h"
#include "pressure.h"
#include "sequence.h"

enum { DEFAULT_STEPS = 200000 };

struct options {
	const char *name; /* NULL: all */
	bool list, verbose, no_sweeps, stop;
	bool all;			   /* every case there is */
	struct sequence_options sequences; /* steps: of each variant */
};

struct totals {
	unsigned passed, failed, skipped;
};

static void usage(FILE *to)
{
	fprintf(to,
		"usage: packets [--list] [--case NAME] [-v] [--stop] [--no-sweeps] [--steps N] [--seed N] [FILE.case...]\n"
		"Runs the packet cases of the files (default: tests/bpf/cases/*.case) against\n"
		"the BPF programs, which are part of this program. --case NAME runs the cases\n"
		"whose name begins with NAME. -v prints every packet. --stop ends after the first failure. After all cases random\n"
		"sequences of N steps in all (default 200000) run against the model; with\n"
		"--case or FILE only if --steps is given. --no-sweeps leaves out the truncations of\n"
		"the packets, for machines that are slow.\n");
}

/* Counters are per CPU and so is round robin's cursor. */
static void stay_on_one_cpu(void)
{
	cpu_set_t cpus;
	int cpu = sched_getcpu();

	if (cpu < 0)
		return;
	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		fprintf(stderr, "packets: cannot stay on one CPU: %s\n", strerror(errno));
}

static void count(bool passed, struct totals *totals)
{
	totals->passed += passed;
	totals->failed += !passed;
}

static void run_case(struct world *world, const struct test_case *test, enum play_variant variant,
		     bool verbose, struct totals *totals)
{
	enum play_result result;
	char *text = NULL;
	size_t len = 0;
	FILE *report = open_memstream(&text, &len);

	if (!report) {
		totals->failed++;
		return;
	}
	result = play_case(world, test, variant, verbose, report);
	fclose(report);
	if (test->must_fail && result != PLAY_SKIPPED) {
		result = result == PLAY_FAILED && strstr(text, test->must_fail) ? PLAY_PASSED
										: PLAY_FAILED;
		if (result == PLAY_FAILED)
			printf("FAIL %s [%s] %s: must fail with `%s`; got: %s\n", test->name,
			       play_variant_names[variant], test->where, test->must_fail,
			       *text ? text : "no failure");
	} else if (result == PLAY_FAILED) {
		printf("FAIL %s [%s] %s", test->name, play_variant_names[variant], text);
	} else if (result == PLAY_SKIPPED) {
		printf("SKIP %s [%s] %s", test->name, play_variant_names[variant], text);
	}
	if (verbose)
		printf("%s [%s]: %s\n%s", test->name, play_variant_names[variant],
		       result == PLAY_PASSED ? "ok" : "not ok", text);
	totals->passed += result == PLAY_PASSED;
	totals->failed += result == PLAY_FAILED;
	totals->skipped += result == PLAY_SKIPPED;
	free(text);
}

/* The cases for one pair of time-outs, on programs that were loaded with them. */
static void run_cases(struct world *world, const struct options *options, const struct cases *cases,
		      bool quick, struct totals *totals)
{
	unsigned i, variant;

	for (i = 0; i < cases->count && !(options->stop && totals->failed); i++) {
		if (cases->cases[i].quick != quick ||
		    (options->name &&
		     strncmp(cases->cases[i].name, options->name, strlen(options->name))))
			continue;
		for (variant = 0; variant < PLAY_VARIANT_COUNT; variant++)
			if (play_wants(&cases->cases[i], variant))
				run_case(world, &cases->cases[i], variant, options->verbose,
					 totals);
	}
}

/* Half of all steps where there is room, and a quarter each in the two worlds where there is little. */
static void run_sequences(struct world *world, const struct options *options, struct totals *totals)
{
	struct sequence_options sequences = options->sequences;
	unsigned i, variant;

	sequences.steps = (sequences.steps + 1) / (world->room == WORLD_ROOMY ? 2 : 4);
	for (variant = 0; variant < PLAY_VARIANT_COUNT && sequences.steps; variant++) {
		if (options->stop && totals->failed)
			break;
		count(sequence_run(world, &sequences, play_variant_family(variant),
				   play_variant_is_xdp(variant)),
		      totals);
	}
	for (i = MODEL_LIE_NONE + 1; i < MODEL_LIE_COUNT && sequences.steps; i++)
		if (sequence_lie_shows((enum model_lie)i, world->room))
			count(sequence_canary(world, (enum model_lie)i), totals);
}

static int run_few_places(const struct options *options, enum world_room room,
			  struct totals *totals)
{
	struct timeouts timeouts = TIMEOUTS_DEFAULT;
	struct world world;
	int err;

	/* until when a connection is counted that closes must be foreseen: it may be forgotten (sequence_play.c) */
	if (room == WORLD_FORGETS)
		timeouts.closing_ms = timeouts.idle_ms;
	err = world_open(&world, &timeouts, room);
	if (!err && room == WORLD_REFUSES)
		count(pressure_try_newer(&world, stdout), totals);
	if (!err)
		run_sequences(&world, options, totals);
	world_release(&world);
	return err;
}

static int open_all(struct world *world, const struct timeouts *timeouts)
{
	int err = world_open(world, timeouts, WORLD_ROOMY);

	if (!err)
		err = events_open(world);
	return err ? err : ask_open(world);
}

static void close_all(struct world *world)
{
	ask_close();
	events_release();
	world_release(world);
}

static bool has_quick(const struct cases *cases)
{
	unsigned i;

	for (i = 0; i < cases->count && !cases->cases[i].quick; i++)
		;
	return i < cases->count;
}

static int run_all(const struct options *options, const struct cases *cases)
{
	const struct timeouts quick = WORLD_QUICK;
	struct totals totals = { 0, 0, 0 };
	struct world world;
	int err;

	stay_on_one_cpu();
	err = open_all(&world, NULL);
	if (!err) {
		run_cases(&world, options, cases, false, &totals);
		if (options->all)
			count(ask_was_used(stdout), &totals);
		if (!options->name)
			count(events_try_flood(&world, stdout), &totals);
		if (!options->name)
			count(pressure_try(&world, stdout), &totals);
		run_sequences(&world, options, &totals);
	}
	close_all(&world);
	if (!err && options->sequences.steps)
		err = run_few_places(options, WORLD_REFUSES, &totals);
	if (!err && options->sequences.steps)
		err = run_few_places(options, WORLD_FORGETS, &totals);
	if (!err && has_quick(cases)) {
		err = open_all(&world, &quick);
		if (!err)
			run_cases(&world, options, cases, true, &totals);
		close_all(&world);
	}
	totals.failed += err != 0;
	printf("%u passed, %u failed, %u skipped\n", totals.passed, totals.failed, totals.skipped);
	return totals.failed || !totals.passed ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int parse_options(int argc, char **argv, struct options *options)
{
	static const struct option longs[] = {
		{ "list", no_argument, NULL, 'l' },
		{ "case", required_argument, NULL, 'c' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "no-sweeps", no_argument, NULL, 't' },
		{ "stop", no_argument, NULL, 'x' },
		{ "steps", required_argument, NULL, 'n' },
		{ "seed", required_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	long steps = -1;
	int option;

	while ((option = getopt_long(argc, argv, "v", longs, NULL)) != -1) {
		switch (option) {
		case 'l':
			options->list = true;
			break;
		case 'c':
			options->name = optarg;
			break;
		case 'v':
			options->verbose = true;
			break;
		case 't':
			options->no_sweeps = true;
			break;
		case 'x':
			options->stop = true;
			break;
		case 'n':
			steps = strtol(optarg, NULL, 10);
			break;
		case 's':
			options->sequences.seed = strtoull(optarg, NULL, 0);
			break;
		case 'h':
			usage(stdout);
			exit(EXIT_SUCCESS);
		default:
			usage(stderr);
			return -EINVAL;
		}
	}
	options->all = !options->name && optind == argc;
	if (steps < 0)
		steps = options->name || optind < argc ? 0 : DEFAULT_STEPS;
	options->sequences.steps =
		((unsigned long)steps + PLAY_VARIANT_COUNT - 1) / PLAY_VARIANT_COUNT;
	return 0;
}

/* Not of cases that must fail: one of them fails by its truncations alone. */
static void leave_out_sweeps(struct cases *cases)
{
	unsigned i, j;

	for (i = 0; i < cases->count; i++) {
		struct test_case *test = &cases->cases[i];

		for (j = 0; j < test->step_count && !test->must_fail; j++)
			if (test->steps[j].kind == STEP_PACKET && test->steps[j].packet)
				test->steps[j].packet->no_sweep = true;
	}
}

static int load_cases(struct cases *cases, int argc, char **argv)
{
	glob_t found;
	int err = 0;
	size_t i;

	for (; optind < argc && !err; optind++) {
		err = cases_load(cases, argv[optind]);
		if (err || optind + 1 == argc)
			return err;
	}
	if (glob("tests/bpf/cases/*.case", 0, NULL, &found)) {
		fprintf(stderr, "packets: no tests/bpf/cases/*.case here\n");
		return -ENOENT;
	}
	for (i = 0; i < found.gl_pathc && !err; i++)
		err = cases_load(cases, found.gl_pathv[i]);
	globfree(&found);
	return err;
}

int main(int argc, char **argv)
{
	struct options options = { .sequences.seed = 1 };
	struct cases cases = { .cases = NULL };
	int code = EXIT_FAILURE;
	unsigned i;

	if (parse_options(argc, argv, &options))
		return 2;
	if (load_cases(&cases, argc, argv)) {
		fprintf(stderr, "packets: the cases cannot be read\n");
	} else if (options.list) {
		for (i = 0; i < cases.count; i++)
			printf("%s\t%s\n", cases.cases[i].name, cases.cases[i].where);
		code = EXIT_SUCCESS;
	} else {
		if (options.no_sweeps)
			leave_out_sweeps(&cases);
		code = run_all(&options, &cases);
	}
	cases_release(&cases);
	return code;
}
