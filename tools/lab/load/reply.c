/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The parser behind reply.h.
 */
#define _GNU_SOURCE
#include "reply.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void reply_init(struct reply *reply)
{
	reply->head_len = 0;
	reply->head_done = false;
	reply->status = 0;
	reply->close = false;
	reply->until_eof = true;
	reply->body_len = reply->body_got = 0;
	reply->who[0] = '\0';
	reply->who_from_header = false;
}

static const char *header_value(const char *line, const char *name)
{
	size_t len = strlen(name);

	if (strncasecmp(line, name, len) || line[len] != ':')
		return NULL;
	line += len + 1;
	while (*line == ' ' || *line == '\t')
		line++;
	return line;
}

static int parse_header(struct reply *reply, const char *line)
{
	const char *value;
	char *end;

	value = header_value(line, "Content-Length");
	if (value) {
		errno = 0;
		reply->body_len = strtoull(value, &end, 10);
		reply->until_eof = false;
		return isdigit((unsigned char)*value) && !errno && *end == '\r' ? 0 : -1;
	}
	value = header_value(line, "Connection");
	if (value) {
		reply->close = !strncasecmp(value, "close\r", 6);
		return 0;
	}
	if (header_value(line, "Transfer-Encoding"))
		return -1;
	value = header_value(line, "X-Task");
	if (value) {
		size_t len = strcspn(value, "\r");

		if (len >= sizeof(reply->who))
			len = sizeof(reply->who) - 1;
		memcpy(reply->who, value, len);
		reply->who[len] = '\0';
		reply->who_from_header = true;
	}
	return 0;
}

static int parse_head(struct reply *reply)
{
	char *line;

	reply->head[reply->head_len] = '\0';
	if (strncmp(reply->head, "HTTP/1.", 7) || reply->head[8] != ' ')
		return -1;
	reply->status = (unsigned)strtoul(reply->head + 9, NULL, 10);
	for (line = strstr(reply->head, "\r\n") + 2; *line && *line != '\r';
	     line = strstr(line, "\r\n") + 2) {
		if (parse_header(reply, line))
			return -1;
	}
	if (reply->until_eof)
		reply->close = true;
	return 0;
}

/* 1: the head is complete; used is how many of the bytes belong to it. */
static int feed_head(struct reply *reply, const char *bytes, size_t len, size_t *used)
{
	for (*used = 0; *used < len;) {
		if (reply->head_len + 1 >= sizeof(reply->head))
			return -1;
		reply->head[reply->head_len++] = bytes[(*used)++];
		if (reply->head_len >= 4 &&
		    !memcmp(reply->head + reply->head_len - 4, "\r\n\r\n", 4)) {
			reply->head_done = true;
			return parse_head(reply) ? -1 : 1;
		}
	}
	return 0;
}

static void keep_first_bytes(struct reply *reply, const char *bytes, size_t len)
{
	size_t at = (size_t)reply->body_got;

	if (reply->who_from_header || at >= sizeof(reply->who) - 1)
		return;
	if (len > sizeof(reply->who) - 1 - at)
		len = sizeof(reply->who) - 1 - at;
	memcpy(reply->who + at, bytes, len);
	reply->who[at + len] = '\0';
}

int reply_feed(struct reply *reply, const char *bytes, size_t len, size_t *used)
{
	size_t rest;
	int got;

	*used = 0;
	if (!reply->head_done) {
		got = feed_head(reply, bytes, len, used);
		if (got != 1)
			return got;
	}
	rest = len - *used;
	if (!reply->until_eof && rest > reply->body_len - reply->body_got)
		rest = (size_t)(reply->body_len - reply->body_got);
	keep_first_bytes(reply, bytes + *used, rest);
	reply->body_got += rest;
	*used += rest;
	return !reply->until_eof && reply->body_got == reply->body_len;
}

bool reply_ends_here(const struct reply *reply)
{
	return reply->head_done && reply->until_eof;
}

bool reply_started(const struct reply *reply)
{
	return reply->head_len > 0;
}
