/* SPDX-License-Identifier: GPL-2.0-only */
/* Nearest rank: with 20 times, p99 is the largest. */
#include "times.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

void times_add(struct times *times, double ms)
{
	if (times->count < TIMES_MAX)
		times->ms[times->count++] = ms;
}

static int compare(const void *one, const void *other)
{
	double a = *(const double *)one, b = *(const double *)other;

	return (a > b) - (a < b);
}

double times_quantile(struct times *times, double share)
{
	size_t rank;

	if (!times->count)
		return 0;
	qsort(times->ms, times->count, sizeof(times->ms[0]), compare);
	rank = (size_t)ceil(share * (double)times->count);
	return times->ms[rank ? rank - 1 : 0];
}

void times_print(const char *name, struct times *times)
{
	printf("%s: %zu times, median %.2f ms, p99 %.2f ms, most %.2f ms\n", name, times->count,
	       times_quantile(times, 0.5), times_quantile(times, 0.99), times_quantile(times, 1));
}
