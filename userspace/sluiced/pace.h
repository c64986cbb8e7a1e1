/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A token bucket: so many at once, then one each interval. Keeps a single time (when the bucket
 * will be full again), so that an idle one costs nothing. Time is passed in.
 */
#ifndef SLUICED_PACE_H
#define SLUICED_PACE_H

#include <stdbool.h>
#include <stdint.h>

struct pace {
	uint32_t interval_ms;
	uint32_t burst;	 /* at least 1 */
	int64_t full_ms; /* zeroed: full now */
};

/* How long until the next may go: 0 if it may go now. Takes nothing. */
static inline int64_t pace_wait_ms(const struct pace *pace, int64_t now_ms)
{
	int64_t wait = pace->full_ms - (int64_t)pace->interval_ms * (pace->burst - 1) - now_ms;

	return wait > 0 ? wait : 0;
}

/* Take one, whether it is there or not. */
static inline void pace_take(struct pace *pace, int64_t now_ms)
{
	pace->full_ms = (pace->full_ms > now_ms ? pace->full_ms : now_ms) + pace->interval_ms;
}

/* Take one if it is there. */
static inline bool pace_try(struct pace *pace, int64_t now_ms)
{
	if (pace_wait_ms(pace, now_ms))
		return false;
	pace_take(pace, now_ms);
	return true;
}

#endif
