/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The sieve for /v2/apps: what is left is what the parser would have kept, however the bytes come; memory does not grow with the apps of
 * others; a document that is cut off or odd does not become a good one.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "marathon_sieve.h"
#include "payload.h"

#define MOST (1u << 20)

static const char *const ids[] = { "/web", "/web/rails" };
static const struct marathon_filter wanted = { .apps = ids, .app_count = 2 }, all = { 0 };
static struct json_error error;

/* -1: refused. step: bytes a piece */
static int sift(const struct marathon_filter *filter, const char *text, size_t len, size_t step,
		struct marathon_sieve *sieve)
{
	marathon_sieve_init(sieve, filter, MOST);
	json_error_init(&error, "m");
	for (size_t at = 0; at < len; at += step)
		if (marathon_sieve_feed(sieve, text + at, len - at < step ? len - at : step,
					&error))
			return -1;
	return 0;
}

static void left(const char *text, const char *expected, size_t dropped)
{
	for (size_t step = 1; step < 9; step++) {
		struct marathon_sieve sieve;

		assert_int_equal(sift(&wanted, text, strlen(text), step, &sieve), 0);
		assert_string_equal(sieve.text, expected);
		assert_int_equal(sieve.dropped, dropped);
		marathon_sieve_release(&sieve);
	}
}

static void only_wanted_apps_are_left(void **state)
{
	(void)state;
	left("{\"apps\":[]}", "{\"apps\":[]}", 0);
	left("{\"apps\":[{\"id\":\"/a\"}]}", "{\"apps\":[]}", 1);
	left("{\"apps\": [ {\"id\":\"/a\"} , {\"id\":\"/web\"},{\"id\":\"/b\",\"x\":[{}]}, "
	     "{\"n\":{\"id\":\"/a\"}, \"id\" : \"/WEB/rails\"}]}",
	     "{\"apps\": [{\"id\":\"/web\"},{\"n\":{\"id\":\"/a\"}, \"id\" : \"/WEB/rails\"}]}", 2);
	/* only the document's own `apps`, and an app's own `id` */
	left("{\"x\":{\"apps\":[{\"id\":\"/a\"}]},\"apps\":[{\"tasks\":[{\"id\":\"/web\"}],\"id\":\"/a\"}]}",
	     "{\"x\":{\"apps\":[{\"id\":\"/a\"}]},\"apps\":[]}", 1);
	/* brackets and quotes in strings are text */
	left("{\"apps\":[{\"cmd\":\"}]\\\"{[\",\"id\":\"/a\"},{\"id\":\"/web\",\"cmd\":\"\\\\\"}]}",
	     "{\"apps\":[{\"id\":\"/web\",\"cmd\":\"\\\\\"}]}", 1);
	/* what cannot be told is left for the parser */
	left("{\"apps\":[{\"id\":\"\\/a\"},{\"id\":7},{}]}",
	     "{\"apps\":[{\"id\":\"\\/a\"},{\"id\":7},{}]}", 0);
	left("[1,\"apps\",{\"id\":\"/a\"}] x", "[1,\"apps\",{\"id\":\"/a\"}] x", 0);
	left("{\"apps\":{\"id\":\"/a\"},\"y\":[{\"id\":\"/a\"}]}",
	     "{\"apps\":{\"id\":\"/a\"},\"y\":[{\"id\":\"/a\"}]}", 0);
}

static void odd_documents_are_refused(void **state)
{
	static const char *const texts[][2] = {
		{ "{\"apps\":[{\"id\":\"/a\"}{\"id\":\"/b\"}]}", "a comma is missing" },
		{ "{\"apps\":[{\"id\":\"/a\"},]}", "a comma too many" },
		{ "{\"apps\":[,{\"id\":\"/a\"}]}", "a comma too many" },
		{ "{\"apps\":[{\"id\":\"/a\"},,{}]}", "a comma too many" },
		{ "{\"apps\":[7]}", "not an object" },
		{ "{\"apps\":[{\"id\":\"/a\",\"x\":[}]}]}", "another kind" },
		{ "{\"apps\":[{\"id\":\"/a\"}]}}", "not opened" },
	};
	struct marathon_sieve sieve;
	char deep[200];

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(sift(&wanted, texts[i][0], strlen(texts[i][0]), 3, &sieve), -1);
		assert_non_null(strstr(error.text, texts[i][1]));
		marathon_sieve_release(&sieve);
	}
	memset(deep, '[', sizeof(deep));
	assert_int_equal(sift(&wanted, deep, sizeof(deep), 7, &sieve), -1);
	marathon_sieve_release(&sieve);
	assert_int_equal(sift(&wanted, "{\"a\":\0}", 7, 7, &sieve), -1);
	marathon_sieve_release(&sieve);
}

