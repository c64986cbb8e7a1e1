/* SPDX-License-Identifier: GPL-2.0-only */
/* The guard around the JSON parser: what is refused, and that the message names the place. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "json.h"

static void refuse(const char *text, size_t len, size_t max, const char *why)
{
	struct json_error error;
	/* no byte after the end, so that ASan sees a read beyond it */
	char *exact = malloc(len ? len : 1);

	assert_non_null(exact);
	memcpy(exact, text, len);
	json_error_init(&error, "http://m/v2/apps");
	assert_null(json_parse(exact, len, max, &error));
	assert_int_equal(errno, EINVAL);
	assert_int_equal(strncmp(error.text, "http://m/v2/apps: ", 18), 0);
	if (!strstr(error.text, why))
		fail_msg("\"%s\" does not say \"%s\"", error.text, why);
	free(exact);
}

static void refusals(void **state)
{
	char deep[2 * JSON_MAX_DEPTH + 2];

	(void)state;
	refuse("", 0, 100, "empty body");
	refuse(" \n", 2, 100, "empty body");
	refuse("{\"a\":1", 6, 100, "cut off");
	refuse("{\"a\":\"b", 7, 100, "not JSON");
	refuse("<html>", 6, 100, "byte 0 of 6: not JSON");
	refuse("{} {}", 5, 100, "byte 2 of 5: text after the end");
	refuse("{}", 2, 1, "2 bytes are more than the 1");
	refuse("{\"a\":\0}", 7, 100, "byte 5: a NUL");
	refuse("[1,\b2]", 6, 100, "byte 3: a control character");
	memset(deep, '[', JSON_MAX_DEPTH + 1);
	memset(deep + JSON_MAX_DEPTH + 1, ']', JSON_MAX_DEPTH + 1);
	refuse(deep, sizeof(deep), 1000, "byte 64: nested deeper than 64");
}

static void depth_that_is_allowed(void **state)
{
	char deep[2 * JSON_MAX_DEPTH];
	char brackets[2 * JSON_MAX_DEPTH + 20] = "[\"";
	struct json_error error;
	cJSON *document;

	(void)state;
	memset(deep, '[', JSON_MAX_DEPTH);
	memset(deep + JSON_MAX_DEPTH, ']', JSON_MAX_DEPTH);
	json_error_init(&error, "x");
	document = json_parse(deep, sizeof(deep), 1000, &error);
	assert_non_null(document);
	cJSON_Delete(document);
	/* brackets in a string do not count, also after an escaped quote */
	memcpy(brackets + 2, "\\\"", 2);
	memset(brackets + 4, '[', 2 * JSON_MAX_DEPTH);
	memcpy(brackets + 4 + 2 * JSON_MAX_DEPTH, "\"]", 2);
	document = json_parse(brackets, 6 + 2 * JSON_MAX_DEPTH, 1000, &error);
	assert_non_null(document);
	cJSON_Delete(document);
}

static void members(void **state)
{
	static const char text[] = "{\"s\":\"x\",\"n\":7,\"f\":1.5,\"big\":1e300,\"neg\":-1,"
				   "\"null\":null,\"b\":true,\"a\":[],\"o\":{}}";
	struct json_error error;
	const cJSON *item;
	const char *string;
	int64_t number;
	cJSON *document;
	bool flag;

	(void)state;
	json_error_init(&error, "doc");
	document = json_parse(text, strlen(text), 1000, &error);
	assert_non_null(document);
	assert_int_equal(json_string(document, "s", true, "", &string, &error), 0);
	assert_string_equal(string, "x");
	assert_int_equal(json_number(document, "n", 0, 10, -1, "", &number, &error), 0);
	assert_int_equal(number, 7);
	assert_int_equal(json_number(document, "null", 0, 10, -1, "", &number, &error), 0);
	assert_int_equal(number, -1);
	assert_int_equal(json_bool(document, "b", false, "", &flag, &error), 0);
	assert_true(flag);
	assert_int_equal(json_array(document, "a", true, "", &item, &error), 0);
	assert_int_equal(json_object(document, "o", true, "", &item, &error), 0);
	assert_int_equal(json_object(document, "none", false, "", &item, &error), 0);
	assert_null(item);
	assert_string_equal(error.text, "");

	assert_int_equal(json_number(document, "f", 0, 10, 0, "apps[1]", &number, &error), -EINVAL);
	assert_string_equal(error.text, "doc: apps[1].f is not a whole number of 0 to 10");
	/* the first message stays */
	assert_int_equal(json_number(document, "big", 0, 10, 0, "", &number, &error), -EINVAL);
	assert_non_null(strstr(error.text, "apps[1].f"));
	json_error_init(&error, "doc");
	assert_int_equal(json_number(document, "neg", 0, 10, 0, "", &number, &error), -EINVAL);
	assert_string_equal(error.text, "doc: neg is not a whole number of 0 to 10");
	json_error_init(&error, "doc");
	assert_int_equal(json_string(document, "n", false, "", &string, &error), -EINVAL);
	assert_string_equal(error.text, "doc: n is not a string");
	assert_null(string);
	json_error_init(&error, "doc");
	assert_int_equal(json_string(document, "null", true, "", &string, &error), -EINVAL);
	assert_string_equal(error.text, "doc: null is missing");
	cJSON_Delete(document);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refusals),
		cmocka_unit_test(depth_that_is_allowed),
		cmocka_unit_test(members),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
