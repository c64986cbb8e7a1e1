/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Flap damping, health results that expire, the guards' configurable bounds, and the last backend of an app that was deleted. The other
 * guards are test_model_guard.c's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "model_world.h"
#include "registrar.h"

static const char *reason_of(const struct world *w, int i)
{
	const struct wanted_backend *backend = world_find(w, world_task_id(w, i));

	return backend ? backend->reason : "";
}

/* Task 0's check fails for a second and is well for one, so many times. */
static void flap(struct world *w, int times)
{
	for (int n = 0; n < times; n++) {
		w->now += 1000;
		w->status[0] = FACTS_STATUS_CRITICAL;
		world_consul_says(w);
		assert_state(w, 0, DOWN); /* going down is never held */
		w->now += 1000;
		w->status[0] = FACTS_STATUS_PASSING;
		world_consul_says(w);
	}
}

static void a_flapping_backend_is_held_longer_each_time(void **unused)
{
	static const int hold_s[] = { 0, 0, 10, 20, 40, 80, 160, 300, 300 };
	struct world w;

	(void)unused;
	world_start_up(&w, 3);
	for (size_t n = 0; n < sizeof(hold_s) / sizeof(hold_s[0]); n++) {
		flap(&w, 1);
		if (!hold_s[n]) {
			assert_state(&w, 0, UP);
			continue;
		}
		assert_state(&w, 0, DOWN);
		assert_true(world_guarded(&w, "flapping"));
		assert_non_null(strstr(reason_of(&w, 0), "has gone down "));
		world_pass(&w, hold_s[n] * 1000 - 1001); /* since it went down */
		assert_state(&w, 0, DOWN);
		world_pass(&w, 1);
		assert_state(&w, 0, UP);
		assert_false(world_guarded(&w, "flapping"));
		assert_int_equal(world_count_up(&w), 3); /* the others were never touched */
	}
	world_stop(&w);
}

static void a_held_backend_that_flaps_on_stays_out(void **unused)
{
	struct world w;

	(void)unused;
	world_start_up(&w, 2);
	flap(&w, 3);
	for (int n = 0; n < 60; n++) {
		flap(&w, 1);
		assert_state(&w, 0, DOWN);
		assert_state(&w, 1, UP);
	}
	world_pass(&w, 299000 - 1);
	assert_state(&w, 0, DOWN);
	world_pass(&w, 1);
	assert_state(&w, 0, UP);
	world_stop(&w);
}

static void a_long_rest_forgets_the_flaps(void **unused)
{
	struct world w;

	(void)unused;
	world_start_up(&w, 3);
	for (int n = 0; n < 20; n++) { /* once in an hour is no flapping */
		flap(&w, 1);
		assert_state(&w, 0, UP);
		w.now += 3600000;
		world_everybody_says(&w);
	}
	world_stop(&w);
}

static void the_last_is_not_held_for_flapping(void **unused)
{
	struct world w;

	(void)unused;
	world_start_up(&w, 1);
	for (int n = 0; n < 20; n++) {
		flap(&w, 1);
		assert_state(&w, 0, UP);
	}
	world_stop(&w);
	/* held while another serves; back when that one goes */
	world_start_up(&w, 2);
	flap(&w, 5);
	assert_state(&w, 0, DOWN);
	w.status[1] = FACTS_STATUS_CRITICAL;
	world_consul_says(&w);
	assert_state(&w, 1, DOWN);
	assert_state(&w, 0, UP);
	world_stop(&w);
}

static void no_more_than_a_share_is_held_for_flapping(void **unused)
{
	struct world w;
	int least = PORTS;

	(void)unused;
	world_start_up(&w, 6);
	for (int n = 0; n < 20; n++) {
		for (int i = 0; i < 5; i++) /* all but one go up and down together */
			w.status[i] = n % 2 ? FACTS_STATUS_PASSING : FACTS_STATUS_CRITICAL;
		w.now += 1000;
		world_consul_says(&w);
		if (n % 2 && world_count_up(&w) < least)
			least = world_count_up(&w);
	}
	assert_int_equal(least, 3);
	world_stop(&w);
}

static void flap_hold_0_holds_nobody(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, true, true);
	w.config.guards.flap_hold_ms = 0;
	world_healthy(&w, 3);
	world_everybody_says(&w);
	for (int n = 0; n < 20; n++) {
		flap(&w, 1);
		assert_state(&w, 0, UP);
	}
	world_stop(&w);
}

static void the_veto_is_damped_as_well(void **unused)
{
	struct world w;

	(void)unused;
	world_start_up(&w, 3);
	for (int n = 0; n < 6; n++) {
		w.now += 1000;
		w.listens[0] = n % 2;
		world_kernel_says(&w);
		assert_int_equal(world_state_of(&w, 0) == SLUICE_BACKEND_UP, n == 1 || n == 3);
	}
	assert_true(world_guarded(&w, "flapping"));
	world_stop(&w);
}

/* --- what was said too long ago --- */

static void an_old_answer_of_consul_takes_nobody_down(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, true, true);
	world_healthy(&w, 3);
	w.health[0] = w.health[1] = w.health[2] = FACTS_HEALTH_UNKNOWN;
	w.status[2] = FACTS_STATUS_CRITICAL;
	world_everybody_says(&w);
	/* the connection looks well, and nothing comes */
	for (int n = 0; n < 100; n++, world_pass(&w, 60000)) {
		world_marathon_says(&w);
		assert_state(&w, 0, UP);
		assert_state(&w, 1, UP);
		assert_state(&w, 2, DOWN); /* nor does it bring anybody back */
	}
	w.health[0] = FACTS_HEALTH_BAD; /* what is heard now does */
	w.health[2] = FACTS_HEALTH_GOOD;
	world_marathon_says(&w);
	assert_state(&w, 0, DOWN);
	assert_state(&w, 1, UP);
	assert_state(&w, 2, UP);
	world_stop(&w);
}

