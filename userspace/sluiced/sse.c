/* SPDX-License-Identifier: GPL-2.0-only */
/* The framing of server-sent events (WHATWG HTML, section 9.2.6), see sse.h. No I/O, no JSON. */
#include "sse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void sse_init(struct sse *sse, const struct sse_handler *handler, size_t max_bytes)
{
	memset(sse, 0, sizeof(*sse));
	sse->handler = *handler;
	sse->max_bytes = max_bytes;
}

void sse_release(struct sse *sse)
{
	free(sse->data);
	free(sse->line);
	memset(sse, 0, sizeof(*sse));
}

static int append(char **buffer, size_t *len, size_t *size, size_t max, const char *bytes,
		  size_t add)
{
	size_t want;
	char *bigger;

	if (add > max || *len > max - add)
		return -EFBIG;
	if (*len + add > *size) {
		want = *size ? *size : 512;
		while (want < *len + add)
			want *= 2;
		bigger = realloc(*buffer, want);
		if (!bigger)
			return -ENOMEM;
		*buffer = bigger;
		*size = want;
	}
	if (add)
		memcpy(*buffer + *len, bytes, add);
	*len += add;
	return 0;
}

/* A burst of large events must not hold its memory for the rest of the stream's life. */
static void forget_event(struct sse *sse)
{
	sse->data_len = 0;
	if (sse->data_size > 64 * 1024) {
		free(sse->data);
		sse->data = NULL;
		sse->data_size = 0;
	}
	if (sse->line_size > 64 * 1024) {
		free(sse->line);
		sse->line = NULL;
		sse->line_size = 0;
	}
}

static void give_up_event(struct sse *sse)
{
	sse->skipping = true;
	sse->skipped_line_empty = false;
	sse->line_len = 0;
	forget_event(sse);
	sse->handler.lost(sse->handler.ctx);
}

static void end_event(struct sse *sse)
{
	if (sse->data_len > 1) /* more than the newline of one empty data line */
		sse->handler.event(sse->handler.ctx, sse->data, sse->data_len - 1);
	forget_event(sse);
}

static void end_line(struct sse *sse)
{
	size_t len = sse->line_len;
	const char *value;

	sse->line_len = 0;
	if (!len) {
		end_event(sse);
		return;
	}
	if (len < 4 || memcmp(sse->line, "data", 4) != 0 || (len > 4 && sse->line[4] != ':'))
		return;
	value = sse->line + (len > 5 ? 5 : len);
	len = len > 5 ? len - 5 : 0;
	if (len && *value == ' ') {
		value++;
		len--;
	}
	if (append(&sse->data, &sse->data_len, &sse->data_size, sse->max_bytes, value, len) ||
	    append(&sse->data, &sse->data_len, &sse->data_size, sse->max_bytes, "\n", 1)) {
		give_up_event(sse);
		sse->skipped_line_empty = true; /* the line has ended, the next one is new */
	}
}

static void end_skipped_line(struct sse *sse)
{
	if (sse->skipped_line_empty)
		sse->skipping = false;
	sse->skipped_line_empty = true;
}

void sse_feed(struct sse *sse, const char *bytes, size_t len)
{
	const char *end = bytes + len;

	while (bytes < end) {
		const char *stop = bytes;

		if (sse->after_cr) {
			sse->after_cr = false;
			if (*bytes == '\n') {
				bytes++;
				continue;
			}
		}
		while (stop < end && *stop != '\r' && *stop != '\n')
			stop++;
		if (stop > bytes) {
			if (sse->skipping)
				sse->skipped_line_empty = false;
			else if (append(&sse->line, &sse->line_len, &sse->line_size, sse->max_bytes,
					bytes, stop - bytes))
				give_up_event(sse);
		}
		if (stop == end)
			return;
		sse->after_cr = *stop == '\r';
		if (sse->skipping)
			end_skipped_line(sse);
		else
			end_line(sse);
		bytes = stop + 1;
	}
}
