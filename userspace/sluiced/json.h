/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guard around cJSON for documents that come from the network: size, nesting and string lengths
 * are bounded, the whole body must be one document, numbers must be whole and in range. The first
 * thing that is wrong is written down once, with the place (where it came from, and the field or
 * the byte), and the document is refused as a whole.
 */
#ifndef SLUICED_JSON_H
#define SLUICED_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#define JSON_MAX_DEPTH 64
#define JSON_ERROR_LEN 256
#define JSON_MAX_STRING 1024 /* of a string that is looked at; others may be longer */

struct json_error {
	const char *where; /* the caller's name for the document, say its URL; borrowed */
	char text[JSON_ERROR_LEN];
};

void json_error_init(struct json_error *error, const char *where);

/*
 * Note "WHERE: ...", unless something was noted before. Always -EINVAL, so that it can be returned.
 */
int json_fail(struct json_error *error, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Parse text, which needs no NUL. NULL with errno EINVAL (error is filled) or ENOMEM. The caller
 * frees with cJSON_Delete().
 */
cJSON *json_parse(const char *text, size_t len, size_t max_len, struct json_error *error);

/*
 * Members of an object. A member that is missing or null is no error unless required; *value is
 * then NULL or the default. -EINVAL with error filled where the type or the range is wrong; place
 * is the object's own path, as "apps[3]". Strings are borrowed from the document.
 */
int json_object(const cJSON *object, const char *key, bool required, const char *place,
		const cJSON **value, struct json_error *error);
int json_array(const cJSON *object, const char *key, bool required, const char *place,
	       const cJSON **value, struct json_error *error);
int json_string(const cJSON *object, const char *key, bool required, const char *place,
		const char **value, struct json_error *error);
int json_number(const cJSON *object, const char *key, int64_t min, int64_t max, int64_t missing,
		const char *place, int64_t *value, struct json_error *error);
int json_bool(const cJSON *object, const char *key, bool missing, const char *place, bool *value,
	      struct json_error *error);

/*
 * A document of our own, one at a time: members are added without looking back, since cJSON's
 * functions take NULL, and json_end() gives the whole text for free(), or NULL if anything between
 * lacked memory: half a document would be taken for a whole one.
 */
cJSON *json_begin(void);
/* A new object at the end of a list; NULL: no memory. */
cJSON *json_item(cJSON *list);
char *json_end(cJSON *document);

/* Is item a whole number of min..max? */
bool json_is_whole(const cJSON *item, int64_t min, int64_t max, int64_t *value);

#endif
