/* SPDX-License-Identifier: GPL-2.0-only */
/* The form of a line of log: one blank between its words, one line an event whatever it quotes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <syslog.h>
#include <unistd.h>

#include "log.h"

struct caught {
	int saved, ends[2];
};

static void catch_begin(struct caught *caught)
{
	assert_int_equal(pipe(caught->ends), 0);
	caught->saved = dup(STDERR_FILENO);
	assert_true(caught->saved >= 0);
	assert_int_equal(dup2(caught->ends[1], STDERR_FILENO), STDERR_FILENO);
}

static void catch_end(struct caught *caught, char *text, size_t len)
{
	ssize_t n;

	assert_int_equal(dup2(caught->saved, STDERR_FILENO), STDERR_FILENO);
	close(caught->saved);
	close(caught->ends[1]);
	n = read(caught->ends[0], text, len - 1);
	close(caught->ends[0]);
	assert_true(n >= 0);
	text[n] = '\0';
}

static void one_blank_between_words(void **state)
{
	struct caught caught;
	char text[512];

	(void)state;
	unsetenv("JOURNAL_STREAM");
	catch_begin(&caught);
	log_event(LOG_NOTICE, "first", " a=%d b=%s", 1, "x");
	log_event(LOG_ERR, "second", "a=%d", 2);
	catch_end(&caught, text, sizeof(text));
	assert_string_equal(text, "sluiced: notice: first a=1 b=x\nsluiced: error: second a=2\n");
}

static void the_journal_gets_the_priority(void **state)
{
	struct caught caught;
	char text[512];

	(void)state;
	setenv("JOURNAL_STREAM", "8:1", 1);
	catch_begin(&caught);
	log_event(LOG_WARNING, "third", " a=1");
	catch_end(&caught, text, sizeof(text));
	unsetenv("JOURNAL_STREAM");
	assert_string_equal(text, "<4>third a=1\n");
}

static void what_others_sent_stays_in_its_line(void **state)
{
	struct caught caught;
	char text[512];

	(void)state;
	catch_begin(&caught);
	log_event(LOG_ERR, "fourth", "error=\"%s\"", "one\r\nsluiced: notice: forged");
	catch_end(&caught, text, sizeof(text));
	assert_string_equal(text,
			    "sluiced: error: fourth error=\"one\\r\\nsluiced: notice: forged\"\n");
}

/* The other way round, by what the man page says: the value of a key, or a failure. Returns what follows the pair. */
static const char *next_pair(const char *at, char *key, char *value)
{
	static const char escapes[] = "n\nr\rt\t\"\"\\\\";
	bool quoted;

	assert_int_equal(*at++, ' ');
	while (*at != '=') {
		assert_true((*at >= 'a' && *at <= 'z') || *at == '_');
		*key++ = *at++;
	}
	*key = '\0';
	quoted = *++at == '"';
	at += quoted;
	while (quoted ? *at != '"' : *at != ' ' && *at != '\n') {
		const char *name = escapes;

		assert_true(*at >= ' ' && *at < 0x7f);
		assert_true(quoted || (*at != '"' && *at != '\\' && *at != '='));
		if (*at != '\\') {
			*value++ = *at++;
			continue;
		}
		if (*++at == 'x') {
			char hex[3] = { at[1], at[2] };

			*value++ = (char)strtol(hex, NULL, 16);
			at += 3;
			continue;
		}
		while (*name && *name != *at)
			name += 2;
		assert_true(*name);
		*value++ = name[1];
		at++;
	}
	*value = '\0';
	return at + quoted;
}

static void every_value_can_be_read_back(void **state)
{
	static const char *const values[] = {
		"plain",
		"",
		"two words",
		"a=b",
		"\"",
		"\" source=forged",
		"\\",
		"\\\"",
		"\\n",
		"\n\r\t",
		"\x1b[2J",
		"\x7f\x01",
		"\xc3\xa9",
		"\xc2\x9b"
		"31m",
		"end\\",
	};
	char text[1100], key[64], value[1100];
	struct caught caught;
	const char *at;

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		catch_begin(&caught);
		log_event(LOG_ERR, "fifth", "bare=%s error=\"%s\" n=%zu", values[i], values[i], i);
		catch_end(&caught, text, sizeof(text));
		at = text + strlen("sluiced: error: fifth");
		assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
		at = next_pair(at, key, value);
		assert_string_equal(key, "bare");
		assert_string_equal(value, values[i]);
		at = next_pair(at, key, value);
		assert_string_equal(key, "error");
		assert_string_equal(value, values[i]);
		at = next_pair(at, key, value);
		assert_string_equal(key, "n");
		assert_int_equal(strtoul(value, NULL, 10), i);
		assert_string_equal(at, "\n");
	}
}

/* Whatever its length: whole pairs, the word for it, and what is left of a value is its beginning. */
static void a_line_that_is_cut_is_still_pairs(void **state)
{
	char text[1100], key[64], value[1100], *big;
	struct caught caught;
	const char *at;
	unsigned cuts = 0;

	(void)state;
	for (size_t len = 900; len < 1100; len++) {
		bool cut = false, whole = false;

		big = malloc(len + 1);
		assert_non_null(big);
		memset(big, len & 1 ? '"' : 'x', len);
		big[len] = '\0';
		catch_begin(&caught);
		if (len & 2)
			log_event(LOG_ERR, "sixth", "first=%s error=\"%s\" n=%u", "1", big, 7U);
		else
			log_event(LOG_ERR, "sixth", "first=%s error=%s n=%u", "1", big, 7U);
		catch_end(&caught, text, sizeof(text));
		assert_true(strlen(text) < 1024);
		at = text + strlen("sluiced: error: sixth");
		for (int pairs = 0; *at != '\n'; pairs++) {
			at = next_pair(at, key, value);
			if (!strcmp(key, "error")) {
				assert_true(strlen(value) <= len);
				assert_memory_equal(value, big, strlen(value));
			}
			whole |= !strcmp(key, "n"); /* the last one: nothing is lost before it */
			cut = !strcmp(key, "cut");
			assert_true(pairs < 4);
		}
		assert_string_equal(at, "\n");
		assert_true(cut != whole);
		cuts += cut;
		free(big);
	}
	assert_in_range(cuts, 1, 199);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_blank_between_words),
		cmocka_unit_test(the_journal_gets_the_priority),
		cmocka_unit_test(what_others_sent_stays_in_its_line),
		cmocka_unit_test(every_value_can_be_read_back),
		cmocka_unit_test(a_line_that_is_cut_is_still_pairs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
