/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The open-loop client's histogram: what is read back is never too small and at most 1/128 too large, whatever the size of the value.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "histogram.h"

static struct histogram *new_histogram(void)
{
	struct histogram *histogram = malloc(sizeof(*histogram));

	assert_non_null(histogram);
	histogram_init(histogram);
	return histogram;
}

static void nothing_added_is_nothing_read(void **unused)
{
	struct histogram *histogram = new_histogram();

	(void)unused;
	assert_int_equal(histogram_percentile(histogram, 0.5), 0);
	assert_int_equal(histogram_percentile(histogram, 1), 0);
	assert_int_equal(histogram_above(histogram, 0), 0);
	assert_true(histogram_mean(histogram) == 0.0);
	free(histogram);
}

/* Values around every power of two, where buckets change their width. */
static void a_value_is_read_back_within_its_bucket(void **unused)
{
	struct histogram *histogram = new_histogram();

	(void)unused;
	for (unsigned bit = 0; bit < 41; bit++)
		for (int off = -1; off <= 1; off++) {
			const uint64_t value = ((uint64_t)1 << bit) + (uint64_t)(int64_t)off;
			uint64_t read;

			histogram_init(histogram);
			histogram_add(histogram, value);
			histogram_add(histogram,
				      value << 1 | 1); /* so that max is not what is read */
			read = histogram_percentile(histogram, 0.5);
			assert_true(read >= value);
			assert_true(read - value <= value / 128);
		}
	free(histogram);
}

static void percentiles_of_a_known_set(void **unused)
{
	struct histogram *histogram = new_histogram();

	(void)unused;
	for (uint64_t i = 1; i <= 1000; i++)
		histogram_add(histogram, i * 1000);
	assert_in_range(histogram_percentile(histogram, 0.5), 500000, 500000 + 500000 / 128);
	assert_in_range(histogram_percentile(histogram, 0.99), 990000, 990000 + 990000 / 128);
	assert_int_equal(histogram_percentile(histogram, 1), 1000000);
	assert_int_equal(histogram_percentile(histogram, 0),
			 1000 + 3); /* the first value's bucket ends there */
	assert_int_equal(histogram->min_ns, 1000);
	assert_true(histogram_mean(histogram) == 500500.0);
	free(histogram);
}

static void above_counts_only_what_is_certainly_above(void **unused)
{
	struct histogram *histogram = new_histogram();

	(void)unused;
	for (uint64_t i = 0; i < 100; i++)
		histogram_add(histogram, 100);
	histogram_add(histogram, 101);
	histogram_add(histogram, 5000000);
	assert_int_equal(histogram_above(histogram, 100), 2);
	assert_int_equal(histogram_above(histogram, 1000000), 1);
	assert_int_equal(histogram_above(histogram, 5000000), 0);
	free(histogram);
}

static void out_of_range_goes_into_the_last_bucket(void **unused)
{
	struct histogram *histogram = new_histogram();

	(void)unused;
	histogram_add(histogram, UINT64_MAX);
	histogram_add(histogram, (uint64_t)1 << 60);
	assert_int_equal(histogram->counts[HISTOGRAM_BUCKETS - 1], 2);
	assert_true(histogram_percentile(histogram, 0.5) == UINT64_MAX);
	free(histogram);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_added_is_nothing_read),
		cmocka_unit_test(a_value_is_read_back_within_its_bucket),
		cmocka_unit_test(percentiles_of_a_known_set),
		cmocka_unit_test(above_counts_only_what_is_certainly_above),
		cmocka_unit_test(out_of_range_goes_into_the_last_bucket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
