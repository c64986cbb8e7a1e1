/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The steps that lead to what plan_seats.h says, in the order that plan.h promises. Nothing here writes to a map, or
 * decides who is let in and where.
 */
#include "plan.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "plan_seats.h"
#include "set_table.h"

static struct plan_step *add_step(struct plan *plan, enum plan_kind kind)
{
	size_t capacity = plan->capacity ? plan->capacity * 2 : 64;
	struct plan_step *grown;

	if (plan->count == plan->capacity) {
		grown = realloc(plan->step, capacity * sizeof(*grown));
		if (!grown)
			return NULL;
		plan->step = grown;
		plan->capacity = capacity;
	}
	plan->step[plan->count] = (struct plan_step){ .kind = kind };
	return &plan->step[plan->count++];
}

void plan_release(struct plan *plan)
{
	for (size_t i = 0; i < plan->count; i++)
		free(plan->step[i].set);
	free(plan->step);
	free(plan->refusal);
	*plan = (struct plan){ 0 };
}

/* --- the steps, in order --- */

static int add_creations(struct plan *plan, const struct plan_seats *seats)
{
	struct plan_step *step;

	for (size_t i = 0; i < seats->count; i++) {
		const struct plan_seat *seat = &seats->seat[i];

		if (!seat->is_new)
			continue;
		step = add_step(plan, PLAN_CREATE);
		if (!step)
			return -ENOMEM;
		step->slot = seat->slot;
		step->service = seat->service;
		step->backend = seat->backend;
		step->generation = seats->actual->backend[seat->slot].last_generation + 1;
		if (!step->generation)
			step->generation = 1;
	}
	return 0;
}

/* The port of a backend that goes: does another backend get it in this plan? */
static bool is_contested(const struct plan_seats *seats, unsigned slot)
{
	uint16_t owner = seats->owner[ntohs(seats->actual->backend[slot].port)];

	return owner && owner != slot;
}

static int add_retirements(struct plan *plan, const struct plan_seats *seats, bool contested)
{
	struct plan_step *step;

	for (unsigned slot = 1; slot <= SLUICE_MAX_BACKENDS; slot++) {
		if (!seats->retires[slot] || is_contested(seats, slot) != contested)
			continue;
		step = add_step(plan, PLAN_RETIRE);
		if (!step)
			return -ENOMEM;
		step->slot = slot;
		step->generation = seats->actual->backend[slot].generation;
	}
	return 0;
}

static int add_hport(struct plan *plan, const struct plan_seats *seats, unsigned port,
		     unsigned slot, uint16_t service_port)
{
	const struct sluice_hport *hport = &seats->actual->hport[port];
	struct plan_step *step;

	if (hport->slot == slot && ntohs(hport->service_port) == service_port)
		return 0;
	step = add_step(plan, PLAN_HPORT);
	if (!step)
		return -ENOMEM;
	step->port = (uint16_t)port;
	step->slot = slot;
	step->service_port = service_port;
	return 0;
}

static int add_owners(struct plan *plan, const struct plan_seats *seats)
{
	int err = 0;

	for (size_t i = 0; i < seats->count && !err; i++) {
		const struct plan_seat *seat = &seats->seat[i];

		err = add_hport(plan, seats, seat->backend->port, seat->slot,
				ntohs(seats->actual->service[seat->service].port));
	}
	return err;
}

static int add_cleared_owners(struct plan *plan, const struct plan_seats *seats)
{
	int err = 0;

	for (unsigned port = 0; port < 65536 && !err; port++)
		if (!seats->owner[port])
			err = add_hport(plan, seats, port, 0, 0);
	return err;
}

static bool label_differs(const struct sluice_label *label, const struct wanted_backend *backend)
{
	/* both are cut to the label's size */
	return strncmp(label->task, backend->task, sizeof(label->task) - 1) ||
	       strncmp(label->reason, backend->reason, sizeof(label->reason) - 1) ||
	       strncmp(label->source, backend->source, sizeof(label->source) - 1) ||
	       strncmp(label->app, backend->app, sizeof(label->app) - 1);
}

