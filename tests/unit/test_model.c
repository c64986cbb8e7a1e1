/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The model: what the sources may and may not do to a service's backends. Time is a number here. The last test feeds random
 * sequences and checks, with its own record of what was said, that no pool was emptied without proof.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model_world.h"
#include "registrar.h"
#include "state.h"

static void all_agree(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, true, true);
	world_healthy(&w, 3);
	world_everybody_says(&w);
	assert_int_equal(world_count_up(&w), 3);
	assert_true(w.wanted->service[0].synced);
	assert_string_equal(world_find(&w, "t0")->source, "consul");
	w.status[1] = FACTS_STATUS_CRITICAL;
	world_consul_says(&w);
	assert_state(&w, 1, DOWN);
	assert_int_equal(world_count_up(&w), 2);
	world_stop(&w);
}

static void other_hosts_tasks_are_not_ours(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, true, false);
	world_healthy(&w, 2);
	w.host = "slave-2.example.com";
	world_marathon_says(&w);
	assert_int_equal(w.wanted->backend_count, 0);
	w.host = "SLAVE-1.Example.COM";
	world_marathon_says(&w);
	assert_int_equal(world_count_up(&w), 2);
	w.host = "";
	w.generation = 1;
	world_marathon_says(&w);
	assert_null(world_find(&w, "u0"));
	world_stop(&w);
}

static void foreign_addresses_are_not_ours(void **unused)
{
	struct world w;
	struct facts_entry entry = { .id = text_web,
				     .service = text_consul,
				     .port = 31000,
				     .output = text_empty,
				     .status = FACTS_STATUS_PASSING,
				     .task = text_empty,
				     .app = text_empty,
				     .boot_id = text_empty,
				     .definition = text_empty };
	struct facts_consul answer = { 1, &entry };
	char container[] = "172.17.0.5";

	(void)unused;
	world_start(&w, false, true);
	entry.address = container;
	assert_int_equal(model_consul(w.model, &answer, w.now), 0);
	world_tick(&w);
	assert_int_equal(w.wanted->backend_count, 0);
	entry.address = text_address;
	assert_int_equal(model_consul(w.model, &answer, w.now), 0);
	world_tick(&w);
	assert_int_equal(world_count_up(&w), 1);
	world_stop(&w);
}

static void task_ends(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, true, true);
	world_healthy(&w, 3);
	world_everybody_says(&w);
	w.state[2] = FACTS_TASK_KILLING;
	world_marathon_says(&w);
	assert_state(&w, 2, DRAINING);
	w.listed[2] = false;
	world_marathon_says(&w);
	assert_state(&w, 2, DRAINING); /* Consul still passes it, and it listens */
	w.listens[2] = false;
	world_kernel_says(&w);
	assert_state(&w, 2, GONE);
	/* a scan that began before it was gone proves nothing, nor does one that found flows */
	model_flows(w.model, "web", "t2", 0, 0, w.now - 1);
	world_pass(&w, 10);
	assert_state(&w, 2, GONE);
	model_flows(w.model, "web", "t2", 0, 3, w.now);
	world_pass(&w, 10);
	assert_state(&w, 2, GONE);
	model_flows(w.model, "web", "t2", 0, 0, w.now);
	world_pass(&w, 10);
	assert_state(&w, 2, FREE);
	assert_int_equal(world_count_up(&w), 2);
	world_stop(&w);
}

static void flows_get_drain_timeout_and_no_more(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, true, true);
	world_healthy(&w, 2);
	world_everybody_says(&w);
	w.listed[1] = w.registered[1] = w.listens[1] = false;
	world_everybody_says(&w);
	assert_state(&w, 1, GONE);
	model_flows(w.model, "web", "t1", 0, 9, w.now + 1);
	world_pass(&w, DRAIN_MS - 1);
	assert_state(&w, 1, GONE);
	world_pass(&w, 1);
	assert_state(&w, 1, FREE);
	world_stop(&w);
}

