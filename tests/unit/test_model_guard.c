/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What must hold when a source is wrong, partly wrong or away, and what must not be held for ever; and the model over a
 * reload. The model's ordinary ways are test_model.c's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "model_world.h"
#include "registrar.h"

/* The world's service, and a second one beside it. */
static void two_services(struct world *w, struct config_service services[2])
{
	services[0] = services[1] = w->service;
	snprintf(services[1].name, sizeof(services[1].name), "%s", "www");
	services[1].port = 8080;
	w->config.service = services;
	w->config.service_count = 2;
	assert_int_equal(model_configure(w->model, &w->config), 0);
}

static void reload_forgets_the_last_results(void **unused)
{
	struct config_service services[2], other;
	struct world w;

	(void)unused;
	world_start_up(&w, 1);
	two_services(&w, services);
	world_everybody_says(&w);
	assert_true(world_guarded(&w, "port-taken"));
	other = services[0];
	snprintf(other.name, sizeof(other.name), "%s", "other");
	other.port = 81;
	w.config.service = &other;
	w.config.service_count = 1;
	assert_int_equal(model_configure(w.model, &w.config), 0);
	assert_false(world_guarded(&w, "port-taken")); /* what it named is freed */
	world_stop(&w);
}

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

/* --- the first set --- */

static const struct model_guard *guard_of(const struct world *w, const char *name)
{
	const struct model_guard *guards;
	size_t count = model_guards(w->model, &guards);

	for (size_t i = 0; i < count; i++)
		if (!strcmp(guards[i].guard, name))
			return &guards[i];
	return NULL;
}

static void waits_for(const struct world *w, const char *word, int64_t since_ms)
{
	const struct model_guard *guard = guard_of(w, "first-set");

	assert_non_null(guard);
	assert_string_equal(guard->service, "web");
	assert_string_equal(guard->task, "");
	assert_int_equal(guard->port, 0);
	assert_non_null(strstr(guard->text, word));
	assert_int_equal(guard->since_ms, since_ms);
}

static void a_first_set_that_waits_is_told(void **unused)
{
	struct world w;
	int64_t since;

	(void)unused;
	world_start(&w, true, true);
	model_names_known(w.model, false);
	world_tick(&w);
	since = w.now;
	waits_for(&w, "names of this host", since);
	model_names_known(w.model, true);
	world_pass(&w, 1000);
	waits_for(&w, "Marathon has not answered", since);
	w.app_missing = true;
	world_marathon_says(&w);
	waits_for(&w, "no registry has named it", since);
	w.app_missing = false;
	world_marathon_says(&w);
	waits_for(&w, "Consul has not answered", since);
	assert_false(w.wanted->service[0].synced);
	world_consul_says(&w);
	assert_true(w.wanted->service[0].synced);
	assert_null(guard_of(&w, "first-set"));
	world_stop(&w);
	/* Consul alone, and a backend that waits for its first check: why tells of it too */
	world_start(&w, false, true);
	world_tick(&w);
	waits_for(&w, "Consul has not answered", w.now);
	world_stop(&w);
}

static void a_registration_that_waits_is_told(void **unused)
{
	struct registrar_told told = { .task = "t0", .checks_unrun = 2, .waits = true };
	struct model_unrun unrun;
	struct world w;
	int64_t since;

	(void)unused;
	world_start_up(&w, 2);
	assert_null(guard_of(&w, "registration-waits"));
	since = w.now;
	model_registrar_told(w.model, &told, w.now);
	world_pass(&w, 1000);
	model_registrar_told(w.model, &told, w.now);
	world_pass(&w, 1000);
	assert_non_null(guard_of(&w, "registration-waits"));
	assert_string_equal(guard_of(&w, "registration-waits")->task, "t0");
	assert_int_equal(guard_of(&w, "registration-waits")->port, FIRST);
	assert_int_equal(guard_of(&w, "registration-waits")->since_ms, since);
	assert_state(&w, 0, UP); /* it changes nothing else */
	assert_true(model_unrun_checks(w.model, 0, &unrun));
	assert_string_equal(unrun.service, "web");
	assert_int_equal(unrun.tasks, 1);
	assert_int_equal(unrun.checks, 2);
	assert_false(model_unrun_checks(w.model, 1, &unrun));
	told.waits = false;
	told.checks_unrun = 0;
	model_registrar_told(w.model, &told, w.now);
	world_tick(&w);
	assert_null(guard_of(&w, "registration-waits"));
	assert_true(model_unrun_checks(w.model, 0, &unrun));
	assert_int_equal(unrun.tasks, 0);
	world_stop(&w);
}

