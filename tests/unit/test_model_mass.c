/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One answer that takes most of a service away: how much that is, what confirms it, and what is left when there were only two.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model_world.h"
#include "registrar.h"

static void mass_removal_needs_a_second_answer(void **unused)
{
	struct world w;

	(void)unused;
	world_start_up(&w, 4);
	w.listed[1] = w.listed[2] = w.listed[3] = false;
	world_marathon_says(&w);
	assert_int_equal(world_count_up(&w), 4);
	assert_true(world_guarded(&w, "mass-removal"));
	assert_true(model_wants_answer(w.model));
	w.now += 4999;
	world_marathon_says(&w);
	assert_int_equal(world_count_up(&w), 4);
	assert_null(world_registration(&w, "t1")); /* nor deregistered */
	w.listens[1] = false; /* the kernel says so of one; the others are still held */
	world_kernel_says(&w);
	assert_int_equal(world_count_up(&w), 3);
	w.status[2] = FACTS_STATUS_CRITICAL; /* its own check does of another */
	world_consul_says(&w);
	assert_int_equal(world_count_up(&w), 2);
	assert_state(&w, 3, UP);
	w.now += 1;
	world_marathon_says(&w);
	assert_state(&w, 3, DRAINING);
	assert_int_equal(world_count_up(&w), 1);
	world_stop(&w);
}

static void mass_removal_that_was_an_error(void **unused)
{
	struct world w;

	(void)unused;
	world_start_up(&w, 4);
	w.listed[1] = w.listed[2] = w.listed[3] = false;
	world_marathon_says(&w);
	world_healthy(&w, 4);
	w.now += 6000;
	world_marathon_says(&w);
	assert_int_equal(world_count_up(&w), 4);
	assert_false(world_guarded(&w, "mass-removal"));
	world_stop(&w);
}

static void tasks_that_marathon_names_are_not_missing(void **unused)
{
	struct world w;

	(void)unused;
	world_start_up(&w, 4);
	w.state[1] = FACTS_TASK_GONE;
	w.state[2] = w.state[3] = FACTS_TASK_KILLING;
	world_marathon_says(&w);
	assert_int_equal(world_count_up(&w), 1);
	w.listed[1] = w.listed[2] = w.listed[3] = false;
	world_marathon_says(&w);
	w.now += MODEL_SECOND_MS;
	world_marathon_says(&w);
	assert_true(world_registration(&w, "t1")->gone_proved);
	assert_true(world_registration(&w, "t2")->gone_proved);
	world_stop(&w);
}

static void consul_alone_removes_most_only_when_it_says_so_twice(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, false, true);
	w.ours = false;
	world_healthy(&w, 4);
	world_everybody_says(&w);
	w.registered[1] = w.registered[2] = w.registered[3] = false;
	world_consul_says(&w);
	assert_int_equal(world_count_up(&w), 4);
	w.now += 5000;
	world_consul_says(&w);
	assert_int_equal(world_count_up(&w), 1);
	world_stop(&w);
}

/* Nobody in any answer for longer than the confirmation takes, and then one of them. */
static void one_comes_back(struct world *w, bool *what, void (*says)(struct world *))
{
	world_everybody_says(w);
	assert_int_equal(world_count_up(w), 4);
	world_forget(what);
	for (int i = 0; i < 30; i++, world_pass(w, 1000)) {
		says(w);
		assert_int_equal(world_count_up(w), 4);
	}
	what[0] = true;
	says(w);
	assert_int_equal(world_count_up(w), 4);
	assert_true(world_guarded(w, "mass-removal"));
	w->now += 4999;
	says(w);
	assert_int_equal(world_count_up(w), 4);
	w->now += 1;
	says(w);
	assert_int_equal(world_count_up(w), 1);
	assert_state(w, 0, UP);
	world_stop(w);
}

/* An agent that was wiped, or whose token reads nothing, and then fills up again one by one. */
static void empty_answers_confirm_no_absence(void **unused)
{
	struct world w;

	(void)unused;
	for (int seen = 0; seen < 2; seen++) {
		world_start(&w, false, true);
		w.ours = false;
		world_healthy(&w, 4);
		if (!seen) /* where addresses are translated the kernel knows no listener */
			world_forget(w.listens);
		one_comes_back(&w, w.registered, world_consul_says);
		world_start(&w, true, false);
		world_healthy(&w, 4);
		if (!seen)
			world_forget(w.listens);
		one_comes_back(&w, w.listed, world_marathon_says);
	}
}

/* Now there are others, now nobody: neither confirms the other, and what empty answers confirm is the last backend's guard's. */
static void answers_that_come_and_go_confirm_nothing(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, false, true);
	w.ours = false;
	world_healthy(&w, 4);
	world_everybody_says(&w);
	for (int i = 0; i < 20; i++, world_pass(&w, 3000)) {
		w.registered[1] = w.registered[2] = w.registered[3] = false;
		w.registered[0] = i % 2;
		world_consul_says(&w);
		assert_int_equal(world_count_up(&w), 4);
	}
	world_forget(w.registered);
	for (int i = 0; i < 20; i++, world_pass(&w, 1000)) {
		world_consul_says(&w);
		assert_int_equal(world_count_up(&w), 4);
	}
	assert_true(world_guarded(&w, "last-backend"));
	assert_false(world_guarded(&w, "mass-removal"));
	world_stop(&w);
}

