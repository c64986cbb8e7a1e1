/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests that must fail, so that tests/run can prove that it notices: one that passes, one that fails, one that
 * is skipped; with the argument "crash" one that passes and one whose memory error only a sanitizer sees.
 * It tests nothing of Sluice.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void passes(void **state)
{
	(void)state;
	assert_true(1);
}

static void fails(void **state)
{
	(void)state;
	assert_int_equal(1, 2);
}

static void skips(void **state)
{
	(void)state;
	skip();
}

static void reads_past_the_end(void **state)
{
	volatile size_t end = 16;
	char *block = calloc(1, 16);

	(void)state;
	assert_non_null(block);
	assert_int_not_equal(block[end], 256);
	free(block);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest plain[] = {
		cmocka_unit_test(passes),
		cmocka_unit_test(fails),
		cmocka_unit_test(skips),
	};
	static const struct CMUnitTest crash[] = {
		cmocka_unit_test(passes),
		cmocka_unit_test(reads_past_the_end),
	};

	if (argc > 1 && strcmp(argv[1], "crash") == 0)
		return cmocka_run_group_tests(crash, NULL, NULL);
	return cmocka_run_group_tests(plain, NULL, NULL);
}
