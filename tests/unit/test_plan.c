/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The plan: applying plan(a, b) to a gives b, plan(b, b) is empty, and the order of the steps keeps each moment safe. Steps are
 * applied here by the test's own few lines, to plain arrays; after each one the world is checked.
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

#include "plan.h"
#include "set_table.h"

struct world {
	struct sluice_service service[SLUICE_MAX_SERVICES + 1];
	struct sluice_backend backend[SLUICE_MAX_BACKENDS + 1];
	struct sluice_label label[SLUICE_MAX_BACKENDS + 1];
	struct sluice_hport hport[65536];
	struct sluice_set set[SLUICE_MAX_SERVICES + 1];
	bool synced[SLUICE_MAX_SERVICES + 1];
};

static struct actual view(const struct world *world)
{
	struct actual actual = { .port_min = 31000,
				 .port_max = 32000,
				 .service = world->service,
				 .backend = world->backend,
				 .label = world->label,
				 .hport = world->hport };

	for (unsigned i = 1; i <= SLUICE_MAX_SERVICES; i++)
		actual.set[i] = world->synced[i] ? &world->set[i] : NULL;
	return actual;
}

static struct world *new_world(unsigned services)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	for (unsigned i = 1; i <= services; i++) {
		snprintf(world->service[i].name, sizeof(world->service[i].name), "s%u", i);
		world->service[i].port = htons((uint16_t)(79 + i));
	}
	return world;
}

/* What must hold after every single step, and what the step itself must find. */
static void check_world(const struct world *world)
{
	for (unsigned s = 1; s <= SLUICE_MAX_SERVICES; s++) {
		for (uint32_t i = 0; world->synced[s] && i < world->set[s].len; i++) {
			const struct sluice_backend *backend =
				&world->backend[world->set[s].table[i]];

			/* whoever is picked from a set is this service's, or free; never another's */
			if (backend->generation)
				assert_int_equal(backend->service, s);
		}
	}
}

static void apply_step(struct world *world, const struct plan_step *step)
{
	struct sluice_backend *backend = &world->backend[step->slot];
	struct sluice_label *label = &world->label[step->slot];

	switch (step->kind) {
	case PLAN_CREATE:
		assert_int_equal(backend->generation, 0);
		assert_true(step->generation != 0 && step->generation != backend->last_generation);
		backend->generation = backend->last_generation = label->generation =
			step->generation;
		backend->port = htons(step->backend->port);
		backend->service = (uint16_t)step->service;
		backend->state = (uint8_t)step->backend->state;
		backend->weight = step->backend->weight;
		label->port_index = step->backend->port_index;
		snprintf(label->task, sizeof(label->task), "%s", step->backend->task);
		snprintf(label->app, sizeof(label->app), "%s", step->backend->app);
		snprintf(label->reason, sizeof(label->reason), "%s", step->backend->reason);
		snprintf(label->source, sizeof(label->source), "%s", step->backend->source);
		break;
	case PLAN_STATE:
		backend->state = (uint8_t)step->backend->state;
		break;
	case PLAN_WEIGHT:
		backend->weight = step->backend->weight;
		break;
	case PLAN_LABEL:
		snprintf(label->task, sizeof(label->task), "%s", step->backend->task);
		snprintf(label->app, sizeof(label->app), "%s", step->backend->app);
		snprintf(label->reason, sizeof(label->reason), "%s", step->backend->reason);
		snprintf(label->source, sizeof(label->source), "%s", step->backend->source);
		break;
	case PLAN_HPORT:
		if (step->slot) {
			assert_int_not_equal(backend->generation,
					     0); /* written before it is pointed at */
			/* nobody else still owns the port: its flows would reach the new owner */
			for (unsigned i = 1; i <= SLUICE_MAX_BACKENDS; i++)
				if (i != step->slot && world->backend[i].generation)
					assert_int_not_equal(ntohs(world->backend[i].port),
							     step->port);
		}
		world->hport[step->port] =
			(struct sluice_hport){ .slot = (uint16_t)step->slot,
					       .service_port = htons(step->service_port) };
		break;
	case PLAN_PUBLISH:
		for (uint32_t i = 0; i < step->set->len; i++) {
			const struct sluice_backend *member = &world->backend[step->set->table[i]];

			assert_int_not_equal(member->generation, 0);
			assert_int_equal(member->state, SLUICE_BACKEND_UP);
			assert_int_equal(world->hport[ntohs(member->port)].slot,
					 step->set->table[i]);
		}
		world->set[step->service] = *step->set;
		world->synced[step->service] = true;
		break;
	case PLAN_RETIRE:
		assert_int_equal(backend->generation, step->generation);
		backend->generation = 0;
		backend->state = SLUICE_BACKEND_FREE;
		break;
	}
	check_world(world);
}

