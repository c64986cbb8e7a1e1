/* SPDX-License-Identifier: GPL-2.0-only */
/* The one clock of all measurements here. */
#ifndef BENCH_CONTROL_CLOCK_H
#define BENCH_CONTROL_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Let others run for so long. */
static inline void clock_rest_us(long us)
{
	const struct timespec rest = { us / 1000000, us % 1000000 * 1000 };

	nanosleep(&rest, NULL);
}

#endif
