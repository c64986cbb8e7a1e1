/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Wanted and actual are sorted by identity and walked once; what comes out is put into the order that plan.h promises.
 * Nothing here writes to a map.
 */
#include "plan.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "set_table.h"

#define LEAST_PORT 1024 /* whatever attach allows: below it are the host's own services */

/* One wanted backend that is let in, and where it stands or will stand. */
struct seat {
	const struct wanted_backend *backend;
	unsigned service; /* index in the maps */
	unsigned slot;
	bool is_new;
};

struct identity {
	unsigned service;
	const char *task;
	unsigned port_index;
	unsigned port;
};

/* A slot in use, and whose. */
struct place {
	struct identity identity;
	uint16_t slot;
};

struct builder {
	struct plan *plan;
	const struct actual *actual;
	const struct wanted *wanted;
	unsigned *service; /* by position in wanted: index in the maps, 0: needs attach */
	bool managed[SLUICE_MAX_SERVICES + 1];
	struct seat *seat;
	size_t seat_count;
	struct place *used; /* slots in use, sorted by identity */
	size_t used_count;
	bool taken[SLUICE_MAX_BACKENDS + 1];   /* not to be given to a new backend */
	bool retires[SLUICE_MAX_BACKENDS + 1]; /* its backend is to go */
	uint16_t *owner;		       /* by host-port: slot after this plan; 0: nobody */
};

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

/* --- who is let in --- */

static const char *refusal(const struct builder *builder, const struct wanted_backend *backend)
{
	if (!backend->port)
		return "it has no host-port";
	if (backend->port < LEAST_PORT)
		return "its host-port is below 1024";
	if (backend->port < builder->actual->port_min || backend->port > builder->actual->port_max)
		return "its host-port is outside [node] ports";
	if (!backend->task[0] || strlen(backend->task) >= SLUICE_TASK_LEN)
		return "its task id is empty or too long";
	if (builder->owner[backend->port])
		return "its host-port belongs to another backend";
	return NULL;
}

static void refuse(struct builder *builder, const struct wanted_backend *backend,
		   const char *reason)
{
	builder->plan->refusal[builder->plan->refusal_count++] =
		(struct plan_refusal){ .backend = backend, .reason = reason };
}

static void choose_seats(struct builder *builder)
{
	const struct wanted *wanted = builder->wanted;
	const char *reason;

	for (size_t i = 0; i < wanted->service_count; i++) {
		builder->service[i] = actual_service(builder->actual, wanted->service[i].name);
		builder->managed[builder->service[i]] = true;
	}
	builder->managed[0] = false;
	for (size_t i = 0; i < wanted->backend_count; i++) {
		const struct wanted_backend *backend = &wanted->backend[i];

		if (!builder->service[backend->service])
			continue;
		reason = refusal(builder, backend);
		if (reason) {
			refuse(builder, backend, reason);
			continue;
		}
		builder->owner[backend->port] = 1; /* claimed; the slot follows */
		builder->seat[builder->seat_count++] =
			(struct seat){ .backend = backend,
				       .service = builder->service[backend->service] };
	}
}

/* --- the walk --- */

static int compare_identities(const struct identity *a, const struct identity *b)
{
	int order;

	if (a->service != b->service)
		return a->service < b->service ? -1 : 1;
	if (a->port != b->port)
		return a->port < b->port ? -1 : 1;
	order = strcmp(a->task, b->task);
	if (order)
		return order;
	return a->port_index < b->port_index ? -1 : a->port_index > b->port_index;
}

static struct identity seat_identity(const struct seat *seat)
{
	return (struct identity){ seat->service, seat->backend->task, seat->backend->port_index,
				  seat->backend->port };
}

/* A slot whose label cannot be trusted has a name that nobody wants. */
static struct identity slot_identity(const struct actual *actual, unsigned slot)
{
	const struct sluice_backend *backend = &actual->backend[slot];

	return (struct identity){ backend->service,
				  actual_is_labelled(actual, slot) ? actual->label[slot].task : "",
				  actual->label[slot].port_index, ntohs(backend->port) };
}

static int compare_seats(const void *a, const void *b)
{
	struct identity x = seat_identity(a), y = seat_identity(b);

	return compare_identities(&x, &y);
}

static int compare_places(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	int order = compare_identities(&x->identity, &y->identity);

	return order ? order : x->slot < y->slot ? -1 : x->slot > y->slot;
}

/* A backend that nobody wants goes, unless its service is one that wanted does not speak of and attach still has. */
static bool may_stay(const struct builder *builder, unsigned slot)
{
	unsigned service = builder->actual->backend[slot].service;

	if (!service || service > SLUICE_MAX_SERVICES)
		return false;
	return !builder->managed[service] && builder->actual->service[service].name[0];
}

