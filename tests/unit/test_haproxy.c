/* SPDX-License-Identifier: GPL-2.0-only */
/* haproxy.cfg: how lines become words and sections, what is inherited, and what a line is worth; whole files are tests/deploy's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "haproxy_import.h"

static struct haproxy_import import;

static void read_text(const char *text)
{
	haproxy_import_release(&import);
	assert_int_equal(haproxy_import(&import, text, strlen(text)), 0);
}

static int release(void **state)
{
	(void)state;
	haproxy_import_release(&import);
	return 0;
}

/* The verdict on line number. */
static const struct haproxy_verdict *on_line(unsigned number)
{
	for (unsigned i = 0; i < import.file.count; i++)
		if (import.verdict[i].line == number)
			return &import.verdict[i];
	fail_msg("line %u has no verdict", number);
	return NULL;
}

static void assert_verdict(unsigned number, enum haproxy_class class, const char *part)
{
	const struct haproxy_verdict *verdict = on_line(number);

	if (verdict->class != class || !strstr(verdict->reason, part))
		fail_msg("line %u: class %d, \"%s\"; want %d, \"%s\"", number, verdict->class,
			 verdict->reason, class, part);
}

static void test_words(void **state)
{
	static const struct {
		const char *text;
		const char *words; /* joined by | */
	} rows[] = {
		{ "a b  c", "a|b|c" },
		{ "\ta\tb\r\n", "a|b" },
		{ "a # b", "a" },
		{ "a#b", "a" },
		{ "a \"b # c\" d", "a|b # c|d" },
		{ "a 'b \\ c' d", "a|b \\ c|d" },
		{ "a b\\ c \\# d", "a|b c|#|d" },
		{ "a \"b\\\"c\"", "a|b\"c" },
		{ "a \"\" b", "a||b" },
		{ "a \"open", "a|open" },
		{ "a \\", "a|\\" },
	};
	struct haproxy_file file;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char joined[128] = "";
		size_t used = 0;

		assert_int_equal(haproxy_file_read(&file, rows[i].text, strlen(rows[i].text)), 0);
		assert_int_equal(file.count, 1);
		for (unsigned k = 0; k < file.line[0].count; k++)
			used += (size_t)snprintf(joined + used, sizeof(joined) - used, "%s%s",
						 k ? "|" : "", file.line[0].word[k]);
		assert_string_equal(joined, rows[i].words);
		haproxy_file_release(&file);
	}
}

static void test_too_many_words(void **state)
{
	struct haproxy_file file;
	char text[201];

	(void)state;
	for (int i = 0; i < 200; i++)
		text[i] = i % 2 ? ' ' : 'w';
	text[200] = '\0';
	assert_int_equal(haproxy_file_read(&file, text, strlen(text)), 0);
	assert_int_equal(file.line[0].count, HAPROXY_MAX_WORDS);
	haproxy_file_release(&file);
	assert_int_equal(haproxy_file_read(&file, "\n# only\n\n", 9), 0);
	assert_int_equal(file.count, 0);
	haproxy_file_release(&file);
}

static void test_inheritance(void **state)
{
	(void)state;
	read_text("defaults\nbalance leastconn\ndefault-server maxconn 9\n"
		  "frontend a\nbind :80\ndefault_backend x\nbackend x\nserver s 10.0.0.1:31000\n"
		  "defaults\nbalance source\ndefault_backend y\n"
		  "frontend b\nbind :81\nbackend y\nserver s 10.0.0.1:31001\n");
	assert_int_equal(import.service_count, 2);
	assert_string_equal(import.service[0].balance, "leastconn");
	assert_int_equal(import.service[0].maxconn, 9);
	assert_string_equal(import.service[1].name, "b");
	assert_string_equal(import.service[1].app, "y");
	assert_string_equal(import.service[1].balance, "source");
	assert_int_equal(import.service[1].maxconn, 0);
	assert_verdict(11, HAPROXY_TRANSLATED, "marathon_app = /y");
}

