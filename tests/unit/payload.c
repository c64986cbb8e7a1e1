/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads recorded payloads. The chunk decoder is its own, so that it shares no fault with the code
 * under test.
 */
#include "payload.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

char *payload_file(const char *name, size_t *len)
{
	char path[256], *text;
	FILE *file;
	long size;

	snprintf(path, sizeof(path), "tests/data/%s", name);
	file = fopen(path, "rb");
	if (!file)
		fail_msg("%s cannot be opened; tests run from the repository's root", path);
	assert_int_equal(fseek(file, 0, SEEK_END), 0);
	size = ftell(file);
	assert_true(size >= 0);
	rewind(file);
	text = malloc(size + 1);
	assert_non_null(text);
	assert_int_equal(fread(text, 1, size, file), size);
	text[size] = '\0';
	fclose(file);
	*len = size;
	return text;
}

char *payload_http(const char *name, size_t *len)
{
	char *raw = payload_file(name, len);
	char *body = strstr(raw, "\r\n\r\n"), *out = raw;
	bool chunked;

	assert_non_null(body);
	*body = '\0';
	chunked = strcasestr(raw, "Transfer-Encoding: chunked") != NULL;
	body += 4;
	if (!chunked) {
		*len -= body - raw;
		memmove(raw, body, *len + 1);
		return raw;
	}
	for (;;) {
		char *start;
		unsigned long size = strtoul(body, &start, 16);

		if (!size)
			break;
		assert_memory_equal(start, "\r\n", 2);
		memmove(out, start + 2, size);
		out += size;
		body = start + 2 + size + 2;
	}
	*out = '\0';
	*len = out - raw;
	return raw;
}