static void leave(struct builder *builder, unsigned slot)
{
	uint16_t port = ntohs(builder->actual->backend[slot].port);

	if (may_stay(builder, slot) && !builder->owner[port])
		builder->owner[port] = (uint16_t)slot;
	else
		builder->retires[slot] = true;
}

static void walk(struct builder *builder)
{
	size_t s = 0, u = 0;

	while (s < builder->seat_count || u < builder->used_count) {
		struct seat *seat = s < builder->seat_count ? &builder->seat[s] : NULL;
		const struct place *place = u < builder->used_count ? &builder->used[u] : NULL;
		unsigned slot = place ? place->slot : 0;
		int order = !seat ? 1 : -1;

		if (seat && place) {
			struct identity wanted = seat_identity(seat);

			order = compare_identities(&wanted, &place->identity);
		}
		if (order == 0)
			seat->slot = slot;
		if (order < 0)
			seat->is_new = true;
		if (order > 0)
			leave(builder, slot);
		s += order <= 0;
		u += order >= 0;
	}
}

/* Of the free slots the one that had the fewest generations: a slot rests as long as possible. */
static unsigned free_slot(const struct builder *builder)
{
	const struct sluice_backend *backend = builder->actual->backend;
	unsigned best = 0;

	for (unsigned slot = 1; slot <= SLUICE_MAX_BACKENDS; slot++) {
		if (builder->taken[slot])
			continue;
		if (!best || backend[slot].last_generation < backend[best].last_generation)
			best = slot;
		if (!backend[best].last_generation)
			break;
	}
	return best;
}

static void give_slots(struct builder *builder)
{
	size_t kept = 0;

	for (size_t i = 0; i < builder->seat_count; i++) {
		struct seat *seat = &builder->seat[i];

		if (seat->is_new)
			seat->slot = free_slot(builder);
		builder->owner[seat->backend->port] = (uint16_t)seat->slot;
		if (!seat->slot) {
			refuse(builder, seat->backend, "all slots are in use");
			continue;
		}
		builder->taken[seat->slot] = true;
		builder->seat[kept++] = *seat;
	}
	builder->seat_count = kept;
}

static void mark_taken(struct builder *builder)
{
	const struct actual *actual = builder->actual;

	for (unsigned slot = 1; slot <= SLUICE_MAX_BACKENDS; slot++) {
		if (!actual->backend[slot].generation)
			continue;
		builder->taken[slot] = true;
		builder->used[builder->used_count++] =
			(struct place){ slot_identity(actual, slot), (uint16_t)slot };
	}
	for (unsigned i = 1; i <= SLUICE_MAX_SERVICES; i++) {
		const struct sluice_set *set = actual->set[i];

		for (uint32_t k = 0; set && k < set->len && k < SLUICE_SET_TABLE; k++)
			if (set->table[k] <= SLUICE_MAX_BACKENDS)
				builder->taken[set->table[k]] = true;
	}
}

/* --- the steps, in order --- */

static int add_creations(struct builder *builder)
{
	struct plan_step *step;

	for (size_t i = 0; i < builder->seat_count; i++) {
		const struct seat *seat = &builder->seat[i];

		if (!seat->is_new)
			continue;
		step = add_step(builder->plan, PLAN_CREATE);
		if (!step)
			return -ENOMEM;
		step->slot = seat->slot;
		step->service = seat->service;
		step->backend = seat->backend;
		step->generation = builder->actual->backend[seat->slot].last_generation + 1;
		if (!step->generation)
			step->generation = 1;
	}
	return 0;
}

/* The port of a backend that goes: does another backend get it in this plan? */
static bool is_contested(const struct builder *builder, unsigned slot)
{
	uint16_t owner = builder->owner[ntohs(builder->actual->backend[slot].port)];

	return owner && owner != slot;
}

static int add_retirements(struct builder *builder, bool contested)
{
	struct plan_step *step;

	for (unsigned slot = 1; slot <= SLUICE_MAX_BACKENDS; slot++) {
		if (!builder->retires[slot] || is_contested(builder, slot) != contested)
			continue;
		step = add_step(builder->plan, PLAN_RETIRE);
		if (!step)
			return -ENOMEM;
		step->slot = slot;
		step->generation = builder->actual->backend[slot].generation;
	}
	return 0;
}

static int add_hport(struct builder *builder, unsigned port, unsigned slot, uint16_t service_port)
{
	const struct sluice_hport *hport = &builder->actual->hport[port];
	struct plan_step *step;

	if (hport->slot == slot && ntohs(hport->service_port) == service_port)
		return 0;
	step = add_step(builder->plan, PLAN_HPORT);
	if (!step)
		return -ENOMEM;
	step->port = (uint16_t)port;
	step->slot = slot;
	step->service_port = service_port;
	return 0;
}

static int add_owners(struct builder *builder)
{
	int err = 0;

	for (size_t i = 0; i < builder->seat_count && !err; i++) {
		const struct seat *seat = &builder->seat[i];

		err = add_hport(builder, seat->backend->port, seat->slot,
				ntohs(builder->actual->service[seat->service].port));
	}
	return err;
}

