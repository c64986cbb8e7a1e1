/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Want of memory, everywhere: each allocation of the daemon's main paths is refused in turn
 * (faults/). `make test` takes a sample; LONG=1 build/tests/unit/test_faults is the whole. Needs no
 * root.
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
		cmocka_unit_test(plays_questions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