static int add_changes(struct plan *plan, const struct plan_seats *seats)
{
	for (size_t i = 0; i < seats->count; i++) {
		const struct plan_seat *seat = &seats->seat[i];
		const struct sluice_backend *is = &seats->actual->backend[seat->slot];
		const bool differs[] = {
			[PLAN_STATE] = is->state != seat->backend->state,
			[PLAN_WEIGHT] = is->weight != seat->backend->weight,
			[PLAN_LABEL] =
				label_differs(&seats->actual->label[seat->slot], seat->backend),
		};

		if (seat->is_new)
			continue;
		for (enum plan_kind kind = PLAN_STATE; kind <= PLAN_LABEL; kind++) {
			struct plan_step *step = differs[kind] ? add_step(plan, kind) : NULL;

			if (differs[kind] && !step)
				return -ENOMEM;
			if (!step)
				continue;
			step->slot = seat->slot;
			step->backend = seat->backend;
		}
	}
	return 0;
}

static bool sets_differ(const struct sluice_set *a, const struct sluice_set *b)
{
	if (a->len != b->len || a->maxconn != b->maxconn || a->balance != b->balance ||
	    a->on_empty != b->on_empty || a->on_full != b->on_full)
		return true;
	return memcmp(a->table, b->table, a->len * sizeof(a->table[0]));
}

static int compare_members(const void *a, const void *b)
{
	const struct set_table_member *x = a, *y = b;

	return x->slot < y->slot ? -1 : x->slot > y->slot;
}

static int build_set(const struct plan_seats *seats, size_t service, struct sluice_set *set)
{
	const struct wanted_service *policy = &seats->wanted->service[service];
	struct set_table_member *members = calloc(seats->count + 1, sizeof(*members));
	size_t count = 0;
	int err;

	if (!members)
		return -ENOMEM;
	for (size_t i = 0; i < seats->count; i++) {
		const struct wanted_backend *backend = seats->seat[i].backend;

		if (seats->seat[i].service == seats->service[service] &&
		    backend->state == SLUICE_BACKEND_UP && backend->weight)
			members[count++] =
				(struct set_table_member){ .slot = (uint16_t)seats->seat[i].slot,
							   .weight = backend->weight,
							   .task = backend->task };
	}
	qsort(members, count, sizeof(*members), compare_members);
	set->balance = policy->balance;
	set->on_empty = policy->on_empty;
	set->on_full = policy->on_full;
	set->maxconn = policy->maxconn;
	err = set_table_fill(set, policy->balance, members, count);
	free(members);
	return err;
}

static int add_publications(struct plan *plan, const struct plan_seats *seats)
{
	for (size_t i = 0; i < seats->wanted->service_count; i++) {
		unsigned index = seats->service[i];
		const struct sluice_set *in_force = seats->actual->set[index];
		struct plan_step *step;
		struct sluice_set *set;
		int err;

		if (!index || (!in_force && !seats->wanted->service[i].synced))
			continue;
		set = calloc(1, sizeof(*set));
		if (!set)
			return -ENOMEM;
		err = build_set(seats, i, set);
		if (err || (in_force && !sets_differ(set, in_force))) {
			free(set);
			if (err)
				return err;
			continue;
		}
		step = add_step(plan, PLAN_PUBLISH);
		if (!step) {
			free(set);
			return -ENOMEM;
		}
		step->service = index;
		step->set = set;
	}
	return 0;
}

static int add_steps(struct plan *plan, const struct plan_seats *seats)
{
	int err;

	err = add_creations(plan, seats);
	if (err)
		return err;
	err = add_retirements(plan, seats, true);
	if (err)
		return err;
	err = add_owners(plan, seats);
	if (err)
		return err;
	err = add_changes(plan, seats);
	if (err)
		return err;
	err = add_publications(plan, seats);
	if (err)
		return err;
	err = add_retirements(plan, seats, false);
	if (err)
		return err;
	return add_cleared_owners(plan, seats);
}

int plan_build(struct plan *plan, const struct actual *actual, const struct wanted *wanted)
{
	struct plan_seats *seats = calloc(1, sizeof(*seats));
	int err;

	if (!seats)
		return -ENOMEM;
	plan->services = actual->service;
	err = plan_seats_build(seats, actual, wanted);
	if (err)
		goto out;
	plan->refusal = seats->refusal;
	plan->refusal_count = seats->refusal_count;
	seats->refusal = NULL;
	err = add_steps(plan, seats);
out:
	plan_seats_release(seats);
	free(seats);
	return err;
}
