/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Want of memory in a daemon that runs (faults/running.c), against registries that answer. A sample of the allocations;
 * LONG=1 build/tests/unit/test_faults_running is the whole, RIG_LOG=1 shows what the daemon logs. Needs no root.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "faults/plays.h"

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plays_running), cmocka_unit_test(plays_called),
		cmocka_unit_test(plays_agent),	 cmocka_unit_test(plays_asked),
		cmocka_unit_test(plays_reload),
	};

	if (getenv("ONLY"))
		cmocka_set_test_filter(getenv("ONLY"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
