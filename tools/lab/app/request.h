/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One HTTP/1.1 request out of a buffer. Knows nothing of sockets: it is given bytes and says whether they hold a whole
 * request head, and what it asks for. The body is the caller's business; its length is reported.
 */
#ifndef APP_REQUEST_H
#define APP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum request_method { REQUEST_GET, REQUEST_HEAD, REQUEST_POST, REQUEST_OTHER };

struct request {
	enum request_method method;
	char path[128];
	bool keep_alive;
	bool expect_continue;
	size_t head_len; /* bytes up to and with the empty line */
	size_t body_len; /* Content-Length, 0 if there is none */
};

/* 1: a whole head, request is filled; 0: more bytes are needed; -1: not a request this server understands. */
int request_parse(const char *buf, size_t len, struct request *request);

#endif
