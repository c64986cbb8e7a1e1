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
	struct config_service services[2];
	struct world w;

	(void)unused;
	world_start(&w, true, true);
	world_healthy(&w, 1);
	world_everybody_says(&w);
	two_services(&w, services);
	world_everybody_says(&w);
	assert_true(world_guarded(&w, "port-taken"));
	w.config.service_count = 1;
	snprintf(services[0].name, sizeof(services[0].name), "%s", "other");
	services[0].port = 81;
	assert_int_equal(model_configure(w.model, &w.config), 0);
	assert_false(world_guarded(&w, "port-taken")); /* what it named is freed */
	world_stop(&w);
}

/* --- the first set --- */

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reload_forgets_the_last_results),
		cmocka_unit_test(absence_alone_makes_no_first_set),
		cmocka_unit_test(a_copy_that_serves_keeps_the_registration),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
