/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The queue behind schedule.h.
 */
#include "schedule.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define QUEUE (1u << 20)

int schedule_init(struct schedule *schedule, double rate, uint64_t duration_ns, bool random)
{
	*schedule = (struct schedule){ .gap_ns = 1e9 / rate,
				       .end_ns = duration_ns,
				       .random = random,
				       .seed = 0x9e3779b97f4a7c15ull,
				       .size = QUEUE };
	schedule->ring = malloc(QUEUE * sizeof(*schedule->ring));
	return schedule->ring ? 0 : -ENOMEM;
}

void schedule_release(struct schedule *schedule)
{
	free(schedule->ring);
	schedule->ring = NULL;
}

/* xorshift64: from 0 (never) to 1. */
static double chance(struct schedule *schedule)
{
	schedule->seed ^= schedule->seed << 13;
	schedule->seed ^= schedule->seed >> 7;
	schedule->seed ^= schedule->seed << 17;
	return (double)(schedule->seed >> 11) / 9007199254740992.0 + 1e-17;
}

bool schedule_advance(struct schedule *schedule, uint64_t now_ns, uint64_t *lost)
{
	bool fits = true;

	while (schedule->next_ns <= (double)now_ns &&
	       schedule->next_ns < (double)schedule->end_ns) {
		if (schedule->count < schedule->size) {
			schedule->ring[(schedule->head + schedule->count++) & (schedule->size - 1)] =
				(uint64_t)schedule->next_ns;
		} else {
			(*lost)++;
			fits = false;
		}
		schedule->offered++;
		schedule->next_ns += schedule->random ? -log(chance(schedule)) * schedule->gap_ns
						      : schedule->gap_ns;
	}
	return fits;
}

bool schedule_peek(const struct schedule *schedule, uint64_t *intended_ns)
{
	if (!schedule->count)
		return false;
	*intended_ns = schedule->ring[schedule->head];
	return true;
}

void schedule_pop(struct schedule *schedule)
{
	schedule->head = (schedule->head + 1) & (schedule->size - 1);
	schedule->count--;
}

uint64_t schedule_next_ns(const struct schedule *schedule)
{
	return schedule->next_ns < (double)schedule->end_ns ? (uint64_t)schedule->next_ns
							    : UINT64_MAX;
}
