/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Publication into memory laid out as the maps are: what was wanted can be read back by the same code that the daemon reads with, and a slot
 * that is used again brings nothing along.
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

#include <sluice/tally.h>

#include "changes.h"
#include "maps.h"
#include "publish.h"

static struct sluice_service services[SLUICE_MAX_SERVICES + 1];

static void open_memory(struct maps *maps)
{
	*maps = (struct maps){ .access = MAPS_DAEMON, .override_fd = -1 };
	maps->meta.port_min = 31000;
	maps->meta.port_max = 32000;
	maps->active = calloc(SLUICE_MAX_SERVICES + 1, sizeof(*maps->active));
	maps->sets = calloc((SLUICE_MAX_SERVICES + 1) * SLUICE_SET_RING, sizeof(*maps->sets));
	maps->backends = calloc(SLUICE_MAX_BACKENDS + 1, sizeof(*maps->backends));
	maps->labels = calloc(SLUICE_MAX_BACKENDS + 1, sizeof(*maps->labels));
	maps->hports = calloc(65536, sizeof(*maps->hports));
	maps->changes = calloc(SLUICE_CHANGES, sizeof(*maps->changes));
	assert_true(maps->active && maps->sets && maps->backends && maps->labels && maps->hports &&
		    maps->changes);
	snprintf(services[1].name, sizeof(services[1].name), "%s", "web");
	services[1].port = htons(80);
}

static void close_memory(struct maps *maps)
{
	free(maps->active);
	free(maps->sets);
	free(maps->backends);
	free(maps->labels);
	free(maps->hports);
	free(maps->changes);
}

static size_t turn(struct maps *maps, struct wanted_backend *backends, size_t count,
		   uint64_t now_ns)
{
	const struct wanted_service service = { .name = "web",
						.balance = SLUICE_BALANCE_ROUNDROBIN,
						.synced = true };
	const struct wanted wanted = { 1, &service, count, backends };
	struct actual actual;
	struct plan plan = { 0 };
	size_t steps;

	actual_view(&actual, maps, services);
	assert_int_equal(plan_build(&plan, &actual, &wanted), 0);
	steps = plan.count;
	assert_int_equal(publish_apply(maps, &plan, now_ns), 0);
	plan_release(&plan);
	return steps;
}

static struct wanted_backend up(const char *task, uint16_t port)
{
	return (struct wanted_backend){ .task = task,
					.app = "/web",
					.port = port,
					.state = SLUICE_BACKEND_UP,
					.weight = 100,
					.reason = "all checks pass",
					.source = "consul" };
}

static void what_is_written_is_read_back(void **unused)
{
	struct wanted_backend b[2] = { up("t1", 31000), up("t2", 31001) };
	struct sluice_set set;
	struct maps maps;
	unsigned slot;

	(void)unused;
	open_memory(&maps);
	assert_true(turn(&maps, b, 2, 1000) > 0);
	assert_int_equal(turn(&maps, b, 2, 2000),
			 0); /* a daemon that starts now replaces nothing */
	assert_true(maps_read_set(&maps, 1, &set));
	assert_int_equal(set.len, 2);
	assert_int_equal(maps.active[1].published_ns, 1000);
	slot = maps.hports[31001].slot;
	assert_int_equal(maps.hports[31001].service_port, htons(80));
	assert_int_equal(maps.backends[slot].service, 1);
	assert_int_equal(maps.backends[slot].state_since_ns, 1000);
	assert_string_equal(maps.labels[slot].task, "t2");
	b[1].state = SLUICE_BACKEND_DOWN;
	b[1].reason = "a check is critical";
	turn(&maps, b, 2, 3000);
	assert_int_equal(maps.backends[slot].state_since_ns, 3000);
	assert_int_equal(maps.backends[slot].created_ns, 1000);
	assert_string_equal(maps.labels[slot].reason, "a check is critical");
	assert_true(maps_read_set(&maps, 1, &set));
	assert_int_equal(set.len, 1);
	assert_int_equal(maps.active[1].version, 2);
	close_memory(&maps);
}

