/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The HTTP client while the nameserver is silent: libcurl's resolver is a thread that cannot be
 * interrupted, and the event loop must not wait for it. What is asserted is not a time but that the
 * call is over while its resolver still waits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <event2/event.h>

#include "http.h"
#include "silence.h"

enum { WAITS = 1, JOINED = 2, NO_ANSWER = 3, NO_WORLD = 4 };

static void on_done(void *ctx, const struct http_answer *answer)
{
	int *result = ctx;

	*result = !answer->status && answer->error[0] && silence_threads() > 1 ? WAITS : JOINED;
}

/* A request that cannot be resolved; ends by its own time-out, or is cancelled after a moment. */
static int ask(bool cancel)
{
	struct event_base *base = event_base_new();
	struct http *http = base ? http_new(base) : NULL;
	int result = NO_ANSWER;
	struct http_request request = { .method = "GET",
					.url = "http://marathon.example.com:8080/v2/apps",
					.connect_ms = 200,
					.max_bytes = 1000,
					.ctx = &result,
					.done = on_done };
	struct http_call *call;

	if (cancel)
		request.connect_ms = 60000;
	call = http ? http_start(http, &request) : NULL;
	if (!call)
		return NO_WORLD;
	while (silence_threads() < 2)
		event_base_loop(base, EVLOOP_ONCE);
	if (cancel) {
		http_cancel(call);
		return silence_threads() > 1 ? WAITS : JOINED;
	}
	while (result == NO_ANSWER)
		event_base_loop(base, EVLOOP_ONCE);
	return result;
}

static int ask_until_time_out(int nameserver)
{
	(void)nameserver;
	return ask(false);
}

static int ask_and_cancel(int nameserver)
{
	(void)nameserver;
	return ask(true);
}

static void time_out_does_not_wait(void **state)
{
	(void)state;
	assert_int_equal(silence_play(ask_until_time_out), WAITS);
}

static void cancel_does_not_wait(void **state)
{
	(void)state;
	assert_int_equal(silence_play(ask_and_cancel), WAITS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(time_out_does_not_wait),
		cmocka_unit_test(cancel_does_not_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
