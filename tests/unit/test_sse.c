/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The framing of server-sent events: recorded streams, every way of cutting them into reads, and
 * what is too large.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "payload.h"
#include "sse.h"

struct seen {
	size_t events, lost, len;
	char text[8192]; /* each event, then a vertical bar */
};

static void on_event(void *ctx, const char *data, size_t len)
{
	struct seen *seen = ctx;

	assert_true(len > 0);
	assert_true(seen->len + len + 1 < sizeof(seen->text));
	memcpy(seen->text + seen->len, data, len);
	seen->len += len;
	seen->text[seen->len++] = '|';
	seen->text[seen->len] = '\0';
	seen->events++;
}

static void on_lost(void *ctx)
{
	struct seen *seen = ctx;

	seen->lost++;
}

/*
 * Feed text in reads of step bytes, from a buffer that ends where the read ends: ASan sees a read
 * beyond.
 */
static void feed(const char *text, size_t len, size_t step, size_t max, struct seen *seen)
{
	const struct sse_handler handler = { .ctx = seen, .event = on_event, .lost = on_lost };
	struct sse sse;

	memset(seen, 0, sizeof(*seen));
	sse_init(&sse, &handler, max);
	for (size_t at = 0; at < len; at += step) {
		size_t n = len - at < step ? len - at : step;
		char *read = malloc(n);

		assert_non_null(read);
		memcpy(read, text + at, n);
		sse_feed(&sse, read, n);
		free(read);
	}
	sse_release(&sse);
}

static void expect(const char *text, const char *want)
{
	struct seen seen;

	for (size_t step = 1; step <= strlen(text); step++) {
		feed(text, strlen(text), step, SSE_MAX_EVENT_BYTES, &seen);
		assert_string_equal(seen.text, want);
		assert_int_equal(seen.lost, 0);
	}
}

static void line_ends(void **state)
{
	(void)state;
	expect("data: a\n\ndata: b\n\n", "a|b|");
	expect("data: a\r\n\r\ndata: b\r\n\r\n", "a|b|");
	expect("data: a\r\rdata: b\r\r", "a|b|");
	expect("data: a\r\n\ndata: b\r\r\n", "a|b|");
}

static void fields(void **state)
{
	(void)state;
	expect(": comment\nid: 7\nretry: 2000\nevent: x\ndata: a\n\n", "a|");
	expect("data:a\ndata:  b\ndata: c\n\n", "a\n b\nc|");
	expect("data\ndata\n\n", "\n|");
	expect("data\n\n", "");
	expect("data: \n\n", "");
	expect("dataset: a\ndat: b\ndata:x\n\n", "x|");
	expect("event: x\n\n\n\r\n: \n\n", "");
	expect("data: never ended\n", "");
}

static void recorded_streams(void **state)
{
	size_t len;
	char *text = payload_file("marathon/sse/body.crlf.heartbeats.v0.11plus.bin", &len);
	struct seen seen;

	(void)state;
	for (size_t step = 1; step <= len; step++) {
		feed(text, len, step, SSE_MAX_EVENT_BYTES, &seen);
		assert_int_equal(seen.events, 3);
		assert_int_equal(seen.lost, 0);
		assert_non_null(strstr(seen.text, "event_stream_attached\""));
		assert_non_null(strstr(seen.text, "TASK_KILLING"));
	}
	free(text);
	text = payload_file("marathon/sse/body.multiline-data.generic-sse.bin", &len);
	feed(text, len, len, SSE_MAX_EVENT_BYTES, &seen);
	assert_string_equal(seen.text, "{\"a\":\n1}|");
	free(text);
	text = payload_file("marathon/sse/body.lf-only.generic-sse.bin", &len);
	feed(text, len, 3, SSE_MAX_EVENT_BYTES, &seen);
	assert_int_equal(seen.events, 1);
	free(text);
}

/*
 * Whatever is too large is skipped up to the next empty line, said once, and what follows is read.
 */
static void too_large(void **state)
{
	static const char *const streams[] = {
		"data: a\n\ndata: 0123456789abcdefghijklmnopqrstuvwxyz\ndata: more\n\ndata: b\n\n",
		"data: a\r\n\r\ndata: 0123456789\r\ndata: 0123456789\r\ndata: 0123456789\r\n\r\ndata: b\r\n\r\n",
		"data: a\r\r: 0123456789abcdefghijklmnopqrstuvwxyz0123456789\rdata: x\r\rdata: b\r\r",
	};
	struct seen seen;

	(void)state;
	for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++)
		for (size_t step = 1; step <= strlen(streams[i]); step++) {
			feed(streams[i], strlen(streams[i]), step, 24, &seen);
			assert_string_equal(seen.text, "a|b|");
			assert_int_equal(seen.lost, 1);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(line_ends),
		cmocka_unit_test(fields),
		cmocka_unit_test(recorded_streams),
		cmocka_unit_test(too_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
