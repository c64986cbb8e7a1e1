/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Wanted state into memory that is laid out as the maps are: without memory the set in force is the
 * one before, whole, and the next turn brings all of the new one.
 */
#include "plays.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "alloc.h"
#include "changes.h"
#include "maps.h"
#include "plan.h"
#include "publish.h"

#define BACKENDS 6

static struct sluice_service services[SLUICE_MAX_SERVICES + 1];
static struct maps maps;
static struct sluice_active actives[SLUICE_MAX_SERVICES + 1];
static struct sluice_set sets[(SLUICE_MAX_SERVICES + 1) * SLUICE_SET_RING];
static struct sluice_backend backends[SLUICE_MAX_BACKENDS + 1];
static struct sluice_label labels[SLUICE_MAX_BACKENDS + 1];
static struct sluice_hport hports[65536];
static struct sluice_change changes[SLUICE_CHANGES];

/*
 * plan.h promises nothing but the order of steps; what is published is the whole set or the one
 * before.
 */
static int turn(const struct wanted_backend *backend, size_t count, uint64_t now_ns)
{
	const struct wanted_service web = { .name = "web",
					    .balance = SLUICE_BALANCE_SOURCE,
					    .synced = true };
	const struct wanted wanted = { 1, &web, count, backend };
	struct plan plan = { 0 };
	struct actual actual;
	int err;

	actual_view(&actual, &maps, services);
	err = plan_build(&plan, &actual, &wanted);
	if (!err)
		err = publish_apply(&maps, &plan, now_ns);
	plan_release(&plan);
	return err;
}

static size_t members(void)
{
	bool seen[SLUICE_MAX_BACKENDS + 1] = { false };
	struct sluice_set set;
	size_t count = 0;

	if (!maps_read_set(&maps, 1, &set))
		return 0;
	for (unsigned i = 0; i < set.len; i++) {
		count += !seen[set.table[i]];
		seen[set.table[i]] = true;
	}
	return count;
}

static void clear_memory(void)
{
	memset(actives, 0, sizeof(actives));
	memset(sets, 0, sizeof(sets));
	memset(backends, 0, sizeof(backends));
	memset(labels, 0, sizeof(labels));
	memset(hports, 0, sizeof(hports));
	memset(changes, 0, sizeof(changes));
	maps = (struct maps){ .access = MAPS_DAEMON,
			      .override_fd = -1,
			      .active = actives,
			      .sets = sets,
			      .backends = backends,
			      .labels = labels,
			      .hports = hports,
			      .changes = changes };
	maps.meta.port_min = 31000;
	maps.meta.port_max = 32000;
	snprintf(services[1].name, sizeof(services[1].name), "%s", "web");
	services[1].port = htons(80);
}

static void play_publish(const struct faults_order *order)
{
	struct wanted_backend wanted[BACKENDS];
	char task[BACKENDS][8];
	size_t before;
	int err;

	clear_memory();
	for (unsigned i = 0; i < BACKENDS; i++) {
		snprintf(task[i], sizeof(task[i]), "t%u", i);
		wanted[i] = (struct wanted_backend){ .task = task[i],
						     .app = "/web",
						     .port = (uint16_t)(31000 + i),
						     .state = SLUICE_BACKEND_UP,
						     .weight = 100,
						     .reason = "all checks pass",
						     .source = "consul" };
	}
	assert_int_equal(turn(wanted, 3, 1000), 0);
	before = members();
	assert_int_equal(before, 3);
	faults_arm(order);
	err = turn(wanted + 1, BACKENDS - 1, 2000);
	faults_disarm();
	assert_true(!err || (err == -ENOMEM && faults_hit()));
	assert_int_equal(members(), err ? before : BACKENDS - 1);
	assert_int_equal(turn(wanted + 1, BACKENDS - 1, 3000), 0);
	assert_int_equal(members(), BACKENDS - 1);
	assert_int_equal(hports[31000].slot, 0);
	for (unsigned i = 1; i < BACKENDS; i++)
		assert_string_equal(labels[hports[31000 + i].slot].task, task[i]);
}

void plays_publish(void **state)
{
	(void)state;
	faults_each("publish", 1000, play_publish);
}
