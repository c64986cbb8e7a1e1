/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The daemon's clock: CLOCK_BOOTTIME, which no administrator sets and which counts a suspended
 * host's sleep. Only the event loop's edge reads it (sources, timers); pure modules are given the
 * time.
 */
#ifndef SLUICED_CLOCK_H
#define SLUICED_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

#endif
