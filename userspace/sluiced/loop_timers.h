/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Timers that cannot be lost for want of memory. libevent keeps them in a heap that grows when one is added and never
 * shrinks: what it has once held it can hold again without an allocation (2.1, minheap-internal.h).
 */
#ifndef SLUICED_LOOP_TIMERS_H
#define SLUICED_LOOP_TIMERS_H

struct event_base;

/*
 * More than the daemon ever has at once: a dozen of its own, one or two for each call that is under way, and one for each of
 * the callers that callback.c and metrics.c let in.
 */
#define LOOP_TIMERS 1024

/* Room for so many, for good. 0 or -ENOMEM. */
int loop_timers_reserve(struct event_base *base, unsigned count);

#endif
