/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The model over starts, restarts and reloads, under the operator's hand, and with several registrars in Consul.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "model_world.h"
#include "registrar.h"
#include "state.h"

/* --- starting, stopping, reloading --- */

static void first_set_waits_for_knowledge(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, true, true);
	world_tick(&w);
	assert_false(w.wanted->service[0].synced);
	world_consul_says(&w); /* nothing registered, Marathon has not spoken */
	assert_false(w.wanted->service[0].synced);
	world_marathon_says(&w);
	assert_true(w.wanted->service[0].synced);
	world_stop(&w);
	/* Marathon says nothing is there, Consul is away: wait a while before turning clients away */
	world_start(&w, true, true);
	world_source(&w, "consul", false);
	world_marathon_says(&w);
	assert_false(w.wanted->service[0].synced);
	world_pass(&w, 10000);
	assert_true(w.wanted->service[0].synced);
	world_stop(&w);
}

static void marathon_down_at_start(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, true, true);
	world_source(&w, "marathon", false);
	world_healthy(&w, 2);
	world_consul_says(&w); /* our own registrations of this boot name the tasks */
	world_kernel_says(&w);
	assert_int_equal(world_count_up(&w), 2);
	assert_true(w.wanted->service[0].synced);
	world_source(&w, "marathon", true);
	world_marathon_says(&w);
	assert_int_equal(w.wanted->backend_count, 2);
	assert_int_equal(world_count_up(&w), 2);
	world_stop(&w);
}

static void restart_keeps_everything(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, true, true);
	world_source(&w, "marathon", false);
	world_source(&w, "consul", false);
	model_adopt_synced(w.model, "web");
	world_adopt(&w, "t0", 31000, SLUICE_BACKEND_UP, "consul");
	world_adopt(&w, "t1", 31001, SLUICE_BACKEND_DOWN, "consul");
	world_adopt(&w, "t2", 31002, SLUICE_BACKEND_GONE, "marathon");
	world_adopt(&w, "t3", 31003, SLUICE_BACKEND_DOWN, "kernel");
	w.listens[0] = w.listens[1] = true;
	world_kernel_says(&w);
	assert_state(&w, 0, UP);
	assert_state(&w, 1, DOWN);
	assert_state(&w, 2, GONE);
	assert_state(&w, 3, DOWN);
	assert_true(w.wanted->service[0].synced);
	/* Marathon comes first, with tasks without checks: Consul's word on t1 is not overruled by its absence */
	world_healthy(&w, 2);
	w.health[0] = w.health[1] = FACTS_HEALTH_NO_CHECKS;
	w.status[1] = FACTS_STATUS_CRITICAL;
	world_source(&w, "marathon", true);
	world_marathon_says(&w);
	assert_state(&w, 0, UP);
	assert_state(&w, 1, DOWN);
	world_source(&w, "consul", true);
	world_consul_says(&w);
	assert_state(&w, 0, UP);
	assert_state(&w, 1, DOWN);
	world_stop(&w);
}

/* The first tick after a restart comes before the kernel's first answer. */
static void a_veto_outlasts_a_restart(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, true, true);
	model_adopt_synced(w.model, "web");
	world_adopt(&w, "t0", 31000, SLUICE_BACKEND_DOWN, "kernel");
	world_adopt(&w, "t1", 31001, SLUICE_BACKEND_UP, "consul");
	world_tick(&w);
	assert_state(&w, 0, DOWN);
	assert_state(&w, 1, UP);
	world_healthy(&w, 2);
	world_marathon_says(&w);
	world_consul_says(&w);
	assert_state(&w, 0, DOWN);
	world_kernel_says(&w);
	assert_state(&w, 0, UP);
	world_stop(&w);
}

static void restart_into_empty_answers(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, true, true);
	model_adopt_synced(w.model, "web");
	world_adopt(&w, "t0", 31000, SLUICE_BACKEND_UP, "consul");
	world_adopt(&w, "t1", 31001, SLUICE_BACKEND_UP, "consul");
	w.listens[0] = w.listens[1] = true;
	w.app_missing = true;
	for (int i = 0; i < 300; i++, world_pass(&w, 1000)) {
		world_everybody_says(&w);
		assert_int_equal(world_count_up(&w), 2);
	}
	world_stop(&w);
}