static void absence_alone_makes_no_first_set(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, true, true);
	w.app_missing = true;
	for (int i = 0; i < 60; i++, world_pass(&w, 1000))
		world_everybody_says(&w);
	assert_false(w.wanted->service[0].synced);
	w.app_missing = false; /* Marathon knows the app, and says that nothing runs here */
	world_marathon_says(&w);
	assert_true(w.wanted->service[0].synced);
	world_stop(&w);
	world_start(&w, false, true);
	w.ours = false;
	for (int i = 0; i < 60; i++, world_pass(&w, 1000))
		world_consul_says(&w);
	assert_false(w.wanted->service[0].synced);
	world_healthy(&w, 1);
	w.status[0] = FACTS_STATUS_CRITICAL;
	world_consul_says(&w);
	assert_true(w.wanted->service[0].synced);
	world_stop(&w);
}

static void no_empty_first_set_without_a_name(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, true, false);
	model_names_known(w.model, false); /* the resolver does not answer yet */
	world_healthy(&w, 2);
	w.host = "slave-1.not-known-yet.example.com";
	for (int i = 0; i < 60; i++, world_pass(&w, 1000))
		world_marathon_says(&w);
	assert_false(w.wanted->service[0].synced);
	model_names_known(w.model, true);
	world_tick(&w);
	assert_true(w.wanted->service[0].synced);
	world_stop(&w);
}

static void no_empty_first_set_without_an_address(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, false, true);
	w.ours = false;
	world_healthy(&w, 2);
	assert_int_equal(model_addresses(w.model, NULL, 0), 0); /* the network is not up yet */
	world_everybody_says(&w);
	assert_false(w.wanted->service[0].synced);
	assert_int_equal(model_addresses(w.model, (const char *const[]){ text_address }, 1), 0);
	world_pass(&w, 1000); /* what was said before was judged without it */
	assert_false(w.wanted->service[0].synced);
	world_consul_says(&w);
	assert_true(w.wanted->service[0].synced);
	assert_int_equal(world_count_up(&w), 2);
	world_stop(&w);
}

/* --- one app in two services --- */

static void a_copy_that_serves_keeps_the_registration(void **unused)
{
	struct config_service services[2];
	struct world w;

	(void)unused;
	world_start(&w, true, true);
	two_services(&w, services);
	world_healthy(&w, 2);
	world_everybody_says(&w);
	assert_int_equal(world_count_up(&w), 2);
	w.app_missing = true;
	for (int i = 0; i < 100; i++, world_pass(&w, 2000)) {
		world_marathon_says(&w);
		assert_int_equal(world_count_up(&w), 2);
		assert_true(!world_registration(&w, "t0") ||
			    !world_registration(&w, "t0")->gone_proved);
	}
	world_stop(&w);
}

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

/* --- one answer that takes most of a service away --- */

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

/* --- who owns a port, who is what after a restart --- */

