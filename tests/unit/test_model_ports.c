/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who owns a host-port when two tasks or services claim it, and that no answer about names alone takes it from the one
 * behind which somebody listens.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "model_world.h"
#include "registrar.h"

/* Two tasks that both run on one host-port, in the order in which Marathon lists them: who has it? */
static void two_on_one_port(int64_t first, int64_t second, const char *owner, const char *other)
{
	char ids[2][8] = { "a", "b" };
	struct facts_task tasks[2] = {
		{ .id = ids[0], .started_ms = first },
		{ .id = ids[1], .started_ms = second },
	};
	struct facts_app app = { .id = text_web, .task_count = 2, .tasks = tasks };
	struct facts_marathon answer = { .full = true, .app_count = 1, .apps = &app };
	struct world w;

	for (int i = 0; i < 2; i++) {
		tasks[i].host = text_name;
		tasks[i].state = FACTS_TASK_RUNNING;
		tasks[i].health = FACTS_HEALTH_GOOD;
		tasks[i].port_count = 1;
		tasks[i].ports[0] = FIRST;
	}
	world_start(&w, true, false);
	assert_int_equal(model_marathon(w.model, &answer, w.now), 0);
	world_tick(&w);
	assert_non_null(world_find(&w, owner));
	assert_int_equal(world_find(&w, owner)->state, SLUICE_BACKEND_UP);
	assert_null(world_find(&w, other));
	assert_true(world_guarded(&w, "port-taken"));
	world_stop(&w);
}

/* The older one has ended and Marathon does not know it yet: its port was given away. */
static void the_newer_task_owns_the_port(void **unused)
{
	(void)unused;
	two_on_one_port(1000, 2000, "b", "a");
	two_on_one_port(2000, 1000, "a", "b");
}

/* --- answers that would take ports away --- */

/* Marathon's answer: these tasks of the app, in that state, each with its port. */
static void marathon_lists(struct world *w, const char *const *ids, const uint16_t *ports, size_t n,
			   enum facts_task_state state, enum facts_health health)
{
	struct facts_task tasks[2 * PORTS] = { 0 };
	struct facts_app app = { .id = text_web, .task_count = n, .tasks = tasks };
	struct facts_marathon answer = { .full = true, .app_count = 1, .apps = &app };
	char id[2 * PORTS][8];

	for (size_t i = 0; i < n; i++) {
		snprintf(id[i], sizeof(id[i]), "%s", ids[i]);
		tasks[i] = (struct facts_task){ .id = id[i],
						.host = text_name,
						.state = state,
						.health = health,
						.started_ms = 1700000000000 + (int64_t)i,
						.port_count = 1,
						.ports = { ports[i] } };
	}
	assert_int_equal(model_marathon(w->model, &answer, w->now), 0);
	world_tick(w);
}

static void still_there(struct world *w)
{
	assert_int_equal(world_count_up(w), 3);
	for (int i = 0; i < 3; i++) {
		assert_state(w, i, UP);
		assert_int_equal(world_find(w, world_task_id(w, i))->port, FIRST + i);
	}
}

/* Host-ports are for life: one answer with others, whosever they are, moves no traffic away from where somebody listens. */
static void a_task_keeps_the_port_behind_which_somebody_listens(void **unused)
{
	static const char *const ids[] = { "t0", "t1", "t2" };
	static const uint16_t wrong[][3] = { { 31500, 31501, 31502 },
					     { FIRST, FIRST, FIRST },
					     { FIRST + 2, FIRST, FIRST + 1 } };
	struct world w;

	(void)unused;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		world_start_up(&w, 3);
		marathon_lists(&w, ids, wrong[i], 3, FACTS_TASK_RUNNING, FACTS_HEALTH_GOOD);
		still_there(&w);
		world_pass(&w, 5000);
		world_consul_says(&w);
		world_kernel_says(&w);
		still_there(&w);
		world_stop(&w);
	}
	/* nobody has ever listened there: the first answer was wrong, and this one may be right */
	world_start(&w, true, false);
	world_healthy(&w, 1);
	w.listens[0] = false;
	world_everybody_says(&w);
	marathon_lists(&w, ids, wrong[0], 1, FACTS_TASK_RUNNING, FACTS_HEALTH_GOOD);
	assert_int_equal(world_find(&w, "t0")->port, 31500);
	world_stop(&w);
}

