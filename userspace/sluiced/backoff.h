/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How long to wait before trying again: doubles with each failure up to a limit, and is spread by
 * chance so that many hosts do not come back at the same moment.
 */
#ifndef SLUICED_BACKOFF_H
#define SLUICED_BACKOFF_H

#include <stdint.h>
#include <stdlib.h>

#define BACKOFF_MIN_MS 1000
#define BACKOFF_MAX_MS 30000

struct backoff {
	unsigned failures; /* zeroed: the next wait is the shortest */
};

/* from..to, each as likely */
static inline uint32_t backoff_between(uint32_t from_ms, uint32_t to_ms)
{
	return from_ms + arc4random_uniform(to_ms - from_ms + 1);
}

/* Between half of the step and the whole step: 0.5-1 s, 1-2 s, 2-4 s, ... 15-30 s. */
static inline uint32_t backoff_next_ms(struct backoff *backoff)
{
	uint32_t step = BACKOFF_MAX_MS;

	if (backoff->failures < 5)
		step = BACKOFF_MIN_MS << backoff->failures;
	backoff->failures++;
	return backoff_between(step / 2, step);
}

#endif
