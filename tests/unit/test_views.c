/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The words of the contract that views give: scripts match on them, so each stands here a second time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include <sluice/flow_rules.h>

#include "attach.h"
#include "timeouts.h"
#include "views.h"

static void test_backend_states(void **state)
{
	(void)state;
	assert_string_equal(views_backend_state(SLUICE_BACKEND_WAITING), "waiting");
	assert_string_equal(views_backend_state(SLUICE_BACKEND_UP), "up");
	assert_string_equal(views_backend_state(SLUICE_BACKEND_DOWN), "down");
	assert_string_equal(views_backend_state(SLUICE_BACKEND_DRAINING), "draining");
	assert_string_equal(views_backend_state(SLUICE_BACKEND_GONE), "gone");
	assert_string_equal(views_backend_state(SLUICE_BACKEND_GONE + 1), "unknown");
}

static void test_flow_states(void **state)
{
	(void)state;
	assert_string_equal(views_flow_state(SLUICE_FLOW_HALF_OPEN), "half-open");
	assert_string_equal(views_flow_state(SLUICE_FLOW_ESTABLISHED), "established");
	assert_string_equal(views_flow_state(SLUICE_FLOW_CLOSING), "closing");
	assert_string_equal(views_flow_state(SLUICE_FLOW_CLOSED), "closed");
	assert_string_equal(views_flow_state(SLUICE_FLOW_CLOSED + 1), "unknown");
}

static void test_other_words(void **state)
{
	(void)state;
	assert_string_equal(views_balance(SLUICE_BALANCE_ROUNDROBIN), "roundrobin");
	assert_string_equal(views_balance(SLUICE_BALANCE_LEASTCONN), "leastconn");
	assert_string_equal(views_balance(SLUICE_BALANCE_RANDOM), "random");
	assert_string_equal(views_balance(SLUICE_BALANCE_SOURCE), "source");
	assert_string_equal(views_on_empty(SLUICE_EMPTY_RESET), "reset");
	assert_string_equal(views_on_empty(SLUICE_EMPTY_PASS), "pass");
	assert_string_equal(views_on_empty(SLUICE_EMPTY_DROP), "drop");
	assert_string_equal(attach_mode_name(SLUICE_MODE_NATIVE), "native");
	assert_string_equal(attach_mode_name(SLUICE_MODE_GENERIC), "generic");
	assert_string_equal(attach_mode_name(SLUICE_MODE_TC), "tc");
}

/* Each reason has a name of its own that can be a JSON key and a metric's label, and a meaning. */
static void test_reasons(void **state)
{
	enum sluice_reason reason, other;

	(void)state;
	assert_string_equal(views_reason_name(SLUICE_REASON_NEW), "new");
	assert_string_equal(views_reason_name(SLUICE_REASON_DENIED), "denied");
	assert_string_equal(views_reason_name(SLUICE_REASON_COUNT), "unknown");
	for (reason = 0; reason < SLUICE_REASON_COUNT; reason++) {
		const char *name = views_reason_name(reason);

		assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz_0123456789"),
				 strlen(name));
		assert_true(strlen(views_reason_help(reason)) > 5);
		for (other = 0; other < reason; other++)
			assert_string_not_equal(name, views_reason_name(other));
	}
}

/* The state of a flow follows from its table, its marks and the time. */
static void test_flow_state_rules(void **state)
{
	struct sluice_flow flow = { .client_rst = 0 };
	const __u32 hz = 250, now = 100; /* jiffies wrapped a moment ago */
	const struct timeouts in_ms = TIMEOUTS_DEFAULT;
	const struct sluice_timeouts timeouts = timeouts_in_jiffies(&in_ms, hz);

	(void)state;
	flow.picked = now;
	assert_int_equal(sluice_flow_state(&flow, now, &timeouts), SLUICE_FLOW_HALF_OPEN);
	flow.picked = now + 1; /* another CPU's clock was ahead: no great age */
	assert_int_equal(sluice_flow_state(&flow, now, &timeouts), SLUICE_FLOW_HALF_OPEN);
	flow.picked = now - 76 * hz;
	assert_int_equal(sluice_flow_state(&flow, now, &timeouts), SLUICE_FLOW_CLOSED);
	flow.done = 1;
	assert_int_equal(sluice_flow_state(&flow, now, &timeouts), SLUICE_FLOW_ESTABLISHED);
	flow.in_marks = SLUICE_IN_FIN;
	assert_int_equal(sluice_flow_state(&flow, now, &timeouts), SLUICE_FLOW_CLOSING);
	flow.out_marks = SLUICE_OUT_FIN | SLUICE_OUT_FIN_ACKED;
	assert_int_equal(sluice_flow_state(&flow, now, &timeouts), SLUICE_FLOW_CLOSING);
	flow.in_marks |= SLUICE_IN_FIN_ACKED;
	assert_int_equal(sluice_flow_state(&flow, now, &timeouts), SLUICE_FLOW_CLOSED);
	flow = (struct sluice_flow){ .done = 1, .out_marks = SLUICE_OUT_RST };
	assert_int_equal(sluice_flow_state(&flow, now, &timeouts), SLUICE_FLOW_CLOSED);
	/* one second ago, before the wrap */
	flow = (struct sluice_flow){ .done = 1, .client_rst = (now - hz) | 1 };
	assert_int_equal(sluice_flow_state(&flow, now, &timeouts), SLUICE_FLOW_ESTABLISHED);
	flow.client_rst = (now - 3 * hz) | 1;
	assert_int_equal(sluice_flow_state(&flow, now, &timeouts), SLUICE_FLOW_CLOSED);
}

/* Each state has a time of its own without a packet, up to ages that 31 bits do not hold. */
static void test_flow_expiry(void **state)
{
	const struct timeouts in_ms = {
		.half_open_ms = 1000, .idle_ms = 10000, .closing_ms = 4000, .closed_ms = 2000
	};
	const __u32 hz = 1000, now = 100;
	const struct sluice_timeouts timeouts = timeouts_in_jiffies(&in_ms, hz);
	const struct {
		struct sluice_flow flow;
		__u32 limit;
	} rows[] = {
		{ { .done = 1 }, 10000 },
		{ { .done = 1, .in_marks = SLUICE_IN_FIN }, 4000 },
		{ { .done = 1, .out_marks = SLUICE_OUT_FIN }, 4000 },
		{ { .done = 1, .out_marks = SLUICE_OUT_RST }, 2000 },
		{ { .done = 0, .picked = now - 1001 }, 2000 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sluice_flow flow = rows[i].flow;

		flow.touched = now - rows[i].limit;
		assert_false(sluice_flow_is_expired(&flow, now, &timeouts));
		flow.touched--;
		assert_true(sluice_flow_is_expired(&flow, now, &timeouts));
		flow.touched = now - 0x80000001;
		assert_true(sluice_flow_is_expired(&flow, now, &timeouts));
		flow.touched = now + 2;
		assert_false(sluice_flow_is_expired(&flow, now, &timeouts));
	}
	struct sluice_flow waiting = { .picked = now - 1000, .touched = now - 1000 };

	assert_false(sluice_flow_is_expired(&waiting, now, &timeouts));
	assert_int_equal(sluice_age(now, now + 1), 0);
	assert_int_equal(sluice_age(now, now), 0);
	assert_int_equal(sluice_age(now, now - 0xf0000000), 0xf0000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_backend_states),	 cmocka_unit_test(test_flow_states),
		cmocka_unit_test(test_other_words),	 cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_flow_state_rules), cmocka_unit_test(test_flow_expiry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
