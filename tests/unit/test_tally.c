/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counts whose mistakes end by themselves, against a plain list of what was counted: in force for as long as the time-out at
 * least, gone after 4/3 of it and a little, wherever the clock stands, its wrap included.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>

#include <sluice/tally.h>

static const uint32_t timeouts[] = { 100, 1000, 18750, 75000, 1800000, 7200000, 86400000 };

#define TIMEOUTS (sizeof(timeouts) / sizeof(timeouts[0]))

static void periods_cover_the_timeout(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < TIMEOUTS; i++) {
		const uint32_t periods = sluice_tally_periods(timeouts[i]);
		const uint64_t length = (1ull << 32) / periods;

		assert_true(periods >= SLUICE_TALLY_FEWEST);
		assert_int_equal(periods % SLUICE_TALLY_PARTS, 0);
		assert_true(3 * length >= timeouts[i]);
		assert_true(4 * (length + 1) <= timeouts[i] + timeouts[i] / 2 + 16);
	}
}

/* One that nobody takes back, from many places of the clock. */
static void what_is_left_over_goes(void **unused)
{
	(void)unused;
	srand(1);
	for (unsigned n = 0; n < 20000; n++) {
		const uint32_t timeout = timeouts[n % TIMEOUTS];
		const uint32_t periods = sluice_tally_periods(timeout);
		const uint32_t length = (uint32_t)((1ull << 32) / periods) + 1;
		const uint32_t start = n < 1000 ? (uint32_t)-n * (length / 300 + 1)
						: (uint32_t)rand() * 2u + (uint32_t)rand() % 2;
		struct sluice_tally tally = { .period = (uint32_t)rand() % periods };

		sluice_tally_advance(&tally, start - 2 * length, periods);
		sluice_tally_add(&tally, start, start, periods, 1);
		assert_int_equal(sluice_tally_sum(&tally, start, periods), 1);
		assert_int_equal(sluice_tally_sum(&tally, start + timeout, periods), 1);
		assert_int_equal(sluice_tally_sum(&tally, start + 4 * length, periods), 0);
		/* the same when something is counted meanwhile, which drops it for good */
		sluice_tally_add(&tally, start + timeout, start + timeout, periods, 1);
		assert_int_equal(sluice_tally_sum(&tally, start + timeout, periods), 2);
		sluice_tally_add(&tally, start + 4 * length, start + 4 * length, periods, 1);
		assert_int_equal(sluice_tally_sum(&tally, start + 4 * length, periods), 2);
		sluice_tally_add(&tally, start, start + 4 * length, periods, -1); /* too late */
		assert_int_equal(sluice_tally_sum(&tally, start + 4 * length, periods), 2);
		assert_int_equal(sluice_tally_sum(&tally, start + 8 * length, periods), 0);
	}
}

/* Flows come, speak and go at random: the sum is that of a list. */
static void as_a_list(void **unused)
{
	enum { FLOWS = 50 };
	const uint32_t timeout = 18750, periods = sluice_tally_periods(timeout);
	struct sluice_tally tally = { .period = 0 };
	uint32_t stamp[FLOWS], now = (uint32_t)-2000000;
	bool lives[FLOWS] = { false };

	(void)unused;
	srand(2);
	sluice_tally_reset(&tally, now, periods);
	for (unsigned n = 0; n < 200000; n++) {
		const unsigned i = (unsigned)rand() % FLOWS;
		int least = 0, most = 0;

		now += (uint32_t)rand() % 400;
		if (lives[i])
			sluice_tally_add(&tally, stamp[i], now, periods, -1);
		lives[i] = !lives[i] || rand() % 2;
		if (lives[i]) {
			sluice_tally_add(&tally, now, now, periods, 1);
			stamp[i] = now;
		}
		for (unsigned k = 0; k < FLOWS; k++) {
			least += lives[k] && now - stamp[k] <= timeout;
			most += lives[k] && now - stamp[k] <= timeout + timeout / 2;
		}
		assert_true(sluice_tally_sum(&tally, now, periods) >= least);
		assert_true(sluice_tally_sum(&tally, now, periods) <= most);
	}
}

/* A CPU that is a tick behind counts into the same parts, and drops nothing. */
static void a_clock_that_is_behind(void **unused)
{
	const uint32_t periods = sluice_tally_periods(18750);
	const uint32_t edge = (uint32_t)(((5ull << 32) + periods - 1) / periods);
	struct sluice_tally tally;

	(void)unused;
	assert_int_equal(sluice_tally_period(edge - 1, periods), 4);
	assert_int_equal(sluice_tally_period(edge, periods), 5);
	sluice_tally_reset(&tally, edge - 1, periods);
	sluice_tally_add(&tally, edge, edge, periods, 1);
	sluice_tally_add(&tally, edge - 1, edge - 1, periods, 1);
	assert_int_equal(sluice_tally_sum(&tally, edge - 1, periods), 2);
	assert_int_equal(sluice_tally_sum(&tally, edge, periods), 2);
	sluice_tally_add(&tally, edge, edge - 1, periods, -1);
	assert_int_equal(sluice_tally_sum(&tally, edge, periods), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(periods_cover_the_timeout),
		cmocka_unit_test(what_is_left_over_goes),
		cmocka_unit_test(as_a_list),
		cmocka_unit_test(a_clock_that_is_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
