/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the model wants registered: with which checks, and when a registration may go.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "model_world.h"
#include "registrar.h"

static char v1[] = "2020-01-01T00:00:00.000Z", v2[] = "2020-02-01T00:00:00.000Z",
	    v3[] = "2020-03-01T00:00:00.000Z", ping[] = "/ping", healthz[] = "/healthz";

static const char *path_of(struct world *w, const char *task)
{
	const struct registrar_entry *entry = world_registration(w, task);

	return entry && entry->check_count ? entry->checks[0].path : "";
}

static void old_tasks_keep_their_checks(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, true, true);
	world_healthy(&w, 2);
	w.check = (struct facts_check){ .path = ping };
	w.app_version = w.version[0] = w.version[1] = v1;
	world_everybody_says(&w);
	assert_string_equal(path_of(&w, "t0"), "/ping");
	/* a deployment changes the check: t2 is the first task of the new version */
	world_healthy(&w, 3);
	w.check.path = healthz;
	w.app_version = w.version[2] = v2;
	world_everybody_says(&w);
	assert_string_equal(path_of(&w, "t0"), "/ping");
	assert_string_equal(path_of(&w, "t1"), "/ping");
	assert_string_equal(path_of(&w, "t2"), "/healthz");
	world_stop(&w);
}

static void tasks_without_a_version_keep_their_checks(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, true, true);
	world_healthy(&w, 1);
	w.check = (struct facts_check){ .path = ping };
	world_everybody_says(&w);
	w.check.path = healthz;
	world_everybody_says(&w);
	assert_string_equal(path_of(&w, "t0"), "/ping");
	world_stop(&w);
}

static void unknown_checks_leave_what_consul_holds(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, true, true);
	world_adopt(&w, "t0", 31000, SLUICE_BACKEND_UP, "consul");
	world_adopt(&w, "t1", 31001, SLUICE_BACKEND_UP, "consul");
	world_healthy(&w, 2);
	w.check = (struct facts_check){ .path = healthz };
	w.version[0] = v1;
	w.app_version = w.version[1] = v2;
	world_marathon_says(&w);
	assert_null(world_registration(&w, "t0")); /* what Consul holds is not known yet */
	assert_string_equal(path_of(&w, "t1"), "/healthz");
	world_consul_says(&w);
	assert_null(world_registration(&w, "t0"));
	w.registered[0] = false; /* its agent has lost it */
	world_consul_says(&w);
	assert_string_equal(path_of(&w, "t0"), "/healthz");
	world_stop(&w);
}

/* After a restart: nothing is remembered, but scaling has not changed the checks. */
static void a_scaled_app_has_the_checks_it_had(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, true, true);
	world_adopt(&w, "t0", 31000, SLUICE_BACKEND_UP, "consul");
	world_adopt(&w, "t1", 31001, SLUICE_BACKEND_UP, "consul");
	world_healthy(&w, 2);
	w.check = (struct facts_check){ .path = healthz };
	w.version[0] = v1;
	w.version[1] = w.config_version = v2;
	w.app_version = v3;
	world_everybody_says(&w);
	assert_null(world_registration(&w, "t0"));
	assert_string_equal(path_of(&w, "t1"), "/healthz");
	world_stop(&w);
}

/* The kernel and Marathon say what is set of t1, and it has no connections left. */
static void frees_its_slot(struct world *w)
{
	world_kernel_says(w);
	world_marathon_says(w);
	w->now += 1;
	world_flows(w, 1, 0, w->now);
	world_tick(w);
	assert_state(w, 1, FREE);
}

/*
 * A short answer's absence and the kernel's word free the slot at once; the registration waits for
 * a second answer, which is asked for.
 */
