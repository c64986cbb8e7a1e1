/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ring of changes. Everybody in the group can write the map, so nothing read here is trusted to be terminated or in order.
 */
#include "changes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "maps.h"

#define NUMBER_MAX (UINT64_MAX / 2) /* no honest writer comes there, and one more is no 0 */

static uint64_t number_at(const struct maps *maps, size_t i)
{
	uint64_t number = __atomic_load_n(&maps->changes[i].number, __ATOMIC_ACQUIRE);

	return number % SLUICE_CHANGES == i && number < NUMBER_MAX ? number : 0;
}

/* Is it what the maps say? */
static bool is_true(const struct maps *maps, const struct sluice_change *change)
{
	const struct sluice_backend *backend;

	if (!change->slot || change->slot > SLUICE_MAX_BACKENDS)
		return false;
	backend = &maps->backends[change->slot];
	if (change->to == SLUICE_BACKEND_FREE)
		return backend->generation != change->generation;
	return backend->generation == change->generation && backend->state == change->to;
}

uint64_t changes_next(struct maps *maps)
{
	uint64_t newest = 0, number;
	struct sluice_change *change;

	for (size_t i = 0; i < SLUICE_CHANGES; i++) {
		number = number_at(maps, i);
		if (number > newest)
			newest = number;
	}
	change = &maps->changes[newest % SLUICE_CHANGES];
	if (!newest || is_true(maps, change))
		return newest + 1;
	__atomic_store_n(&change->number, 0, __ATOMIC_RELEASE);
	return newest;
}

void changes_write(struct maps *maps, const struct sluice_change *change, uint64_t number)
{
	struct sluice_change *to = &maps->changes[number % SLUICE_CHANGES];
	struct sluice_change whole = *change;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	whole.wall_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	whole.number = 0;
	__atomic_store_n(&to->number, 0, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	*to = whole;
	__atomic_store_n(&to->number, number, __ATOMIC_RELEASE);
}

static bool copy(const struct maps *maps, size_t i, struct sluice_change *to)
{
	uint64_t number = number_at(maps, i);

	if (!number)
		return false;
	*to = maps->changes[i];
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	to->number = number;
	to->service[sizeof(to->service) - 1] = '\0';
	to->task[sizeof(to->task) - 1] = '\0';
	to->reason[sizeof(to->reason) - 1] = '\0';
	to->source[sizeof(to->source) - 1] = '\0';
	return number_at(maps, i) == number;
}

static int by_number(const void *a, const void *b)
{
	const struct sluice_change *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

int changes_read(const struct maps *maps, struct sluice_change **list, size_t *count)
{
	*count = 0;
	*list = calloc(SLUICE_CHANGES, sizeof(**list));
	if (!*list)
		return -ENOMEM;
	for (size_t i = 0; i < SLUICE_CHANGES; i++)
		*count += copy(maps, i, &(*list)[*count]);
	qsort(*list, *count, sizeof(**list), by_number);
	return 0;
}
