/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Bounded parsing on top of cJSON, see json.h. Nesting is counted before cJSON sees the text: its
 * own limit is compiled in (1000), and its recursion would run on the daemon's stack.
 */
#include "json.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void json_error_init(struct json_error *error, const char *where)
{
	error->where = where;
	error->text[0] = '\0';
}

int json_fail(struct json_error *error, const char *format, ...)
{
	va_list args;
	int len;

	if (error->text[0])
		return -EINVAL;
	len = snprintf(error->text, sizeof(error->text), "%s: ", error->where);
	if (len < 0 || (size_t)len >= sizeof(error->text))
		return -EINVAL;
	va_start(args, format);
	vsnprintf(error->text + len, sizeof(error->text) - len, format, args);
	va_end(args);
	return -EINVAL;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/*
 * cJSON takes every control character for a blank; RFC 8259, 2, knows four.
 * Brackets inside strings do not nest, so strings are skipped; whether they end is for cJSON to
 * say.
 */
static int check_depth(const char *text, size_t len, struct json_error *error)
{
	bool in_string = false;
	unsigned depth = 0;

	for (size_t i = 0; i < len; i++) {
		if (in_string) {
			if (text[i] == '\\')
				i++;
			else if (text[i] == '"')
				in_string = false;
			continue;
		}
		switch (text[i]) {
		case '"':
			in_string = true;
			break;
		case '[':
		case '{':
			if (++depth > JSON_MAX_DEPTH)
				return json_fail(error, "byte %zu: nested deeper than %d levels", i,
						 JSON_MAX_DEPTH);
			break;
		case ']':
		case '}':
			if (depth)
				depth--;
			break;
		case '\0':
			return json_fail(error, "byte %zu: a NUL character", i);
		default:
			if ((unsigned char)text[i] < ' ' && !is_space(text[i]))
				return json_fail(error, "byte %zu: a control character", i);
			break;
		}
	}
	return 0;
}

/* cJSON does not tell want of memory from bad text; what it asks for here does. */
static bool lacked_memory;

static void *allocate(size_t len)
{
	void *block = malloc(len);

	lacked_memory |= !block;
	return block;
}

static void watch_memory(void)
{
	static bool hooked;

	if (!hooked)
		cJSON_InitHooks(&(cJSON_Hooks){ .malloc_fn = allocate, .free_fn = free });
	hooked = true;
	lacked_memory = false;
}

cJSON *json_parse(const char *text, size_t len, size_t max_len, struct json_error *error)
{
	const char *end = NULL;
	cJSON *document;

	if (len > max_len) {
		json_fail(error, "%zu bytes are more than the %zu that are read", len, max_len);
		goto invalid;
	}
	while (len && is_space(text[len - 1]))
		len--;
	if (!len) {
		json_fail(error, "empty body where JSON should be");
		goto invalid;
	}
	if (check_depth(text, len, error))
		goto invalid;
	watch_memory();
	document = cJSON_ParseWithLengthOpts(text, len, &end, false);
	if (!document && lacked_memory) {
		errno = ENOMEM;
		return NULL;
	}
	if (!document) {
		/* a body that ends early is the usual case */
		size_t at = end >= text && end <= text + len ? (size_t)(end - text) : 0;

		json_fail(error, "byte %zu of %zu: not JSON%s", at, len,
			  at + 1 >= len ? " (cut off?)" : "");
		goto invalid;
	}
	if (end != text + len) {
		json_fail(error, "byte %zu of %zu: text after the end of the JSON document",
			  (size_t)(end - text), len);
		cJSON_Delete(document);
		goto invalid;
	}
	return document;

invalid:
	errno = EINVAL;
	return NULL;
}

/* The member, NULL where it is missing or null. */
static const cJSON *member(const cJSON *object, const char *key)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

	return cJSON_IsNull(item) ? NULL : item;
}

static const char *dot(const char *place)
{
	return place[0] ? "." : "";
}

static int fail_missing(const char *key, const char *place, struct json_error *error)
{
	return json_fail(error, "%s%s%s is missing", place, dot(place), key);
}

static int fail_type(const char *key, const char *place, const char *type, struct json_error *error)
{
	return json_fail(error, "%s%s%s is not %s", place, dot(place), key, type);
}

int json_object(const cJSON *object, const char *key, bool required, const char *place,
		const cJSON **value, struct json_error *error)
{
	*value = member(object, key);
	if (!*value)
		return required ? fail_missing(key, place, error) : 0;
	return cJSON_IsObject(*value) ? 0 : fail_type(key, place, "an object", error);
}

int json_array(const cJSON *object, const char *key, bool required, const char *place,
	       const cJSON **value, struct json_error *error)
{
	*value = member(object, key);
	if (!*value)
		return required ? fail_missing(key, place, error) : 0;
	return cJSON_IsArray(*value) ? 0 : fail_type(key, place, "an array", error);
}

int json_string(const cJSON *object, const char *key, bool required, const char *place,
		const char **value, struct json_error *error)
{
	const cJSON *item = member(object, key);

	*value = NULL;
	if (!item)
		return required ? fail_missing(key, place, error) : 0;
	if (!cJSON_IsString(item))
		return fail_type(key, place, "a string", error);
	if (strlen(item->valuestring) > JSON_MAX_STRING)
		return json_fail(error, "%s%s%s is longer than %d characters", place, dot(place),
				 key, JSON_MAX_STRING);
	*value = item->valuestring;
	return 0;
}

bool json_is_whole(const cJSON *item, int64_t min, int64_t max, int64_t *value)
{
	/*
	 * the comparison also refuses NaN; doubles hold every whole number up to 2^53, which is
	 * enough for all callers
	 */
	if (!cJSON_IsNumber(item) ||
	    !(item->valuedouble >= (double)min && item->valuedouble <= (double)max) ||
	    item->valuedouble != (double)(int64_t)item->valuedouble)
		return false;
	*value = (int64_t)item->valuedouble;
	return true;
}

int json_number(const cJSON *object, const char *key, int64_t min, int64_t max, int64_t missing,
		const char *place, int64_t *value, struct json_error *error)
{
	const cJSON *item = member(object, key);

	*value = missing;
	if (!item || json_is_whole(item, min, max, value))
		return 0;
	return json_fail(error, "%s%s%s is not a whole number of %lld to %lld", place, dot(place),
			 key, (long long)min, (long long)max);
}

int json_bool(const cJSON *object, const char *key, bool missing, const char *place, bool *value,
	      struct json_error *error)
{
	const cJSON *item = member(object, key);

	*value = missing;
	if (!item)
		return 0;
	if (!cJSON_IsBool(item))
		return fail_type(key, place, "true or false", error);
	*value = cJSON_IsTrue(item);
	return 0;
}

cJSON *json_begin(void)
{
	watch_memory();
	return cJSON_CreateObject();
}

cJSON *json_item(cJSON *list)
{
	cJSON *object = cJSON_CreateObject();

	if (cJSON_AddItemToArray(list, object))
		return object;
	cJSON_Delete(object);
	return NULL;
}

char *json_end(cJSON *document)
{
	char *text = lacked_memory ? NULL : cJSON_PrintUnformatted(document);

	cJSON_Delete(document);
	return text;
}