static void an_entry_whose_task_has_left_is_not_left_standing(void **unused)
{
	struct world w;

	(void)unused;
	world_start_up(&w, 2);
	w.listed[1] = w.listens[1] = false;
	frees_its_slot(&w);
	assert_true(!world_registration(&w, "t1") || !world_registration(&w, "t1")->gone_proved);
	assert_true(model_wants_answer(w.model));
	world_pass(&w, MODEL_SECOND_MS);
	world_consul_says(&w); /* an answer of Consul's, which lists it, proves nothing */
	assert_true(model_wants_answer(w.model));
	world_marathon_says(&w);
	assert_true(world_registration(&w, "t1")->gone_proved);
	assert_false(model_wants_answer(w.model)); /* what is left is the agent's to answer */
	w.registered[1] = false;
	world_consul_says(&w);
	assert_null(world_registration(&w, "t1"));
	assert_false(model_wants_answer(w.model));
	world_stop(&w);
}

/*
 * Nothing is asked for where nothing waits for the answer: no registrations of ours, or Marathon
 * has named the end.
 */
static void what_waits_for_no_answer_asks_for_none(void **unused)
{
	struct world w;

	(void)unused;
	for (int how = 0; how < 3; how++) {
		world_start(&w, true, true);
		world_healthy(&w, 2);
		w.config.consul_register = how != 0;
		w.ours = how != 1;
		world_everybody_says(&w);
		w.listens[1] = false;
		if (how == 2)
			w.state[1] = FACTS_TASK_GONE;
		else
			w.listed[1] = false;
		frees_its_slot(&w);
		assert_false(model_wants_answer(w.model));
		world_stop(&w);
	}
}

/* The stray of a service that the file has no longer, as Consul lists it. */
static struct facts_entry stray(char *task, char *id, char *app, char *consul_service)
{
	struct facts_entry entry = world_foreign(id, 31500, FACTS_STATUS_PASSING);

	entry.service = consul_service;
	entry.ours = entry.marked = true;
	entry.task = task;
	entry.app = app;
	entry.boot_id = text_boot;
	return entry;
}

static bool is_removed(struct world *w, const char *task)
{
	const struct registrar_entry *entry = world_registration(w, task);

	return entry && entry->gone_proved;
}

/*
 * What was registered for a service goes when the file and the packet path both have it no longer,
 * and for no other reason.
 */
static void a_service_is_taken_out(void **unused)
{
	static char task[] = "api.1", id[] = "sluice:api.1:0", app[] = "/api", api[] = "api",
		    other[] = "other boot";
	struct facts_entry entry = stray(task, id, app, api);
	struct config_service services[2];
	struct world w;

	(void)unused;
	world_start_up(&w, 1);
	world_say(&w, &entry, 1);
	assert_false(is_removed(&w, task)); /* the packet path may still have it */
	model_services_agree(w.model, true);
	assert_true(is_removed(&w, task));
	services[0] = w.service;
	services[1] = w.service;
	snprintf(services[1].name, sizeof(services[1].name), "%s", api);
	services[1].port = 8080;
	services[1].marathon_app = app;
	services[1].consul_service = api;
	w.config.service = services;
	w.config.service_count = 2;
	assert_int_equal(model_configure(w.model, &w.config), 0);
	world_tick(&w);
	assert_false(is_removed(&w, task)); /* it is back */
	services[1].marathon_app = text_empty;
	assert_false(is_removed(&w, task)); /* or Consul alone tells its tasks by now */
	w.config.service_count = 1;
	assert_int_equal(model_configure(w.model, &w.config), 0);
	world_tick(&w);
	assert_true(is_removed(&w, task));
	entry.marked = false; /* another daemon's on this host */
	world_say(&w, &entry, 1);
	assert_false(is_removed(&w, task));
	entry.marked = true;
	entry.boot_id = other; /* the registrar knows what a ghost is */
	world_say(&w, &entry, 1);
	assert_false(is_removed(&w, task));
	world_say(&w, &entry, 0);
	assert_null(world_registration(&w, task));
	world_stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(old_tasks_keep_their_checks),
		cmocka_unit_test(tasks_without_a_version_keep_their_checks),
		cmocka_unit_test(unknown_checks_leave_what_consul_holds),
		cmocka_unit_test(a_scaled_app_has_the_checks_it_had),
		cmocka_unit_test(an_entry_whose_task_has_left_is_not_left_standing),
		cmocka_unit_test(what_waits_for_no_answer_asks_for_none),
		cmocka_unit_test(a_service_is_taken_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
