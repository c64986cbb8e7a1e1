/* SPDX-License-Identifier: GPL-2.0-only */
/* The configured masters: which addresses are among them, moving on, and the pace and pauses. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backoff.h"
#include "masters.h"
#include "pace.h"

static char first[] = "http://m1.example.com:8080/", second[] = "https://M2.example.com",
	    third[] = "http://10.0.0.3";

static struct config config = {
	.marathon_url = { first, second, third },
	.marathon_url_count = 3,
};

static void switching(void **state)
{
	static const struct {
		const char *url;
		int to; /* -1: refused */
	} rows[] = {
		{ "https://m2.example.com:443/v2/events?event_type=x", 1 },
		{ "HTTP://10.0.0.3:80", 2 },
		{ "http://m1.example.com:8080", -1 }, /* it is the current one */
		{ "http://m2.example.com", -1 },      /* another scheme and port */
		{ "https://m2.example.com:8443", -1 },
		{ "http://evil.example.com:8080", -1 },
		{ "http://m1.example.com:8080@evil.example.com/", -1 },
		{ "//10.0.0.3/", -1 },
		{ "/v2/events", -1 },
		{ "10.0.0.3", -1 },
		{ "", -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct masters masters;

		assert_int_equal(masters_init(&masters, &config), 0);
		if (masters_switch(&masters, rows[i].url) != (rows[i].to >= 0))
			fail_msg("%s", rows[i].url);
		assert_int_equal(masters.current, rows[i].to >= 0 ? rows[i].to : 0);
		masters_release(&masters);
	}
}

static void rotating(void **state)
{
	struct masters masters;

	(void)state;
	assert_int_equal(masters_init(&masters, &config), 0);
	assert_string_equal(masters_current(&masters), "http://m1.example.com:8080");
	masters_rotate(&masters, 0);
	masters_rotate(&masters, 0); /* a second failure of the same one */
	assert_int_equal(masters.current, 1);
	masters_rotate(&masters, 1);
	masters_rotate(&masters, 2);
	assert_int_equal(masters.current, 0);
	masters_release(&masters);
	masters_release(&masters);
}

static void requests(void **state)
{
	struct http_request request = {};
	struct masters masters;
	char url[64];

	(void)state;
	assert_int_equal(masters_init(&masters, &config), 0);
	assert_int_equal(masters_request(&masters, "/v2/apps", url, sizeof(url), &request), 0);
	assert_string_equal(request.url, "http://m1.example.com:8080/v2/apps");
	assert_int_equal(masters_request(&masters, "/v2/apps", url, 20, &request), -ENAMETOOLONG);
	masters_release(&masters);
}

static void bad_url(void **state)
{
	static char bad[] = "http://[broken";
	struct config other = { .marathon_url = { first, bad }, .marathon_url_count = 2 };
	struct masters masters;

	(void)state;
	assert_int_equal(masters_init(&masters, &other), -EINVAL);
	masters_release(&masters);
}

static void pace(void **state)
{
	struct pace pace = { .interval_ms = 100, .burst = 3 };

	(void)state;
	assert_true(pace_try(&pace, 1000));
	assert_true(pace_try(&pace, 1000));
	assert_true(pace_try(&pace, 1000));
	assert_false(pace_try(&pace, 1000));
	assert_int_equal(pace_wait_ms(&pace, 1000), 100);
	assert_false(pace_try(&pace, 1099));
	assert_true(pace_try(&pace, 1100));
	assert_false(pace_try(&pace, 1100));
	/* after a rest no more than the burst */
	for (int i = 0; i < 3; i++)
		assert_true(pace_try(&pace, 100000));
	assert_false(pace_try(&pace, 100000));
}

static void backoff(void **state)
{
	(void)state;
	for (int round = 0; round < 1000; round++) {
		struct backoff waits = {};
		uint32_t step = BACKOFF_MIN_MS;

		for (int i = 0; i < 12; i++) {
			uint32_t wait = backoff_next_ms(&waits);

			assert_true(wait >= step / 2 && wait <= step);
			step = step * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : step * 2;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(switching), cmocka_unit_test(rotating), cmocka_unit_test(requests),
		cmocka_unit_test(bad_url),   cmocka_unit_test(pace),	 cmocka_unit_test(backoff),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
