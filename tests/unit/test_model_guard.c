/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What must hold when a source is wrong, partly wrong or away, and what must not be held for ever. The model's ordinary
 * ways are test_model.c's; who owns a port is test_model_ports.c's, what waits test_model_waits.c's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "model_world.h"
#include "registrar.h"

/* --- docker-proxy dies, and with it every listener at once --- */

static void listeners_that_vanish_together_are_held(void **unused)
{
	struct world w;

	(void)unused;
	world_start_up(&w, 3);
	w.listens[0] = false;
	world_kernel_says(&w);
	assert_state(&w, 0, DOWN); /* one: the kernel's word */
	w.now += 60000;
	w.listens[1] = false;
	world_kernel_says(&w);
	w.now += 1500;
	w.listens[2] = false;
	world_kernel_says(&w);
	assert_state(&w, 0, DOWN); /* that was another event */
	assert_state(&w, 1, UP);
	assert_state(&w, 2, UP);
	assert_true(world_guarded(&w, "kernel-mass"));
	world_pass(&w, 3600000);
	assert_int_equal(world_count_up(&w), 2);
	w.status[1] = FACTS_STATUS_CRITICAL; /* its own check says so, too */
	world_consul_says(&w);
	assert_state(&w, 1, DOWN);
	assert_state(&w, 2, UP);
	w.state[2] = FACTS_TASK_GONE; /* so does Marathon */
	world_marathon_says(&w);
	assert_int_equal(world_count_up(&w), 0);
	world_stop(&w);
}

static void one_lost_listener_goes_alone(void **unused)
{
	struct world w;

	(void)unused;
	world_start_up(&w, 2);
	w.listens[0] = false;
	world_kernel_says(&w);
	w.now += 2001;
	w.listens[1] = false;
	world_kernel_says(&w);
	assert_int_equal(world_count_up(&w), 0);
	world_stop(&w);
}

static void lost_listeners_without_a_good_check_go(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, true, false);
	world_healthy(&w, 4);
	w.health[0] = w.health[1] = FACTS_HEALTH_NO_CHECKS;
	world_everybody_says(&w);
	memset(w.listens, 0, sizeof(w.listens));
	world_kernel_says(&w);
	assert_state(&w, 0, DOWN); /* nobody speaks for it */
	assert_state(&w, 1, DOWN);
	assert_state(&w, 2, UP);
	assert_state(&w, 3, UP);
	w.health[2] = w.health[3] = FACTS_HEALTH_BAD;
	world_marathon_says(&w);
	assert_int_equal(world_count_up(&w), 0);
	world_stop(&w);
}

/* --- what checks have said, when they fall silent --- */

static void checks_outlive_an_empty_answer(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, true, true);
	world_healthy(&w, 3);
	w.status[0] = FACTS_STATUS_CRITICAL;
	w.status[1] = FACTS_STATUS_MAINT;
	world_everybody_says(&w);
	memset(w.registered, 0, sizeof(w.registered));
	for (int i = 0; i < 20; i++, world_pass(&w, 1000)) {
		world_consul_says(&w);
		world_marathon_says(&w);
		assert_state(&w, 0, DOWN);
		assert_state(&w, 1, DRAINING);
	}
	assert_true(world_guarded(&w, "entry-missing"));
	/* an agent that lists others and not these: believed when said twice */
	w.neighbour = true;
	world_consul_says(&w);
	assert_state(&w, 0, DOWN);
	w.now += MODEL_SECOND_MS;
	world_consul_says(&w);
	assert_int_equal(world_count_up(&w), 3);
	assert_false(world_guarded(&w, "entry-missing"));
	world_stop(&w);
}

static void maintenance_outlives_silence(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, true, true);
	world_healthy(&w, 3);
	w.status[1] = FACTS_STATUS_MAINT;
	world_everybody_says(&w);
	w.now += 1000;
	world_source(&w, "consul", false);
	world_pass(&w, 1000);
	world_marathon_says(&w);
	assert_state(&w, 1, DRAINING);
	world_stop(&w);
	/* over a restart of the daemon, too */
	world_start(&w, true, true);
	world_source(&w, "consul", false);
	world_adopt(&w, "t1", 31001, SLUICE_BACKEND_DRAINING, "consul");
	world_healthy(&w, 3);
	w.now += 1000;
	world_marathon_says(&w);
	assert_state(&w, 1, DRAINING);
	world_stop(&w);
}

static void kept_checks_are_no_proof_against_the_last(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, true, true);
	w.service.all_down = CONFIG_ALL_DOWN_LAST;
	world_healthy(&w, 1);
	world_everybody_says(&w);
	w.status[0] = FACTS_STATUS_CRITICAL;
	world_consul_says(&w);
	assert_state(&w, 0, UP);
	w.service.all_down = CONFIG_ALL_DOWN_EMPTY;
	memset(w.registered, 0, sizeof(w.registered));
	world_consul_says(&w);
	assert_state(&w, 0, UP);
	assert_true(world_guarded(&w, "last-backend"));
	world_stop(&w);
}

/* A warning that counts as up says nothing against it. */
static void a_hint_takes_no_last_backend_that_warns(void **state)
{
	struct world w;

	(void)state;
	world_start(&w, true, true);
	world_healthy(&w, 2);
	w.status[0] = FACTS_STATUS_WARNING;
	w.listens[1] = false;
	world_everybody_says(&w);
	w.status[1] = FACTS_STATUS_CRITICAL;
	world_everybody_says(&w);
	assert_int_equal(world_count_up(&w), 1);
	world_hint(&w, "t0", "", text_name);
	assert_state(&w, 0, UP);
	assert_true(world_guarded(&w, "last-backend"));
	world_stop(&w);
}

