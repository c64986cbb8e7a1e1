/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bench-prog [--quick] [--only WORD] [--breakdown] [--json FILE]: what each program costs a packet, on each of its paths. All
 * cases run in every round, each round beginning with another one, on one CPU; so what disturbs the
 * machine disturbs them alike. After each run the shipped counters must tell that the path meant
 * was the path taken. At last what a client on this host pays for its connect(2): see connect.h.
 *
 * --breakdown: not the whole of each path but its steps.
 *
 * Needs root. Pins nothing; attaches nothing but to a cgroup of its own.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "connect.h"
#include "result.h"
#include "world.h"

enum { ROUNDS = 15, ROUND_STEP = 7, REPEAT_MIN = 2000, REPEAT_FIRST = 4000 };

static const double RUN_NS = 25e6, RUN_QUICK_NS = 4e6;

struct bench {
	struct world world;
	double run_ns; /* how long a run shall take */
	bool breakdown;
	bool *wanted; /* of each case, as what follows */
	uint32_t *repeat;
	struct result_samples *samples;
	struct connect_figures connects[CONNECT_ROWS];
};

/* --- was it the path that was meant? --- */

struct counters {
	uint64_t reasons[SLUICE_REASON_COUNT];
	struct sluice_stats stats[SLUICE_MAX_SERVICES + 1];
};

static int read_counters(const struct world *world, struct counters *counters)
{
	unsigned service;
	int err;

	err = maps_read_reasons(&world->maps, counters->reasons);
	for (service = 1; !err && service <= SLUICE_MAX_SERVICES; service++)
		err = maps_read_sstats(&world->maps, service, &counters->stats[service]);
	return err;
}

static uint64_t proven(const struct counters *before, const struct counters *after,
		       enum case_proof proof)
{
	const struct sluice_stats *was = &before->stats[JOB_SERVICE];
	const struct sluice_stats *is = &after->stats[JOB_SERVICE];

	switch (proof) {
	case PROOF_IN:
		return is->packets_in - was->packets_in;
	case PROOF_OUT:
		return is->packets_out - was->packets_out;
	case PROOF_NEW:
		return after->reasons[SLUICE_REASON_NEW] - before->reasons[SLUICE_REASON_NEW];
	case PROOF_FULL:
	case PROOF_NOTHING:
		break;
	}
	return 0;
}

/* XDP takes one packet in 65,536 for one whose checksum is still to be filled in: see rewrite.h. */
static int check_path(const struct bench_case *row, const struct counters *before,
		      const struct counters *after, uint32_t repeat)
{
	uint64_t count = proven(before, after, row->proof), others = 0, to_tc;
	unsigned i;

	to_tc = after->reasons[SLUICE_REASON_TO_TC] - before->reasons[SLUICE_REASON_TO_TC];
	if (row->proof == PROOF_FULL) {
		count = to_tc;
		to_tc = 0;
	}
	for (i = 0; i < SLUICE_REASON_COUNT; i++)
		if (i != SLUICE_REASON_TO_TC &&
		    !(i == SLUICE_REASON_NEW && row->proof == PROOF_NEW))
			others += after->reasons[i] - before->reasons[i];
	if (count + to_tc == (row->proof == PROOF_NOTHING ? 0 : repeat) && !others &&
	    to_tc <= 10 + repeat / 10000)
		return 0;
	fprintf(stderr,
		"bench-prog: %s: of %u packets %llu took the path, %llu were left to tc, %llu counted otherwise\n",
		row->name, repeat, (unsigned long long)count, (unsigned long long)to_tc,
		(unsigned long long)others);
	return -EPROTO;
}

static int run_case(struct bench *bench, unsigned index, uint32_t repeat, double *ns)
{
	static struct counters before, after;
	const struct bench_case *row = &cases[index];
	struct world *world = &bench->world;
	int err;

	if (row->proof == PROOF_NEW)
		world_settle(world);
	if (row->proof == PROOF_FULL)
		world_limit(world, true);
	err = read_counters(world, &before);
	if (!err)
		err = world_measure(world, &row->run, repeat, ns);
	if (!err)
		err = read_counters(world, &after);
	world_limit(world, false);
	if (err) {
		fprintf(stderr, "bench-prog: %s: %s\n", row->name, strerror(-err));
		return err;
	}
	return check_path(row, &before, &after, repeat);
}

/* --- rounds --- */

static void want(bool *wanted, const char *name)
{
	const unsigned index = case_find(name);

	wanted[index] = true;
	if (cases[index].base)
		want(wanted, cases[index].base);
}

/* The cases that have the word in their names (NULL: all), and what they are held against. */
static void choose(bool *wanted, const char *word, bool breakdown)
{
	unsigned i;

	for (i = 0; i < case_count; i++)
		if (case_is_step(&cases[i]) == breakdown && (!word || strstr(cases[i].name, word)))
			want(wanted, cases[i].name);
	for (i = 0; i < bar_count; i++)
		if (bars[i].over && wanted[case_find(bars[i].name)])
			want(wanted, bars[i].over);
	for (i = 0; i < reference_count; i++)
		want(wanted, references[i].name);
}

static bool phase_wanted(const struct bench *bench, enum case_phase phase)
{
	unsigned i;

	for (i = 0; i < case_count; i++)
		if (cases[i].phase == phase && bench->wanted[i])
			return true;
	return false;
}

