/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Between the modules and the maps, as far as it goes without the kernel's maps: what cannot be read changes nothing that
 * was known.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "actual.h"
#include "model_world.h"
#include "reconcile.h"

/* A drained backend would get connections again for as long as the map cannot be read. */
static void overrides_that_cannot_be_read_stay(void **unused)
{
	static struct reconcile reconcile = { .maps.override_fd = -1, .lock_fd = -1 };
	static const struct sluice_override drain = { .drain = 1 };
	static struct sluice_backend backends[SLUICE_MAX_BACKENDS + 1];
	struct actual actual = { .backend = backends };
	struct world w;

	(void)unused;
	world_start_up(&w, 3);
	assert_state(&w, 0, UP);
	world_override(&w, 0, &drain);
	world_tick(&w);
	assert_state(&w, 0, DRAINING);
	reconcile.model = w.model;
	assert_true(reconcile_overrides(&reconcile, &actual) < 0);
	world_tick(&w);
	assert_state(&w, 0, DRAINING);
	assert_int_equal(world_count_up(&w), 2);
	world_stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(overrides_that_cannot_be_read_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
