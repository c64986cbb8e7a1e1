/* SPDX-License-Identifier: GPL-2.0-only */
/* Kernels with PREEMPT_RT are known by what uname(2) says, all others are let pass. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "realtime.h"

static void test_versions(void **state)
{
	(void)state;
	assert_true(realtime_is("#1 SMP PREEMPT_RT Debian 6.1.90-1 (2024-05-03)"));
	assert_true(realtime_is("#1 SMP PREEMPT_RT Debian 5.10.216-1 (2024-05-03)"));
	assert_true(realtime_is("#14~22.04.1-Ubuntu SMP PREEMPT_RT Mon Jan 1 00:00:00 UTC 2025"));
	assert_false(realtime_is("#1 SMP PREEMPT_DYNAMIC Debian 6.1.90-1 (2024-05-03)"));
	assert_false(realtime_is("#1 SMP PREEMPT Debian"));
	assert_false(realtime_is("#1 SMP Debian 5.10.216-1 (2024-05-03)"));
	assert_false(realtime_is(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_versions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
