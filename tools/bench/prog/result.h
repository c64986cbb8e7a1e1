/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What came of the rounds, as a table for people and as JSON. Knows nothing about how it was
 * measured.
 */
#ifndef BENCH_PROG_RESULT_H
#define BENCH_PROG_RESULT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "cases.h"
#include "connect.h"

#define RESULT_ROUNDS_MAX 64

/* Nanoseconds a run of each case took, by round; valid up to rounds. */
struct result_samples {
	double ns[RESULT_ROUNDS_MAX];
};

/* One shipped program as the kernel took it. */
struct result_program {
	const char *name;
	uint32_t xlated_bytes, jited_bytes;
	uint32_t verified_insns; /* 0: the kernel does not tell (before Linux 5.16) */
	uint32_t stack_bytes;	 /* of the program and what it calls; 0: not told */
};

struct result {
	unsigned rounds;
	const struct connect_figures *connects; /* CONNECT_ROWS of them */
	const bool *ran; /* which of the cases; those that are subtracted from one that ran did too */
	const struct result_samples *samples; /* case_count of them */
	const struct result_program *programs;
	unsigned program_count;
};

void result_print(const struct result *result, FILE *to);

/* 0 or negative errno. */
int result_write_json(const struct result *result, const char *path);

#endif