static void new_task_on_an_old_port(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, true, true);
	world_healthy(&w, 2);
	world_everybody_says(&w);
	w.generation = 1; /* u0, u1 on the same ports */
	w.started[0] += 1000;
	w.started[1] += 1000;
	world_everybody_says(&w);
	assert_null(world_find(&w, "t0"));
	assert_null(world_find(&w, "t1"));
	assert_int_equal(world_count_up(&w), 2);
	assert_int_equal(w.wanted->backend_count, 2);
	world_stop(&w);
}

static void one_port_never_stands_twice(void **unused)
{
	struct world w;
	struct config_service both[2];

	(void)unused;
	world_start(&w, true, false);
	both[0] = both[1] = w.service;
	snprintf(both[1].name, sizeof(both[1].name), "%s", "again");
	both[1].port = 81;
	w.config.service = both;
	w.config.service_count = 2;
	assert_int_equal(model_configure(w.model, &w.config), 0);
	world_healthy(&w, 1);
	world_marathon_says(&w);
	assert_int_equal(w.wanted->backend_count, 1);
	assert_int_equal(w.wanted->backend[0].service, 0);
	assert_true(world_guarded(&w, "port-taken"));
	world_stop(&w);
}

/* --- answers that would empty the pool --- */

static void marathon_answers_empty(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, true, true);
	world_healthy(&w, 3);
	world_everybody_says(&w);
	w.app_missing = true;
	for (int i = 0; i < 200; i++) { /* well past drain_timeout */
		world_marathon_says(&w);
		assert_int_equal(world_count_up(&w), 3);
		world_pass(&w, 1000);
	}
	assert_true(world_guarded(&w, "last-backend"));
	w.app_missing = false;
	world_marathon_says(&w);
	assert_int_equal(world_count_up(&w), 3);
	assert_false(world_guarded(&w, "last-backend"));
	world_stop(&w);
}

static void marathon_loses_half_then_the_rest(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, true, true);
	world_healthy(&w, 4);
	world_everybody_says(&w);
	w.listed[0] = w.listed[1] = false;
	world_marathon_says(&w);
	assert_int_equal(world_count_up(&w), 2);
	w.app_missing = true;
	for (int i = 0; i < 100; i++, world_pass(&w, 2000)) {
		world_marathon_says(&w);
		assert_int_equal(world_count_up(&w), 2);
	}
	world_stop(&w);
}

static void consul_answers_empty(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, true, true);
	world_healthy(&w, 3);
	world_everybody_says(&w);
	world_forget(w.registered);
	for (int i = 0; i < 200; i++, world_pass(&w, 1000)) {
		world_consul_says(&w);
		assert_int_equal(world_count_up(&w), 3);
	}
	world_stop(&w);
}

static void both_answer_empty(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, true, true);
	world_healthy(&w, 3);
	world_everybody_says(&w);
	world_forget(w.listed);
	world_forget(w.registered);
	/* the processes live and listen: nothing goes before drain_timeout has passed */
	for (int64_t begin = w.now; w.now - begin < DRAIN_MS - 1000; world_pass(&w, 1000)) {
		world_marathon_says(&w);
		world_consul_says(&w);
		assert_int_equal(world_count_up(&w), 3);
	}
	w.listens[0] = false;
	world_kernel_says(&w);
	assert_state(&w, 0, GONE); /* the kernel's word */
	assert_int_equal(world_count_up(&w), 2);
	world_pass(&w, 2000);
	assert_int_equal(world_count_up(&w),
			 0); /* two registries, each often, for as long as a drain may take */
	world_stop(&w);
}

