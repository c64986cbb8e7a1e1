/* SPDX-License-Identifier: GPL-2.0-only */
/* The resolver's word comes through a descriptor: a name, that there is none, or nothing. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "canonical.h"

static void an_address_is_its_own_name(void **unused)
{
	char name[64] = "left over";

	(void)unused;
	assert_int_equal(canonical_name("127.0.0.1", 60000, name, sizeof(name)), 0);
	assert_string_equal(name, "127.0.0.1");
}

static void a_name_that_is_too_long_is_cut(void **unused)
{
	char name[4];

	(void)unused;
	assert_int_equal(canonical_name("127.0.0.1", 60000, name, sizeof(name)), 0);
	assert_string_equal(name, "127");
}

static void an_answer_can_be_waited_for(void **unused)
{
	struct pollfd readable = { .fd = canonical_ask("127.0.0.1"), .events = POLLIN };

	(void)unused;
	assert_true(readable.fd >= 0);
	assert_int_equal(poll(&readable, 1, 60000), 1);
	assert_int_equal(canonical_answer(readable.fd, NULL, 0), 0);
	close(readable.fd);
}

/* A thread that could not write leaves the end of the pipe. */
static void no_answer_is_no_word_of_the_resolver(void **unused)
{
	char name[64] = "left over";
	int ends[2];

	(void)unused;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	close(ends[1]);
	assert_int_equal(canonical_answer(ends[0], name, sizeof(name)), -EAGAIN);
	assert_string_equal(name, "");
	close(ends[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_is_its_own_name),
		cmocka_unit_test(a_name_that_is_too_long_is_cut),
		cmocka_unit_test(an_answer_can_be_waited_for),
		cmocka_unit_test(no_answer_is_no_word_of_the_resolver),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
