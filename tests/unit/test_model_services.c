/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One app in two services, and services that a reload takes away or renames.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "model_world.h"
#include "registrar.h"

static void reload_forgets_the_last_results(void **unused)
{
	struct config_service services[2], other;
	struct world w;

	(void)unused;
	world_start_up(&w, 1);
	world_two_services(&w, services);
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
		world_two_services(&w, services);
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

static void a_copy_that_serves_keeps_the_registration(void **unused)
{
	struct config_service services[2];
	struct world w;

	(void)unused;
	world_start(&w, true, true);
	world_two_services(&w, services);
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
		cmocka_unit_test(a_renamed_service_keeps_its_backends),
		cmocka_unit_test(a_copy_that_serves_keeps_the_registration),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