static size_t run(struct world *world, const struct wanted *wanted)
{
	struct actual actual = view(world);
	struct plan plan = { 0 };
	size_t count;

	assert_int_equal(plan_build(&plan, &actual, wanted), 0);
	count = plan.count;
	for (size_t i = 0; i < plan.count; i++)
		apply_step(world, &plan.step[i]);
	plan_release(&plan);
	return count;
}

/* Is the world what was wanted? Written from the contract, without the plan's help. */
static void check_result(const struct world *world, const struct wanted *wanted)
{
	size_t live = 0, owners = 0, valid = 0;

	for (unsigned slot = 1; slot <= SLUICE_MAX_BACKENDS; slot++)
		live += world->backend[slot].generation != 0;
	for (unsigned port = 0; port < 65536; port++)
		owners += world->hport[port].slot != 0;
	for (size_t i = 0; i < wanted->backend_count; i++) {
		const struct wanted_backend *b = &wanted->backend[i];
		unsigned slot = world->hport[b->port].slot;
		uint32_t in_table = 0;

		if (b->port < 31000 || b->port > 32000)
			continue;
		valid++;
		assert_int_not_equal(slot, 0);
		assert_int_equal(ntohs(world->backend[slot].port), b->port);
		assert_int_equal(world->backend[slot].service, b->service + 1);
		assert_int_equal(world->backend[slot].state, b->state);
		assert_int_equal(world->backend[slot].weight, b->weight);
		assert_int_equal(world->label[slot].generation, world->backend[slot].generation);
		assert_string_equal(world->label[slot].task, b->task);
		assert_string_equal(world->label[slot].reason, b->reason);
		assert_string_equal(world->label[slot].source, b->source);
		assert_int_equal(world->label[slot].port_index, b->port_index);
		assert_int_equal(ntohs(world->hport[b->port].service_port), 80 + b->service);
		for (uint32_t k = 0; k < world->set[b->service + 1].len; k++)
			in_table += world->set[b->service + 1].table[k] == slot;
		if (world->synced[b->service + 1])
			assert_int_equal(in_table > 0,
					 b->state == SLUICE_BACKEND_UP && b->weight > 0);
	}
	assert_int_equal(live, valid);
	assert_int_equal(owners, valid);
	for (size_t i = 0; i < wanted->service_count; i++) {
		if (wanted->service[i].synced)
			assert_true(world->synced[i + 1]);
		if (world->synced[i + 1]) {
			assert_int_equal(world->set[i + 1].balance, wanted->service[i].balance);
			assert_int_equal(world->set[i + 1].on_empty, wanted->service[i].on_empty);
			assert_int_equal(world->set[i + 1].maxconn, wanted->service[i].maxconn);
		}
	}
}

#define SERVICES 3
#define BACKENDS 24

struct scene {
	struct wanted wanted;
	struct wanted_service service[SERVICES];
	struct wanted_backend backend[BACKENDS];
	char text[BACKENDS][3][32];
};

static unsigned below(unsigned *seed, unsigned limit)
{
	*seed = *seed * 1103515245u + 12345u;
	return (*seed >> 16) % limit;
}

