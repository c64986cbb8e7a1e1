/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The table of balance = source: how even it is, whether weights count, and how many clients are moved when a backend comes or goes.
 * The numbers are the bars; what was measured lies below them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "set_table.h"

#define MEMBERS 100

struct world {
	char names[SLUICE_MAX_BACKENDS][64];
	struct set_table_member members[SLUICE_MAX_BACKENDS];
	struct sluice_set before, after;
	uint32_t had[SLUICE_MAX_BACKENDS + 1], has[SLUICE_MAX_BACKENDS + 1];
};

static int set_up(void **state)
{
	*state = calloc(1, sizeof(struct world));
	return *state ? 0 : -1;
}

static int tear_down(void **state)
{
	free(*state);
	return 0;
}

static void name_members(struct world *world, unsigned count, unsigned seed, uint32_t weight)
{
	for (unsigned i = 0; i < count; i++) {
		snprintf(world->names[i], sizeof(world->names[i]), "web.instance-%08x-%u._app.1",
			 (i + seed * 1000) * 2654435761u, i);
		world->members[i] =
			(struct set_table_member){ (uint16_t)(i + 1), weight, world->names[i] };
	}
}

static void fill(struct sluice_set *set, uint32_t *count, const struct set_table_member *members,
		 size_t n)
{
	memset(count, 0, (SLUICE_MAX_BACKENDS + 1) * sizeof(*count));
	assert_int_equal(set_table_fill(set, SLUICE_BALANCE_SOURCE, members, n), 0);
	assert_int_equal(set->len, SLUICE_SET_TABLE);
	for (unsigned i = 0; i < SLUICE_SET_TABLE; i++)
		count[set->table[i]]++;
	assert_int_equal(count[0], 0);
}

static unsigned moved(const struct world *world)
{
	unsigned n = 0;

	for (unsigned i = 0; i < SLUICE_SET_TABLE; i++)
		n += world->before.table[i] != world->after.table[i];
	return n;
}

/* Each of 100 goes in turn: at most 1.2 times what it had moves, of anybody's. */
static void one_of_hundred_goes(void **state)
{
	struct world *world = *state;
	struct set_table_member rest[MEMBERS];
	double worst = 0;

	for (unsigned seed = 0; seed < 3; seed++) {
		name_members(world, MEMBERS, seed, 100);
		fill(&world->before, world->had, world->members, MEMBERS);
		for (unsigned gone = 0; gone < MEMBERS; gone++) {
			unsigned n = 0;
			double times;

			for (unsigned i = 0; i < MEMBERS; i++)
				if (i != gone)
					rest[n++] = world->members[i];
			fill(&world->after, world->has, rest, n);
			times = (double)moved(world) / world->had[gone + 1];
			assert_true(times >= 1);
			if (times > worst)
				worst = times;
		}
	}
	print_message("one of 100 goes: at worst %.3f times its share moves\n", worst);
	assert_true(worst <= 1.2);
}

/* And the 101st comes: what it gets moves, and little else. */
static void one_more_comes(void **state)
{
	struct world *world = *state;

	name_members(world, MEMBERS + 1, 0, 100);
	fill(&world->before, world->had, world->members, MEMBERS);
	fill(&world->after, world->has, world->members, MEMBERS + 1);
	assert_true(moved(world) <= world->has[MEMBERS + 1] * 1.2);
}

static void shares_are_bounded(void **state)
{
	static const unsigned counts[] = { 1, 2, 3, 10, 100 };
	struct world *world = *state;

	for (size_t k = 0; k < sizeof(counts) / sizeof(counts[0]); k++) {
		double share = (double)SLUICE_SET_TABLE / counts[k], least = 2, most = 0;

		name_members(world, counts[k], 0, 100);
		fill(&world->before, world->had, world->members, counts[k]);
		for (unsigned i = 1; i <= counts[k]; i++) {
			double part = world->had[i] / share;

			least = part < least ? part : least;
			most = part > most ? part : most;
		}
		print_message("%u backends: least %.3f, most %.3f of a share\n", counts[k], least,
			      most);
		assert_true(most <= 1.1 + 1 / share);
		assert_true(least >= (counts[k] <= 10 ? 0.9 : 0.7));
	}
}

