/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A scanner that knows strings and brackets and no more, see marathon_sieve.h. Levels: 1 is the document's object, 2 the array `apps`, 3 an app.
 * An app is kept until its id says that nobody wants it; then what was kept of it is taken back, and the rest goes by.
 */
#include "marathon_sieve.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "marathon_app.h"

#define MAX_FED (UINT64_C(1) << 30)
#define FIRST_SIZE 4096

_Static_assert(JSON_MAX_DEPTH <= 64, "one bit for each level");

void marathon_sieve_init(struct marathon_sieve *sieve, const struct marathon_filter *filter,
			 size_t most)
{
	memset(sieve, 0, sizeof(*sieve));
	sieve->filter = filter;
	sieve->most = most;
}

void marathon_sieve_release(struct marathon_sieve *sieve)
{
	free(sieve->text);
	memset(sieve, 0, sizeof(*sieve));
}

static int put(struct marathon_sieve *sieve, char c, struct json_error *error)
{
	size_t size = sieve->size ? sieve->size * 2 : FIRST_SIZE;
	char *grown;

	if (sieve->dropping)
		return 0;
	if (sieve->len >= sieve->most)
		return json_fail(error, "the wanted apps are more than %zu bytes", sieve->most);
	if (sieve->len + 1 >= sieve->size) {
		grown = realloc(sieve->text, size);
		if (!grown)
			return -ENOMEM;
		sieve->text = grown;
		sieve->size = size;
	}
	sieve->text[sieve->len++] = c;
	sieve->text[sieve->len] = '\0';
	return 0;
}

static bool is_word(const struct marathon_sieve *sieve, const char *word)
{
	return sieve->word_len == strlen(word) && !memcmp(sieve->word, word, sieve->word_len);
}

/* The strings that matter are the keys of levels 1 and 3, and an app's id. */
static void end_string(struct marathon_sieve *sieve)
{
	bool readable = sieve->word_len < MARATHON_SIEVE_WORD;

	if (sieve->depth == 1 && sieve->key)
		sieve->is_apps = is_word(sieve, "apps");
	if (!sieve->in_apps || sieve->depth != 3)
		return;
	if (sieve->key) {
		sieve->is_id = is_word(sieve, "id");
		return;
	}
	if (!sieve->is_id || sieve->decided)
		return;
	sieve->decided = true;
	/* with an escape in it the parser says what it is */
	if (!readable || memchr(sieve->word, '\\', sieve->word_len))
		return;
	sieve->word[sieve->word_len] = '\0';
	if (marathon_app_listed(sieve->filter->apps, sieve->filter->app_count, sieve->word))
		return;
	sieve->len = sieve->app_at;
	sieve->dropping = true;
	sieve->dropped++;
}

static int in_string(struct marathon_sieve *sieve, char c, struct json_error *error)
{
	int err = put(sieve, c, error);

	if (err)
		return err;
	if (c == '"' && !sieve->escaped) {
		sieve->in_string = false;
		end_string(sieve);
		return 0;
	}
	sieve->escaped = c == '\\' && !sieve->escaped;
	if (sieve->word_len < MARATHON_SIEVE_WORD)
		sieve->word[sieve->word_len++] = c;
	return 0;
}

static int open_level(struct marathon_sieve *sieve, char c, struct json_error *error)
{
	uint64_t bit;
	int err;

	if (sieve->depth == JSON_MAX_DEPTH) /* no more than objects has bits */
		return json_fail(error, "nested deeper than %d levels", JSON_MAX_DEPTH);
	err = put(sieve, c, error);
	if (err)
		return err;
	bit = UINT64_C(1) << sieve->depth;
	sieve->objects = c == '{' ? sieve->objects | bit : sieve->objects & ~bit;
	sieve->key = c == '{';
	if (sieve->depth == 1 && sieve->is_apps && c == '[') {
		sieve->in_apps = true;
		sieve->comma = false;
		sieve->kept = 0;
	}
	sieve->depth++;
	return 0;
}

static int close_level(struct marathon_sieve *sieve, char c, struct json_error *error)
{
	bool object;
	int err;

	if (!sieve->depth)
		return json_fail(error, "a bracket is closed that was not opened");
	object = sieve->objects >> (sieve->depth - 1) & 1;
	if (object != (c == '}'))
		return json_fail(error, "a bracket is closed by another kind");
	err = put(sieve, c, error);
	if (err)
		return err;
	sieve->depth--;
	sieve->key = false;
	if (!sieve->in_apps)
		return 0;
	if (sieve->depth == 2) {
		sieve->kept += !sieve->dropping;
		sieve->dropping = false;
	} else if (sieve->depth == 1) {
		sieve->in_apps = sieve->is_apps = false;
	}
	return 0;
}

/* Between the apps: commas are written anew, since some of what they part is not there. */
static int between_apps(struct marathon_sieve *sieve, char c, struct json_error *error)
{
	bool first = !sieve->kept && !sieve->dropped;
	int err;

	switch (c) {
	case ' ':
	case '\t':
	case '\n':
	case '\r':
		return 0;
	case ',':
		if (first || sieve->comma)
			return json_fail(error, "apps: a comma too many");
		sieve->comma = true;
		return 0;
	case ']':
		if (sieve->comma)
			return json_fail(error, "apps: a comma too many");
		return close_level(sieve, c, error);
	case '{':
		if (!first && !sieve->comma)
			return json_fail(error, "apps: a comma is missing");
		sieve->comma = false;
		sieve->app_at = sieve->len;
		sieve->decided = sieve->is_id = false;
		err = sieve->kept ? put(sieve, ',', error) : 0;
		return err ? err : open_level(sieve, c, error);
	default:
		return json_fail(error, "apps: an entry is not an object");
	}
}

static int take(struct marathon_sieve *sieve, char c, struct json_error *error)
{
	if (sieve->in_string)
		return in_string(sieve, c, error);
	if (sieve->in_apps && sieve->depth == 2)
		return between_apps(sieve, c, error);
	switch (c) {
	case '{':
	case '[':
		return open_level(sieve, c, error);
	case '}':
	case ']':
		return close_level(sieve, c, error);
	case '"':
		sieve->in_string = true;
		sieve->escaped = false;
		sieve->word_len = 0;
		break;
	case ':':
		sieve->key = false;
		break;
	case ',':
		sieve->key = sieve->depth && sieve->objects >> (sieve->depth - 1) & 1;
		sieve->is_id = false;
		break;
	case '\0':
		return json_fail(error, "a NUL character");
	default:
		break;
	}
	return put(sieve, c, error);
}

int marathon_sieve_feed(struct marathon_sieve *sieve, const char *bytes, size_t len,
			struct json_error *error)
{
	sieve->fed += len;
	if (sieve->fed > MAX_FED)
		return json_fail(error, "more than %" PRIu64 " MiB", MAX_FED >> 20);
	for (size_t i = 0; i < len; i++) {
		int err = take(sieve, bytes[i], error);

		if (err)
			return err;
	}
	return 0;
}
