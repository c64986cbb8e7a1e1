/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The rows. Many flows come in random order and one after the other; "hot" is one flow again and
 * again. New connections come each from an address and port of its own, into a half-open table that
 * is full: an insertion is an eviction too.
 */
#include "cases.h"

#include <stdlib.h>
#include <string.h>

enum { FLOWS_16K = 16384, FLOWS_1M = 1000000 };

/* The size that attach gives by default, and room for a million. Half-open flows fill their table. */
const struct world_size case_sizes[CASE_PHASES] = {
	[CASE_16K] = { .table = 1 << 18, .half_table = FLOWS_16K },
	[CASE_1M] = { .table = 1 << 20, .half_table = FLOWS_16K },
};
const uint32_t case_flows[CASE_PHASES] = { [CASE_16K] = FLOWS_16K, [CASE_1M] = FLOWS_1M };

#define EMPTY(NAME, PROGRAM)                                                           \
	{                                                                              \
		NAME, "base", NULL, CASE_16K,                                          \
			{ PROGRAM, NULL, JOB_SAME, 1, 4, FRAME_IN, JOB_SERVICE_PORT }, \
			PROOF_NOTHING                                                  \
	}
#define BASE(NAME, PHASE, PROGRAM, ORDER, FAMILY, KIND)                                            \
	{                                                                                          \
		NAME, "base", NULL, PHASE,                                                         \
			{ PROGRAM, NULL, ORDER,		  PHASE == CASE_1M ? FLOWS_1M : FLOWS_16K, \
			  FAMILY,  KIND, JOB_SERVICE_PORT },                                       \
			PROOF_NOTHING                                                              \
	}
#define ALONE(NAME, BASE_NAME, PROGRAM, FAMILY, KIND)                                   \
	{                                                                               \
		NAME, "not ours", BASE_NAME, CASE_16K,                                  \
			{ PROGRAM, NULL, JOB_SAME, 1, FAMILY, KIND, JOB_SERVICE_PORT }, \
			PROOF_NOTHING                                                   \
	}
#define FLOW(NAME, BASE_NAME, PHASE, PROGRAM, ORDER, FLOWS, FAMILY, KIND, PROOF)               \
	{                                                                                      \
		NAME, "established", BASE_NAME, PHASE,                                         \
			{ PROGRAM, NULL, ORDER, FLOWS, FAMILY, KIND, JOB_SERVICE_PORT }, PROOF \
	}
#define HIT(NAME, HOOK, PROGRAM, FAMILY, KIND, PROOF)                                             \
	FLOW(NAME " hot", HOOK " base hot", CASE_16K, PROGRAM, JOB_SAME, 1, FAMILY, KIND, PROOF), \
		FLOW(NAME " 16k", HOOK " base 16k", CASE_16K, PROGRAM, JOB_RANDOM, FLOWS_16K,     \
		     FAMILY, KIND, PROOF),                                                        \
		FLOW(NAME " 1M", HOOK " base 1M", CASE_1M, PROGRAM, JOB_RANDOM, FLOWS_1M, FAMILY, \
		     KIND, PROOF)
#define NEW_IN(NAME, BASE_NAME, PROGRAM, FAMILY, PORT, PROOF)                           \
	{                                                                               \
		NAME, "new connection", BASE_NAME, CASE_16K,                            \
			{ PROGRAM, NULL, JOB_FRESH, 1, FAMILY, FRAME_SYN, PORT }, PROOF \
	}
#define NEW(NAME, PROGRAM, BALANCE, MANY) \
	NEW_IN(NAME, "xdp4 base new", PROGRAM, 4, WORLD_NEW_PORT(BALANCE, MANY), PROOF_NEW)

#define STEP_GROUP "where the time goes: "
#define STEP(NAME, GROUP, BASE_NAME, STEP_NAME, FAMILY, KIND, PROOF)                         \
	{                                                                                    \
		NAME, STEP_GROUP GROUP, BASE_NAME, CASE_16K,                                 \
			{ 0, STEP_NAME, JOB_SAME, 1, FAMILY, KIND, JOB_SERVICE_PORT }, PROOF \
	}
#define WHOLE(NAME, GROUP, BASE_NAME, PROGRAM, FAMILY, KIND, PROOF)                           \
	{                                                                                     \
		NAME, STEP_GROUP GROUP, BASE_NAME, CASE_16K,                                  \
			{ PROGRAM, NULL, JOB_SAME, 1, FAMILY, KIND, JOB_SERVICE_PORT }, PROOF \
	}
