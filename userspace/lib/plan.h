/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The way from what the maps say to what they should say, as an ordered list of steps. Pure. Applying plan(a, b) to a gives b, and
 * plan(b, b) is empty. publish.h applies steps.
 *
 * Order: a new backend is written before anything points at it, a set is published before what it no longer names is
 * retired; but the old owner of a port is retired before the port is given away, since from then on
 * its packets would reach somebody else.
 */
#ifndef SLUICE_PLAN_H
#define SLUICE_PLAN_H

#include "actual.h"
#include "wanted.h"

enum plan_kind {
	PLAN_CREATE,  /* write backend and label into a free slot, the generation last */
	PLAN_STATE,   /* state of a slot */
	PLAN_WEIGHT,  /* weight of a slot */
	PLAN_LABEL,   /* task, app, reason and source of a slot */
	PLAN_HPORT,   /* owner of a host-port; slot 0: nobody */
	PLAN_PUBLISH, /* a service's set */
	PLAN_RETIRE, /* free a slot: its flows are nobody's from then on, and the operator's override ends */
};

struct plan_step {
	enum plan_kind kind;
	unsigned service;		      /* index in the maps; CREATE, PUBLISH */
	unsigned slot;			      /* all but PUBLISH */
	uint32_t generation;		      /* CREATE: the new one; RETIRE: the one that ends */
	uint16_t port;			      /* HPORT: host-port, host order */
	uint16_t service_port;		      /* HPORT: host order */
	const struct wanted_backend *backend; /* CREATE, STATE, WEIGHT, LABEL */
	struct sluice_set *set;		      /* PUBLISH; owned by the plan, version unset */
};

/* A wanted backend that the plan does not let in. */
struct plan_refusal {
	const struct wanted_backend *backend;
	const char *reason; /* constant text */
};

struct plan {
	const struct sluice_service *services; /* actual's, by index: for their names */
	size_t count, capacity;
	struct plan_step *step;
	size_t refusal_count;
	struct plan_refusal *refusal;
};

/*
 * Build into a zeroed plan. Steps point into wanted. Services that the maps do not have need attach and are left alone, as are the
 * backends of services that wanted does not have while attach still has them. 0 or -ENOMEM; release in both cases.
 */
int plan_build(struct plan *plan, const struct actual *actual, const struct wanted *wanted);
void plan_release(struct plan *plan);

#endif