static void random_scene(struct scene *scene, unsigned *seed)
{
	static const char *const names[] = { "s1", "s2", "s3" };
	bool used[64] = { false };

	memset(scene, 0, sizeof(*scene));
	for (unsigned i = 0; i < SERVICES; i++)
		scene->service[i] = (struct wanted_service){
			.name = names[i],
			.balance = (uint8_t)(SLUICE_BALANCE_ROUNDROBIN + below(seed, 4)),
			.on_empty = (uint8_t)below(seed, 3),
			.maxconn = below(seed, 2) * 10,
			.synced = below(seed, 4) != 0
		};
	scene->wanted = (struct wanted){ SERVICES, scene->service, 0, scene->backend };
	for (unsigned i = 0, n = below(seed, BACKENDS); i < n; i++) {
		unsigned port = below(seed, 64);
		struct wanted_backend *b = &scene->backend[scene->wanted.backend_count];
		char(*text)[32] = scene->text[scene->wanted.backend_count];

		if (used[port])
			continue;
		used[port] = true;
		snprintf(text[0], sizeof(text[0]), "task.%u.%u", port,
			 below(seed, 3)); /* often the same again */
		snprintf(text[1], sizeof(text[1]), "reason %u", below(seed, 2));
		snprintf(text[2], sizeof(text[2]), "task.%u.%u", port, below(seed, 3));
		/* ports from 31970: some lie beyond the range and must be refused */
		*b = (struct wanted_backend){ .service = below(seed, SERVICES),
					      .task = text[0],
					      .formerly = below(seed, 4) ? NULL : text[2],
					      .app = "/app",
					      .port_index = below(seed, 2),
					      .port = (uint16_t)(31970 + port),
					      .state = SLUICE_BACKEND_WAITING + below(seed, 5),
					      .weight = below(seed, 5) * 25,
					      .reason = text[1],
					      .source = "consul" };
		scene->wanted.backend_count++;
	}
}

static void apply_gives_what_was_wanted(void **unused)
{
	struct world *world = new_world(SERVICES);
	struct scene *scene = calloc(1, sizeof(*scene));
	unsigned seed = 4711;

	(void)unused;
	assert_non_null(scene);
	for (unsigned i = 0; i < 600; i++) {
		random_scene(scene, &seed);
		run(world, &scene->wanted);
		check_result(world, &scene->wanted);
		assert_int_equal(run(world, &scene->wanted), 0);
	}
	free(scene);
	free(world);
}

static struct wanted one_service(struct wanted_service *service, struct wanted_backend *backend,
				 size_t count)
{
	*service = (struct wanted_service){ .name = "s1",
					    .balance = SLUICE_BALANCE_ROUNDROBIN,
					    .synced = true };
	return (struct wanted){ 1, service, count, backend };
}

static struct wanted_backend up(const char *task, uint16_t port)
{
	return (struct wanted_backend){ .task = task,
					.app = "/a",
					.port = port,
					.state = SLUICE_BACKEND_UP,
					.weight = 100,
					.reason = "r",
					.source = "consul" };
}

static void same_identity_keeps_slot_and_generation(void **unused)
{
	struct world *world = new_world(1);
	struct wanted_service service;
	struct wanted_backend b[2] = { up("t1", 31000), up("t2", 31001) };
	struct wanted wanted = one_service(&service, b, 2);
	unsigned slot;
	uint32_t generation;

	(void)unused;
	run(world, &wanted);
	slot = world->hport[31001].slot;
	generation = world->backend[slot].generation;
	b[0] = up("t2", 31001);
	b[0].state = SLUICE_BACKEND_DOWN;
	b[1] = up("t3", 31002);
	run(world, &wanted);
	assert_int_equal(world->hport[31001].slot, slot);
	assert_int_equal(world->backend[slot].generation, generation);
	assert_int_equal(world->backend[slot].state, SLUICE_BACKEND_DOWN);
	assert_int_equal(world->hport[31000].slot, 0);
	free(world);
}

