/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The operator's overrides put in force without the daemon: what they name changes, sets follow, and nothing else does.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "maps.h"
#include "publish.h"
#include "standin.h"

static struct sluice_service services[SLUICE_MAX_SERVICES + 1];
static struct standin_overrides *overrides;
static struct maps maps;

static struct wanted_backend backend(const char *task, uint16_t port)
{
	return (struct wanted_backend){ .task = task,
					.app = "/web",
					.port = port,
					.state = SLUICE_BACKEND_UP,
					.weight = 100,
					.reason = "all checks pass",
					.source = "consul" };
}

/* Three backends on the slots 1 to 3, as the daemon left them. */
static int set_up(void **state)
{
	const struct wanted_service service = { .name = "web",
						.balance = SLUICE_BALANCE_ROUNDROBIN,
						.on_empty = SLUICE_EMPTY_DROP,
						.maxconn = 9,
						.synced = true };
	const struct wanted_backend list[] = { backend("t1", 31000), backend("t2", 31001),
					       backend("t3", 31002) };
	const struct wanted wanted = { 1, &service, 3, list };
	struct plan plan = { 0 };
	struct actual actual;

	(void)state;
	maps = (struct maps){ .access = MAPS_DAEMON, .override_fd = -1 };
	maps.meta.port_min = 31000;
	maps.meta.port_max = 32000;
	maps.active = calloc(SLUICE_MAX_SERVICES + 1, sizeof(*maps.active));
	maps.sets = calloc((SLUICE_MAX_SERVICES + 1) * SLUICE_SET_RING, sizeof(*maps.sets));
	maps.backends = calloc(SLUICE_MAX_BACKENDS + 1, sizeof(*maps.backends));
	maps.labels = calloc(SLUICE_MAX_BACKENDS + 1, sizeof(*maps.labels));
	maps.hports = calloc(65536, sizeof(*maps.hports));
	overrides = calloc(1, sizeof(*overrides));
	if (!maps.active || !maps.sets || !maps.backends || !maps.labels || !maps.hports ||
	    !overrides)
		return -1;
	snprintf(services[1].name, sizeof(services[1].name), "%s", "web");
	services[1].port = htons(80);
	actual_view(&actual, &maps, services);
	assert_int_equal(plan_build(&plan, &actual, &wanted), 0);
	assert_int_equal(publish_apply(&maps, &plan, 1), 0);
	plan_release(&plan);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(maps.active);
	free(maps.sets);
	free(maps.backends);
	free(maps.labels);
	free(maps.hports);
	free(overrides);
	return 0;
}

static size_t enforce(void)
{
	struct standin standin;
	struct actual actual;
	size_t steps;

	actual_view(&actual, &maps, services);
	assert_int_equal(standin_build(&standin, &actual, overrides), 0);
	steps = standin.plan.count;
	assert_int_equal(publish_apply(&maps, &standin.plan, 2), 0);
	standin_release(&standin);
	return steps;
}

static struct sluice_set set_in_force(void)
{
	struct sluice_set set;

	assert_true(maps_read_set(&maps, 1, &set));
	return set;
}

static void test_nothing_said(void **state)
{
	(void)state;
	assert_int_equal(enforce(), 0);
}

static void test_drain_and_back(void **state)
{
	struct sluice_set set;

	(void)state;
	overrides->slot[2] = (struct sluice_override){ .drain = 1, .before = SLUICE_BACKEND_UP };
	assert_true(enforce() > 0);
	assert_int_equal(maps.backends[2].state, SLUICE_BACKEND_DRAINING);
	assert_string_equal(maps.labels[2].source, "operator");
	assert_string_equal(maps.labels[2].app, "/web");
	set = set_in_force();
	assert_int_equal(set.len, 2);
	assert_int_equal(set.on_empty, SLUICE_EMPTY_DROP);
	assert_int_equal(set.maxconn, 9);
	assert_int_equal(enforce(), 0);
	overrides->slot[2].drain = 0;
	enforce();
	assert_int_equal(maps.backends[2].state, SLUICE_BACKEND_UP);
	assert_int_equal(set_in_force().len, 3);
}

/* The last one may go as well: it is the operator's word. */
static void test_drain_all(void **state)
{
	(void)state;
	for (unsigned slot = 1; slot <= 3; slot++)
		overrides->slot[slot].drain = 1;
	enforce();
	assert_int_equal(set_in_force().len, 0);
	assert_int_equal(maps.hports[31000].slot, maps.backends[1].port == htons(31000) ? 1 : 0);
}

static void test_weight(void **state)
{
	struct sluice_set set;
	unsigned mine = 0;

	(void)state;
	overrides->slot[1] = (struct sluice_override){ .has_weight = 1, .weight = 200 };
	enforce();
	assert_int_equal(maps.backends[1].weight, 200);
	set = set_in_force();
	assert_int_equal(set.len, 4);
	for (unsigned i = 0; i < set.len; i++)
		mine += set.table[i] == 1;
	assert_int_equal(mine, 2);
	overrides->slot[1].weight = 0;
	enforce();
	assert_int_equal(set_in_force().len, 2);
	assert_int_equal(maps.backends[1].state, SLUICE_BACKEND_UP);
}

/* What somebody else drains, or has found gone, is not the operator's to bring back. */
static void test_others_word(void **state)
{
	(void)state;
	maps.backends[1].state = SLUICE_BACKEND_GONE;
	overrides->slot[1] = (struct sluice_override){ .drain = 1, .before = SLUICE_BACKEND_UP };
	enforce();
	assert_int_equal(maps.backends[1].state, SLUICE_BACKEND_GONE);
	maps.backends[2].state = SLUICE_BACKEND_DRAINING; /* its label says consul */
	overrides->slot[2] = (struct sluice_override){ .before = SLUICE_BACKEND_UP };
	enforce();
	assert_int_equal(maps.backends[2].state, SLUICE_BACKEND_DRAINING);
}

/* It was down before, and nobody has found it better since. */
static void test_undrained_to_down(void **state)
{
	(void)state;
	overrides->slot[3] = (struct sluice_override){ .drain = 1, .before = SLUICE_BACKEND_DOWN };
	enforce();
	overrides->slot[3].drain = 0;
	enforce();
	assert_int_equal(maps.backends[3].state, SLUICE_BACKEND_DOWN);
	assert_string_equal(maps.labels[3].source, "sluicectl");
	assert_int_equal(set_in_force().len, 2);
}

/* A backend that cannot be named is neither retired nor changed. */
static void test_unlabelled(void **state)
{
	(void)state;
	maps.labels[3].generation++;
	overrides->slot[1].drain = 1;
	enforce();
	assert_int_equal(maps.backends[3].generation, 1);
	assert_int_equal(maps.backends[1].state, SLUICE_BACKEND_DRAINING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nothing_said, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_drain_and_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_drain_all, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_weight, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_others_word, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_undrained_to_down, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_unlabelled, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
