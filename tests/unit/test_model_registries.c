/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A service that Consul alone told is told by Marathon from now on, or the other way round: the
 * same processes have other names then. Their backends go on, and their connections with them, as
 * long as nothing says that the process may be another one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "model_world.h"

static char web_a[] = "web-a", web_b[] = "web-b";

static void consul_tells(struct world *w)
{
	struct facts_entry entries[2] = { world_foreign(web_a, FIRST, FACTS_STATUS_PASSING),
					  world_foreign(web_b, FIRST + 1, FACTS_STATUS_PASSING) };

	world_say(w, entries, 2);
}

/* Read again, with both registries or with Consul alone. */
static void reload(struct world *w, bool marathon)
{
	w->config.marathon_used = marathon;
	assert_int_equal(model_configure(w->model, &w->config), 0);
	world_source(w, "consul", false);
	world_source(w, "consul", true);
	world_source(w, "marathon", marathon);
	world_tick(w);
}

/* Consul alone tells two, and somebody listens on both ports. */
static void begin(struct world *w)
{
	world_start(w, false, true);
	consul_tells(w);
	w->listens[0] = w->listens[1] = true;
	world_kernel_says(w);
	assert_int_equal(world_count_up(w), 2);
	w->now += 1000;
}

static void marathon_tells(struct world *w)
{
	world_healthy(w, 2);
	world_marathon_says(w);
}

static bool is_called(const struct world *w, const char *task, const char *formerly)
{
	const struct wanted_backend *b = world_find(w, task);

	return b && !strcmp(b->formerly ? b->formerly : "", formerly);
}

static void marathon_is_added(void **unused)
{
	struct world w;

	(void)unused;
	begin(&w);
	reload(&w, true);
	consul_tells(&w);
	marathon_tells(&w);
	assert_int_equal(w.wanted->backend_count, 2);
	assert_int_equal(world_count_up(&w), 2);
	assert_true(is_called(&w, "t0", "web-a") && is_called(&w, "t1", "web-b"));
	assert_string_equal(world_find(&w, "t0")->app, text_web);
	consul_tells(&w);
	marathon_tells(&w);
	assert_int_equal(world_count_up(&w), 2);
	assert_int_equal(w.wanted->backend_count, 2);
	assert_non_null(world_registration(&w, "t0"));
	/* and it ends like any task of Marathon's */
	w.state[0] = FACTS_TASK_KILLING;
	world_marathon_says(&w);
	assert_state(&w, 0, DRAINING);
	world_stop(&w);
}

static void marathon_is_taken_away(void **unused)
{
	struct world w;

	(void)unused;
	world_start_up(&w, 2);
	reload(&w, false);
	world_consul_says(&w);
	assert_int_equal(w.wanted->backend_count, 2);
	assert_true(is_called(&w, "sluice:t0:0", "t0") && is_called(&w, "sluice:t1:0", "t1"));
	assert_int_equal(world_count_up(&w), 2);
	reload(&w, true);
	world_everybody_says(&w);
	assert_true(is_called(&w, "t0", "sluice:t0:0"));
	assert_int_equal(w.wanted->backend_count, 2);
	world_stop(&w);
}

/* What the maps say of it, until the plan has written its new name. */
static void the_old_name_is_known_until_the_maps_have_the_new_one(void **unused)
{
	const struct model_identity old = { "web", web_a, 0, FIRST },
				    new = { "web", "t0", 0, FIRST },
				    elsewhere = { "web", web_a, 0, FIRST + 2 },
				    index = { "web", web_a, 1, FIRST };
	const struct sluice_override drain = { .drain = 1 };
	struct world w;

	(void)unused;
	begin(&w);
	reload(&w, true);
	marathon_tells(&w);
	model_override(w.model, &elsewhere, &drain);
	model_override(w.model, &index, &drain);
	world_tick(&w);
	assert_state(&w, 0, UP);
	model_override(w.model, &old, &drain);
	world_tick(&w);
	assert_state(&w, 0, DRAINING);
	assert_true(is_called(&w, "t0", "web-a"));
	/* a reload meanwhile finds the old name there, too */
	world_adopt(&w, web_a, FIRST, SLUICE_BACKEND_UP, "consul");
	world_tick(&w);
	assert_int_equal(w.wanted->backend_count, 2);
	model_flows(w.model, &new, 3, w.now);
	world_tick(&w);
	assert_state(&w, 0, DRAINING);
	assert_true(is_called(&w, "t0", ""));
	world_stop(&w);
}

