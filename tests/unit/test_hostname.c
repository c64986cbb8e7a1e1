/* SPDX-License-Identifier: GPL-2.0-only */
/* A name that the resolver knows is answered once; freeing does not wait for a question under way. */
#include <event2/event.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hostname.h"

struct answer {
	struct event_base *base;
	struct hostname *hostname;
	int count;
};

static bool answered(void *ctx)
{
	struct answer *answer = ctx;

	answer->count++;
	hostname_free(answer->hostname);
	answer->hostname = NULL;
	event_base_loopbreak(answer->base);
	return true;
}

static void a_known_name_is_answered(void **unused)
{
	const struct timeval limit = { .tv_sec = 60 };
	struct answer answer = { .base = event_base_new() };

	(void)unused;
	assert_non_null(answer.base);
	answer.hostname = hostname_new(answer.base, "127.0.0.1", answered, &answer);
	assert_non_null(answer.hostname);
	event_base_loopexit(answer.base, &limit);
	event_base_dispatch(answer.base);
	assert_int_equal(answer.count, 1);
	event_base_free(answer.base);
}

static bool not_enough(void *ctx)
{
	struct answer *answer = ctx;

	answer->count++;
	event_base_loopbreak(answer->base);
	return false;
}

/* One who cannot use the answer is asked again; the question is still there to be freed. */
static void an_answer_may_not_be_enough(void **unused)
{
	const struct timeval limit = { .tv_sec = 60 };
	struct answer answer = { .base = event_base_new() };

	(void)unused;
	assert_non_null(answer.base);
	answer.hostname = hostname_new(answer.base, "127.0.0.1", not_enough, &answer);
	assert_non_null(answer.hostname);
	event_base_loopexit(answer.base, &limit);
	event_base_dispatch(answer.base);
	assert_int_equal(answer.count, 1);
	assert_true(event_base_get_num_events(answer.base, EVENT_BASE_COUNT_ADDED) >= 2);
	hostname_free(answer.hostname);
	event_base_free(answer.base);
}

static void freeing_waits_for_nobody(void **unused)
{
	struct answer answer = { .base = event_base_new() };

	(void)unused;
	assert_non_null(answer.base);
	answer.hostname = hostname_new(answer.base, "127.0.0.1", answered, &answer);
	assert_non_null(answer.hostname);
	event_base_loop(answer.base, EVLOOP_ONCE); /* the question is out */
	if (answer.hostname)
		hostname_free(answer.hostname);
	event_base_loop(answer.base, EVLOOP_NONBLOCK);
	assert_true(answer.count <= 1);
	event_base_free(answer.base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_known_name_is_answered),
		cmocka_unit_test(an_answer_may_not_be_enough),
		cmocka_unit_test(freeing_waits_for_nobody),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
