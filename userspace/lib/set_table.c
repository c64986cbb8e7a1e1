/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tables for the four algorithms. Knows no maps and no states: who is a member was decided before.
 */
#include "set_table.h"

#include <errno.h>
#include <stdbool.h>
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
static size_t shares(const struct set_table_member *members, size_t count, uint32_t *share)
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

static int fill_schedule(struct sluice_set *set, const struct set_table_member *members,
			 size_t count)
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

struct turn {
	uint32_t next, skip; /* place in the member's preference list, Maglev's */
	uint32_t asked;	     /* entries of that list so far */
	uint32_t credit;
	uint32_t got, limit;
	const struct set_table_member *member;
};

static int compare_turns(const void *a, const void *b)
{
	const struct turn *x = a, *y = b;

	return strcmp(x->member->task, y->member->task);
}

/* One share and a tenth, rounded up. The sum is more than the table has, so that it can always be filled. */
static uint32_t limit_of(uint32_t weight, uint64_t total)
{
	return (uint32_t)((uint64_t)SLUICE_SET_TABLE * weight * 11 / (total * 10) + 1);
}

static void set_up_turns(struct turn *turns, const struct set_table_member *members, size_t count)
{
	uint64_t total = 0;

	for (size_t i = 0; i < count; i++)
		total += members[i].weight;
	for (size_t i = 0; i < count; i++)
		turns[i] = (struct turn){
			.next = (uint32_t)hash(members[i].task, 0) % SLUICE_SET_TABLE,
			.skip = ((uint32_t)hash(members[i].task, 1) | 1) % SLUICE_SET_TABLE,
			.limit = limit_of(members[i].weight, total),
			.member = &members[i],
		};
	qsort(turns, count, sizeof(*turns), compare_turns);
}

/* A power of two, so that the coming or going of one member seldom changes when the others have their turns. */
static uint32_t round_of(const struct set_table_member *members, size_t count)
{
	uint32_t round = 1;

	for (size_t i = 0; i < count; i++)
		while (round < members[i].weight)
			round *= 2;
	return round;
}

/*
 * Is it the member's turn in this round? By weight, and the rarer the more of its list is behind it: so the time until it asks for
 * a given entry is distributed exponentially, and who is first there is in proportion to the weights, exactly.
 */
static bool is_its_turn(struct turn *turn, uint32_t round)
{
	if (turn->got == turn->limit)
		return false;
	turn->credit += turn->member->weight * (SLUICE_SET_TABLE - turn->asked);
	if (turn->credit < round * SLUICE_SET_TABLE)
		return false;
	turn->credit -= round * SLUICE_SET_TABLE;
	turn->asked++;
	return true;
}

/*
 * Members take turns, more of them by weight; in its turn a member gets its next preferred entry, or nothing if that is
 * taken. Maglev lets it look on until it finds one, which makes shares equal to the last entry, but the last entries of all
 * fall where chance has it: when one of 100 members goes, 2.4 times its share moves. Turns that end empty-handed leave who
 * has what to each entry's own race, which the others' presence does not change. The price is that shares differ; the limit
 * bounds that. The order of the turns hangs on the names, not on the slots.
 */
static int fill_source(struct sluice_set *set, const struct set_table_member *members, size_t count)
{
	struct turn *turns = calloc(count, sizeof(*turns));
	uint32_t filled = 0, round;

	if (!turns)
		return -ENOMEM;
	set_up_turns(turns, members, count);
	round = round_of(members, count);
	memset(set->table, 0, sizeof(set->table));
	while (filled < SLUICE_SET_TABLE) {
		for (size_t i = 0; i < count; i++) {
			struct turn *turn = &turns[i];

			if (!is_its_turn(turn, round))
				continue;
			if (!set->table[turn->next]) {
				set->table[turn->next] = turn->member->slot;
				turn->got++;
				filled++;
			}
			turn->next = (turn->next + turn->skip) % SLUICE_SET_TABLE;
		}
	}
	set->len = SLUICE_SET_TABLE;
	free(turns);
	return 0;
}

int set_table_fill(struct sluice_set *set, enum sluice_balance balance,
		   const struct set_table_member *members, size_t count)
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