static void mass_removal_where_the_kernel_knows_no_listener(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, true, true);
	world_healthy(&w, 4);
	world_forget(w.listens);
	world_everybody_says(&w);
	assert_int_equal(world_count_up(&w), 4);
	w.listed[1] = w.listed[2] = w.listed[3] = false;
	world_marathon_says(&w);
	assert_int_equal(world_count_up(&w), 4);
	assert_true(world_guarded(&w, "mass-removal"));
	assert_true(model_wants_answer(w.model));
	w.now += 5000; /* an ordinary scale-down that nobody has told of: the next answer */
	world_marathon_says(&w);
	assert_int_equal(world_count_up(&w), 1);
	world_stop(&w);
	/* one that events tell of: what is being killed is not missing */
	world_start(&w, true, true);
	world_healthy(&w, 4);
	world_forget(w.listens);
	world_everybody_says(&w);
	w.state[1] = w.state[2] = w.state[3] = FACTS_TASK_KILLING;
	world_marathon_says(&w);
	assert_int_equal(world_count_up(&w), 1);
	w.listed[1] = w.listed[2] = w.listed[3] = false;
	world_marathon_says(&w);
	assert_int_equal(world_count_up(&w), 1);
	world_stop(&w);
}

/* Which of two are in Marathon's next answer. */
static void marathon_lists(struct world *w, bool first, bool second)
{
	w->listed[0] = first;
	w->listed[1] = second;
	world_marathon_says(w);
}

/* Of two, one is no mass: half is not more than half, and mass_count asks for two. Both are. */
static void a_service_of_two(void **unused)
{
	struct world w;

	(void)unused;
	world_start_up(&w, 2);
	marathon_lists(&w, true, false);
	assert_state(&w, 0, UP);
	assert_state(&w, 1, DRAINING);
	assert_false(world_guarded(&w, "mass-removal"));
	w.now += 1000; /* the other one in the next answer: it is the last */
	marathon_lists(&w, false, false);
	assert_state(&w, 0, UP);
	assert_true(world_guarded(&w, "last-backend"));
	world_stop(&w);

	world_start_up(&w, 2);
	marathon_lists(&w, false, false);
	assert_int_equal(world_count_up(&w), 2);
	assert_true(world_guarded(&w, "mass-removal"));
	w.now += 5000; /* nobody is left, so it is the last backend's guard's, which holds both */
	marathon_lists(&w, false, false);
	assert_int_equal(world_count_up(&w), 2);
	assert_false(world_guarded(&w, "mass-removal"));
	assert_true(world_guarded(&w, "last-backend"));
	w.now += 1000; /* one is back: a registry that fills up again has the other with the next */
	marathon_lists(&w, true, false);
	assert_int_equal(world_count_up(&w), 2);
	assert_true(world_guarded(&w, "mass-removal"));
	assert_true(model_wants_answer(w.model));
	w.now += 4999;
	marathon_lists(&w, true, false);
	assert_int_equal(world_count_up(&w), 2);
	w.now += 1; /* if it has not, it is believed by now */
	marathon_lists(&w, true, false);
	assert_state(&w, 0, UP);
	assert_state(&w, 1, DRAINING);
	assert_false(model_wants_answer(w.model));
	w.now += 1000;
	marathon_lists(&w, true, true);
	assert_int_equal(world_count_up(&w), 2);
	w.now += 1000; /* what went with it is over: one of two is no mass again */
	marathon_lists(&w, true, false);
	assert_state(&w, 1, DRAINING);
	world_stop(&w);
}

/* The least that may be configured: one of two is held only if half is more than the share. */
static void one_of_two_may_be_called_a_mass(void **unused)
{
	struct world w;

	(void)unused;
	for (unsigned share = 49; share <= 50; share++) {
		world_start(&w, true, true);
		w.config.guards.mass_count = 1;
		w.config.guards.mass_share = share;
		world_healthy(&w, 2);
		world_everybody_says(&w);
		marathon_lists(&w, true, false);
		assert_int_equal(world_guarded(&w, "mass-removal"), share == 49);
		assert_int_equal(world_count_up(&w), share == 49 ? 2 : 1);
		w.now += 5000;
		marathon_lists(&w, true, false);
		assert_int_equal(world_count_up(&w), 1);
		world_stop(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mass_removal_needs_a_second_answer),
		cmocka_unit_test(mass_removal_that_was_an_error),
		cmocka_unit_test(tasks_that_marathon_names_are_not_missing),
		cmocka_unit_test(consul_alone_removes_most_only_when_it_says_so_twice),
		cmocka_unit_test(empty_answers_confirm_no_absence),
		cmocka_unit_test(answers_that_come_and_go_confirm_nothing),
		cmocka_unit_test(mass_removal_where_the_kernel_knows_no_listener),
		cmocka_unit_test(a_service_of_two),
		cmocka_unit_test(one_of_two_may_be_called_a_mass),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