static int add_cleared_owners(struct builder *builder)
{
	int err = 0;

	for (unsigned port = 0; port < 65536 && !err; port++)
		if (!builder->owner[port])
			err = add_hport(builder, port, 0, 0);
	return err;
}

static bool label_differs(const struct sluice_label *label, const struct wanted_backend *backend)
{
	/* both are cut to the label's size */
	return strncmp(label->reason, backend->reason, sizeof(label->reason) - 1) ||
	       strncmp(label->source, backend->source, sizeof(label->source) - 1) ||
	       strncmp(label->app, backend->app, sizeof(label->app) - 1);
}

static int add_changes(struct builder *builder)
{
	for (size_t i = 0; i < builder->seat_count; i++) {
		const struct seat *seat = &builder->seat[i];
		const struct sluice_backend *is = &builder->actual->backend[seat->slot];
		const bool differs[] = {
			[PLAN_STATE] = is->state != seat->backend->state,
			[PLAN_WEIGHT] = is->weight != seat->backend->weight,
			[PLAN_LABEL] =
				label_differs(&builder->actual->label[seat->slot], seat->backend),
		};

		if (seat->is_new)
			continue;
		for (enum plan_kind kind = PLAN_STATE; kind <= PLAN_LABEL; kind++) {
			struct plan_step *step = differs[kind] ? add_step(builder->plan, kind)
							       : NULL;

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

static int build_set(const struct builder *builder, size_t service, struct sluice_set *set)
{
	const struct wanted_service *policy = &builder->wanted->service[service];
	struct set_table_member *members = calloc(builder->seat_count + 1, sizeof(*members));
	size_t count = 0;
	int err;

	if (!members)
		return -ENOMEM;
	for (size_t i = 0; i < builder->seat_count; i++) {
		const struct wanted_backend *backend = builder->seat[i].backend;

		if (builder->seat[i].service == builder->service[service] &&
		    backend->state == SLUICE_BACKEND_UP && backend->weight)
			members[count++] =
				(struct set_table_member){ .slot = (uint16_t)builder->seat[i].slot,
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

static int add_publications(struct builder *builder)
{
	for (size_t i = 0; i < builder->wanted->service_count; i++) {
		unsigned index = builder->service[i];
		const struct sluice_set *in_force = builder->actual->set[index];
		struct plan_step *step;
		struct sluice_set *set;
		int err;

		if (!index || (!in_force && !builder->wanted->service[i].synced))
			continue;
		set = calloc(1, sizeof(*set));
		if (!set)
			return -ENOMEM;
		err = build_set(builder, i, set);
		if (err || (in_force && !sets_differ(set, in_force))) {
			free(set);
			if (err)
				return err;
			continue;
		}
		step = add_step(builder->plan, PLAN_PUBLISH);
		if (!step) {
			free(set);
			return -ENOMEM;
		}
		step->service = index;
		step->set = set;
	}
	return 0;
}

static int add_steps(struct builder *builder)
{
	int err;

	err = add_creations(builder);
	if (err)
		return err;
	err = add_retirements(builder, true);
	if (err)
		return err;
	err = add_owners(builder);
	if (err)
		return err;
	err = add_changes(builder);
	if (err)
		return err;
	err = add_publications(builder);
	if (err)
		return err;
	err = add_retirements(builder, false);
	if (err)
		return err;
	return add_cleared_owners(builder);
}

int plan_build(struct plan *plan, const struct actual *actual, const struct wanted *wanted)
{
	struct builder *builder = calloc(1, sizeof(*builder));
	int err = -ENOMEM;

	if (!builder)
		return -ENOMEM;
	plan->services = actual->service;
	builder->plan = plan;
	builder->actual = actual;
	builder->wanted = wanted;
	builder->service = calloc(wanted->service_count + 1, sizeof(*builder->service));
	builder->seat = calloc(wanted->backend_count + 1, sizeof(*builder->seat));
	builder->used = calloc(SLUICE_MAX_BACKENDS + 1, sizeof(*builder->used));
	builder->owner = calloc(65536, sizeof(*builder->owner));
	plan->refusal = calloc(wanted->backend_count + 1, sizeof(*plan->refusal));
	if (!builder->service || !builder->seat || !builder->used || !builder->owner ||
	    !plan->refusal)
		goto out;
	choose_seats(builder);
	mark_taken(builder);
	qsort(builder->seat, builder->seat_count, sizeof(*builder->seat), compare_seats);
	qsort(builder->used, builder->used_count, sizeof(*builder->used), compare_places);
	walk(builder);
	give_slots(builder);
	err = add_steps(builder);
out:
	free(builder->owner);
	free(builder->used);
	free(builder->seat);
	free(builder->service);
	free(builder);
	return err;
}
