/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The head of a request to the callback server: the request line, and the few fields that matter to
 * it. What is in dispute between readers of HTTP is refused. Knows nothing of connections, callers
 * or the room that there is.
 */
#ifndef SLUICED_CALLBACK_HEAD_H
#define SLUICED_CALLBACK_HEAD_H

#include <stdbool.h>
#include <stddef.h>

struct evbuffer;

/* The answer where there is no room, or no memory, for the moment. */
#define CALLBACK_HEAD_BUSY "503 Service Unavailable"

struct callback_head {
	size_t len; /* of the body, at most HINT_MAX_BYTES */
	bool waits; /* for 100 Continue */
};

/*
 * Takes the head off input, which has all of it, the empty line included. NULL: *head holds, and
 * the body comes next. Else what the request is answered with, code and phrase, a constant; *head
 * and what is left of input mean nothing then.
 */
const char *callback_head_read(struct evbuffer *input, struct callback_head *head);

#endif