static void both_answer_empty_where_the_kernel_cannot_tell(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, true, true);
	world_healthy(&w, 2);
	world_forget(w.listens);
	world_everybody_says(&w);
	world_forget(w.listed);
	world_forget(w.registered);
	world_marathon_says(&w);
	world_consul_says(&w);
	assert_int_equal(world_count_up(&w), 2); /* one answer of each is not enough */
	assert_true(model_wants_answer(w.model));
	w.now += MODEL_SECOND_MS - 1;
	world_marathon_says(&w);
	world_consul_says(&w);
	assert_int_equal(world_count_up(&w), 2); /* nor are two within the same second */
	w.now += 1;
	world_marathon_says(&w);
	assert_int_equal(world_count_up(&w), 2);
	world_consul_says(&w);
	assert_int_equal(world_count_up(&w), 0);
	assert_false(model_wants_answer(w.model));
	world_stop(&w);
}

static void empty_registries_and_then_silence(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, true, true);
	world_healthy(&w, 2);
	world_everybody_says(&w);
	world_forget(w.listed);
	world_marathon_says(&w);
	world_source(&w, "consul", false);
	for (int i = 0; i < 300; i++, world_pass(&w, 1000)) {
		world_marathon_says(&w);
		assert_int_equal(world_count_up(&w), 2);
	}
	world_source(&w, "marathon", false);
	world_pass(&w, 3600000);
	assert_int_equal(world_count_up(&w), 2);
	world_stop(&w);
}

static void leader_change_with_empty_health(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, true, false);
	world_healthy(&w, 3);
	w.health[2] = FACTS_HEALTH_BAD;
	world_marathon_says(&w);
	assert_int_equal(world_count_up(&w), 2);
	for (int i = 0; i < 3; i++)
		w.health[i] = FACTS_HEALTH_UNKNOWN;
	w.now += 60000;
	world_marathon_says(&w);
	assert_int_equal(world_count_up(&w), 2);
	assert_state(&w, 2, DOWN);
	world_stop(&w);
}

static void lost_tasks_keep_their_last_word(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, true, false);
	world_healthy(&w, 3);
	world_marathon_says(&w);
	for (int i = 0; i < 3; i++) {
		w.state[i] = FACTS_TASK_LOST;
		w.health[i] = FACTS_HEALTH_UNKNOWN;
	}
	world_marathon_says(&w);
	assert_int_equal(world_count_up(&w), 3);
	world_stop(&w);
}

static void consul_only_answers_empty(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, false, true);
	w.ours = false;
	world_healthy(&w, 2);
	world_everybody_says(&w);
	assert_int_equal(world_count_up(&w), 2);
	world_forget(w.registered); /* a token that no longer reads answers [] */
	for (int i = 0; i < 300; i++, world_pass(&w, 1000)) {
		world_consul_says(&w);
		assert_int_equal(world_count_up(&w), 2);
	}
	assert_true(world_guarded(&w, "last-backend"));
	w.listens[0] = false;
	world_kernel_says(&w);
	assert_int_equal(world_count_up(&w), 1);
	w.registered[0] = true; /* one comes back: the other's absence is believed */
	w.listens[0] = true;
	world_everybody_says(&w);
	assert_state(&w, 0, UP);
	assert_int_equal(world_count_up(&w), 1);
	world_stop(&w);
}

static void consul_silence_changes_nothing(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, true, true);
	world_healthy(&w, 4);
	w.health[0] = FACTS_HEALTH_BAD; /* Consul decides while it speaks */
	w.status[1] = FACTS_STATUS_CRITICAL;
	w.health[1] = FACTS_HEALTH_NO_CHECKS;
	w.status[2] = FACTS_STATUS_MAINT;
	world_everybody_says(&w);
	assert_state(&w, 0, UP);
	assert_state(&w, 1, DOWN);
	assert_state(&w, 2, DRAINING);
	w.now += 1000;
	world_source(&w, "consul", false);
	world_pass(&w, 1000);
	assert_state(&w, 0, UP);
	assert_state(&w, 1, DOWN);
	assert_state(&w, 2, DRAINING);
	assert_state(&w, 3, UP);
	assert_true(world_guarded(&w, "consul-silent"));
	/* Marathon's own checks speak afresh: they count now; that an app has none is no news */
	world_marathon_says(&w);
	assert_state(&w, 0, DOWN);
	assert_state(&w, 1, DOWN);
	assert_state(&w, 2, DRAINING); /* maintenance is no matter of checks */
	world_stop(&w);
}