static void new_task_on_old_port_is_another_generation(void **unused)
{
	struct world *world = new_world(1);
	struct wanted_service service;
	struct wanted_backend b = up("t1", 31000);
	struct wanted wanted = one_service(&service, &b, 1);
	struct sluice_hport before;
	uint32_t generation;

	(void)unused;
	run(world, &wanted);
	before = world->hport[31000];
	generation = world->backend[before.slot].generation;
	b = up("t2", 31000);
	run(world, &wanted);
	assert_true(world->hport[31000].slot != before.slot ||
		    world->backend[before.slot].generation != generation);
	assert_int_not_equal(world->backend[before.slot].generation, generation);
	check_result(world, &wanted);
	/* and the same task with another port index is another backend, too */
	before = world->hport[31000];
	generation = world->backend[before.slot].generation;
	b.port_index = 1;
	run(world, &wanted);
	assert_int_not_equal(world->backend[before.slot].generation, generation);
	free(world);
}

/*
 * So do its flows live on. What another service, port or index has under that name is somebody
 * else.
 */
static void another_name_of_the_same_task_keeps_slot_and_generation(void **unused)
{
	struct world *world = new_world(1);
	struct wanted_service service;
	struct wanted_backend b = up("web-a", 31000);
	struct wanted wanted = one_service(&service, &b, 1);
	uint32_t generation;
	unsigned slot;

	(void)unused;
	run(world, &wanted);
	slot = world->hport[31000].slot;
	generation = world->backend[slot].generation;
	b.task = "t0";
	b.formerly = "web-a";
	assert_int_equal(run(world, &wanted), 1); /* the label */
	check_result(world, &wanted);
	assert_int_equal(world->hport[31000].slot, slot);
	assert_int_equal(world->backend[slot].generation, generation);
	assert_int_equal(run(world, &wanted), 0);
	/* and back */
	b.task = "web-a";
	b.formerly = "t0";
	assert_int_equal(run(world, &wanted), 1);
	assert_int_equal(world->backend[slot].generation, generation);
	for (int other = 0; other < 3; other++) {
		size_t created = 0;
		struct actual actual = view(world);
		struct plan plan = { 0 };

		b = up("t1", (uint16_t)(31000 + (other == 0)));
		b.formerly = other == 2 ? "web-b" : "web-a";
		b.port_index = other == 1;
		assert_int_equal(plan_build(&plan, &actual, &wanted), 0);
		for (size_t i = 0; i < plan.count; i++)
			created += plan.step[i].kind == PLAN_CREATE;
		plan_release(&plan);
		assert_int_equal(created, 1);
	}
	free(world);
}

static void generation_is_never_zero_nor_repeated(void **unused)
{
	struct world *world = new_world(1);
	struct wanted_service service;
	struct wanted_backend b = up("t1", 31000);
	struct wanted wanted = one_service(&service, &b, 1);

	(void)unused;
	for (unsigned slot = 1; slot <= SLUICE_MAX_BACKENDS; slot++)
		world->backend[slot].last_generation = UINT32_MAX;
	run(world, &wanted);
	assert_int_equal(world->backend[world->hport[31000].slot].generation, 1);
	free(world);
}

static void refuses_ports(void **unused)
{
	struct world *world = new_world(1);
	struct wanted_service service;
	struct wanted_backend b[6] = { up("t1", 22), up("t2", 30999), up("t3", 32001),
				       up("t4", 0),  up("t5", 32000), up("t6", 32000) };
	struct wanted wanted = one_service(&service, b, 6);
	struct actual actual = view(world);
	struct plan plan = { 0 };

	(void)unused;
	assert_int_equal(plan_build(&plan, &actual, &wanted), 0);
	assert_int_equal(plan.refusal_count, 5);
	assert_string_equal(plan.refusal[0].reason, "its host-port is below 1024");
	assert_string_equal(plan.refusal[4].reason, "its host-port belongs to another backend");
	for (size_t i = 0; i < plan.count; i++)
		if (plan.step[i].kind == PLAN_CREATE)
			assert_int_equal(plan.step[i].backend->port, 32000);
	plan_release(&plan);
	/* even if attach was told a range that begins at 1 */
	actual.port_min = 1;
	assert_int_equal(plan_build(&plan, &actual, &wanted), 0);
	assert_int_equal(plan.refusal_count, 4);
	plan_release(&plan);
	free(world);
}