static void a_killed_task_stays_so_over_a_restart(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, true, true);
	world_source(&w, "marathon", false);
	model_adopt_synced(w.model, "web");
	world_adopt(&w, "t0", 31000, SLUICE_BACKEND_DRAINING, "marathon");
	world_adopt(&w, "t1", 31001, SLUICE_BACKEND_UP, "consul");
	world_healthy(&w, 2);
	world_consul_says(&w); /* the check of a task that is being killed still passes */
	world_kernel_says(&w);
	assert_state(&w, 0, DRAINING);
	assert_state(&w, 1, UP);
	world_source(&w, "marathon", true);
	world_marathon_says(&w);
	assert_state(&w, 0, UP);
	world_stop(&w);
}

/*
 * What a removal hint alone drained: for the rest of its five seconds, never the last, and whatever
 * the label calls its source.
 */
static void a_hint_is_no_fact_after_a_restart(void **unused)
{
	static const char *const sources[] = { "event", "marathon" };
	struct model_adopted adopted = {
		.service = "web",
		.task = "t0",
		.app = "/web",
		.reason = "an event says it is being removed, not yet confirmed",
		.port = 31000,
		.state = SLUICE_BACKEND_DRAINING
	};
	struct world w;

	(void)unused;
	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
		for (int silent = 0; silent < 2; silent++) {
			world_start(&w, true, true);
			world_source(&w, "marathon", false);
			model_adopt_synced(w.model, "web");
			adopted.source = sources[i];
			adopted.since_ms = w.now - 1000;
			assert_int_equal(model_adopt(w.model, &adopted), 0);
			world_adopt(&w, "t1", 31001, SLUICE_BACKEND_UP, "consul");
			world_healthy(&w, 2);
			if (silent)
				world_source(&w, "consul", false);
			else
				world_consul_says(&w);
			world_kernel_says(&w);
			assert_state(&w, 0, DRAINING);
			assert_state(&w, 1, UP);
			w.listens[1] = false;
			world_kernel_says(&w); /* nobody else is left */
			assert_state(&w, 0, UP);
			w.listens[1] = true;
			world_kernel_says(&w);
			assert_state(&w, 0, DRAINING);
			world_pass(&w, 4000);
			assert_state(&w, 0, UP);
			world_hint(&w, "t0", "", text_name);
			assert_state(&w, 0, UP); /* not believed twice, as before the restart */
			world_stop(&w);
		}
	}
}

/* The label that a hint leaves behind is the one that the next daemon knows. */
static void a_hint_has_a_source_of_its_own(void **unused)
{
	struct world w;

	(void)unused;
	world_start_up(&w, 2);
	world_hint(&w, "t0", "", text_name);
	assert_state(&w, 0, DRAINING);
	assert_string_equal(world_find(&w, "t0")->source, "event");
	assert_string_equal(world_find(&w, "t0")->reason,
			    "an event says it is being removed, not yet confirmed");
	world_stop(&w);
}

static void reload_keeps_backends(void **unused)
{
	struct world w;
	struct config_service services[2];

	(void)unused;
	world_start_up(&w, 2);
	services[0] = w.service;
	snprintf(services[0].name, sizeof(services[0].name), "%s", "other");
	services[0].port = 8080;
	services[0].marathon_app = text_empty;
	services[0].consul_service = text_empty;
	services[1] = w.service;
	services[1].on_empty = SLUICE_EMPTY_PASS;
	w.config.service = services;
	w.config.service_count = 2;
	assert_int_equal(model_configure(w.model, &w.config), 0);
	world_tick(&w);
	assert_int_equal(world_count_up(&w), 2);
	assert_int_equal(w.wanted->backend[0].service, 1);
	assert_int_equal(w.wanted->service[1].on_empty, SLUICE_EMPTY_PASS);
	assert_false(w.wanted->service[0].synced);
	world_stop(&w);
}

/* --- the operator, weights --- */