static void old_words_are_no_proof_after_a_silence(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, true, true);
	world_healthy(&w, 1);
	world_forget(w.listens);
	world_everybody_says(&w);
	world_forget(w.listed);
	world_forget(w.registered);
	world_consul_says(&w);
	w.now += MODEL_SECOND_MS;
	world_consul_says(&w);
	world_source(&w, "consul", false);
	for (int i = 0; i < 3; i++, world_pass(&w, MODEL_SECOND_MS))
		world_marathon_says(&w);
	assert_int_equal(world_count_up(&w), 1);
	world_source(&w, "consul", true); /* it is back and has said nothing yet */
	world_pass(&w, 1000);
	assert_int_equal(world_count_up(&w), 1);
	world_consul_says(&w);
	assert_int_equal(world_count_up(&w), 0);
	world_stop(&w);
	/* the same with Marathon's health */
	world_start(&w, true, false);
	world_healthy(&w, 2);
	w.health[0] = FACTS_HEALTH_BAD;
	world_marathon_says(&w);
	world_source(&w, "marathon", false);
	w.listens[1] = true;
	world_kernel_says(&w);
	assert_state(&w, 1, UP);
	world_source(&w, "marathon", true);
	world_pass(&w, 1000);
	assert_state(&w, 1, UP);
	w.health[1] = FACTS_HEALTH_BAD;
	world_marathon_says(&w);
	assert_int_equal(world_count_up(&w), 0);
	world_stop(&w);
}

static void consul_only_silence_raises_nobody(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, false, true);
	w.ours = false;
	world_healthy(&w, 3);
	w.status[1] = FACTS_STATUS_CRITICAL;
	w.status[2] = FACTS_STATUS_NONE; /* it has no check: being listed is enough */
	world_everybody_says(&w);
	assert_state(&w, 0, UP);
	assert_state(&w, 1, DOWN);
	assert_state(&w, 2, UP);
	world_source(&w, "consul", false);
	world_pass(&w, 1000);
	assert_state(&w, 0, UP);
	assert_state(&w, 1, DOWN);
	assert_state(&w, 2, UP);
	world_stop(&w);
}

static void last_goes_on_evidence_of_its_own_check(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, true, true);
	world_healthy(&w, 2);
	world_everybody_says(&w);
	w.status[0] = w.status[1] = FACTS_STATUS_CRITICAL;
	world_consul_says(&w);
	assert_int_equal(world_count_up(&w), 0);
	world_stop(&w);
	/* all_down = last keeps them, and only for their health */
	world_start(&w, true, true);
	w.service.all_down = CONFIG_ALL_DOWN_LAST;
	world_healthy(&w, 2);
	world_everybody_says(&w);
	w.status[0] = w.status[1] = FACTS_STATUS_CRITICAL;
	world_consul_says(&w);
	assert_int_equal(world_count_up(&w), 2);
	assert_true(world_guarded(&w, "all-down"));
	w.listens[0] = false;
	world_kernel_says(&w);
	assert_int_equal(world_count_up(&w), 1);
	w.listens[0] = true;
	w.status[0] = FACTS_STATUS_PASSING;
	world_everybody_says(&w);
	assert_state(&w, 0, UP);
	assert_state(&w, 1, DOWN);
	world_stop(&w);
}

static void last_one_that_is_killed_serves_until_the_kernel_says_no(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, true, true);
	world_healthy(&w, 1);
	world_everybody_says(&w);
	w.state[0] = FACTS_TASK_KILLING;
	world_marathon_says(&w);
	assert_state(&w, 0, UP);
	w.listens[0] = false;
	world_kernel_says(&w);
	assert_state(&w, 0, DRAINING);
	world_stop(&w);
}

/* --- the kernel --- */

