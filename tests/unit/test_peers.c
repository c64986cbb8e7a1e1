/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * peers.c: what is known only grows, and holds every range that has been in force. The maps are run
 * by tests/e2e/local.bats.
 */
#include "peers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void is(struct sluice_peers peers, unsigned port_min, unsigned port_max)
{
	assert_int_equal(peers.port_min, port_min);
	assert_int_equal(peers.port_max, port_max);
}

static void the_first_range_is_as_it_is(void **state)
{
	const struct sluice_peers unknown = {};

	(void)state;
	is(peers_widened(&unknown, 31000, 32000), 31000, 32000);
	is(peers_widened(&unknown, 1, 65535), 1, 65535);
}

static void a_later_one_only_adds(void **state)
{
	const struct sluice_peers peers = { .port_min = 31000, .port_max = 32000 };

	(void)state;
	is(peers_widened(&peers, 31500, 31600), 31000, 32000);
	is(peers_widened(&peers, 30000, 31500), 30000, 32000);
	is(peers_widened(&peers, 31500, 33000), 31000, 33000);
	is(peers_widened(&peers, 20000, 20010), 20000, 32000);
	is(peers_widened(&peers, 40000, 40010), 31000, 40010);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_range_is_as_it_is),
		cmocka_unit_test(a_later_one_only_adds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
