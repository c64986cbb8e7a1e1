/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is measured: a row for each path, with what is subtracted from it and which counter proves
 * that the path was taken.
 */
#ifndef BENCH_PROG_CASES_H
#define BENCH_PROG_CASES_H

#include <stdbool.h>
#include <stdint.h>

#include "world.h"

/* What a run must have done, told by the shipped counters. */
enum case_proof {
	PROOF_NOTHING, /* no counter moved */
	PROOF_IN,      /* counted as a packet of the service's, inwards */
	PROOF_OUT,
	PROOF_NEW,  /* a SYN was given a backend */
	PROOF_FULL, /* all backends are at maxconn: the SYN was left to tc, which resets it */
};

/* First all cases of the one are measured, then those of the other in larger tables. */
enum case_phase { CASE_16K, CASE_1M, CASE_PHASES };

extern const uint32_t case_flows[CASE_PHASES]; /* established flows of each family */
extern const struct world_size case_sizes[CASE_PHASES];

struct bench_case {
	const char *name;  /* unique */
	const char *group; /* heading in the table */
	const char *base;  /* name of the case that is subtracted; NULL: it is such a base itself */
	enum case_phase phase;
	struct world_run run;
	enum case_proof proof;
};

/* Belongs to the breakdown and not to the rows that are measured otherwise. */
bool case_is_step(const struct bench_case *row);

extern const struct bench_case cases[];
extern const unsigned case_count;

/* Index of a case, which must exist. */
unsigned case_find(const char *name);

/* An upper limit from the project's plan for one figure. */
struct bench_bar {
	const char *name;
	const char *over; /* the limit is a multiple of this case's figure; NULL: nanoseconds */
	double limit;
};

extern const struct bench_bar bars[];
extern const unsigned bar_count;

/*
 * The bars are nanoseconds of the machine on which the project's plan was measured. How much slower
 * is this one? Each reference is a figure that was measured there as well; they do not agree, so
 * each is shown.
 */
struct bench_reference {
	const char *name;
	const char *what; /* was measured */
	bool net;	  /* less its base */
	double there_ns;
};

extern const struct bench_reference references[];
extern const unsigned reference_count;

#endif