static void no_listener_counts_only_after_one_was_seen(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, true, true);
	world_healthy(&w, 2);
	w.listens[1] = false;
	world_everybody_says(&w);
	assert_int_equal(world_count_up(&w), 2);
	w.listens[0] = false;
	world_kernel_says(&w);
	assert_state(&w, 0, DOWN);
	assert_state(&w, 1, UP);
	assert_string_equal(world_find(&w, "t0")->source, "kernel");
	w.listens[0] = true;
	world_kernel_says(&w);
	assert_state(&w, 0, UP);
	world_stop(&w);
}

/* --- hints --- */

static void hint_drains_for_a_moment(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, true, true);
	world_healthy(&w, 3);
	world_everybody_says(&w);
	world_hint(&w, "t0", "", "slave-2.example.com");
	assert_state(&w, 0, UP); /* somebody else's */
	world_hint(&w, "t0", "", text_name);
	assert_state(&w, 0, DRAINING);
	world_marathon_says(&w);
	world_pass(&w, MODEL_HINT_MS - 1);
	assert_state(&w, 0, DRAINING);
	world_pass(&w, 1);
	assert_state(&w, 0, UP);
	world_hint(&w, "t0", "", ""); /* a forger's second try */
	assert_state(&w, 0, UP);
	world_stop(&w);
}

static void hints_never_take_the_last(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, true, true);
	world_healthy(&w, 2);
	world_everybody_says(&w);
	world_hint(&w, "t0", "", "");
	assert_int_equal(world_count_up(&w), 1);
	world_hint(&w, "t1", "", "");
	assert_state(&w, 1, UP);
	assert_true(world_count_up(&w) >= 1);
	world_stop(&w);
}

static void confirmed_hint_stays(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, true, true);
	world_healthy(&w, 2);
	world_everybody_says(&w);
	world_hint(&w, "", "0", ""); /* stands for the uuid inside the id */
	assert_state(&w, 0, DRAINING);
	w.state[0] = FACTS_TASK_KILLING;
	world_marathon_says(&w);
	world_pass(&w, MODEL_HINT_MS + 1000);
	assert_state(&w, 0, DRAINING);
	world_stop(&w);
}

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