#define STEPS(HOOK, STEP_OF, PROGRAM, FAMILY, KIND, PROOF)                                         \
	STEP(HOOK ": parse", HOOK, HOOK " base hot", STEP_OF "_parse", FAMILY, KIND,               \
	     PROOF_NOTHING),                                                                       \
		STEP(HOOK ": + service", HOOK, HOOK ": parse", STEP_OF "_service", FAMILY, KIND,   \
		     PROOF_NOTHING),                                                               \
		STEP(HOOK ": + flow", HOOK, HOOK ": + service", STEP_OF "_flow", FAMILY, KIND,     \
		     PROOF_NOTHING),                                                               \
		STEP(HOOK ": + counters", HOOK, HOOK ": + flow", STEP_OF "_count", FAMILY, KIND,   \
		     PROOF),                                                                       \
		STEP(HOOK ": + stamp", HOOK, HOOK ": + counters", STEP_OF "_stamp", FAMILY, KIND,  \
		     PROOF),                                                                       \
		STEP(HOOK ": + rewrite", HOOK, HOOK ": + stamp", STEP_OF "_rewrite", FAMILY, KIND, \
		     PROOF),                                                                       \
		WHOLE(HOOK ": + the rest", HOOK, HOOK ": + rewrite", PROGRAM, FAMILY, KIND, PROOF)
#define NEW_STEP(NAME, BASE_NAME, PROGRAM, STEP_NAME, PROOF)                     \
	{                                                                        \
		"new4: " NAME, STEP_GROUP "new connection", BASE_NAME, CASE_16K, \
			{ PROGRAM,                                               \
			  STEP_NAME,                                             \
			  JOB_FRESH,                                             \
			  1,                                                     \
			  4,                                                     \
			  FRAME_SYN,                                             \
			  WORLD_NEW_PORT(SLUICE_BALANCE_ROUNDROBIN, 0) },        \
			PROOF                                                    \
	}

