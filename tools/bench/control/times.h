/* SPDX-License-Identifier: GPL-2.0-only */
/* Durations, and what is said of them. */
#ifndef BENCH_CONTROL_TIMES_H
#define BENCH_CONTROL_TIMES_H

#include <stddef.h>
#include <stdint.h>

#define TIMES_MAX 4096

struct times {
	size_t count;
	double ms[TIMES_MAX];
};

/* Drops what is more than TIMES_MAX. */
void times_add(struct times *times, double ms);
/* Sorts. share of 0 to 1: 0.5 is the median; 0 where there are none. */
double times_quantile(struct times *times, double share);
/* "NAME: N times, median X ms, p99 Y ms, most Z ms" */
void times_print(const char *name, struct times *times);

#endif