/* New names on all ports, beside the old ones or instead of them, of which nothing is known but that: no pool goes empty for it. */
static void new_names_alone_take_no_port(void **unused)
{
	static const char *const ids[] = { "n0", "n1", "n2", "t0", "t1", "t2" };
	static const uint16_t ports[] = { FIRST, FIRST + 1, FIRST + 2, FIRST, FIRST + 1, FIRST + 2 };
	struct world w;

	(void)unused;
	for (int starting = 0; starting < 2; starting++) {
		world_start_up(&w, 3);
		for (int i = 0; i < 30; i++, world_pass(&w, 1000)) {
			marathon_lists(&w, ids, ports, 6,
				       starting ? FACTS_TASK_STARTING : FACTS_TASK_RUNNING,
				       FACTS_HEALTH_UNKNOWN);
			world_consul_says(&w);
			world_kernel_says(&w);
			still_there(&w);
			assert_true(world_guarded(&w, "port-taken"));
		}
		world_stop(&w);
	}
	/* the old ones are gone from the answer: the guards of removal hold them, as without the new names */
	world_start_up(&w, 3);
	for (int i = 0; i < 4; i++, world_pass(&w, 1000)) {
		marathon_lists(&w, ids, ports, 3, FACTS_TASK_STARTING, FACTS_HEALTH_UNKNOWN);
		world_kernel_says(&w);
		still_there(&w);
	}
	/* their listeners end: so it was true, and the ports are the new ones' */
	world_forget(w.listens);
	world_kernel_says(&w);
	world_pass(&w, 1000);
	assert_null(world_find(&w, "t0"));
	assert_non_null(world_find(&w, "n0"));
	world_stop(&w);
}

/* One of several is really replaced, so quickly that nobody saw the listener end: it has its port with the next tick. */
static void a_replacement_waits_for_no_more_than_a_tick(void **unused)
{
	static const char *const ids[] = { "n0", "t1", "t2" };
	static const uint16_t ports[] = { FIRST, FIRST + 1, FIRST + 2 };
	struct world w;

	(void)unused;
	world_start_up(&w, 3);
	w.status[0] = FACTS_STATUS_NONE;
	marathon_lists(&w, ids, ports, 3, FACTS_TASK_RUNNING, FACTS_HEALTH_UNKNOWN);
	world_tick(&w);
	assert_null(world_find(&w, "t0"));
	assert_int_equal(world_find(&w, "n0")->state, SLUICE_BACKEND_WAITING);
	assert_int_equal(world_count_up(&w), 2);
	world_stop(&w);
}

/* Consul alone: a registrar that starts anew writes new ids for old ports, with checks that have not run. */
static void other_ids_whose_checks_have_not_run_take_no_port(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, false, true);
	w.ours = false;
	world_healthy(&w, 3);
	world_everybody_says(&w);
	assert_int_equal(world_count_up(&w), 3);
	w.generation = 1;
	w.unchecked = true;
	for (int i = 0; i < 3; i++)
		w.status[i] = FACTS_STATUS_NONE;
	for (int i = 0; i < 3; i++, world_pass(&w, 1000)) {
		world_everybody_says(&w);
		assert_int_equal(world_count_up(&w), 3);
	}
	for (int i = 0; i < 3; i++)
		w.status[i] = FACTS_STATUS_PASSING;
	world_everybody_says(&w);
	world_tick(&w);
	assert_int_equal(world_count_up(&w), 3);
	assert_state(&w, 0, UP); /* under its new name */
	world_stop(&w);
}

/* --- two services of Consul alone --- */

static void a_stale_complaint_does_not_own_a_port(void **unused)
{
	char live[] = "live", stale[] = "stale", other[] = "other";
	struct config_service services[2];
	struct facts_entry entries[2];
	struct world w;

	(void)unused;
	world_start(&w, false, true);
	world_two_services(&w, services);
	services[1].consul_service = other;
	entries[0] = world_foreign(stale, 31000, FACTS_STATUS_CRITICAL);
	entries[0].service = other;
	entries[1] = world_foreign(live, 31000, FACTS_STATUS_PASSING);
	world_say(&w, entries + 1, 1); /* met first, so the stale one is the younger */
	world_say(&w, entries, 2);
	assert_int_equal(w.wanted->backend_count, 1);
	assert_string_equal(w.wanted->backend[0].task, "live");
	assert_int_equal(world_count_up(&w), 1);
	world_stop(&w);
	/* where no check decides, what the maps hold stays the owner */
	world_start(&w, false, true);
	world_two_services(&w, services);
	services[1].consul_service = other;
	world_adopt(&w, "live", 31000, SLUICE_BACKEND_UP, "consul");
	entries[0].status = FACTS_STATUS_PASSING;
	world_say(&w, entries, 2);
	assert_int_equal(w.wanted->backend_count, 1);
	assert_string_equal(w.wanted->backend[0].task, "live");
	world_stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_newer_task_owns_the_port),
		cmocka_unit_test(a_task_keeps_the_port_behind_which_somebody_listens),
		cmocka_unit_test(new_names_alone_take_no_port),
		cmocka_unit_test(a_replacement_waits_for_no_more_than_a_tick),
		cmocka_unit_test(other_ids_whose_checks_have_not_run_take_no_port),
		cmocka_unit_test(a_stale_complaint_does_not_own_a_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
