/* SPDX-License-Identifier: GPL-2.0-only */
/* How often a source is asked for a confirming answer, and that a call under way is left alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ask.h"

static void seldom_and_more_seldom(void **unused)
{
	struct facts_source source = { .used = true, .answers = true };
	struct ask ask = { 0 };
	int64_t last = 0, gap = 0;
	int asked = 0;

	(void)unused;
	assert_false(ask_now(&ask, true, &source, 1000));
	for (int64_t now = 1000; now < 301000; now += 100) {
		source.last_good_ms = now; /* every answer comes at once */
		if (!ask_now(&ask, true, &source, now))
			continue;
		assert_true(!asked || now - last >= ASK_MIN_MS);
		assert_true(now - last >= gap || now - last >= ASK_MAX_MS);
		gap = asked ? now - last : 0;
		last = now;
		asked++;
	}
	assert_in_range(asked, 10, 15);
	assert_int_equal(gap, ASK_MAX_MS);
}

static void one_at_a_time(void **unused)
{
	struct facts_source source = { .used = true, .answers = true, .last_good_ms = 500 };
	struct ask ask = { 0 };

	(void)unused;
	assert_false(ask_now(&ask, true, &source, 1000));
	assert_true(ask_now(&ask, true, &source, 2000));
	for (int64_t now = 2000; now < 100000; now += 1000)
		assert_false(ask_now(&ask, true, &source, now)); /* no answer yet */
	source.last_good_ms = 99500;
	assert_true(ask_now(&ask, true, &source, 100000));
	/* nor is one asked that is away, or more often because the wish came and went */
	source.answers = false;
	source.last_good_ms = 100500;
	assert_false(ask_now(&ask, true, &source, 200000));
	source.answers = true;
	assert_true(ask_now(&ask, true, &source, 200000));
	source.last_good_ms = 200000;
	assert_false(ask_now(&ask, false, &source, 200001));
	assert_false(ask_now(&ask, true, &source, 200002));
	assert_false(ask_now(&ask, true, &source, 201002));
}

/* What one app's answer lost another app's does not bring. */
static void what_was_dropped_is_asked_for(void **unused)
{
	struct facts_source source = { .used = true, .answers = true, .last_good_ms = 1000 };
	struct ask ask = { 0 };

	(void)unused;
	ask_took(&ask, 0, 900);
	assert_false(ask_now(&ask, false, &source, 900));
	ask_took(&ask, -12, 1000);
	ask_took(&ask, 0, 1100);
	assert_false(ask_now(&ask, false, &source, 1200));
	assert_true(ask_now(&ask, false, &source, 2200));
	source.last_good_ms = 2300; /* dropped as well: ever more seldom */
	ask_took(&ask, -12, 2300);
	ask_took(&ask, 0, 2400);
	assert_true(ask_now(&ask, false, &source, 4200));
	source.last_good_ms = 4300;
	ask_took(&ask, -12, 4300);
	assert_false(ask_now(&ask, false, &source, 7200));
	assert_true(ask_now(&ask, false, &source, 8200));
	source.last_good_ms = 8300;
	ask_took(&ask, 0, 8300);
	assert_false(ask_now(&ask, false, &source, 60000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(seldom_and_more_seldom),
		cmocka_unit_test(one_at_a_time),
		cmocka_unit_test(what_was_dropped_is_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
