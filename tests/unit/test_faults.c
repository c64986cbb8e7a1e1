/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Want of memory, everywhere: each allocation of the daemon's main paths is refused in turn
 * (faults/). Where a play makes more than a thousand a sample is taken; LONG=1
 * build/tests/unit/test_faults is the whole. Needs no root.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "faults/plays.h"

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plays_config),	   cmocka_unit_test(plays_marathon),
		cmocka_unit_test(plays_sieve),	   cmocka_unit_test(plays_events),
		cmocka_unit_test(plays_consul),	   cmocka_unit_test(plays_model),
		cmocka_unit_test(plays_publish),   cmocka_unit_test(plays_registrations),
		cmocka_unit_test(plays_questions), cmocka_unit_test(plays_http),
		cmocka_unit_test(plays_timers),	   cmocka_unit_test(plays_start),
		cmocka_unit_test(plays_held),	   cmocka_unit_test(plays_callback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
