/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The model: what the sources may and may not do to a service's backends. Time is a number here.
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
	world_start_up(&w, 3);
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
	world_start_up(&w, 3);
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
	world_flows(&w, 2, 0, w.now - 1);
	world_pass(&w, 10);
	assert_state(&w, 2, GONE);
	world_flows(&w, 2, 3, w.now);
	world_pass(&w, 10);
	assert_state(&w, 2, GONE);
	world_flows(&w, 2, 0, w.now);
	world_pass(&w, 10);
	assert_state(&w, 2, FREE);
	assert_int_equal(world_count_up(&w), 2);
	world_stop(&w);
}

static void flows_get_drain_timeout_and_no_more(void **unused)
{
	struct world w;

	(void)unused;
	world_start_up(&w, 2);
	w.listed[1] = w.registered[1] = w.listens[1] = false;
	world_everybody_says(&w);
	assert_state(&w, 1, GONE);
	world_flows(&w, 1, 9, w.now + 1);
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
	world_start_up(&w, 2);
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
	world_start_up(&w, 3);
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
	world_start_up(&w, 4);
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
	world_start_up(&w, 3);
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
	world_start_up(&w, 3);
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
	world_start_up(&w, 2);
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
	/* one comes back: the other's absence has yet to be seen beside it */
	w.registered[0] = true;
	w.listens[0] = true;
	world_everybody_says(&w);
	assert_int_equal(world_count_up(&w), 2);
	assert_true(world_guarded(&w, "mass-removal"));
	world_pass(&w, 5000);
	world_consul_says(&w);
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
	world_start_up(&w, 2);
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
	world_start_up(&w, 1);
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

/* Down until yes: that the kernel cannot be asked is no yes. */
static void a_veto_outlasts_the_kernels_silence(void **unused)
{
	struct world w;

	(void)unused;
	world_start_up(&w, 3);
	w.listens[0] = false;
	world_kernel_says(&w);
	assert_state(&w, 0, DOWN);
	world_source(&w, "kernel", false);
	world_pass(&w, 1000);
	assert_state(&w, 0, DOWN);
	assert_string_equal(world_find(&w, "t0")->source, "kernel");
	assert_state(&w, 1, UP); /* and it is no no either */
	world_kernel_says(&w);
	assert_state(&w, 0, DOWN);
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
	world_start_up(&w, 3);
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
	world_start_up(&w, 2);
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
	world_start_up(&w, 2);
	world_hint(&w, "", "0", ""); /* stands for the uuid inside the id */
	assert_state(&w, 0, DRAINING);
	w.state[0] = FACTS_TASK_KILLING;
	world_marathon_says(&w);
	world_pass(&w, MODEL_HINT_MS + 1000);
	assert_state(&w, 0, DRAINING);
	world_stop(&w);
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
		cmocka_unit_test(a_veto_outlasts_the_kernels_silence),
		cmocka_unit_test(hint_drains_for_a_moment),
		cmocka_unit_test(hints_never_take_the_last),
		cmocka_unit_test(confirmed_hint_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