static void unsynced_until_something_is_known(void **unused)
{
	struct world *world = new_world(1);
	struct wanted_service service;
	struct wanted wanted = one_service(&service, NULL, 0);

	(void)unused;
	service.synced = false;
	assert_int_equal(run(world, &wanted), 0);
	assert_false(world->synced[1]);
	service.synced = true;
	assert_int_equal(run(world, &wanted), 1);
	assert_true(world->synced[1]);
	assert_int_equal(world->set[1].len, 0);
	free(world);
}

static void leaves_services_alone_that_need_attach(void **unused)
{
	struct world *world = new_world(2);
	struct wanted_service services[2] = { { .name = "s1", .balance = 1, .synced = true },
					      { .name = "s2", .balance = 1, .synced = true } };
	struct wanted_backend b[2] = { up("t1", 31000), up("t2", 31001) };
	struct wanted wanted = { 2, services, 2, b };
	struct wanted_service other = { .name = "new", .balance = 1, .synced = true };

	(void)unused;
	b[1].service = 1;
	run(world, &wanted);
	/* the config lost s2 and got one that attach has not made */
	services[1] = other;
	b[1] = up("t3", 31005);
	b[1].service = 1;
	assert_int_equal(run(world, &wanted), 0);
	assert_int_not_equal(world->hport[31001].slot, 0);
	assert_int_equal(world->hport[31005].slot, 0);
	/* attach took s2 away: now its backend goes */
	memset(&world->service[2], 0, sizeof(world->service[2]));
	assert_true(run(world, &wanted) > 0);
	assert_int_equal(world->hport[31001].slot, 0);
	free(world);
}

static void repairs_what_a_crash_or_somebody_left(void **unused)
{
	struct world *world = new_world(1);
	struct wanted_service service;
	struct wanted_backend b = up("t1", 31000);
	struct wanted wanted = one_service(&service, &b, 1);

	(void)unused;
	run(world, &wanted);
	world->hport[31000].slot = 0;			    /* died between create and hport */
	world->hport[31007].slot = 77;			    /* points at nothing */
	memset(world->label[9].task, 'x', SLUICE_TASK_LEN); /* no end, no name */
	world->backend[9].generation = world->label[9].generation = 5;
	world->backend[9].service = 1;
	world->backend[9].port = htons(31000);
	run(world, &wanted);
	assert_int_equal(world->backend[9].generation, 0);
	check_result(world, &wanted);
	assert_int_equal(run(world, &wanted), 0);
	free(world);
}

/* A reader may still pick from a set that names a slot which is free by now: the slot waits until no set names it. */
static void a_slot_that_a_set_names_is_not_given_away(void **unused)
{
	struct world *world = new_world(2);
	struct wanted_service service;
	struct wanted_backend b = up("t1", 31000);
	struct wanted wanted = one_service(&service, &b, 1);

	(void)unused;
	world->synced[2] = true;
	world->set[2].len = 2;
	world->set[2].table[0] = 1;
	world->set[2].table[1] = 3;
	run(world, &wanted);
	assert_int_equal(world->hport[31000].slot, 2);
	world->synced[2] = false;
	b = up("t2", 31001);
	run(world, &wanted);
	assert_int_equal(world->hport[31001].slot, 1);
	free(world);
}

/* --- tables --- */

static void count_slots(const struct sluice_set *set, uint32_t *count)
{
	memset(count, 0, (SLUICE_MAX_BACKENDS + 1) * sizeof(*count));
	for (uint32_t i = 0; i < set->len; i++)
		count[set->table[i]]++;
}

