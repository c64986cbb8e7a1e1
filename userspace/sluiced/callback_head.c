/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads the head of a callback, see callback_head.h. */
#include "callback_head.h"

#include <errno.h>
#include <event2/buffer.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "hint.h"

/* Digits alone; -EINVAL for anything else. */
static int read_length(const char *text, size_t *len)
{
	*len = 0;
	if (!*text)
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		if (*len <= HINT_MAX_BYTES) /* larger is too large, how much does not matter */
			*len = *len * 10 + (*text - '0');
	}
	return 0;
}

struct fields {
	bool bad, has_length, coded, waits;
	size_t len;
};

static void read_field(char *line, struct fields *fields)
{
	char *value = strchr(line, ':');
	size_t len, end;

	/* no name, a blank in it, or a folded line: what it means is in dispute */
	if (!value || value == line || strcspn(line, " \t") < (size_t)(value - line)) {
		fields->bad = true;
		return;
	}
	*value++ = '\0';
	value += strspn(value, " \t");
	for (end = strlen(value); end && strchr(" \t", value[end - 1]); end--)
		value[end - 1] = '\0';
	if (strcasecmp(line, "Content-Length") == 0) {
		if (read_length(value, &len) || (fields->has_length && len != fields->len))
			fields->bad = true;
		fields->has_length = true;
		fields->len = len;
	} else if (strcasecmp(line, "Transfer-Encoding") == 0) {
		fields->coded = true;
	} else if (strcasecmp(line, "Expect") == 0) {
		fields->waits = strcasecmp(value, "100-continue") == 0;
	}
}

/* What the request line alone is answered with; NULL: read on. */
static const char *judge_line(const char *line)
{
	const char *version = strrchr(line, ' ');

	if (!version || strncmp(version, " HTTP/1.", 8) != 0)
		return "400 Bad Request";
	return strncmp(line, "POST ", 5) == 0 ? NULL : "405 Method Not Allowed";
}

static const char *judge_fields(const struct fields *fields)
{
	if (fields->bad)
		return "400 Bad Request";
	if (fields->coded || !fields->has_length)
		return "411 Length Required";
	return fields->len > HINT_MAX_BYTES ? "413 Content Too Large" : NULL;
}

const char *callback_head_read(struct evbuffer *input, struct callback_head *head)
{
	struct fields fields = {};
	const char *status;
	char *line;

	line = evbuffer_readln(input, NULL, EVBUFFER_EOL_CRLF);
	status = line ? judge_line(line) : NULL;
	while (line && *line) {
		free(line);
		line = evbuffer_readln(input, NULL, EVBUFFER_EOL_CRLF);
		if (line && *line)
			read_field(line, &fields);
	}
	if (!line) /* the empty line is there: no memory for one before it */
		return CALLBACK_HEAD_BUSY;
	free(line);
	if (!status)
		status = judge_fields(&fields);
	*head = (struct callback_head){ .len = fields.len, .waits = fields.waits };
	return status;
}
