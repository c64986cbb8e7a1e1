/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tables for the four algorithms. Knows no maps and no states: who is a member was decided before.
 */
#include "table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

_Static_assert((SLUICE_SET_TABLE & (SLUICE_SET_TABLE - 1)) == 0,
	       "odd skips visit every entry of a power of two");

static uint32_t common_divisor(uint32_t a, uint32_t b)
{
	while (b) {
		uint32_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

/* Entries each member gets. A share below one becomes one; the room for that is set aside first. */
static size_t shares(const struct table_member *members, size_t count, uint32_t *share)
{
	uint32_t divisor = 0;
	size_t total = 0, sum = 0;

	for (size_t i = 0; i < count; i++)
		divisor = common_divisor(members[i].weight, divisor);
	for (size_t i = 0; i < count; i++)
		total += members[i].weight / divisor;
	for (size_t i = 0; i < count; i++) {
		share[i] = members[i].weight / divisor;
		if (total > SLUICE_SET_TABLE)
			share[i] =
				(uint32_t)(share[i] * (size_t)(SLUICE_SET_TABLE - count) / total);
		if (!share[i])
			share[i] = 1;
		sum += share[i];
	}
	return sum;
}

/* The k-th of a member's n entries belongs at (2k + 1) / 2n of the way round. */
struct place {
	uint32_t above, below;
	uint16_t slot;
};

static int compare_places(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	uint64_t left = (uint64_t)x->above * y->below, right = (uint64_t)y->above * x->below;

	if (left != right)
		return left < right ? -1 : 1;
	return x->slot < y->slot ? -1 : x->slot > y->slot;
}

static int fill_schedule(struct sluice_set *set, const struct table_member *members, size_t count)
{
	uint32_t *share = calloc(count, sizeof(*share));
	struct place *places = NULL;
	size_t sum, n = 0;
	int err = -ENOMEM;

	if (!share)
		goto out;
	sum = shares(members, count, share);
	places = calloc(sum, sizeof(*places));
	if (!places)
		goto out;
	for (size_t i = 0; i < count; i++)
		for (uint32_t k = 0; k < share[i]; k++)
			places[n++] = (struct place){ 2 * k + 1, 2 * share[i], members[i].slot };
	qsort(places, n, sizeof(*places), compare_places);
	for (size_t i = 0; i < n; i++)
		set->table[i] = places[i].slot;
	set->len = (uint32_t)n;
	err = 0;
out:
	free(places);
	free(share);
	return err;
}

static uint64_t hash(const char *text, uint64_t seed)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325) ^ seed; /* FNV-1a, then MurmurHash3's finalizer */

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	h ^= h >> 33;
	h *= UINT64_C(0xff51afd7ed558ccd);
	h ^= h >> 33;
	h *= UINT64_C(0xc4ceb9fe1a85ec53);
	return h ^ h >> 33;
}

struct maglev {
	uint32_t next, skip;
	const struct table_member *member;
};

static int compare_maglev(const void *a, const void *b)
{
	const struct maglev *x = a, *y = b;

	return strcmp(x->member->task, y->member->task);
}

/*
 * Members take turns; each takes its next preferred entry that is free. Weights give more turns: a member sits out the rounds that
 * its weight does not cover. The order of the turns hangs on the names, not on the slots.
 */
static int fill_source(struct sluice_set *set, const struct table_member *members, size_t count)
{
	struct maglev *turns = calloc(count, sizeof(*turns));
	uint32_t max = 1, filled = 0;

	if (!turns)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		turns[i].member = &members[i];
		turns[i].next = (uint32_t)hash(members[i].task, 0) % SLUICE_SET_TABLE;
		turns[i].skip = ((uint32_t)hash(members[i].task, 1) | 1) % SLUICE_SET_TABLE;
		if (members[i].weight > max)
			max = members[i].weight;
	}
	qsort(turns, count, sizeof(*turns), compare_maglev);
	memset(set->table, 0, sizeof(set->table));
	for (uint64_t round = 0; filled < SLUICE_SET_TABLE; round++) {
		for (size_t i = 0; i < count && filled < SLUICE_SET_TABLE; i++) {
			uint64_t w = turns[i].member->weight;

			if ((round + 1) * w / max == round * w / max)
				continue;
			while (set->table[turns[i].next])
				turns[i].next = (turns[i].next + turns[i].skip) % SLUICE_SET_TABLE;
			set->table[turns[i].next] = turns[i].member->slot;
			filled++;
		}
	}
	set->len = SLUICE_SET_TABLE;
	free(turns);
	return 0;
}

int table_fill(struct sluice_set *set, enum sluice_balance balance,
	       const struct table_member *members, size_t count)
{
	set->len = 0;
	if (!count)
		return 0;
	switch (balance) {
	case SLUICE_BALANCE_ROUNDROBIN:
		return fill_schedule(set, members, count);
	case SLUICE_BALANCE_SOURCE:
		return fill_source(set, members, count);
	case SLUICE_BALANCE_LEASTCONN:
	case SLUICE_BALANCE_RANDOM:
	case SLUICE_BALANCE_UNSET:
		break;
	}
	for (size_t i = 0; i < count; i++)
		set->table[i] = members[i].slot;
	set->len = (uint32_t)count;
	return 0;
}
