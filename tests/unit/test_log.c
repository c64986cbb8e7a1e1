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
			    "sluiced: error: fourth error=\"one??sluiced: notice: forged\"\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_blank_between_words),
		cmocka_unit_test(the_journal_gets_the_priority),
		cmocka_unit_test(what_others_sent_stays_in_its_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
