/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fuzz target: the framing of an event stream. However the bytes are cut into reads and whichever line end the server uses, the same
 * events come out; no event is larger than the limit.
 */
#include <stdint.h>
#include <string.h>

#include "must.h"
#include "pieces.h"
#include "sse.h"

enum { WAYS = 4, SMALL = 64, ROOM = 1 << 16 };

struct seen {
	size_t max, len, lost;
	char text[ROOM]; /* each event, its length before it; not all of a long input's */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void on_event(void *ctx, const char *data, size_t len)
{
	struct seen *seen = ctx;

	must(len > 0 && len <= seen->max);
	if (seen->len + sizeof(len) + len > sizeof(seen->text))
		return;
	memcpy(seen->text + seen->len, &len, sizeof(len));
	memcpy(seen->text + seen->len + sizeof(len), data, len);
	seen->len += sizeof(len) + len;
}

static void on_lost(void *ctx)
{
	struct seen *seen = ctx;

	seen->lost++;
}

static void feed(const uint8_t *data, size_t len, size_t max, unsigned way, struct seen *seen)
{
	const struct sse_handler handler = { .ctx = seen, .event = on_event, .lost = on_lost };
	struct pieces pieces;
	const char *piece;
	struct sse sse;
	size_t n;

	seen->max = max;
	seen->len = seen->lost = 0;
	sse_init(&sse, &handler, max);
	pieces_init(&pieces, data, len, way);
	while ((piece = pieces_next(&pieces, way, &n)))
		sse_feed(&sse, piece, n);
	sse_release(&sse);
}

static void compare(const struct seen *one, const struct seen *other)
{
	must(one->lost == other->lost);
	must(one->len == other->len);
	must(!memcmp(one->text, other->text, one->len));
}

/* Lone LF everywhere says the same in CR LF, and in CR. */
static void translate(const uint8_t *data, size_t len, size_t max, const struct seen *want)
{
	static struct seen seen;
	uint8_t *text;
	size_t n = 0;

	if (memchr(data, '\r', len))
		return;
	text = malloc(2 * len + 1);
	must(text);
	for (size_t i = 0; i < len; i++) {
		if (data[i] == '\n')
			text[n++] = '\r';
		text[n++] = data[i];
	}
	feed(text, n, max, 2, &seen);
	compare(want, &seen);
	for (size_t i = 0; i < len; i++)
		text[i] = data[i] == '\n' ? '\r' : data[i];
	feed(text, len, max, 2, &seen);
	compare(want, &seen);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const size_t limits[] = { SMALL, SSE_MAX_EVENT_BYTES };
	static struct seen whole, cut;

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		feed(data, len, limits[i], 0, &whole);
		for (unsigned way = 1; way < WAYS; way++) {
			feed(data, len, limits[i], way, &cut);
			compare(&whole, &cut);
		}
		if (len)
			translate(data, len, limits[i], &whole);
	}
	return 0;
}