static void an_old_complaint_of_consul_is_no_proof_against_the_last(void **unused)
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
	w.health[0] = FACTS_HEALTH_UNKNOWN;
	w.service.all_down = CONFIG_ALL_DOWN_EMPTY;
	w.now += 180001;
	world_marathon_says(&w);
	assert_state(&w, 0, UP);
	assert_true(world_guarded(&w, "last-backend"));
	world_consul_says(&w); /* said again, it is one */
	assert_state(&w, 0, DOWN);
	world_stop(&w);
}

static void an_old_health_of_marathons_is_unknown(void **unused)
{
	struct world w;

	(void)unused;
	world_start_up(&w, 2);
	/* Consul called it well; what Marathon said before was worse, and is an hour old by now */
	w.registered[0] = w.registered[1] = false;
	w.neighbour = true;
	w.health[0] = FACTS_HEALTH_BAD;
	world_marathon_says(&w);
	assert_state(&w, 0, UP);
	world_source(&w, "marathon", false);
	w.now += 3600000;
	world_consul_says(&w);
	assert_state(&w, 0, UP);
	assert_true(world_guarded(&w, "health-expired"));
	world_source(&w, "marathon", true);
	world_marathon_says(&w);
	assert_state(&w, 0, DOWN);
	assert_false(world_guarded(&w, "health-expired"));
	world_stop(&w);
}

static void consul_alone_that_falls_silent_unnoticed(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, false, true);
	w.ours = false;
	world_healthy(&w, 3);
	w.status[2] = FACTS_STATUS_CRITICAL;
	world_everybody_says(&w);
	for (int n = 0; n < 100; n++, world_pass(&w, 60000)) {
		assert_int_equal(world_count_up(&w), 2);
		assert_state(&w, 2, DOWN);
	}
	world_stop(&w);
}

/* --- the bounds of the mass guard --- */

static void the_mass_guard_has_a_share_and_a_count(void **unused)
{
	static const struct {
		unsigned share, count;
		int missing;
		bool held;
	} rows[] = {
		{ 50, 2, 4, false }, { 50, 2, 5, true },   { 25, 2, 2, false }, { 25, 2, 3, true },
		{ 25, 4, 3, false }, { 100, 1, 7, false }, { 1, 1, 1, true },
	};

	(void)unused;
	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		struct world w;

		world_start(&w, true, true);
		w.config.guards.mass_share = rows[r].share;
		w.config.guards.mass_count = rows[r].count;
		world_healthy(&w, 8);
		world_everybody_says(&w);
		for (int i = 0; i < rows[r].missing; i++)
			w.listed[i] = false;
		world_marathon_says(&w);
		assert_int_equal(world_count_up(&w), rows[r].held ? 8 : 8 - rows[r].missing);
		assert_int_equal(world_guarded(&w, "mass-removal"), rows[r].held);
		world_stop(&w);
	}
}

/* --- an app that was deleted, and a process that did not notice --- */

static void say_gone(struct world *w)
{
	struct facts_app app = { .id = text_web };
	struct facts_marathon answer = { .gone = true, .app_count = 1, .apps = &app };

	assert_int_equal(model_marathon(w->model, &answer, w->now), 0);
	world_tick(w);
}

static void the_last_of_a_deleted_app_goes_in_the_end(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, true, true);
	world_healthy(&w, 1); /* it listens, and its own check passes, for ever */
	world_everybody_says(&w);
	w.app_missing = w.other_apps = true;
	for (int64_t begin = w.now; w.now - begin < DRAIN_MS; world_pass(&w, 5000)) {
		say_gone(&w);
		world_marathon_says(&w);
		world_consul_says(&w);
		assert_state(&w, 0, UP);
		assert_true(world_guarded(&w, "last-backend"));
		assert_true(!world_registration(&w, "t0") ||
			    !world_registration(&w, "t0")->gone_proved);
	}
	world_marathon_says(&w);
	assert_int_equal(world_count_up(&w), 0);
	assert_true(world_registration(&w, "t0")->gone_proved);
	world_stop(&w);
}

static void a_marathon_that_lost_everything_deletes_nothing(void **unused)
{
	struct world w;

	(void)unused;
	world_start_up(&w, 1);
	w.app_missing = true; /* another folder in ZooKeeper: no app at all, and 404 for each */
	for (int i = 0; i < 1000; i++, world_pass(&w, 5000)) {
		say_gone(&w);
		world_marathon_says(&w);
		world_consul_says(&w);
		assert_state(&w, 0, UP);
	}
	world_stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flapping_backend_is_held_longer_each_time),
		cmocka_unit_test(a_held_backend_that_flaps_on_stays_out),
		cmocka_unit_test(a_long_rest_forgets_the_flaps),
		cmocka_unit_test(the_last_is_not_held_for_flapping),
		cmocka_unit_test(no_more_than_a_share_is_held_for_flapping),
		cmocka_unit_test(flap_hold_0_holds_nobody),
		cmocka_unit_test(the_veto_is_damped_as_well),
		cmocka_unit_test(an_old_answer_of_consul_takes_nobody_down),
		cmocka_unit_test(an_old_complaint_of_consul_is_no_proof_against_the_last),
		cmocka_unit_test(an_old_health_of_marathons_is_unknown),
		cmocka_unit_test(consul_alone_that_falls_silent_unnoticed),
		cmocka_unit_test(the_mass_guard_has_a_share_and_a_count),
		cmocka_unit_test(the_last_of_a_deleted_app_goes_in_the_end),
		cmocka_unit_test(a_marathon_that_lost_everything_deletes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