/* Questions come between an answer and the tick. */
static void what_was_given_out_has_the_new_name(void **unused)
{
	const struct wanted *wanted;
	struct world w;

	(void)unused;
	begin(&w);
	reload(&w, true);
	world_healthy(&w, 2);
	{
		struct facts_task task = { .id = text_boot, /* any name */
					   .host = text_name,
					   .state = FACTS_TASK_RUNNING,
					   .port_count = 1,
					   .ports = { FIRST } };
		struct facts_app app = { .id = text_web, .task_count = 1, .tasks = &task };
		struct facts_marathon answer = { .full = true, .app_count = 1, .apps = &app };

		assert_int_equal(model_marathon(w.model, &answer, w.now), 0);
	}
	wanted = model_wanted(w.model);
	assert_int_equal(wanted->backend_count, 2);
	assert_string_equal(wanted->backend[0].task, text_boot);
	assert_string_equal(wanted->backend[0].app, text_web);
	assert_string_equal(wanted->backend[0].formerly, web_a);
	world_stop(&w);
}

static void assert_new_task(struct world *w)
{
	marathon_tells(w);
	assert_true(is_called(w, "t0", ""));
	assert_null(world_find(w, web_a));
	assert_true(is_called(w, "t1", "web-b"));
}

static void a_listener_that_ended_meanwhile_was_somebody_elses(void **unused)
{
	struct world w;

	(void)unused;
	begin(&w);
	w.listens[0] = false;
	world_kernel_says(&w);
	w.listens[0] = true;
	world_kernel_says(&w);
	reload(&w, true);
	assert_new_task(&w);
	world_stop(&w);
}

static void nobody_knows_what_was_while_the_kernel_was_silent(void **unused)
{
	struct world w;

	(void)unused;
	begin(&w);
	reload(&w, true);
	world_source(&w, "kernel", false);
	world_kernel_says(&w);
	marathon_tells(&w);
	assert_true(is_called(&w, "t0", "") && is_called(&w, "t1", ""));
	world_stop(&w);
}

/* Who was there while this daemon was not? The registry that knows it may say so first. */
static void one_that_was_adopted_must_have_been_named_again(void **unused)
{
	struct world w;

	(void)unused;
	for (int named = 0; named < 2; named++) {
		world_start(&w, false, true);
		world_adopt(&w, web_a, FIRST, SLUICE_BACKEND_UP, "consul");
		world_adopt(&w, web_b, FIRST + 1, SLUICE_BACKEND_UP, "consul");
		model_adopt_synced(w.model, "web");
		w.listens[0] = w.listens[1] = true;
		world_kernel_says(&w);
		if (named)
			consul_tells(&w);
		reload(&w, true);
		marathon_tells(&w);
		assert_true(is_called(&w, "t0", named ? "web-a" : ""));
		assert_true(is_called(&w, "t1", named ? "web-b" : ""));
		assert_int_equal(w.wanted->backend_count, 2);
		world_stop(&w);
	}
}

/*
 * Neither is one that starts the process that listens, nor one that was named as ended still the
 * old.
 */
static void one_that_starts_and_one_that_ended_are_not_the_same(void **unused)
{
	struct world w;

	(void)unused;
	begin(&w);
	reload(&w, true);
	world_healthy(&w, 2);
	w.state[0] = FACTS_TASK_STARTING;
	world_marathon_says(&w);
	assert_true(world_find(&w, web_a) && !world_find(&w, "t0"));
	assert_true(world_guarded(&w, "port-taken"));
	w.now += 1000;
	w.state[0] = FACTS_TASK_RUNNING;
	world_marathon_says(&w);
	assert_true(is_called(&w, "t0", ""));
	assert_null(world_find(&w, web_a));
	world_stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(marathon_is_added),
		cmocka_unit_test(marathon_is_taken_away),
		cmocka_unit_test(the_old_name_is_known_until_the_maps_have_the_new_one),
		cmocka_unit_test(what_was_given_out_has_the_new_name),
		cmocka_unit_test(a_listener_that_ended_meanwhile_was_somebody_elses),
		cmocka_unit_test(nobody_knows_what_was_while_the_kernel_was_silent),
		cmocka_unit_test(one_that_was_adopted_must_have_been_named_again),
		cmocka_unit_test(one_that_starts_and_one_that_ended_are_not_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
