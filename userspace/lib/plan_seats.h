/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who is let in, and where: which wanted backend stands in which slot of the maps, which slots'
 * backends have to go, and who owns each host-port then. Pure. Must not know steps or their order:
 * that is plan.h's.
 *
 * A backend that is in the maps already keeps its slot, and with it its flows. A new one gets a
 * slot that nobody has and no set in force names.
 */
#ifndef SLUICE_PLAN_SEATS_H
#define SLUICE_PLAN_SEATS_H

#include "actual.h"
#include "wanted.h"

struct plan_place;
struct plan_refusal;

/* One wanted backend that is let in, and where it stands or will stand. */
struct plan_seat {
	const struct wanted_backend *backend;
	const char *known_as; /* the task, as the maps have it now if they have it */
	unsigned service;     /* index in the maps */
	unsigned slot;
	bool is_new;
};

struct plan_seats {
	const struct actual *actual;
	const struct wanted *wanted;
	unsigned *service; /* by position in wanted: index in the maps, 0: needs attach */
	size_t count;
	struct plan_seat *seat;
	size_t refusal_count;
	struct plan_refusal *refusal;
	bool retires[SLUICE_MAX_BACKENDS + 1]; /* by slot: its backend is to go */
	uint16_t *owner;		       /* by host-port: slot after this plan; 0: nobody */
	/* of plan_seats.c alone */
	bool managed[SLUICE_MAX_SERVICES + 1]; /* by index in the maps: wanted speaks of it */
	struct plan_place *used;	       /* slots in use, sorted by identity */
	size_t used_count;
	bool taken[SLUICE_MAX_BACKENDS + 1]; /* not to be given to a new backend */
};

/* Build into a zeroed plan_seats, which points into both. 0 or -ENOMEM; release in both cases. */
int plan_seats_build(struct plan_seats *seats, const struct actual *actual,
		     const struct wanted *wanted);
void plan_seats_release(struct plan_seats *seats);

#endif