/* Coming, another state and going are recorded with the reason of each; a weight is not. */
static void changes_are_recorded(void **unused)
{
	struct wanted_backend b[2] = { up("t1", 31000), up("t2", 31001) };
	struct sluice_change *list;
	struct maps maps;
	size_t count;

	(void)unused;
	open_memory(&maps);
	turn(&maps, b, 2, 1000);
	b[0].weight = 7;
	turn(&maps, b, 2, 2000);
	b[1].state = SLUICE_BACKEND_GONE;
	b[1].reason = "task is gone and nobody listens";
	b[1].source = "kernel";
	turn(&maps, b, 2, 3000);
	turn(&maps, b, 1, 4000);
	turn(&maps, b, 0, 5000);
	assert_int_equal(changes_read(&maps, &list, &count), 0);
	assert_int_equal(count, 5);
	assert_string_equal(list[0].service, "web");
	assert_int_equal(list[0].from, SLUICE_BACKEND_FREE);
	assert_int_equal(list[0].generation, 1);
	assert_string_equal(list[2].task, "t2");
	assert_int_equal(list[2].from, SLUICE_BACKEND_UP);
	assert_int_equal(list[2].to, SLUICE_BACKEND_GONE);
	assert_int_equal(list[2].boot_ns, 3000);
	assert_string_equal(list[2].source, "kernel");
	assert_int_equal(list[3].to, SLUICE_BACKEND_FREE);
	assert_int_equal(list[3].port, 31001);
	assert_string_equal(list[3].reason, "task is gone and nobody listens");
	assert_string_equal(list[4].source, "plan");
	assert_int_equal(list[4].from, SLUICE_BACKEND_UP);
	free(list);
	close_memory(&maps);
}

static void a_slot_brings_nothing_along(void **unused)
{
	struct wanted_backend b = up("t1", 31000);
	struct maps maps;
	unsigned slot;

	(void)unused;
	open_memory(&maps);
	for (unsigned i = 1; i <= SLUICE_MAX_BACKENDS; i++)
		maps.backends[i].last_generation =
			9; /* all have been used; the lowest index comes first */
	turn(&maps, &b, 1, 1000);
	slot = maps.hports[31000].slot;
	assert_int_equal(maps.backends[slot].generation, 10);
	maps.backends[slot].active.part[0] = 17;
	maps.backends[slot].suspect = 1;
	memset(maps.labels[slot].reason, 'x', sizeof(maps.labels[slot].reason) - 1);
	turn(&maps, NULL, 0, 2000);
	assert_int_equal(maps.backends[slot].generation, 0);
	assert_int_equal(maps.backends[slot].last_generation, 10);
	for (unsigned i = 1; i <= SLUICE_MAX_BACKENDS; i++)
		maps.backends[i].last_generation = i == slot ? 10 : 11;
	b = up("t2", 31000);
	turn(&maps, &b, 1, 3000);
	assert_int_equal(maps.hports[31000].slot, slot);
	assert_int_equal(maps.backends[slot].generation, 11);
	assert_int_equal(maps_active(&maps, &maps.backends[slot]), 0);
	assert_int_equal(maps.backends[slot].suspect, 0);
	assert_string_equal(maps.labels[slot].reason, "all checks pass");
	close_memory(&maps);
}

/* As the scan does when it begins. */
static void note_before(struct maps_flow_counts *counts, const struct maps *maps, unsigned slot)
{
	const struct sluice_backend *backend = &maps->backends[slot];

	memcpy(counts->before[slot].active, backend->active.part, sizeof(backend->active.part));
	memcpy(counts->before[slot].half_open, backend->half_open.part,
	       sizeof(backend->half_open.part));
	counts->before[slot].local = backend->local;
}

