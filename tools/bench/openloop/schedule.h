/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * When requests are to be sent: evenly, or at random as independent clients would (exponential gaps, a fixed seed). Pure: time is passed
 * in. Times that have come and found no free connection wait here, first come first served.
 */
#ifndef OPENLOOP_SCHEDULE_H
#define OPENLOOP_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

struct schedule {
	double gap_ns, next_ns; /* since the start */
	uint64_t end_ns;	/* nothing is due from then on */
	bool random;
	uint64_t seed;
	uint64_t *ring;
	uint32_t size, head, count; /* size: a power of two */
	uint64_t offered;	    /* how many have become due */
};

/* rate: requests a second, above 0. 0 or -ENOMEM. */
int schedule_init(struct schedule *schedule, double rate, uint64_t duration_ns, bool random);
void schedule_release(struct schedule *schedule);

/* Move all times up to now_ns into the queue. Returns false if it was too short: the oldest are kept, and those that did not fit are
 * counted in lost. */
bool schedule_advance(struct schedule *schedule, uint64_t now_ns, uint64_t *lost);
/* The oldest time that waits, without taking it; false if none does. */
bool schedule_peek(const struct schedule *schedule, uint64_t *intended_ns);
void schedule_pop(struct schedule *schedule);
/* When the next time comes; UINT64_MAX if there is none any more. */
uint64_t schedule_next_ns(const struct schedule *schedule);

#endif