static void operator_drains_and_weighs(void **unused)
{
	struct world w;
	struct sluice_override drain = { .drain = 1 }, weigh = { .has_weight = 1, .weight = 7 };

	(void)unused;
	world_start_up(&w, 2);
	world_override(&w, 0, &drain);
	world_override(&w, 1, &weigh);
	world_tick(&w);
	assert_state(&w, 0, DRAINING);
	assert_int_equal(world_find(&w, "t1")->weight, 7);
	world_everybody_says(&w); /* an update does not undo it */
	assert_state(&w, 0, DRAINING);
	world_override(&w, 1, &drain); /* a reboot drains all of them */
	world_tick(&w);
	assert_int_equal(world_count_up(&w), 0);
	model_overrides_clear(w.model);
	world_tick(&w);
	assert_int_equal(world_count_up(&w), 2);
	assert_int_equal(world_find(&w, "t1")->weight, MODEL_WEIGHT);
	world_stop(&w);
}

/* Else what is drained would never be gone. An answer that lacks it by accident is no end. */
static void an_ended_tasks_drain_ends(void **unused)
{
	const struct sluice_override drain = { .drain = 1 };
	struct world w;

	(void)unused;
	world_start_up(&w, 3);
	for (int i = 0; i < 2; i++)
		world_override(&w, i, &drain);
	world_tick(&w);
	assert_state(&w, 0, DRAINING);
	w.listed[0] = w.listed[1] = false;
	world_marathon_says(&w);
	assert_state(&w, 0, DRAINING);
	assert_state(&w, 1, DRAINING);
	w.listed[1] = true; /* the answer was wrong about this one: its drain still holds */
	w.listens[0] = false;
	world_everybody_says(&w);
	assert_state(&w, 0, GONE); /* the kernel confirms it */
	assert_state(&w, 1, DRAINING);
	world_pass(&w, DRAIN_MS);
	assert_null(world_find(&w, "t0"));
	assert_state(&w, 1, DRAINING);
	assert_int_equal(world_count_up(&w), 1);
	world_stop(&w);
}

static void slowstart_ramps_the_newcomer(void **unused)
{
	struct world w;
	uint32_t last = 0;

	(void)unused;
	world_start(&w, true, true);
	w.service.slowstart_ms = 10000;
	world_healthy(&w, 2);
	world_everybody_says(&w);
	assert_int_equal(world_find(&w, "t0")->weight, MODEL_WEIGHT); /* nobody to be gentle for */
	world_healthy(&w, 3);
	world_everybody_says(&w);
	assert_int_equal(world_find(&w, "t2")->weight, MODEL_WEIGHT / 10);
	for (int i = 0; i < 10; i++, world_pass(&w, 1000)) {
		assert_true(world_find(&w, "t2")->weight > last);
		last = world_find(&w, "t2")->weight;
	}
	assert_int_equal(world_find(&w, "t2")->weight, MODEL_WEIGHT);
	world_stop(&w);
}

/* --- Consul's entries --- */

static void several_registrars_one_backend(void **unused)
{
	struct world w;
	char ruby[] = "ruby:t0", registrator[] = "host:rails:31000";
	struct facts_entry entries[2];

	(void)unused;
	world_start(&w, false, true);
	entries[0] = world_foreign(ruby, 31000, FACTS_STATUS_PASSING);
	entries[1] = world_foreign(registrator, 31000, FACTS_STATUS_CRITICAL);
	world_say(&w, entries, 2);
	assert_int_equal(w.wanted->backend_count, 1);
	assert_int_equal(w.wanted->backend[0].state, SLUICE_BACKEND_DOWN); /* the worst */
	entries[1].status = FACTS_STATUS_PASSING;
	world_say(&w, entries, 2);
	assert_int_equal(w.wanted->backend[0].state, SLUICE_BACKEND_UP);
	/* either of them goes away: it is still the same backend, not a new generation */
	assert_string_equal(w.wanted->backend[0].task, registrator);
	world_say(&w, entries, 1);
	assert_int_equal(w.wanted->backend_count, 1);
	assert_string_equal(w.wanted->backend[0].task, registrator);
	assert_int_equal(w.wanted->backend[0].state, SLUICE_BACKEND_UP);
	world_say(&w, entries, 1);
	assert_string_equal(w.wanted->backend[0].task, registrator);
	world_stop(&w);
}

