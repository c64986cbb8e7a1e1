/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Wanted and actual are sorted by identity and walked once; then the new ones get slots. Nothing
 * here writes to a map.
 */
#include "plan_seats.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "plan.h"

#define LEAST_PORT 1024 /* whatever attach allows: below it are the host's own services */

struct identity {
	unsigned service;
	const char *task;
	unsigned port_index;
	unsigned port;
};

/* A slot in use, and whose. */
struct plan_place {
	struct identity identity;
	uint16_t slot;
};

/* --- who is let in --- */

static const char *refusal(const struct plan_seats *seats, const struct wanted_backend *backend)
{
	if (!backend->port)
		return "it has no host-port";
	if (backend->port < LEAST_PORT)
		return "its host-port is below 1024";
	if (backend->port < seats->actual->port_min || backend->port > seats->actual->port_max)
		return "its host-port is outside [node] ports";
	if (!backend->task[0] || strlen(backend->task) >= SLUICE_TASK_LEN)
		return "its task id is empty or too long";
	if (seats->owner[backend->port])
		return "its host-port belongs to another backend";
	return NULL;
}

static void refuse(struct plan_seats *seats, const struct wanted_backend *backend,
		   const char *reason)
{
	seats->refusal[seats->refusal_count++] =
		(struct plan_refusal){ .backend = backend, .reason = reason };
}

static void choose_seats(struct plan_seats *seats)
{
	const struct wanted *wanted = seats->wanted;
	const char *reason;

	for (size_t i = 0; i < wanted->service_count; i++) {
		seats->service[i] = actual_service(seats->actual, wanted->service[i].name);
		seats->managed[seats->service[i]] = true;
	}
	seats->managed[0] = false;
	for (size_t i = 0; i < wanted->backend_count; i++) {
		const struct wanted_backend *backend = &wanted->backend[i];

		if (!seats->service[backend->service])
			continue;
		reason = refusal(seats, backend);
		if (reason) {
			refuse(seats, backend, reason);
			continue;
		}
		seats->owner[backend->port] = 1; /* claimed; the slot follows */
		seats->seat[seats->count++] =
			(struct plan_seat){ .backend = backend,
					    .known_as = backend->task,
					    .service = seats->service[backend->service] };
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

static struct identity seat_identity(const struct plan_seat *seat)
{
	return (struct identity){ seat->service, seat->known_as, seat->backend->port_index,
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
	const struct plan_place *x = a, *y = b;
	int order = compare_identities(&x->identity, &y->identity);

	return order ? order : x->slot < y->slot ? -1 : x->slot > y->slot;
}

static int match_places(const void *a, const void *b)
{
	const struct plan_place *x = a, *y = b;

	return compare_identities(&x->identity, &y->identity);
}

/* One that has another name since keeps the slot that it has under the old one. */
static void find_renamed(struct plan_seats *seats)
{
	for (size_t i = 0; i < seats->count; i++) {
		struct plan_seat *seat = &seats->seat[i];
		struct plan_place place;

		if (!seat->backend->formerly)
			continue;
		seat->known_as = seat->backend->formerly;
		place.identity = seat_identity(seat);
		if (!bsearch(&place, seats->used, seats->used_count, sizeof(place), match_places))
			seat->known_as = seat->backend->task;
	}
}

/*
 * A backend that nobody wants goes, unless its service is one that wanted does not speak of and
 * attach still has.
 */
static bool may_stay(const struct plan_seats *seats, unsigned slot)
{
	unsigned service = seats->actual->backend[slot].service;

	if (!service || service > SLUICE_MAX_SERVICES)
		return false;
	return !seats->managed[service] && seats->actual->service[service].name[0];
}

static void leave(struct plan_seats *seats, unsigned slot)
{
	uint16_t port = ntohs(seats->actual->backend[slot].port);

	if (may_stay(seats, slot) && !seats->owner[port])
		seats->owner[port] = (uint16_t)slot;
	else
		seats->retires[slot] = true;
}

static void walk(struct plan_seats *seats)
{
	size_t s = 0, u = 0;

	while (s < seats->count || u < seats->used_count) {
		struct plan_seat *seat = s < seats->count ? &seats->seat[s] : NULL;
		const struct plan_place *place = u < seats->used_count ? &seats->used[u] : NULL;
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
			leave(seats, slot);
		s += order <= 0;
		u += order >= 0;
	}
}

/* Of the free slots the one that had the fewest generations: a slot rests as long as possible. */
static unsigned free_slot(const struct plan_seats *seats)
{
	const struct sluice_backend *backend = seats->actual->backend;
	unsigned best = 0;

	for (unsigned slot = 1; slot <= SLUICE_MAX_BACKENDS; slot++) {
		if (seats->taken[slot])
			continue;
		if (!best || backend[slot].last_generation < backend[best].last_generation)
			best = slot;
		if (!backend[best].last_generation)
			break;
	}
	return best;
}

static void give_slots(struct plan_seats *seats)
{
	size_t kept = 0;

	for (size_t i = 0; i < seats->count; i++) {
		struct plan_seat *seat = &seats->seat[i];

		if (seat->is_new)
			seat->slot = free_slot(seats);
		seats->owner[seat->backend->port] = (uint16_t)seat->slot;
		if (!seat->slot) {
			refuse(seats, seat->backend, "all slots are in use");
			continue;
		}
		seats->taken[seat->slot] = true;
		seats->seat[kept++] = *seat;
	}
	seats->count = kept;
}

static void mark_taken(struct plan_seats *seats)
{
	const struct actual *actual = seats->actual;

	for (unsigned slot = 1; slot <= SLUICE_MAX_BACKENDS; slot++) {
		if (!actual->backend[slot].generation)
			continue;
		seats->taken[slot] = true;
		seats->used[seats->used_count++] =
			(struct plan_place){ slot_identity(actual, slot), (uint16_t)slot };
	}
	for (unsigned i = 1; i <= SLUICE_MAX_SERVICES; i++) {
		const struct sluice_set *set = actual->set[i];

		for (uint32_t k = 0; set && k < set->len && k < SLUICE_SET_TABLE; k++)
			if (set->table[k] <= SLUICE_MAX_BACKENDS)
				seats->taken[set->table[k]] = true;
	}
}

int plan_seats_build(struct plan_seats *seats, const struct actual *actual,
		     const struct wanted *wanted)
{
	seats->actual = actual;
	seats->wanted = wanted;
	seats->service = calloc(wanted->service_count + 1, sizeof(*seats->service));
	seats->seat = calloc(wanted->backend_count + 1, sizeof(*seats->seat));
	seats->used = calloc(SLUICE_MAX_BACKENDS + 1, sizeof(*seats->used));
	seats->owner = calloc(65536, sizeof(*seats->owner));
	seats->refusal = calloc(wanted->backend_count + 1, sizeof(*seats->refusal));
	if (!seats->service || !seats->seat || !seats->used || !seats->owner || !seats->refusal)
		return -ENOMEM;
	choose_seats(seats);
	mark_taken(seats);
	qsort(seats->used, seats->used_count, sizeof(*seats->used), compare_places);
	find_renamed(seats);
	qsort(seats->seat, seats->count, sizeof(*seats->seat), compare_seats);
	walk(seats);
	give_slots(seats);
	return 0;
}

void plan_seats_release(struct plan_seats *seats)
{
	free(seats->refusal);
	free(seats->owner);
	free(seats->used);
	free(seats->seat);
	free(seats->service);
	*seats = (struct plan_seats){ 0 };
}