static void reload_keeps_backends(void **unused)
{
	struct world w;
	struct config_service services[2];

	(void)unused;
	world_start(&w, true, true);
	world_healthy(&w, 2);
	world_everybody_says(&w);
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
	world_start(&w, true, true);
	world_healthy(&w, 2);
	world_everybody_says(&w);
	model_override(w.model, "web", "t0", 0, &drain);
	model_override(w.model, "web", "t1", 0, &weigh);
	world_tick(&w);
	assert_state(&w, 0, DRAINING);
	assert_int_equal(world_find(&w, "t1")->weight, 7);
	world_everybody_says(&w); /* an update does not undo it */
	assert_state(&w, 0, DRAINING);
	model_override(w.model, "web", "t1", 0, &drain); /* a reboot drains all of them */
	world_tick(&w);
	assert_int_equal(world_count_up(&w), 0);
	model_overrides_clear(w.model);
	world_tick(&w);
	assert_int_equal(world_count_up(&w), 2);
	assert_int_equal(world_find(&w, "t1")->weight, MODEL_WEIGHT);
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
	world_start(&w, true, true);
	world_healthy(&w, 2);
	world_everybody_says(&w);
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

/* --- any sequence --- */

/* What was really said, kept by the test alone. */
struct record {
	bool known;
	unsigned m_absent, c_absent;
	int64_t m_absent_at, c_absent_at, m_absent_since;
	bool m_bad, m_ended, c_seen, c_none, c_bad, listening, listened;
	int64_t m_named_since, m_named_at; /* absent from answers that name the app; 0: not so */
	bool m_running, m_killed;
	bool c_pass, c_maint;
	unsigned maint_lacks;
	int64_t maint_lack_at;
	int64_t lost_at; /* when its listener vanished last */
};

static void record_marathon(struct record *r, const struct world *w)
{
	for (int i = 0; i < PORTS; i++) {
		bool lost = w->listed[i] && w->state[i] == FACTS_TASK_LOST;
		bool listed = w->listed[i] && !w->app_missing;
		bool absent = !listed || w->state[i] == FACTS_TASK_GONE || (lost && r[i].m_ended);

		/* that it has ended stands until Marathon lists it in another state; lost is none */
		if (listed && w->state[i] != FACTS_TASK_LOST)
			r[i].m_ended = w->state[i] == FACTS_TASK_GONE;
		if (listed && !lost)
			r[i].m_killed = w->state[i] == FACTS_TASK_KILLING;
		if (!lost || absent)
			r[i].m_running = !absent && w->state[i] == FACTS_TASK_RUNNING;
		if (!absent || w->app_missing)
			r[i].m_named_since = 0;
		else if (!r[i].m_named_since)
			r[i].m_named_since = w->now;
		r[i].m_named_at = w->now;
		/* a lost task's health is no news, an unknown one neither */
		if (!absent && w->state[i] != FACTS_TASK_LOST &&
		    w->health[i] != FACTS_HEALTH_UNKNOWN)
			r[i].m_bad = w->health[i] == FACTS_HEALTH_BAD;
		if (!absent)
			r[i].m_absent = 0;
		else if (!r[i].m_absent++)
			r[i].m_absent_since = w->now;
		if (absent)
			r[i].m_absent_at = w->now;
	}
}

/* Maintenance ends when the entry says something else, or when two answers list others and not it. */
static void record_maintenance(struct record *r, const struct world *w)
{
	bool empty = true;

	for (int i = 0; i < PORTS; i++)
		empty &= !w->registered[i];
	for (int i = 0; i < PORTS; i++) {
		if (w->registered[i]) {
			r[i].c_maint = w->status[i] == FACTS_STATUS_MAINT;
			r[i].maint_lacks = 0;
		} else if (!empty &&
			   (!r[i].maint_lacks || w->now - r[i].maint_lack_at >= MODEL_SECOND_MS)) {
			r[i].maint_lack_at = w->now;
			r[i].c_maint &= ++r[i].maint_lacks < 2;
		}
	}
}

static void record_consul(struct record *r, const struct world *w)
{
	for (int i = 0; i < PORTS; i++) {
		r[i].c_seen |= w->registered[i];
		r[i].c_pass = w->registered[i] && w->status[i] == FACTS_STATUS_PASSING;
		r[i].c_none = w->registered[i] &&
			      w->status[i] == FACTS_STATUS_NONE; /* no check of its own has run */
		r[i].c_absent = w->registered[i] ? 0 : r[i].c_absent + 1;
		r[i].c_bad = w->registered[i] && (w->status[i] == FACTS_STATUS_CRITICAL ||
						  w->status[i] == FACTS_STATUS_MAINT);
	}
}

static bool proof(const struct record *r, bool marathon, bool consul, int64_t now)
{
	if (r->listened && !r->listening)
		return true;
	if (consul && r->c_bad)
		return true;
	if (marathon && r->m_bad && (!consul || r->c_absent || !r->c_seen || r->c_none))
		return true;
	if (consul && (r->m_absent >= 2 || r->m_ended) && r->c_absent >= 2 &&
	    (!r->listening || now - r->m_absent_since >= DRAIN_MS))
		return true;
	/* Marathon's word alone, for as long as a drain may take */
	if (marathon && consul && r->m_ended && now - r->m_absent_since >= DRAIN_MS)
		return true;
	if (marathon && consul && r->m_named_since && r->m_named_at - r->m_named_since >= DRAIN_MS)
		return true;
	/* our own registration says nothing if it has no check */
	return r->m_absent >= 2 && (!r->c_seen || r->c_none) && !r->listening &&
	       now - r->m_absent_since >= DRAIN_MS;
}

static void random_facts(struct world *w, unsigned *seed)
{
	int i = (int)world_below(seed, 3); /* few, so that pools run empty often */

	switch (world_below(seed, 12)) {
	case 0:
		w->app_missing = world_below(seed, 2);
		world_forget(w->listed);
		break;
	case 1:
		world_forget(w->registered);
		break;
	case 2:
		world_healthy(w, 3);
		w->app_missing = false;
		break;
	case 3:
		w->listed[i] = !w->listed[i];
		break;
	case 4:
		w->registered[i] = !w->registered[i];
		break;
	case 5:
		w->listens[i] = !w->listens[i];
		break;
	case 6:
	case 7:
		w->state[i] = world_below(seed, 5);
		break;
	case 8:
	case 9:
		w->health[i] = world_below(seed, 3);
		break;
	default:
		w->status[i] = world_below(seed, 5);
	}
}

/* Most of those that listen and were up went in one answer, on absence alone. */
static bool is_mass_removal(const struct world *w, const struct record *r, const bool *up_before,
			    int up, bool consul)
{
	int missing = 0;

	for (int i = 0; i < PORTS; i++)
		missing += up_before[i] && world_state_of(w, i) != SLUICE_BACKEND_UP &&
			   r[i].m_absent && !r[i].m_ended && !r[i].m_killed && r[i].listening &&
			   !(consul && r[i].c_bad) && r[i].m_absent_at - r[i].m_absent_since < 5000;
	return missing >= 2 && missing * 2 > up;
}

/* The pool ran empty because two or more listeners vanished together, which Consul and Marathon both speak for. */
static bool is_kernel_mass(const struct world *w, const struct record *r, const bool *up_before,
			   bool consul)
{
	int lost = 0;

	for (int i = 0; i < PORTS; i++)
		lost += up_before[i] && r[i].lost_at == w->now && r[i].m_running && consul &&
			r[i].c_pass;
	return lost >= 2;
}

static void no_sequence_empties_a_pool_without_proof(void **unused)
{
	unsigned seed = 99, emptied = 0, held = 0, mass = 0, kernel = 0, kept = 0;

	(void)unused;
	for (int sequence = 0; sequence < 300; sequence++) {
		struct record record[PORTS] = { 0 };
		bool marathon = true, consul = true, consul_spoke = false, marathon_spoke = false,
		     up_before[PORTS] = { false };
		struct world w;
		int before = 0;

		world_start(&w, true, true);
		world_healthy(&w, 3);
		for (int step = 0; step < 120; step++) {
			random_facts(&w, &seed);
			switch (world_below(&seed, 6)) {
			case 0:
			case 1:
				if (marathon)
					marathon_spoke = true, record_marathon(record, &w),
					world_marathon_says(&w);
				break;
			case 2:
			case 3:
				if (consul)
					consul_spoke = true, record_consul(record, &w),
					record_maintenance(record, &w), world_consul_says(&w);
				break;
			case 4:
				for (int i = 0; i < PORTS; i++) {
					if (record[i].listening && !w.listens[i])
						record[i].lost_at = w.now;
					record[i].listening = w.listens[i];
					record[i].listened |= w.listens[i];
				}
				world_kernel_says(&w);
				break;
			default:
				if (world_below(&seed, 2)) {
					marathon = !marathon;
					marathon_spoke = false;
					world_source(&w, "marathon", marathon);
				} else {
					consul = !consul;
					consul_spoke = false;
					world_source(&w, "consul", consul);
				}
				world_pass(&w, world_below(&seed, 20000));
			}
			assert_false(is_mass_removal(&w, record, up_before, before,
						     consul && consul_spoke));
			for (int i = 0; i < PORTS; i++) {
				if (!world_find(&w, world_task_id(&w, i)))
					record[i].c_maint = false; /* it is forgotten */
				assert_false(record[i].c_maint &&
					     world_state_of(&w, i) == SLUICE_BACKEND_UP);
			}
			mass += world_guarded(&w, "mass-removal");
			kernel += world_guarded(&w, "kernel-mass");
			kept += world_guarded(&w, "entry-missing");
			if (before && !world_count_up(&w)) {
				assert_false(is_kernel_mass(&w, record, up_before,
							    consul && consul_spoke));
				emptied++;
				for (int i = 0; i < PORTS; i++)
					if (up_before[i] &&
					    !proof(&record[i], marathon && marathon_spoke,
						   consul && consul_spoke, w.now))
						fail_msg(
							"sequence %d step %d: task %d is %s without proof: %s; Marathon lacks it %u times, Consul %u",
							sequence, step, i,
							world_find(&w, world_task_id(&w, i))
								? state_name(world_state_of(&w, i))
								: "not there",
							world_find(&w, world_task_id(&w, i))
								? world_find(&w,
									     world_task_id(&w, i))
									  ->reason
								: "",
							record[i].m_absent, record[i].c_absent);
			}
			held += world_guarded(&w, "last-backend");
			before = world_count_up(&w);
			for (int i = 0; i < PORTS; i++)
				up_before[i] = world_state_of(&w, i) == SLUICE_BACKEND_UP;
			w.now += 1 + world_below(&seed, 3000);
		}
		/* everybody says the truth again, for long enough: that is what there is */
		world_source(&w, "marathon", true);
		world_source(&w, "consul", true);
		world_healthy(&w, 3);
		w.app_missing = false;
		for (int i = 0; i < 3; i++) {
			world_everybody_says(&w);
			world_pass(&w, DRAIN_MS);
		}
		assert_int_equal(world_count_up(&w), 3);
		assert_int_equal(w.wanted->backend_count, 3);
		assert_false(world_guarded(&w, "last-backend"));
		world_stop(&w);
	}
	assert_true(emptied > 20); /* the test saw both sides of the rule */
	assert_true(held > 20);
	assert_true(mass > 20);
	assert_true(kernel > 20);
	assert_true(kept > 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_agree),
		cmocka_unit_test(other_hosts_tasks_are_not_ours),
		cmocka_unit_test(foreign_addresses_are_not_ours),
		cmocka_unit_test(task_ends),
		cmocka_unit_test(flows_get_drain_timeout_and_no_more),
		cmocka_unit_test(new_task_on_an_old_port),
		cmocka_unit_test(one_port_never_stands_twice),
		cmocka_unit_test(marathon_answers_empty),
		cmocka_unit_test(marathon_loses_half_then_the_rest),
		cmocka_unit_test(consul_answers_empty),
		cmocka_unit_test(both_answer_empty),
		cmocka_unit_test(both_answer_empty_where_the_kernel_cannot_tell),
		cmocka_unit_test(empty_registries_and_then_silence),
		cmocka_unit_test(leader_change_with_empty_health),
		cmocka_unit_test(lost_tasks_keep_their_last_word),
		cmocka_unit_test(consul_only_answers_empty),
		cmocka_unit_test(consul_silence_changes_nothing),
		cmocka_unit_test(old_words_are_no_proof_after_a_silence),
		cmocka_unit_test(consul_only_silence_raises_nobody),
		cmocka_unit_test(last_goes_on_evidence_of_its_own_check),
		cmocka_unit_test(last_one_that_is_killed_serves_until_the_kernel_says_no),
		cmocka_unit_test(no_listener_counts_only_after_one_was_seen),
		cmocka_unit_test(hint_drains_for_a_moment),
		cmocka_unit_test(hints_never_take_the_last),
		cmocka_unit_test(confirmed_hint_stays),
		cmocka_unit_test(first_set_waits_for_knowledge),
		cmocka_unit_test(marathon_down_at_start),
		cmocka_unit_test(restart_keeps_everything),
		cmocka_unit_test(restart_into_empty_answers),
		cmocka_unit_test(reload_keeps_backends),
		cmocka_unit_test(operator_drains_and_weighs),
		cmocka_unit_test(slowstart_ramps_the_newcomer),
		cmocka_unit_test(several_registrars_one_backend),
		cmocka_unit_test(our_entry_decides),
		cmocka_unit_test(registrations_go_on_proof),
		cmocka_unit_test(left_over_registration_is_removed),
		cmocka_unit_test(no_sequence_empties_a_pool_without_proof),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