const struct bench_case cases[] = {
	EMPTY("xdp empty", WORLD_XDP_EMPTY),
	EMPTY("tc empty", WORLD_TC_EMPTY),
	BASE("xdp4 base hot", CASE_16K, WORLD_XDP_BASE, JOB_SAME, 4, FRAME_IN),
	BASE("xdp6 base hot", CASE_16K, WORLD_XDP_BASE, JOB_SAME, 6, FRAME_IN),
	BASE("tc4 in base hot", CASE_16K, WORLD_TC_BASE, JOB_SAME, 4, FRAME_IN),
	BASE("tc6 in base hot", CASE_16K, WORLD_TC_BASE, JOB_SAME, 6, FRAME_IN),
	BASE("tc4 out base hot", CASE_16K, WORLD_OUT_BASE, JOB_SAME, 4, FRAME_OUT),
	BASE("tc6 out base hot", CASE_16K, WORLD_OUT_BASE, JOB_SAME, 6, FRAME_OUT),
	BASE("xdp4 base 16k", CASE_16K, WORLD_XDP_BASE, JOB_RANDOM, 4, FRAME_IN),
	BASE("xdp4 base 1M", CASE_1M, WORLD_XDP_BASE, JOB_RANDOM, 4, FRAME_IN),
	BASE("xdp6 base 16k", CASE_16K, WORLD_XDP_BASE, JOB_RANDOM, 6, FRAME_IN),
	BASE("xdp6 base 1M", CASE_1M, WORLD_XDP_BASE, JOB_RANDOM, 6, FRAME_IN),
	BASE("tc4 in base 16k", CASE_16K, WORLD_TC_BASE, JOB_RANDOM, 4, FRAME_IN),
	BASE("tc4 in base 1M", CASE_1M, WORLD_TC_BASE, JOB_RANDOM, 4, FRAME_IN),
	BASE("tc6 in base 16k", CASE_16K, WORLD_TC_BASE, JOB_RANDOM, 6, FRAME_IN),
	BASE("tc6 in base 1M", CASE_1M, WORLD_TC_BASE, JOB_RANDOM, 6, FRAME_IN),
	BASE("tc4 out base 16k", CASE_16K, WORLD_OUT_BASE, JOB_RANDOM, 4, FRAME_OUT),
	BASE("tc4 out base 1M", CASE_1M, WORLD_OUT_BASE, JOB_RANDOM, 4, FRAME_OUT),
	BASE("tc6 out base 16k", CASE_16K, WORLD_OUT_BASE, JOB_RANDOM, 6, FRAME_OUT),
	BASE("tc6 out base 1M", CASE_1M, WORLD_OUT_BASE, JOB_RANDOM, 6, FRAME_OUT),
	BASE("xdp4 base new", CASE_16K, WORLD_XDP_BASE, JOB_FRESH, 4, FRAME_SYN),
	BASE("xdp6 base new", CASE_16K, WORLD_XDP_BASE, JOB_FRESH, 6, FRAME_SYN),
	BASE("tc4 in base new", CASE_16K, WORLD_TC_BASE, JOB_FRESH, 4, FRAME_SYN),

	ALONE("xdp4 other port", "xdp empty", WORLD_XDP_SHIPPED, 4, FRAME_OTHER),
	ALONE("xdp6 other port", "xdp empty", WORLD_XDP_SHIPPED, 6, FRAME_OTHER),
	ALONE("xdp4 UDP", "xdp empty", WORLD_XDP_SHIPPED, 4, FRAME_UDP),
	ALONE("tc4 in other port", "tc empty", WORLD_TC_IN_SHIPPED, 4, FRAME_OTHER),
	ALONE("tc6 in other port", "tc empty", WORLD_TC_IN_SHIPPED, 6, FRAME_OTHER),
	ALONE("tc4 in after XDP", "tc empty", WORLD_TC_IN_SHIPPED, 4, FRAME_REWRITTEN),
	ALONE("tc4 out other port", "tc empty", WORLD_TC_OUT_SHIPPED, 4, FRAME_OTHER),
	ALONE("tc6 out other port", "tc empty", WORLD_TC_OUT_SHIPPED, 6, FRAME_OTHER),
	ALONE("tc4 out UDP", "tc empty", WORLD_TC_OUT_SHIPPED, 4, FRAME_UDP),

	HIT("bare4", "xdp4", WORLD_LOOKUP, 4, FRAME_IN, PROOF_NOTHING),
	HIT("bare6", "xdp6", WORLD_LOOKUP, 6, FRAME_IN, PROOF_NOTHING),
	HIT("xdp4", "xdp4", WORLD_XDP, 4, FRAME_IN, PROOF_IN),
	HIT("xdp6", "xdp6", WORLD_XDP, 6, FRAME_IN, PROOF_IN),
	HIT("tc4 in", "tc4 in", WORLD_TC_IN, 4, FRAME_IN, PROOF_IN),
	HIT("tc6 in", "tc6 in", WORLD_TC_IN, 6, FRAME_IN, PROOF_IN),
	HIT("tc4 out", "tc4 out", WORLD_TC_OUT, 4, FRAME_OUT, PROOF_OUT),
	HIT("tc6 out", "tc6 out", WORLD_TC_OUT, 6, FRAME_OUT, PROOF_OUT),

	NEW_IN("bare4 insert", "xdp4 base new", WORLD_INSERT, 4, JOB_SERVICE_PORT, PROOF_NOTHING),
	NEW("xdp4 roundrobin 4", WORLD_XDP, SLUICE_BALANCE_ROUNDROBIN, 0),
	NEW("xdp4 leastconn 4", WORLD_XDP, SLUICE_BALANCE_LEASTCONN, 0),
	NEW("xdp4 random 4", WORLD_XDP, SLUICE_BALANCE_RANDOM, 0),
	NEW("xdp4 source 4", WORLD_XDP, SLUICE_BALANCE_SOURCE, 0),
	NEW("xdp4 roundrobin 1000", WORLD_XDP, SLUICE_BALANCE_ROUNDROBIN, 1),
	NEW("xdp4 leastconn 1000", WORLD_XDP, SLUICE_BALANCE_LEASTCONN, 1),
	NEW("xdp4 random 1000", WORLD_XDP, SLUICE_BALANCE_RANDOM, 1),
	NEW("xdp4 source 1000", WORLD_XDP, SLUICE_BALANCE_SOURCE, 1),
	NEW_IN("xdp6 roundrobin 4", "xdp6 base new", WORLD_XDP, 6,
	       WORLD_NEW_PORT(SLUICE_BALANCE_ROUNDROBIN, 0), PROOF_NEW),
	NEW_IN("tc4 roundrobin 4", "tc4 in base new", WORLD_TC_IN, 4,
	       WORLD_NEW_PORT(SLUICE_BALANCE_ROUNDROBIN, 0), PROOF_NEW),
	NEW_IN("xdp4 full 4", "xdp4 base new", WORLD_XDP, 4,
	       WORLD_NEW_PORT(SLUICE_BALANCE_ROUNDROBIN, 0), PROOF_FULL),
	NEW_IN("xdp4 full 1000", "xdp4 base new", WORLD_XDP, 4,
	       WORLD_NEW_PORT(SLUICE_BALANCE_ROUNDROBIN, 1), PROOF_FULL),

	STEPS("xdp4", "xdp", WORLD_XDP, 4, FRAME_IN, PROOF_IN),
	STEPS("xdp6", "xdp", WORLD_XDP, 6, FRAME_IN, PROOF_IN),
	STEPS("tc4 in", "in", WORLD_TC_IN, 4, FRAME_IN, PROOF_IN),
	STEPS("tc4 out", "out", WORLD_TC_OUT, 4, FRAME_OUT, PROOF_OUT),
	NEW_STEP("parse, service", "xdp4 base new", 0, "new_service", PROOF_NOTHING),
	NEW_STEP("+ no flow, twice", "new4: parse, service", 0, "new_flow", PROOF_NOTHING),
	NEW_STEP("+ own address", "new4: + no flow, twice", 0, "new_admit", PROOF_NOTHING),
	NEW_STEP("+ pick", "new4: + own address", 0, "new_pick", PROOF_NOTHING),
	NEW_STEP("+ keep the SYN", "new4: + pick", 0, "new_keep", PROOF_NOTHING),
	NEW_STEP("+ insert", "new4: + keep the SYN", 0, "new_insert", PROOF_NOTHING),
	NEW_STEP("+ counters", "new4: + insert", 0, "new_count", PROOF_NEW),
	NEW_STEP("+ the rest", "new4: + counters", WORLD_XDP, NULL, PROOF_NEW),
};

