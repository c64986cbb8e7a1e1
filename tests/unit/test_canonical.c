/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The resolver's word comes through a descriptor: a name, that there is none, or nothing. Who waits
 * for it waits for so long and no longer, and takes the host's plain name.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <sys/socket.h>

#include "canonical.h"
#include "config.h"
#include "config_file.h"
#include "silence.h"

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

/*
 * A resolver may need longer than anybody who reads names has time for, as where the first of its
 * servers is dead. What it said to one who could wait is known from then on.
 */
static void its_last_word_is_known(void **unused)
{
	struct pollfd readable = { .fd = canonical_ask("127.0.0.2"), .events = POLLIN };
	char name[64] = "left over";

	(void)unused;
	assert_true(readable.fd >= 0);
	assert_int_equal(poll(&readable, 1, 60000), 1);
	assert_int_equal(canonical_answer(readable.fd, NULL, 0), 0);
	close(readable.fd);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(canonical_name("127.0.0.2", 0, name, sizeof(name)), 0);
		assert_string_equal(name, "127.0.0.2");
	}
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

enum { AS_DOCUMENTED, OTHER_ERROR, NAME_LEFT_OVER, RESOLVER_OVER, NOT_ASKED, OTHER_NAMES };

/* Has the question for a name that begins so arrived, or does it within a minute? */
static bool is_asked(int nameserver, const char *label)
{
	struct pollfd readable = { .fd = nameserver, .events = POLLIN };
	size_t len = strlen(label);
	char question[512];
	ssize_t got;

	if (poll(&readable, 1, 60000) != 1)
		return false;
	got = recv(nameserver, question, sizeof(question), 0);
	/*
	 * the header is of 12 bytes; a label is its length and its bytes (RFC 1035 section 4.1.2)
	 */
	return got > (ssize_t)(13 + len) && (size_t)question[12] == len &&
	       !memcmp(question + 13, label, len);
}

/* The caller is back while the resolver, which gives up after 30 s, is at work still. */
static int without_an_answer(int nameserver, int err, const char *name, const char *label)
{
	if (!silence_resolver_waits())
		return RESOLVER_OVER;
	if (err != -EAGAIN)
		return OTHER_ERROR;
	if (name[0])
		return NAME_LEFT_OVER;
	return is_asked(nameserver, label) ? AS_DOCUMENTED : NOT_ASKED;
}

static int ask_for(int nameserver, int patience_ms)
{
	char name[64] = "left over";
	int err = canonical_name("elsewhere.example.com", patience_ms, name, sizeof(name));

	return without_an_answer(nameserver, err, name, "elsewhere");
}

static int ask_with_patience(int nameserver)
{
	return ask_for(nameserver, 100);
}

static void a_silent_resolver_is_waited_for_as_long_as_was_said(void **unused)
{
	(void)unused;
	assert_int_equal(silence_play(ask_with_patience), AS_DOCUMENTED);
}

static int ask_without_patience(int nameserver)
{
	return ask_for(nameserver, 0);
}

static void no_patience_is_no_wait(void **unused)
{
	(void)unused;
	assert_int_equal(silence_play(ask_without_patience), AS_DOCUMENTED);
}

static struct config *config; /* of the test that runs */

/* No interface of this world has an address, and the name is no full one. */
static int name_the_host(int nameserver)
{
	char error[CONFIG_ERROR_LEN];

	if (config_fill_defaults(config, error))
		return OTHER_ERROR;
	if (!silence_resolver_waits())
		return RESOLVER_OVER;
	if (config->name_count != 1 || strcmp(config->name[0], "slave1") || !config->names_unsure)
		return OTHER_NAMES;
	return is_asked(nameserver, "slave1") ? AS_DOCUMENTED : NOT_ASKED;
}

static void a_host_with_a_silent_resolver_has_its_plain_name(void **unused)
{
	(void)unused;
	config = config_file_load("[node]\ninterface = eth0\n");
	assert_int_equal(silence_play(name_the_host), AS_DOCUMENTED);
	config_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_is_its_own_name),
		cmocka_unit_test(a_name_that_is_too_long_is_cut),
		cmocka_unit_test(an_answer_can_be_waited_for),
		cmocka_unit_test(no_answer_is_no_word_of_the_resolver),
		cmocka_unit_test(a_silent_resolver_is_waited_for_as_long_as_was_said),
		cmocka_unit_test(no_patience_is_no_wait),
		cmocka_unit_test(a_host_with_a_silent_resolver_has_its_plain_name),
		cmocka_unit_test(its_last_word_is_known),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
