/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Publishing and reading sets in plain memory, the flows' clock, and what opening says about a folder without maps. What
 * needs the kernel's maps is tested with the packet cases and end to end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "maps.h"

#define SERVICE 3

static int set_up(void **state)
{
	struct maps *maps = calloc(1, sizeof(*maps));

	*state = maps;
	if (!maps)
		return -1;
	maps->active = calloc(SLUICE_MAX_SERVICES + 1, sizeof(*maps->active));
	maps->sets = calloc((SLUICE_MAX_SERVICES + 1) * SLUICE_SET_RING, sizeof(*maps->sets));
	return maps->active && maps->sets ? 0 : -1;
}

static int tear_down(void **state)
{
	struct maps *maps = *state;

	free(maps->active);
	free(maps->sets);
	free(maps);
	return 0;
}

static void fill(struct sluice_set *set, __u32 len, __u16 first)
{
	__u32 i;

	memset(set, 0xff, sizeof(*set)); /* what is not asked for must not be copied */
	set->len = len;
	set->maxconn = first;
	set->balance = SLUICE_BALANCE_LEASTCONN;
	set->on_empty = SLUICE_EMPTY_PASS;
	set->on_full = SLUICE_FULL_RESET;
	for (i = 0; i < len; i++)
		set->table[i] = (__u16)(first + i);
}

static void test_unsynced(void **state)
{
	static struct sluice_set set;

	assert_false(maps_read_set(*state, SERVICE, &set));
}

static void test_publish(void **state)
{
	static struct sluice_set in, out;
	struct maps *maps = *state;
	unsigned i;

	for (i = 1; i <= 3 * SLUICE_SET_RING; i++) {
		fill(&in, i * 7 % 20, (__u16)(i * 100));
		assert_int_equal(maps_publish_set(maps, SERVICE, &in, i * 1000), 0);
		assert_int_equal(maps->active[SERVICE].version, i);
		assert_int_equal(maps->active[SERVICE].published_ns, i * 1000);
		assert_true(maps_read_set(maps, SERVICE, &out));
		assert_int_equal(out.version, i);
		assert_int_equal(out.len, in.len);
		assert_int_equal(out.maxconn, in.maxconn);
		assert_int_equal(out.balance, in.balance);
		assert_int_equal(out.on_empty, in.on_empty);
		assert_int_equal(out.on_full, in.on_full);
		assert_memory_equal(out.table, in.table, in.len * sizeof(in.table[0]));
	}
	assert_false(maps_read_set(maps, SERVICE - 1, &out));
	assert_false(maps_read_set(maps, SERVICE + 1, &out));
}

static void test_publish_limits(void **state)
{
	static struct sluice_set in, out;

	fill(&in, SLUICE_SET_TABLE, 1);
	assert_int_equal(maps_publish_set(*state, SLUICE_MAX_SERVICES, &in, 1), 0);
	assert_true(maps_read_set(*state, SLUICE_MAX_SERVICES, &out));
	assert_memory_equal(out.table, in.table, sizeof(in.table));
	in.len = SLUICE_SET_TABLE + 1;
	assert_int_equal(maps_publish_set(*state, SERVICE, &in, 1), -EINVAL);
	in.len = 0;
	assert_int_equal(maps_publish_set(*state, 0, &in, 1), -EINVAL);
	assert_int_equal(maps_publish_set(*state, SLUICE_MAX_SERVICES + 1, &in, 1), -EINVAL);
	assert_int_equal(maps_publish_set(*state, SERVICE, &in, 1), 0);
	assert_true(maps_read_set(*state, SERVICE, &out));
	assert_int_equal(out.len, 0);
}

/* Whatever the schedule: each slot once, and none that cannot be. */
static void test_publish_members(void **state)
{
	static const __u16 table[] = { 7, 3, 7, 0, SLUICE_MAX_BACKENDS, 7, 3, 9, 65535 };
	static const __u16 members[] = { 7, 3, SLUICE_MAX_BACKENDS, 9 };
	static struct sluice_set in, out;

	fill(&in, sizeof(table) / sizeof(table[0]), 1);
	memcpy(in.table, table, sizeof(table));
	assert_int_equal(maps_publish_set(*state, SERVICE, &in, 1), 0);
	assert_true(maps_read_set(*state, SERVICE, &out));
	assert_int_equal(out.members, 4);
	assert_memory_equal(out.member, members, sizeof(members));
	fill(&in, SLUICE_SET_TABLE, 1);
	assert_int_equal(maps_publish_set(*state, SERVICE, &in, 1), 0);
	assert_true(maps_read_set(*state, SERVICE, &out));
	assert_int_equal(out.members, SLUICE_MAX_BACKENDS);
	in.len = 0;
	assert_int_equal(maps_publish_set(*state, SERVICE, &in, 1), 0);
	assert_true(maps_read_set(*state, SERVICE, &out));
	assert_int_equal(out.members, 0);
}

