/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The record of changes: what publishing writes into it, that it turns round, and that a writer killed at any point leaves the rest whole.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "changes.h"
#include "maps.h"

static struct maps maps;

static int set_up(void **state)
{
	(void)state;
	maps.changes = calloc(SLUICE_CHANGES, sizeof(*maps.changes));
	maps.backends = calloc(SLUICE_MAX_BACKENDS + 1, sizeof(*maps.backends));
	return maps.changes && maps.backends ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	free(maps.changes);
	free(maps.backends);
	maps = (struct maps){ 0 };
	return 0;
}

/* Record it and do it, as publishing does. */
static void change(unsigned slot, uint32_t generation, uint8_t from, uint8_t to)
{
	struct sluice_change entry = { .slot = slot,
				       .generation = generation,
				       .from = from,
				       .to = to,
				       .port = 31000,
				       .service = "web",
				       .task = "t1" };

	changes_write(&maps, &entry, changes_next(&maps));
	maps.backends[slot].generation = to == SLUICE_BACKEND_FREE ? 0 : generation;
	maps.backends[slot].state = to;
}

static size_t read_all(struct sluice_change **list)
{
	size_t count;

	assert_int_equal(changes_read(&maps, list, &count), 0);
	return count;
}

static void test_order(void **state)
{
	struct sluice_change *list;

	(void)state;
	assert_int_equal(read_all(&list), 0);
	free(list);
	change(1, 1, SLUICE_BACKEND_FREE, SLUICE_BACKEND_UP);
	change(2, 1, SLUICE_BACKEND_FREE, SLUICE_BACKEND_WAITING);
	change(1, 1, SLUICE_BACKEND_UP, SLUICE_BACKEND_DRAINING);
	change(1, 1, SLUICE_BACKEND_DRAINING, SLUICE_BACKEND_FREE);
	assert_int_equal(read_all(&list), 4);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(list[i].number, i + 1);
	assert_int_equal(list[1].slot, 2);
	assert_int_equal(list[2].from, SLUICE_BACKEND_UP);
	assert_int_equal(list[3].to, SLUICE_BACKEND_FREE);
	assert_true(list[3].wall_ns > 0);
	free(list);
}

static void test_turns_round(void **state)
{
	struct sluice_change *list;

	(void)state;
	for (uint32_t i = 1; i <= 3 * SLUICE_CHANGES + 7; i++)
		change(1, i, SLUICE_BACKEND_FREE, SLUICE_BACKEND_UP);
	assert_int_equal(read_all(&list), SLUICE_CHANGES);
	for (unsigned i = 0; i < SLUICE_CHANGES; i++)
		assert_int_equal(list[i].generation, 2 * SLUICE_CHANGES + 7 + i + 1);
	free(list);
}

/* Killed while it wrote the entry: the slot is empty, the next writer goes on after the newest whole one. */
static void test_killed_while_writing(void **state)
{
	struct sluice_change *list;

	(void)state;
	for (uint32_t i = 1; i <= SLUICE_CHANGES + 5; i++)
		change(1, i, SLUICE_BACKEND_FREE, SLUICE_BACKEND_UP);
	maps.changes[6].number = 0;
	memset(maps.changes[6].task, 'x', sizeof(maps.changes[6].task));
	assert_int_equal(read_all(&list), SLUICE_CHANGES - 1);
	assert_int_equal(list[SLUICE_CHANGES - 2].number, SLUICE_CHANGES + 5);
	free(list);
	assert_int_equal(changes_next(&maps), SLUICE_CHANGES + 6);
}

/* Killed between the record and the change: the next writer does the change and records it, once. */
static void test_killed_before_doing(void **state)
{
	struct sluice_change *list;
	struct sluice_change entry = {
		.slot = 1, .generation = 1, .from = SLUICE_BACKEND_UP, .to = SLUICE_BACKEND_DOWN
	};

	(void)state;
	change(1, 1, SLUICE_BACKEND_FREE, SLUICE_BACKEND_UP);
	changes_write(&maps, &entry, changes_next(&maps));
	assert_int_equal(changes_next(&maps), 2);
	change(1, 1, SLUICE_BACKEND_UP, SLUICE_BACKEND_DOWN);
	assert_int_equal(changes_next(&maps), 3);
	assert_int_equal(read_all(&list), 2);
	assert_int_equal(list[1].to, SLUICE_BACKEND_DOWN);
	free(list);
}

/* What others wrote into the map is not believed. */
static void test_nonsense(void **state)
{
	struct sluice_change *list;

	(void)state;
	memset(maps.changes, 0xff, SLUICE_CHANGES * sizeof(*maps.changes));
	maps.changes[3].number = 4; /* belongs elsewhere */
	assert_int_equal(read_all(&list), 0);
	free(list);
	maps.changes[3].number = 3;
	assert_int_equal(read_all(&list), 1);
	assert_int_equal(strlen(list[0].task), SLUICE_TASK_LEN - 1);
	free(list);
	assert_int_equal(changes_next(&maps), 3); /* it is not true */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_turns_round, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_killed_while_writing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_killed_before_doing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_nonsense, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
