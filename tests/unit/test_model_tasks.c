/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tasks that run and are not, or not yet, to be backends: readiness checks of a deployment, and tasks without a host-port.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "model_world.h"

static void a_task_that_is_not_ready_is_waited_for(void **unused)
{
	struct world w;

	(void)unused;
	world_start_up(&w, 1);
	world_healthy(&w, 2); /* Consul passes it already */
	w.readiness[1] = FACTS_READINESS_PENDING;
	world_everybody_says(&w);
	assert_state(&w, 1, WAITING);
	assert_non_null(strstr(world_find(&w, "t1")->reason, "readiness"));
	assert_true(model_wants_answer(w.model)); /* no event tells when it is */
	w.readiness[1] = FACTS_READINESS_NOT;
	world_marathon_says(&w);
	assert_state(&w, 1, WAITING);
	w.readiness[1] = FACTS_READINESS_READY;
	world_marathon_says(&w);
	assert_state(&w, 1, UP);
	assert_false(model_wants_answer(w.model));
	world_stop(&w);
}

static void readiness_takes_nothing_away(void **unused)
{
	struct world w;

	(void)unused;
	world_start_up(&w, 3);
	for (int i = 0; i < 3; i++)
		w.readiness[i] = FACTS_READINESS_NOT; /* another election, another opinion */
	for (int i = 0; i < 10; i++, world_pass(&w, 60000)) {
		world_everybody_says(&w);
		assert_int_equal(world_count_up(&w), 3);
	}
	world_source(&w, "marathon", false);
	world_pass(&w, 1000);
	world_source(&w, "marathon", true);
	world_marathon_says(&w);
	assert_int_equal(world_count_up(&w), 3);
	world_stop(&w);
	/* over a restart of the daemon, too */
	world_start(&w, true, true);
	model_adopt_synced(w.model, "web");
	world_adopt(&w, "t0", 31000, SLUICE_BACKEND_UP, "consul");
	world_healthy(&w, 1);
	w.readiness[0] = FACTS_READINESS_NOT;
	world_everybody_says(&w);
	assert_state(&w, 0, UP);
	world_stop(&w);
}

static void nobody_else_serves_so_nothing_said_is_enough(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, true, true);
	world_healthy(&w, 1);
	w.readiness[0] = FACTS_READINESS_PENDING;
	world_everybody_says(&w);
	assert_state(&w, 0, UP);
	world_stop(&w);
}

static int told;

static void on_change(void *ctx, const struct model_change *change)
{
	(void)ctx;
	told += change->port == 0 && !strcmp(change->task, "t1") &&
		strstr(change->reason, "address of its own");
}

static void a_task_without_a_host_port_has_a_reason(void **unused)
{
	const struct model_problem *problem;
	struct world w;

	(void)unused;
	told = 0;
	world_start(&w, true, true);
	model_set_on_change(w.model, on_change, NULL);
	world_healthy(&w, 2);
	w.portless[1] = true;
	for (int i = 0; i < 3; i++)
		world_marathon_says(&w);
	assert_state(&w, 0, UP);
	assert_state(&w, 1, FREE);
	assert_int_equal(model_problems(w.model, &problem), 1);
	assert_string_equal(problem->service, "web");
	assert_string_equal(problem->task, "t1");
	assert_string_equal(problem->text, "the task has an address of its own only");
	assert_int_equal(told, 1);	       /* once, not with every answer */
	w.host = "somewhere.else.example.com"; /* other hosts' are not ours to tell of */
	world_marathon_says(&w);
	assert_int_equal(model_problems(w.model, &problem), 0);
	w.host = text_name;
	world_marathon_says(&w);
	assert_int_equal(model_problems(w.model, &problem), 1);
	w.listed[1] = false;
	world_marathon_says(&w);
	assert_int_equal(model_problems(w.model, &problem), 0);
	world_stop(&w);
}

static void only_so_many_tasks_without_a_port_are_kept(void **unused)
{
	static struct facts_task tasks[3 * MODEL_MAX_PROBLEMS];
	static char ids[3 * MODEL_MAX_PROBLEMS][24];
	struct facts_app app = { .id = text_web,
				 .task_count = 3 * MODEL_MAX_PROBLEMS,
				 .tasks = tasks };
	struct facts_marathon answer = { .full = true, .app_count = 1, .apps = &app };
	const struct model_problem *problem;
	struct world w;

	(void)unused;
	world_start(&w, true, true);
	for (size_t i = 0; i < app.task_count; i++) {
		snprintf(ids[i], sizeof(ids[i]), "p%zu", i);
		tasks[i] = (struct facts_task){ .id = ids[i],
						.host = text_name,
						.state = FACTS_TASK_RUNNING };
	}
	assert_int_equal(model_marathon(w.model, &answer, w.now), 0);
	assert_int_equal(model_problems(w.model, &problem), MODEL_MAX_PROBLEMS);
	assert_string_equal(problem->text, "the task has no port with index 0");
	assert_int_equal(model_configure(w.model, &w.config), 0); /* a reload keeps them */
	assert_int_equal(model_problems(w.model, &problem), MODEL_MAX_PROBLEMS);
	world_stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_task_that_is_not_ready_is_waited_for),
		cmocka_unit_test(readiness_takes_nothing_away),
		cmocka_unit_test(nobody_else_serves_so_nothing_said_is_enough),
		cmocka_unit_test(a_task_without_a_host_port_has_a_reason),
		cmocka_unit_test(only_so_many_tasks_without_a_port_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