/* A set whose slot is being written, or already holds a later version, is not read. */
static void test_torn(void **state)
{
	static struct sluice_set in, out;
	struct maps *maps = *state;

	fill(&in, 4, 1);
	assert_int_equal(maps_publish_set(maps, SERVICE, &in, 1), 0);
	maps->sets[SERVICE * SLUICE_SET_RING + 1].version = 0;
	assert_false(maps_read_set(maps, SERVICE, &out));
	maps->sets[SERVICE * SLUICE_SET_RING + 1].version = 1 + SLUICE_SET_RING;
	assert_false(maps_read_set(maps, SERVICE, &out));
	maps->sets[SERVICE * SLUICE_SET_RING + 1].version = 1;
	assert_true(maps_read_set(maps, SERVICE, &out));
}

/* Attach makes a service unsynced; no version may ever come twice with another set. */
static void test_version_after_unsynced(void **state)
{
	static struct sluice_set in;
	struct maps *maps = *state;

	fill(&in, 4, 1);
	assert_int_equal(maps_publish_set(maps, SERVICE, &in, 1), 0);
	assert_int_equal(maps_publish_set(maps, SERVICE, &in, 1), 0);
	maps->active[SERVICE].version = 0;
	assert_int_equal(maps_publish_set(maps, SERVICE, &in, 1), 0);
	assert_int_equal(maps->active[SERVICE].version, 3);
}

static uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void test_jiffies(void **state)
{
	static const uint32_t rates[] = { 100, 250, 300, 1000 };
	struct maps *maps = *state;
	size_t i;

	assert_int_equal(maps_jiffies(maps), 0); /* no rate is known */
	for (i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		uint64_t from, to, tick = (1000000000 + rates[i] / 2) / rates[i];
		uint32_t now;

		maps->meta.hz = rates[i];
		maps->meta.clock_jiffies = UINT32_MAX - 5; /* it wraps */
		maps->meta.clock_ktime_ns = monotonic_ns() - 1000 * tick;
		from = monotonic_ns();
		now = maps_jiffies(maps);
		to = monotonic_ns();
		now -= UINT32_MAX - 5;
		assert_true(now >= (from - maps->meta.clock_ktime_ns) / tick);
		assert_true(now <= (to - maps->meta.clock_ktime_ns) / tick + 1);
	}
}

static void test_open_nothing(void **state)
{
	struct maps maps;
	char error[256];

	(void)state;
	assert_int_equal(maps_open(&maps, "/nonexistent/pins", MAPS_READ, error, sizeof(error)),
			 -ENOENT);
	assert_string_equal(error, "/nonexistent/pins: nothing is attached here (no sluice_meta)");
	maps_release(&maps);
	maps_release(&maps);
}

/* Every kind stands for its own descriptor, and no writable one is missing that the daemon is promised. */
static void test_kinds(void **state)
{
	size_t i, j, writable = 0;

	(void)state;
	for (i = 0; i < MAPS_COUNT; i++) {
		assert_true(strlen(maps_kinds[i].name) <= 15);
		assert_true(!maps_kinds[i].memory_offset || maps_kinds[i].value_size % 8 == 0);
		writable += maps_kinds[i].daemon_writes;
		for (j = 0; j < i; j++) {
			assert_string_not_equal(maps_kinds[i].name, maps_kinds[j].name);
			assert_int_not_equal(maps_kinds[i].fd_offset, maps_kinds[j].fd_offset);
		}
	}
	assert_int_equal(writable, 9);
}

static void test_pressure(void **state)
{
	static const struct {
		uint32_t entries;
		unsigned said;
	} steps[] = {
		{ 0, 0 },    { 799, 0 },  { 800, 80 },	{ 949, 0 }, { 950, 95 },
		{ 1000, 0 }, { 850, 0 },  { 951, 0 },	{ 750, 0 }, { 820, 0 },
		{ 749, 0 },  { 801, 80 }, { 1000, 95 }, { 100, 0 }, { 960, 95 },
	};
	struct maps_occupancy table = { .name = "t", .capacity = 1000 };
	unsigned level = 0;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		table.entries = steps[i].entries;
		assert_int_equal(maps_pressure(&table, &level), steps[i].said);
	}
	table.capacity = 0;
	assert_int_equal(maps_percent(&table), 0);
	table = (struct maps_occupancy){ .entries = 1u << 26, .capacity = 1u << 26 };
	assert_int_equal(maps_percent(&table), 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_unsynced, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_publish, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_publish_limits, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_publish_members, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_torn, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_version_after_unsynced, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_jiffies, set_up, tear_down),
		cmocka_unit_test(test_open_nothing),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_pressure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