static void counts_are_put_right(void **unused)
{
	struct maps_flow_counts *counts = calloc(1, sizeof(*counts));
	struct wanted_backend b = up("t1", 31000);
	struct maps maps;
	unsigned slot;

	(void)unused;
	assert_non_null(counts);
	open_memory(&maps);
	turn(&maps, &b, 1, 1000);
	slot = maps.hports[31000].slot;
	maps.backends[slot].active.part[0] = 40;
	maps.backends[slot].local = -1;
	maps.backends[slot + 1].active.part[0] = 3; /* free: nobody's business */
	counts->active_part[slot][0] = 7;
	counts->half_open_part[slot][0] = 5;
	counts->local[slot] = 4;
	note_before(counts, &maps, slot);
	publish_counts(&maps, counts);
	assert_int_equal(maps_active(&maps, &maps.backends[slot]), 11);
	assert_int_equal(maps_half_open(&maps, &maps.backends[slot]), 5);
	assert_int_equal(maps.backends[slot].local, 4);
	assert_int_equal(maps.backends[slot + 1].active.part[0], 3);
	counts->active_part[slot][0] = counts->half_open_part[slot][0] = counts->local[slot] = 0;
	maps.backends[slot].active.part[0] = -1;
	note_before(counts, &maps, slot);
	publish_counts(&maps, counts);
	assert_int_equal(maps_active(&maps, &maps.backends[slot]), 0);
	assert_int_equal(maps_half_open(&maps, &maps.backends[slot]), 0);
	free(counts);
	close_memory(&maps);
}

/* The scan has seen none of the ten that have opened since it began, nor that five have closed. */
static void what_moves_while_it_is_counted_stays(void **unused)
{
	struct maps_flow_counts *counts = calloc(1, sizeof(*counts));
	struct wanted_backend b = up("t1", 31000);
	struct sluice_backend *backend;
	struct maps maps;
	unsigned slot;

	(void)unused;
	assert_non_null(counts);
	open_memory(&maps);
	turn(&maps, &b, 1, 1000);
	slot = maps.hports[31000].slot;
	backend = &maps.backends[slot];
	backend->active.part[0] = backend->half_open.part[0] = 20;
	backend->local = 20;
	note_before(counts, &maps, slot);
	counts->active_part[slot][0] = 20;
	counts->half_open_part[slot][0] = 20;
	counts->local[slot] = 20;
	backend->active.part[0] = 30;
	backend->half_open.part[0] = 15;
	backend->local = 19;
	publish_counts(&maps, counts);
	assert_int_equal(backend->active.part[0], 30);
	assert_int_equal(backend->half_open.part[0], 15);
	assert_int_equal(backend->local, 19);
	/* and what stands still is exact, also if it is off by one */
	counts->active_part[slot][0] = 29;
	note_before(counts, &maps, slot);
	publish_counts(&maps, counts);
	assert_int_equal(backend->active.part[0], 29);
	free(counts);
	close_memory(&maps);
}

/*
 * The tally of a backend that nobody has counted for lately stands at an old period: what is in force of it is put right, and
 * the rest is left to the programs, for only they may advance it.
 */
static void a_tally_is_advanced_by_the_programs_alone(void **unused)
{
	struct maps_flow_counts *counts = calloc(1, sizeof(*counts));
	struct wanted_backend b = up("t1", 31000);
	struct sluice_backend *backend;
	struct maps maps;
	unsigned slot;

	(void)unused;
	assert_non_null(counts);
	open_memory(&maps);
	turn(&maps, &b, 1, 1000);
	slot = maps.hports[31000].slot;
	backend = &maps.backends[slot];
	maps.meta.timeouts.idle_periods = 4096; /* jiffies are 0 here: this is period 0 */
	backend->active = (struct sluice_tally){ .part = { 40, 41, 42, 43 }, .period = 4094 };
	counts->active_part[slot][2] = 7;
	note_before(counts, &maps, slot);
	publish_counts(&maps, counts);
	assert_int_equal(backend->active.period, 4094);
	/* the newest part, and the one before; the other two are over, and 0 and 3 become period 0's and 4095's */
	assert_int_equal(backend->active.part[2], 7);
	assert_int_equal(backend->active.part[1], 0);
	assert_int_equal(backend->active.part[0], 40);
	assert_int_equal(backend->active.part[3], 43);
	assert_int_equal(maps_active(&maps, backend), 7);
	sluice_tally_add(&backend->active, 0, 0, 4096, 1);
	assert_int_equal(backend->active.period, 0);
	assert_int_equal(maps_active(&maps, backend), 8);
	free(counts);
	close_memory(&maps);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read_back),
		cmocka_unit_test(changes_are_recorded),
		cmocka_unit_test(a_slot_brings_nothing_along),
		cmocka_unit_test(counts_are_put_right),
		cmocka_unit_test(what_moves_while_it_is_counted_stays),
		cmocka_unit_test(a_tally_is_advanced_by_the_programs_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