const unsigned case_count = sizeof(cases) / sizeof(cases[0]);

const struct bench_bar bars[] = {
	{ "xdp4 hot", NULL, 40 },
	{ "xdp6 hot", NULL, 40 },
	{ "tc4 in hot", NULL, 60 },
	{ "tc6 in hot", NULL, 60 },
	{ "tc4 out hot", NULL, 60 },
	{ "tc6 out hot", NULL, 60 },
	{ "xdp4 other port", NULL, 4 },
	{ "xdp6 other port", NULL, 4 },
	{ "tc4 in other port", NULL, 4 },
	{ "tc6 in other port", NULL, 4 },
	{ "tc4 out other port", NULL, 4 },
	{ "tc6 out other port", NULL, 4 },
	{ "xdp4 1M", "bare4 1M", 1.3 },
	{ "xdp6 1M", "bare6 1M", 1.3 },
	{ "tc4 in 1M", "bare4 1M", 1.3 },
	{ "tc4 out 1M", "bare4 1M", 1.3 },
	{ "xdp4 roundrobin 4", NULL, 350 },
	{ "xdp4 leastconn 4", NULL, 350 },
	{ "xdp4 random 4", NULL, 350 },
	{ "xdp4 source 4", NULL, 350 },
	{ "xdp4 roundrobin 1000", NULL, 350 },
	{ "xdp4 leastconn 1000", NULL, 350 },
	{ "xdp4 random 1000", NULL, 350 },
	{ "xdp4 source 1000", NULL, 350 },
};

const unsigned bar_count = sizeof(bars) / sizeof(bars[0]);

const struct bench_reference references[] = {
	{ "xdp empty", "empty program", false, 21 },
	{ "bare4 hot", "hash look-up, hot", true, 24 },
};

const unsigned reference_count = sizeof(references) / sizeof(references[0]);

bool case_is_step(const struct bench_case *row)
{
	return !strncmp(row->group, STEP_GROUP, strlen(STEP_GROUP));
}

unsigned case_find(const char *name)
{
	unsigned i;

	for (i = 0; i < case_count; i++)
		if (!strcmp(cases[i].name, name))
			return i;
	abort();
}
