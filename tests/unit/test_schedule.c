/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The open-loop client's schedule: what becomes due does so whatever the caller was doing meanwhile, and waits in order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "schedule.h"

static void a_caller_that_was_away_finds_all_that_was_due(void **unused)
{
	struct schedule schedule;
	uint64_t lost = 0, intended;

	(void)unused;
	assert_int_equal(schedule_init(&schedule, 1000, 1000000000, false), 0);
	assert_true(schedule_advance(&schedule, 0, &lost));
	assert_int_equal(schedule.offered, 1);
	/* half a second of stall */
	assert_true(schedule_advance(&schedule, 500000000, &lost));
	assert_int_equal(schedule.offered, 501);
	for (uint64_t i = 0; i <= 500; i++) {
		assert_true(schedule_peek(&schedule, &intended));
		assert_int_equal(intended, i * 1000000);
		schedule_pop(&schedule);
	}
	assert_false(schedule_peek(&schedule, &intended));
	assert_int_equal(schedule_next_ns(&schedule), 501000000);
	schedule_release(&schedule);
}

static void nothing_is_due_after_the_end(void **unused)
{
	struct schedule schedule;
	uint64_t lost = 0;

	(void)unused;
	assert_int_equal(schedule_init(&schedule, 100, 1000000000, false), 0);
	schedule_advance(&schedule, 5000000000, &lost);
	assert_int_equal(schedule.offered, 100);
	assert_true(schedule_next_ns(&schedule) == UINT64_MAX);
	schedule_release(&schedule);
}

static void random_gaps_keep_the_rate_and_repeat(void **unused)
{
	struct schedule one, two;
	uint64_t lost = 0, a, b, last = 0;
	unsigned longer = 0;

	(void)unused;
	assert_int_equal(schedule_init(&one, 1000, 100000000000, true), 0);
	assert_int_equal(schedule_init(&two, 1000, 100000000000, true), 0);
	schedule_advance(&one, 100000000000, &lost);
	schedule_advance(&two, 100000000000, &lost);
	assert_in_range(one.offered, 99000, 101000); /* 100,000, give or take three deviations */
	assert_int_equal(one.offered, two.offered);
	while (schedule_peek(&one, &a) && schedule_peek(&two, &b)) {
		assert_int_equal(a, b);
		longer += a - last > 1000000;
		last = a;
		schedule_pop(&one);
		schedule_pop(&two);
	}
	/* an exponential gap is longer than its mean with probability 1/e */
	assert_in_range(longer, 36000, 37600);
	schedule_release(&one);
	schedule_release(&two);
}

static void what_does_not_fit_is_counted(void **unused)
{
	struct schedule schedule;
	uint64_t lost = 0;

	(void)unused;
	assert_int_equal(schedule_init(&schedule, 1e7, 1000000000, false), 0);
	assert_false(schedule_advance(&schedule, 1000000000, &lost));
	assert_int_equal(schedule.offered, 10000000);
	assert_int_equal(lost + schedule.count, 10000000);
	schedule_release(&schedule);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_caller_that_was_away_finds_all_that_was_due),
		cmocka_unit_test(nothing_is_due_after_the_end),
		cmocka_unit_test(random_gaps_keep_the_rate_and_repeat),
		cmocka_unit_test(what_does_not_fit_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
