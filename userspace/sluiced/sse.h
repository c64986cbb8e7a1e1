/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Server-sent events, the framing only: bytes in as they arrive, the data of each event out. Lines
 * end in CR LF, LF or CR, and a CR and its LF may come in different reads. Field `data` is
 * collected; event, id, retry and comments are skipped (Marathon says its event type in the JSON
 * too). An event larger than the limit is skipped whole and reported as lost.
 */
#ifndef SLUICED_SSE_H
#define SLUICED_SSE_H

#include <stdbool.h>
#include <stddef.h>

#define SSE_MAX_EVENT_BYTES (4u << 20)

struct sse_handler {
	void *ctx;
	void (*event)(void *ctx, const char *data, size_t len); /* len > 0; not terminated by NUL */
	void (*lost)(void *ctx); /* an event was too large, or there was no memory for it */
};

struct sse {
	struct sse_handler handler;
	size_t max_bytes;
	char *data; /* of the event so far, each line with its newline */
	size_t data_len, data_size;
	char *line;
	size_t line_len, line_size;
	bool after_cr;		 /* the last byte was CR: an LF now belongs to it */
	bool skipping;		 /* the event is too large: drop all up to the next empty line */
	bool skipped_line_empty; /* while skipping: nothing of the line has been seen */
};

void sse_init(struct sse *sse, const struct sse_handler *handler, size_t max_bytes);
void sse_release(struct sse *sse);

/* The handler must not release sse. */
void sse_feed(struct sse *sse, const char *bytes, size_t len);

#endif
