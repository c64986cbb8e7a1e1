/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One HTTP answer as its bytes come in. Knows nothing of sockets or counts. Understands what the lab's servers send: a
 * status line, headers, a body with Content-Length or up to the end of the connection; a chunked body is refused.
 */
#ifndef LOAD_REPLY_H
#define LOAD_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reply {
	char head[4096];
	size_t head_len; /* bytes kept so far; with the empty line once head_done */
	bool head_done;
	unsigned status;
	bool close; /* the server will end the connection */
	bool until_eof;
	uint64_t body_len, body_got; /* body_len is valid unless until_eof */
	char who[512];		     /* X-Task, else the body's first bytes */
	bool who_from_header;
};

void reply_init(struct reply *reply);
/* 1: the answer is complete; 0: more is to come; -1: this is no answer. used: how many of the bytes belong to it. */
int reply_feed(struct reply *reply, const char *bytes, size_t len, size_t *used);
/* The connection has ended: was that the end of a whole answer? */
bool reply_ends_here(const struct reply *reply);
bool reply_started(const struct reply *reply);

#endif