static void what_only_a_hint_drains_is_given_back(void **unused)
{
	struct world w;

	(void)unused;
	for (int listens = 0; listens < 2; listens++) {
		world_start_up(&w, 2);
		world_hint(&w, "t0", "", text_name);
		assert_state(&w, 0, DRAINING);
		w.now += 1000;
		w.status[1] = FACTS_STATUS_CRITICAL;
		w.listens[1] = listens;
		world_everybody_says(&w);
		assert_state(&w, 1, DOWN);
		assert_state(&w, 0, UP);
		assert_true(world_guarded(&w, "last-backend"));
		w.status[1] = FACTS_STATUS_PASSING; /* the hint holds while there are others */
		w.listens[1] = true;
		world_everybody_says(&w);
		assert_state(&w, 1, UP);
		assert_state(&w, 0, DRAINING);
		w.listens[1] = false;
		w.state[0] = FACTS_TASK_KILLING; /* what is confirmed is no hint */
		world_marathon_says(&w);
		world_kernel_says(&w);
		assert_int_equal(world_count_up(&w), 0);
		world_stop(&w);
	}
}

static void a_hint_gives_nothing_back_that_others_drain(void **unused)
{
	struct world w;

	(void)unused;
	world_start_up(&w, 2);
	w.status[0] = FACTS_STATUS_MAINT;
	world_consul_says(&w);
	world_source(&w, "consul", false); /* maintenance outlives it; Marathon's health is good */
	w.now += 1000;
	world_marathon_says(&w);
	world_hint(&w, "t0", "", text_name);
	w.listens[1] = false;
	world_kernel_says(&w);
	assert_state(&w, 0, DRAINING);
	assert_int_equal(world_count_up(&w), 0);
	world_stop(&w);
	/* of two that are hinted at only the later one was the last */
	world_start_up(&w, 2);
	world_hint(&w, "t0", "", text_name);
	world_hint(&w, "t1", "", text_name);
	assert_state(&w, 0, DRAINING);
	assert_state(&w, 1, UP);
	world_pass(&w, 1000);
	assert_state(&w, 0, DRAINING);
	assert_state(&w, 1, UP);
	world_stop(&w);
}

/* --- what is dead is not kept for ever --- */

static void last_one_that_marathon_misses_goes_in_the_end(void **unused)
{
	struct world w;

	(void)unused;
	world_start_up(&w, 1);
	w.listed[0] = false; /* its port went to a stranger, who passes our own check of it */
	for (int64_t begin = w.now; w.now - begin < DRAIN_MS; world_pass(&w, 5000)) {
		world_marathon_says(&w);
		assert_state(&w, 0, UP);
	}
	world_marathon_says(&w);
	assert_int_equal(world_count_up(&w), 0);
	assert_true(world_registration(&w, "t0")->gone_proved);
	world_stop(&w);
	/* the same with a state that Marathon names */
	world_start_up(&w, 1);
	w.state[0] = FACTS_TASK_GONE;
	world_marathon_says(&w);
	world_pass(&w, DRAIN_MS - 1);
	assert_state(&w, 0, UP);
	world_pass(&w, 1);
	assert_int_equal(world_count_up(&w), 0);
	world_stop(&w);
}

/* How short its connections may last says nothing of how long an answer may be wrong. */
static void a_drain_of_no_time_proves_nothing(void **unused)
{
	struct world w;

	(void)unused;
	for (int consul = 0; consul < 2; consul++) {
		world_start(&w, true, consul);
		w.service.drain_timeout_ms = 0;
		world_healthy(&w, 1);
		world_everybody_says(&w);
		w.listed[0] = false;
		for (int i = 0; i < 9; i++, world_pass(&w, 1000)) {
			world_marathon_says(&w);
			assert_state(&w, 0, UP);
			assert_true(world_guarded(&w, "last-backend"));
		}
		world_pass(&w, 1000);
		world_marathon_says(&w);
		assert_int_equal(world_count_up(&w), 0);
		world_stop(&w);
	}
}

static void an_answer_without_the_app_starts_anew(void **unused)
{
	struct world w;

	(void)unused;
	world_start_up(&w, 1);
	w.listed[0] = false;
	for (int i = 0; i < 300; i++, world_pass(&w, 1000)) {
		w.app_missing = i % 50 == 49;
		world_marathon_says(&w);
		assert_state(&w, 0, UP);
	}
	world_stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(listeners_that_vanish_together_are_held),
		cmocka_unit_test(one_lost_listener_goes_alone),
		cmocka_unit_test(lost_listeners_without_a_good_check_go),
		cmocka_unit_test(checks_outlive_an_empty_answer),
		cmocka_unit_test(maintenance_outlives_silence),
		cmocka_unit_test(kept_checks_are_no_proof_against_the_last),
		cmocka_unit_test(a_hint_takes_no_last_backend_that_warns),
		cmocka_unit_test(what_only_a_hint_drains_is_given_back),
		cmocka_unit_test(a_hint_gives_nothing_back_that_others_drain),
		cmocka_unit_test(last_one_that_marathon_misses_goes_in_the_end),
		cmocka_unit_test(a_drain_of_no_time_proves_nothing),
		cmocka_unit_test(an_answer_without_the_app_starts_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