/* How often each case has to be repeated for a run to take its time; the caches are warm then. */
static int calibrate(struct bench *bench, enum case_phase phase)
{
	double ns, repeat;
	unsigned i;
	int err;

	for (i = 0; i < case_count; i++) {
		if (cases[i].phase != phase || !bench->wanted[i])
			continue;
		err = run_case(bench, i, REPEAT_FIRST, &ns);
		if (err)
			return err;
		repeat = bench->run_ns / ns;
		bench->repeat[i] = repeat < REPEAT_MIN ? REPEAT_MIN : (uint32_t)repeat;
	}
	return 0;
}

static int run_phase(struct bench *bench, enum case_phase phase)
{
	struct world_size size = case_sizes[phase];
	unsigned round, i, index;
	int err;

	size.steps = bench->breakdown;
	err = world_open(&bench->world, &size);
	if (!err)
		err = world_fill(&bench->world, case_flows[phase]);
	if (!err)
		err = calibrate(bench, phase);
	for (round = 0; round < ROUNDS && !err; round++) {
		for (i = 0; i < case_count && !err; i++) {
			index = (i + round * ROUND_STEP) % case_count;
			if (cases[index].phase == phase && bench->wanted[index])
				err = run_case(bench, index, bench->repeat[index],
					       &bench->samples[index].ns[round]);
		}
	}
	return err;
}

/* --- the shipped programs' size --- */

/* From the line "stack depth 240+16" of the verifier's statistics: all of it is in use at once. */
static uint32_t stack_bytes(const char *log)
{
	const char *at = strstr(log, "stack depth ");
	uint32_t sum = 0;
	char *end;

	if (!at)
		return 0;
	at += strlen("stack depth ");
	for (;;) {
		sum += (uint32_t)strtoul(at, &end, 10);
		if (*end != '+')
			return sum;
		at = end + 1;
	}
}

static int program_info(const struct world *world, enum world_program program,
			struct result_program *result)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(world->program_fd[program], &info, &len) < 0)
		return -errno;
	result->xlated_bytes = info.xlated_prog_len;
	result->jited_bytes = info.jited_prog_len;
	result->verified_insns = info.verified_insns;
	result->stack_bytes = stack_bytes(world_log(world, program));
	return 0;
}

/* --- the whole --- */

static int pin_to_cpu(void)
{
	cpu_set_t set;
	int cpu;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return -errno;
	for (cpu = CPU_SETSIZE - 1; cpu > 0; cpu--)
		if (CPU_ISSET(cpu, &set))
			break;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) < 0 ? -errno : 0;
}

static int report(const struct bench *bench, const char *json)
{
	struct result_program programs[] = {
		{ .name = "sluice_xdp" },
		{ .name = "sluice_tc_in" },
		{ .name = "sluice_tc_out" },
	};
	const struct result result = {
		.rounds = ROUNDS,
		.ran = bench->wanted,
		.samples = bench->samples,
		.connects = bench->connects,
		.programs = programs,
		.program_count = sizeof(programs) / sizeof(programs[0]),
	};
	unsigned i;
	int err;

	for (i = 0; i < result.program_count; i++) {
		err = program_info(&bench->world, WORLD_XDP_SHIPPED + i, &programs[i]);
		if (err) {
			fprintf(stderr, "bench-prog: %s: %s\n", programs[i].name, strerror(-err));
			return err;
		}
	}
	result_print(&result, stdout);
	if (!json)
		return 0;
	err = result_write_json(&result, json);
	if (err)
		fprintf(stderr, "bench-prog: %s: %s\n", json, strerror(-err));
	return err;
}

static int bench_run(struct bench *bench, const char *word, const char *json)
{
	enum case_phase phase;
	int err;

	bench->wanted = calloc(case_count, sizeof(*bench->wanted));
	bench->repeat = calloc(case_count, sizeof(*bench->repeat));
	bench->samples = calloc(case_count, sizeof(*bench->samples));
	if (!bench->wanted || !bench->repeat || !bench->samples) {
		err = -ENOMEM;
		goto out;
	}
	choose(bench->wanted, word, bench->breakdown);
	err = pin_to_cpu();
	if (err)
		goto out;
	for (phase = 0; phase < CASE_PHASES; phase++) {
		if (!phase_wanted(bench, phase))
			continue;
		world_release(&bench->world);
		err = run_phase(bench, phase);
		if (err)
			goto out;
	}
	if (!bench->breakdown) {
		err = connect_measure(word, ROUNDS, bench->run_ns, bench->connects);
		if (err)
			goto out;
	}
	err = report(bench, json);
out:
	world_release(&bench->world);
	free(bench->wanted);
	free(bench->repeat);
	free(bench->samples);
	return err;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "quick", no_argument, NULL, 'q' },	 { "only", required_argument, NULL, 'o' },
		{ "breakdown", no_argument, NULL, 'b' }, { "json", required_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },	 {},
	};
	struct bench bench = { .run_ns = RUN_NS };
	const char *json = NULL, *word = NULL;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'q':
			bench.run_ns = RUN_QUICK_NS;
			break;
		case 'o':
			word = optarg;
			break;
		case 'b':
			bench.breakdown = true;
			break;
		case 'j':
			json = optarg;
			break;
		case 'h':
			puts("usage: bench-prog [--quick] [--only WORD] [--breakdown] [--json FILE]");
			return 0;
		default:
			fputs("usage: bench-prog [--quick] [--only WORD] [--breakdown] [--json FILE]\n",
			      stderr);
			return 2;
		}
	}
	return bench_run(&bench, word, json) ? 1 : 0;
}