/* A recorded answer, cut anywhere: never a good document. And whole: the same facts, with and without the sieve. */
static void recorded_answers(void **state)
{
	static const char *const names[] = { "marathon/rest/apps.embed-tasks.v1.8plus.json" };
	size_t found = 0;

	(void)state;
	for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
		struct facts_marathon whole, sifted;
		struct marathon_sieve sieve;
		size_t len;
		char *text = payload_file(names[n], &len);

		while (len && text[len - 1] != '}')
			len--;
		json_error_init(&error, "m");
		assert_int_equal(marathon_json_apps(text, len, &wanted, &whole, &error), 0);
		assert_int_equal(sift(&wanted, text, len, 5, &sieve), 0);
		assert_int_equal(
			marathon_json_apps(sieve.text, sieve.len, &wanted, &sifted, &error), 0);
		assert_int_equal(whole.app_count, sifted.app_count);
		assert_int_equal(whole.others, sieve.dropped > 0);
		for (size_t i = 0; i < whole.app_count; i++) {
			assert_string_equal(whole.apps[i].id, sifted.apps[i].id);
			assert_int_equal(whole.apps[i].task_count, sifted.apps[i].task_count);
			found += whole.apps[i].task_count;
		}
		facts_marathon_release(&whole);
		facts_marathon_release(&sifted);
		marathon_sieve_release(&sieve);
		for (size_t cut = 1; cut < len; cut++) {
			assert_int_equal(sift(&all, text, cut, 64, &sieve), 0);
			assert_int_equal(marathon_json_apps(sieve.text, sieve.len, &all, &sifted,
							    &error),
					 -EINVAL);
			marathon_sieve_release(&sieve);
			assert_int_equal(sift(&wanted, text, cut, 64, &sieve), 0);
			assert_int_equal(marathon_json_apps(sieve.text ? sieve.text : "", sieve.len,
							    &wanted, &sifted, &error),
					 -EINVAL);
			marathon_sieve_release(&sieve);
		}
		free(text);
	}
	assert_true(found > 0);
}

static void memory_does_not_grow_with_others_apps(void **state)
{
	static char filler[4096];
	struct marathon_sieve sieve;
	char head[64];

	(void)state;
	memset(filler, 'x', sizeof(filler));
	marathon_sieve_init(&sieve, &wanted, MOST);
	json_error_init(&error, "m");
	assert_int_equal(marathon_sieve_feed(&sieve, "{\"apps\":[", 9, &error), 0);
	for (int i = 0; i < 5000; i++) { /* 20 MB */
		int len = snprintf(head, sizeof(head), "%s{\"id\":\"/app-%d\",\"cmd\":\"",
				   i ? "," : "", i);

		assert_int_equal(marathon_sieve_feed(&sieve, head, (size_t)len, &error), 0);
		assert_int_equal(marathon_sieve_feed(&sieve, filler, sizeof(filler), &error), 0);
		assert_int_equal(marathon_sieve_feed(&sieve, "\"}", 2, &error), 0);
	}
	assert_int_equal(marathon_sieve_feed(&sieve, "]}", 2, &error), 0);
	assert_string_equal(sieve.text, "{\"apps\":[]}");
	assert_true(sieve.size <= 4096);
	assert_int_equal(sieve.dropped, 5000);
	marathon_sieve_release(&sieve);
}

static void too_much_that_is_wanted_is_refused(void **state)
{
	static char filler[4096];
	struct marathon_sieve sieve;
	int err = 0;

	(void)state;
	memset(filler, 'x', sizeof(filler));
	marathon_sieve_init(&sieve, &wanted, MOST);
	json_error_init(&error, "m");
	assert_int_equal(marathon_sieve_feed(&sieve, "{\"apps\":[{\"cmd\":\"", 17, &error), 0);
	for (int i = 0; i < 1000 && !err; i++)
		err = marathon_sieve_feed(&sieve, filler, sizeof(filler), &error);
	assert_int_equal(err, -EINVAL);
	assert_non_null(strstr(error.text, "the wanted apps are more than 1048576 bytes"));
	assert_true(sieve.size <= 2 * MOST && sieve.len == MOST);
	marathon_sieve_release(&sieve);
	marathon_sieve_init(&sieve, &wanted,
			    5); /* the limit is exact, whatever the buffer's size */
	assert_int_equal(marathon_sieve_feed(&sieve, "{\"a\"", 4, &error), 0);
	assert_int_equal(marathon_sieve_feed(&sieve, ":1", 2, &error), -EINVAL);
	marathon_sieve_release(&sieve);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_wanted_apps_are_left),
		cmocka_unit_test(odd_documents_are_refused),
		cmocka_unit_test(recorded_answers),
		cmocka_unit_test(memory_does_not_grow_with_others_apps),
		cmocka_unit_test(too_much_that_is_wanted_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