static void a_stale_complaint_does_not_own_a_port(void **unused)
{
	char live[] = "live", stale[] = "stale", other[] = "other";
	struct config_service services[2];
	struct facts_entry entries[2];
	struct world w;

	(void)unused;
	world_start(&w, false, true);
	two_services(&w, services);
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
	two_services(&w, services);
	services[1].consul_service = other;
	world_adopt(&w, "live", 31000, SLUICE_BACKEND_UP, "consul");
	entries[0].status = FACTS_STATUS_PASSING;
	world_say(&w, entries, 2);
	assert_int_equal(w.wanted->backend_count, 1);
	assert_string_equal(w.wanted->backend[0].task, "live");
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

static void a_check_that_has_not_run_is_waited_for(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, false, true);
	w.ours = false;
	world_healthy(&w, 1);
	w.status[0] = FACTS_STATUS_NONE;
	w.unchecked = true;
	world_everybody_says(&w);
	assert_state(&w, 0, WAITING);
	w.status[0] = FACTS_STATUS_PASSING;
	world_consul_says(&w);
	assert_state(&w, 0, UP);
	w.status[0] = FACTS_STATUS_NONE; /* registered anew: it was good a moment ago */
	world_consul_says(&w);
	assert_state(&w, 0, UP);
	world_stop(&w);
}

/* --- a service under another name --- */

static void a_renamed_service_keeps_its_backends(void **unused)
{
	struct config_service services[2], renamed;
	struct world w;

	(void)unused;
	for (int carried = 0; carried < 2; carried++) {
		world_start(&w, true, true);
		world_healthy(&w, 2);
		w.health[0] = w.health[1] =
			FACTS_HEALTH_UNKNOWN; /* Consul's word is all there is */
		world_everybody_says(&w);
		two_services(&w, services);
		services[1].port = services[0].port;
		if (carried) { /* attach has not been run yet: the old name still serves */
			world_everybody_says(&w);
			assert_int_equal(w.wanted->backend[0].service, 0);
		}
		renamed = services[1];
		w.config.service = &renamed;
		w.config.service_count = 1;
		assert_int_equal(model_configure(w.model, &w.config), 0);
		world_source(&w, "consul", false); /* a reload makes all sources anew */
		world_source(&w, "marathon", false);
		world_tick(&w);
		assert_int_equal(world_count_up(&w), 2);
		assert_true(w.wanted->service[0].synced);
		world_stop(&w);
	}
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hint_takes_no_last_backend_that_warns),
		cmocka_unit_test(reload_forgets_the_last_results),
		cmocka_unit_test(the_newer_task_owns_the_port),
		cmocka_unit_test(a_task_keeps_the_port_behind_which_somebody_listens),
		cmocka_unit_test(new_names_alone_take_no_port),
		cmocka_unit_test(a_replacement_waits_for_no_more_than_a_tick),
		cmocka_unit_test(other_ids_whose_checks_have_not_run_take_no_port),
		cmocka_unit_test(a_first_set_that_waits_is_told),
		cmocka_unit_test(a_registration_that_waits_is_told),
		cmocka_unit_test(absence_alone_makes_no_first_set),
		cmocka_unit_test(no_empty_first_set_without_a_name),
		cmocka_unit_test(no_empty_first_set_without_an_address),
		cmocka_unit_test(a_copy_that_serves_keeps_the_registration),
		cmocka_unit_test(listeners_that_vanish_together_are_held),
		cmocka_unit_test(one_lost_listener_goes_alone),
		cmocka_unit_test(lost_listeners_without_a_good_check_go),
		cmocka_unit_test(checks_outlive_an_empty_answer),
		cmocka_unit_test(maintenance_outlives_silence),
		cmocka_unit_test(kept_checks_are_no_proof_against_the_last),
		cmocka_unit_test(mass_removal_needs_a_second_answer),
		cmocka_unit_test(mass_removal_that_was_an_error),
		cmocka_unit_test(tasks_that_marathon_names_are_not_missing),
		cmocka_unit_test(consul_alone_removes_most_only_when_it_says_so_twice),
		cmocka_unit_test(last_one_that_marathon_misses_goes_in_the_end),
		cmocka_unit_test(an_answer_without_the_app_starts_anew),
		cmocka_unit_test(a_stale_complaint_does_not_own_a_port),
		cmocka_unit_test(a_killed_task_stays_so_over_a_restart),
		cmocka_unit_test(a_check_that_has_not_run_is_waited_for),
		cmocka_unit_test(a_renamed_service_keeps_its_backends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
