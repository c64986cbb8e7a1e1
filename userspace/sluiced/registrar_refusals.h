/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which ids a write has failed for, and when each may be tried again: an entry that Consul refuses
 * waits by itself, longer each time, and holds up nobody else. Pure; time is passed in.
 */
#ifndef SLUICED_REGISTRAR_REFUSALS_H
#define SLUICED_REGISTRAR_REFUSALS_H

#include <stddef.h>
#include <stdint.h>

#include "registrar_plan.h"

struct registrar_refusal;

struct registrar_refusals { /* zeroed: none */
	struct registrar_refusal *list;
	size_t count;
};

/* The next pause is longer. 0 or -ENOMEM: then the id need not wait. */
int registrar_refusals_add(struct registrar_refusals *refusals, const struct registrar_step *step,
			   int64_t now_ms);
/* How many times it was added since it was last cleared or forgotten. */
unsigned registrar_refusals_times(const struct registrar_refusals *refusals,
				  const struct registrar_step *step);
/* It went well. */
void registrar_refusals_clear(struct registrar_refusals *refusals,
			      const struct registrar_step *step);
void registrar_refusals_release(struct registrar_refusals *refusals);

/*
 * Leave those of the steps that need not wait, in order; returns how many. Forgets refusals that no
 * step speaks of. A refused registration does not hold up the removal of the same id.
 */
size_t registrar_refusals_filter(struct registrar_refusals *refusals, struct registrar_step *steps,
				 size_t count, int64_t now_ms);

/* When the first of them may be tried again; -1: there are none. */
int64_t registrar_refusals_next_ms(const struct registrar_refusals *refusals);

#endif