static void our_entry_decides(void **unused)
{
	struct world w;
	char id[] = "sluice:t0:0", task[] = "t0", ruby[] = "ruby", old_id[] = "sluice:old:0",
	     old[] = "old", old_boot[] = "boot-0", loopback[] = "127.0.0.1";
	struct facts_entry entries[3];

	(void)unused;
	world_start(&w, true, true);
	world_healthy(&w, 1);
	world_marathon_says(&w);
	entries[0] = world_foreign(ruby, 31000, FACTS_STATUS_CRITICAL);
	entries[1] = world_foreign(id, 31000, FACTS_STATUS_PASSING);
	entries[1].ours = true;
	entries[1].task = task;
	entries[1].boot_id = text_boot;
	entries[2] = entries[1]; /* a ghost of the last boot, on the same port */
	entries[2].id = old_id;
	entries[2].task = old;
	entries[2].boot_id = old_boot;
	entries[2].status = FACTS_STATUS_CRITICAL;
	world_say(&w, entries, 3);
	assert_state(&w, 0, UP);
	assert_int_equal(w.wanted->backend_count, 1);
	entries[1].status = FACTS_STATUS_CRITICAL;
	entries[0].status = FACTS_STATUS_PASSING;
	world_say(&w, entries, 3);
	assert_state(&w, 0, DOWN);
	entries[1].address =
		loopback; /* an agent bound to loopback gives this to entries without an address */
	entries[1].status = FACTS_STATUS_PASSING;
	world_say(&w, entries, 2);
	assert_string_equal(world_find(&w, "t0")->source, "consul");
	world_stop(&w);
}

static void registrations_go_on_proof(void **unused)
{
	struct world w;

	(void)unused;
	world_start_up(&w, 2);
	assert_int_equal(world_registration(&w, "t0")->status, FACTS_STATUS_PASSING);
	assert_int_equal(world_registration(&w, "t0")->port, 31000);
	assert_false(world_registration(&w, "t0")->gone_proved);
	w.listed[1] = false;
	world_marathon_says(&w);
	assert_true(!world_registration(&w, "t1") ||
		    !world_registration(&w, "t1")->gone_proved); /* once is no proof */
	w.now += MODEL_SECOND_MS;
	world_marathon_says(&w);
	assert_true(!world_registration(&w, "t1") || !world_registration(&w, "t1")->gone_proved);
	w.listens[1] = false; /* it listened until now: absence is no proof against that */
	world_kernel_says(&w);
	assert_true(world_registration(&w, "t1")->gone_proved);
	/* after its slot is free it is asked for until Consul has forgotten it */
	world_pass(&w, DRAIN_MS);
	assert_state(&w, 1, FREE);
	assert_true(world_registration(&w, "t1")->gone_proved);
	w.registered[1] = false;
	world_consul_says(&w);
	assert_null(world_registration(&w, "t1"));
	/* the last one is absent, too, but held: it stays registered */
	world_forget(w.listed);
	for (int i = 0; i < 5; i++, world_pass(&w, 1000))
		world_marathon_says(&w);
	assert_state(&w, 0, UP);
	assert_true(!world_registration(&w, "t0") || !world_registration(&w, "t0")->gone_proved);
	world_stop(&w);
}

static void left_over_registration_is_removed(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, true, true);
	world_healthy(&w, 2);
	w.listed[1] = false;
	w.listens[1] = false;
	world_marathon_says(&w);
	world_consul_says(&w); /* t1 is ours, of this boot, and Marathon does not know it */
	assert_state(&w, 1, FREE);
	w.now += MODEL_SECOND_MS;
	world_marathon_says(&w);
	assert_true(world_registration(&w, "t1")->gone_proved);
	world_stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_set_waits_for_knowledge),
		cmocka_unit_test(marathon_down_at_start),
		cmocka_unit_test(restart_keeps_everything),
		cmocka_unit_test(a_veto_outlasts_a_restart),
		cmocka_unit_test(restart_into_empty_answers),
		cmocka_unit_test(a_killed_task_stays_so_over_a_restart),
		cmocka_unit_test(a_hint_is_no_fact_after_a_restart),
		cmocka_unit_test(a_hint_has_a_source_of_its_own),
		cmocka_unit_test(reload_keeps_backends),
		cmocka_unit_test(operator_drains_and_weighs),
		cmocka_unit_test(an_ended_tasks_drain_ends),
		cmocka_unit_test(slowstart_ramps_the_newcomer),
		cmocka_unit_test(several_registrars_one_backend),
		cmocka_unit_test(our_entry_decides),
		cmocka_unit_test(registrations_go_on_proof),
		cmocka_unit_test(left_over_registration_is_removed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
