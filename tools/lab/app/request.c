/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The parser behind request.h. Only what the lab needs: request line, Connection, Content-Length, Expect. A chunked body
 * is refused, so a length is always known before the answer is made.
 */
#define _GNU_SOURCE
#include "request.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static enum request_method method_of(const char *word, size_t len)
{
	if (len == 3 && !memcmp(word, "GET", 3))
		return REQUEST_GET;
	if (len == 4 && !memcmp(word, "HEAD", 4))
		return REQUEST_HEAD;
	if (len == 4 && !memcmp(word, "POST", 4))
		return REQUEST_POST;
	return REQUEST_OTHER;
}

static int parse_line(const char *line, size_t len, struct request *request)
{
	const char *path = memchr(line, ' ', len);
	const char *version;
	size_t path_len;

	if (!path)
		return -1;
	request->method = method_of(line, (size_t)(path - line));
	path++;
	version = memchr(path, ' ', len - (size_t)(path - line));
	if (!version)
		return -1;
	path_len = (size_t)(version - path);
	if (!path_len || path_len >= sizeof(request->path))
		return -1;
	memcpy(request->path, path, path_len);
	request->path[path_len] = '\0';
	version++;
	if (len - (size_t)(version - line) != 8 || memcmp(version, "HTTP/1.", 7))
		return -1;
	request->keep_alive = version[7] == '1';
	return 0;
}

static bool header_is(const char *line, size_t len, const char *name, const char **value)
{
	size_t name_len = strlen(name);

	if (len <= name_len || line[name_len] != ':' || strncasecmp(line, name, name_len))
		return false;
	*value = line + name_len + 1;
	while (*value < line + len && (**value == ' ' || **value == '\t'))
		(*value)++;
	return true;
}

static int parse_header(const char *line, size_t len, struct request *request)
{
	const char *value, *end = line + len;

	if (header_is(line, len, "Connection", &value)) {
		if (end - value == 5 && !strncasecmp(value, "close", 5))
			request->keep_alive = false;
		else if (end - value == 10 && !strncasecmp(value, "keep-alive", 10))
			request->keep_alive = true;
	} else if (header_is(line, len, "Content-Length", &value)) {
		char *after;
		unsigned long length;

		if (value == end || !isdigit((unsigned char)*value))
			return -1;
		errno = 0;
		length = strtoul(value, &after, 10);
		if (errno || after != end)
			return -1;
		request->body_len = length;
	} else if (header_is(line, len, "Expect", &value)) {
		request->expect_continue = end - value == 12 &&
					   !strncasecmp(value, "100-continue", 12);
	} else if (header_is(line, len, "Transfer-Encoding", &value)) {
		return -1;
	}
	return 0;
}

int request_parse(const char *buf, size_t len, struct request *request)
{
	const char *end = memmem(buf, len, "\r\n\r\n", 4);
	const char *line = buf;
	bool first = true;

	if (!end)
		return 0;
	memset(request, 0, sizeof(*request));
	request->head_len = (size_t)(end - buf) + 4;
	while (line < end + 2) {
		const char *stop =
			memmem(line, request->head_len - (size_t)(line - buf), "\r\n", 2);
		size_t line_len = (size_t)(stop - line);
		int err;

		err = first ? parse_line(line, line_len, request)
			    : parse_header(line, line_len, request);
		if (err)
			return -1;
		first = false;
		line = stop + 2;
	}
	return 1;
}