static void roundrobin_is_exact_and_even(void **unused)
{
	const struct set_table_member members[] = { { 1, 100, "a" },
						    { 2, 50, "b" },
						    { 3, 25, "c" } };
	static struct sluice_set set;
	static uint32_t count[SLUICE_MAX_BACKENDS + 1];

	(void)unused;
	assert_int_equal(set_table_fill(&set, SLUICE_BALANCE_ROUNDROBIN, members, 3), 0);
	assert_int_equal(set.len, 7);
	count_slots(&set, count);
	assert_int_equal(count[1], 4);
	assert_int_equal(count[2], 2);
	assert_int_equal(count[3], 1);
	for (uint32_t i = 0; i + 2 < set.len; i++) /* the heavy one is never three times in a row */
		assert_false(set.table[i] == 1 && set.table[i + 1] == 1 && set.table[i + 2] == 1);
}

static void roundrobin_of_equals_is_each_once(void **unused)
{
	struct set_table_member members[4];
	static struct sluice_set set;

	(void)unused;
	for (uint16_t i = 0; i < 4; i++)
		members[i] = (struct set_table_member){ (uint16_t)(i + 10), 100, "t" };
	assert_int_equal(set_table_fill(&set, SLUICE_BALANCE_ROUNDROBIN, members, 4), 0);
	assert_int_equal(set.len, 4);
	for (uint16_t i = 0; i < 4; i++)
		assert_int_equal(set.table[i], i + 10);
}

static void roundrobin_scales_down(void **unused)
{
	static struct set_table_member members[SLUICE_MAX_BACKENDS];
	static struct sluice_set set;
	static uint32_t count[SLUICE_MAX_BACKENDS + 1];

	(void)unused;
	for (unsigned i = 0; i < SLUICE_MAX_BACKENDS; i++)
		members[i] = (struct set_table_member){ (uint16_t)(i + 1), i % 2 ? 256 : 255, "t" };
	for (size_t n = 1; n <= SLUICE_MAX_BACKENDS; n += 273) {
		assert_int_equal(set_table_fill(&set, SLUICE_BALANCE_ROUNDROBIN, members, n), 0);
		assert_true(set.len <= SLUICE_SET_TABLE);
		count_slots(&set, count);
		for (size_t i = 1; i <= n; i++)
			assert_true(count[i] >= 1);
	}
	/* 1 : 256 still fits exactly; with eighty heavy ones the light one keeps its one entry */
	for (unsigned i = 0; i < 81; i++)
		members[i].weight = i ? 256 : 1;
	assert_int_equal(set_table_fill(&set, SLUICE_BALANCE_ROUNDROBIN, members, 2), 0);
	assert_int_equal(set.len, 257);
	assert_int_equal(set_table_fill(&set, SLUICE_BALANCE_ROUNDROBIN, members, 81), 0);
	count_slots(&set, count);
	assert_int_equal(count[1], 1);
	assert_true(count[2] > 190);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(apply_gives_what_was_wanted),
		cmocka_unit_test(same_identity_keeps_slot_and_generation),
		cmocka_unit_test(new_task_on_old_port_is_another_generation),
		cmocka_unit_test(another_name_of_the_same_task_keeps_slot_and_generation),
		cmocka_unit_test(generation_is_never_zero_nor_repeated),
		cmocka_unit_test(refuses_ports),
		cmocka_unit_test(unsynced_until_something_is_known),
		cmocka_unit_test(leaves_services_alone_that_need_attach),
		cmocka_unit_test(repairs_what_a_crash_or_somebody_left),
		cmocka_unit_test(a_slot_that_a_set_names_is_not_given_away),
		cmocka_unit_test(roundrobin_is_exact_and_even),
		cmocka_unit_test(roundrobin_of_equals_is_each_once),
		cmocka_unit_test(roundrobin_scales_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