static void test_ports_and_limits(void **state)
{
	(void)state;
	read_text("listen l 10.0.0.9:81\nserver a 10.0.0.9:30000 maxconn 50 slowstart 5000\n"
		  "server b 10.0.0.9:32001 maxconn 40 slowstart 1m\n");
	assert_int_equal(import.service_count, 1);
	assert_int_equal(import.service[0].port, 81);
	assert_int_equal(import.service[0].address_count, 1);
	assert_int_equal(import.service[0].maxconn, 40); /* the least, lest one be overrun */
	assert_string_equal(import.service[0].slowstart, "1m");
	assert_int_equal(import.port_min, 30000);
	assert_int_equal(import.port_max, 32001);
}

static void test_worst_of_a_line(void **state)
{
	(void)state;
	read_text("listen l\nbind :80\nserver a h:31000 check\nserver b h:31001 check send-proxy\n"
		  "server c h:31002 backup send-proxy\nserver d h:31003 nonsense\n"
		  "server e h\n\nbind :443 ssl\nbind :82 accept-proxy\nno option x\n");
	assert_verdict(3, HAPROXY_TRANSLATED, "come from Marathon");
	assert_verdict(4, HAPROXY_APP, "PROXY header");
	assert_verdict(5, HAPROXY_BLOCKS, "backup server");
	assert_verdict(6, HAPROXY_BLOCKS, "nonsense: an option that is not known");
	assert_verdict(7, HAPROXY_BLOCKS, "no host-port");
	assert_verdict(9, HAPROXY_BLOCKS, "TLS");
	assert_verdict(10, HAPROXY_APP, "switch it off there");
	assert_verdict(11, HAPROXY_NOT_NEEDED, "switched off");
	assert_int_equal(import.service_count, 2);
}

static void test_acl_is_worth_what_asks_it(void **state)
{
	(void)state;
	read_text("frontend f\nbind :80\nacl a path /x\nacl b path /y\nacl c path /z\n"
		  "use_backend other if a\nhttp-request deny if !b\ndefault_backend g\n"
		  "backend g\nserver s 10.0.0.1:31000\nbackend other\nserver s 10.0.0.1:31001\n");
	assert_verdict(3, HAPROXY_BLOCKS, "for line 6");
	assert_verdict(4, HAPROXY_APP, "for line 7");
	assert_verdict(5, HAPROXY_NOT_NEEDED, "no line of its section");
	assert_verdict(12, HAPROXY_BLOCKS, "what a request says");
	assert_int_equal(import.service_count, 1);
}

static void test_allow(void **state)
{
	(void)state;
	read_text(
		"frontend f\nbind :80\nacl o src 10.0.0.0/8 192.168.1.1\n"
		"tcp-request connection reject unless o\ndefault_backend g\nbackend g\nserver s h:31000\n");
	assert_string_equal(import.service[0].allow, "10.0.0.0/8, 192.168.1.1");
	assert_verdict(3, HAPROXY_TRANSLATED, "allow");
	assert_verdict(4, HAPROXY_TRANSLATED, "allow = 10.0.0.0/8");
	read_text(
		"frontend f\nbind :80\nacl o src 10.0.0.1/8\n"
		"tcp-request connection reject if !o\ndefault_backend g\nbackend g\nserver s h:31000\n");
	assert_string_equal(import.service[0].allow, ""); /* host bits: by hand */
	assert_verdict(4, HAPROXY_BLOCKS, "by hand");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_too_many_words),
		cmocka_unit_test_teardown(test_inheritance, release),
		cmocka_unit_test_teardown(test_ports_and_limits, release),
		cmocka_unit_test_teardown(test_worst_of_a_line, release),
		cmocka_unit_test_teardown(test_acl_is_worth_what_asks_it, release),
		cmocka_unit_test_teardown(test_allow, release),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