static void weights_count(void **state)
{
	static const uint32_t weights[] = { 10, 100, 50, 100, 256, 1 };
	const unsigned n = sizeof(weights) / sizeof(weights[0]);
	struct world *world = *state;
	unsigned total = 0;

	name_members(world, n, 0, 100);
	for (unsigned i = 0; i < n; i++) {
		world->members[i].weight = weights[i];
		total += weights[i];
	}
	fill(&world->before, world->had, world->members, n);
	for (unsigned i = 0; i < n; i++) {
		double share = (double)SLUICE_SET_TABLE * weights[i] / total;
		double slack = share * (weights[i] == 1 ? 0.5 : 0.1) + 1; /* one has 31 entries */

		print_message("weight %u: %.3f of its share\n", weights[i],
			      world->had[i + 1] / share);
		assert_true(world->had[i + 1] >= share - slack);
		assert_true(world->had[i + 1] <= share + slack);
	}
}

/* A backend's ramp of weight moves clients to it, not among the others. */
static void a_ramp_moves_clients_to_the_new_one(void **state)
{
	struct world *world = *state;
	uint32_t last = 0;

	name_members(world, 10, 0, 100);
	for (uint32_t weight = 10; weight <= 100; weight += 10) {
		unsigned others = 0;

		world->members[3].weight = weight;
		fill(&world->after, world->has, world->members, 10);
		assert_true(world->has[4] > last);
		for (unsigned i = 0; last && i < SLUICE_SET_TABLE; i++)
			others += world->before.table[i] != world->after.table[i] &&
				  world->after.table[i] != 4;
		assert_true(others <= SLUICE_SET_TABLE / 100);
		last = world->has[4];
		world->before = world->after;
	}
}

/* A restarted daemon gives other slots; the clients stay. So do they for members in another order of slots. */
static void names_decide_not_slots(void **state)
{
	struct world *world = *state;

	name_members(world, 10, 0, 100);
	fill(&world->before, world->had, world->members, 10);
	for (unsigned i = 0; i < 10; i++)
		world->members[i].slot = (uint16_t)(i + 101);
	fill(&world->after, world->has, world->members, 10);
	for (unsigned i = 0; i < SLUICE_SET_TABLE; i++)
		assert_int_equal(world->before.table[i] + 100, world->after.table[i]);
}

static void as_many_as_there_can_be(void **state)
{
	struct world *world = *state;

	name_members(world, SLUICE_MAX_BACKENDS, 0, 100);
	fill(&world->before, world->had, world->members, SLUICE_MAX_BACKENDS);
	for (unsigned i = 1; i <= SLUICE_MAX_BACKENDS; i++)
		assert_true(world->had[i] <= 5); /* a share is 4 */
}

/* The table is always filled, whatever the weights are. */
static void extreme_weights_end(void **state)
{
	struct world *world = *state;

	name_members(world, 2, 0, 1);
	world->members[1].weight = 256;
	fill(&world->before, world->had, world->members, 2);
	assert_in_range(world->had[1], 20, 71); /* a share is 64 */
	name_members(world, 1, 0, 1);
	fill(&world->before, world->had, world->members, 1);
	assert_int_equal(world->had[1], SLUICE_SET_TABLE);
	name_members(world, 1000, 0, 1);
	world->members[0].weight = 256;
	fill(&world->before, world->had, world->members, 1000);
	assert_in_range(world->had[1], 3000, 3674); /* a share is 3339 */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_of_hundred_goes),
		cmocka_unit_test(one_more_comes),
		cmocka_unit_test(shares_are_bounded),
		cmocka_unit_test(weights_count),
		cmocka_unit_test(a_ramp_moves_clients_to_the_new_one),
		cmocka_unit_test(names_decide_not_slots),
		cmocka_unit_test(as_many_as_there_can_be),
		cmocka_unit_test(extreme_weights_end),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
