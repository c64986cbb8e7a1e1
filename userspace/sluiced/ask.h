/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * When to ask a source for a further answer because the model wants to see an absence twice, or
 * could not take an answer in. Never while an answer that was asked for is still to come, since
 * asking Consul anew gives up the call under way, and ever more seldom while asking brings nothing.
 * Time is passed in.
 */
#ifndef SLUICED_ASK_H
#define SLUICED_ASK_H

#include <stdbool.h>
#include <stdint.h>

#include "facts.h"

#define ASK_FIRST_MS \
	1000 /* after the absence was seen: two answers within this time count as one */
#define ASK_MIN_MS 2000
#define ASK_MAX_MS 30000

struct ask {
	int64_t next_ms;  /* not before; zeroed: at any time */
	int64_t asked_ms; /* last time; 0: never */
	uint32_t step_ms; /* 0: nothing is wanted */
	int64_t dropped_ms; /* an answer could not be taken in, and none that was asked for since was */
};

/*
 * An answer was taken in (err 0), or could not be. One that is taken in says nothing of what
 * another, about another app, has lost: only what was asked for since makes up for it.
 */
static inline void ask_took(struct ask *ask, int err, int64_t now_ms)
{
	if (err)
		ask->dropped_ms = now_ms;
	else if (ask->asked_ms > ask->dropped_ms)
		ask->dropped_ms = 0;
}

/* Ask now? Then it counts as asked. What was dropped is wanted anyway. */
static inline bool ask_now(struct ask *ask, bool wanted, const struct facts_source *source,
			   int64_t now_ms)
{
	if (!wanted && !ask->dropped_ms) {
		ask->step_ms = 0;
		return false;
	}
	if (!ask->step_ms) {
		ask->step_ms = ASK_MIN_MS;
		if (ask->next_ms < now_ms + ASK_FIRST_MS)
			ask->next_ms = now_ms + ASK_FIRST_MS;
	}
	/* a source that is away asks by itself when it is back */
	if (now_ms < ask->next_ms || !source->used || !source->answers)
		return false;
	if (ask->asked_ms && source->last_good_ms < ask->asked_ms)
		return false; /* under way */
	ask->asked_ms = now_ms;
	ask->next_ms = now_ms + ask->step_ms;
	ask->step_ms = ask->step_ms < ASK_MAX_MS / 2 ? ask->step_ms * 2 : ASK_MAX_MS;
	return true;
}

#endif
