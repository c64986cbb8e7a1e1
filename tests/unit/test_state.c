/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The state table, every combination. The oracle is the table as text with every condition spelled out: a row
 * excludes all that an earlier row takes, so exactly one must match, whatever the order they are tried in.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "state.h"

/*
 * Letters. drain: y n. M: s(tarting) r(unning) k(illing) g(one) -(never known). health: g b u n(o checks).
 * C: p w c m n s(ilent). K: y n u. warning: u d. previous: f w u d r(draining) g. timeout: y n. second: y n.
 * result: W U D R G, or '=' for "keeps its state, a new one waits".
 */
struct oracle_row {
	unsigned row;
	const char *drain, *m, *health, *c, *k, *warning, *timeout, *second;
	char result;
};

static const struct oracle_row oracle[] = {
	{ 1, "y", "*", "*", "*", "*", "*", "*", "*", 'R' },
	{ 2, "n", "k", "*", "*", "*", "*", "*", "*", 'R' },
	{ 3, "n", "g", "*", "*", "n", "*", "*", "*", 'G' },
	{ 3, "n", "g", "*", "wcmns", "yu", "*", "*", "*", 'G' },
	{ 3, "n", "g", "*", "p", "yu", "*", "y", "y", 'G' },
	{ 3, "n", "g", "*", "p", "yu", "*", "n", "*", 'R' },
	{ 3, "n", "g", "*", "p", "yu", "*", "y", "n", 'R' },
	{ 4, "n", "sr-", "*", "*", "n", "*", "*", "*", 'D' },
	{ 5, "n", "sr-", "*", "m", "yu", "*", "*", "*", 'R' },
	{ 6, "n", "sr-", "*", "c", "yu", "*", "*", "*", 'D' },
	{ 7, "n", "sr-", "*", "w", "yu", "u", "*", "*", 'U' },
	{ 7, "n", "sr-", "*", "w", "yu", "d", "*", "*", 'D' },
	{ 8, "n", "s", "*", "pns", "yu", "*", "*", "*", 'W' },
	{ 9, "n", "r-", "*", "p", "yu", "*", "*", "*", 'U' },
	{ 10, "n", "r-", "g", "ns", "yu", "*", "*", "*", 'U' },
	{ 10, "n", "r-", "b", "ns", "yu", "*", "*", "*", 'D' },
	{ 10, "n", "r", "n", "ns", "yu", "*", "*", "*", 'U' },
	{ 10, "n", "-", "n", "ns", "yu", "*", "*", "*", '=' },
	{ 10, "n", "r-", "u", "ns", "yu", "*", "*", "*", '=' },
};

static bool allows(const char *set, char letter)
{
	return *set == '*' || strchr(set, letter);
}

/* DESIGN: "M lost or silent: the last known M counts." Spelled as a table of its own, m by m_last. */
static char oracle_m(enum state_m m, enum state_m last)
{
	static const char table[6][7] = {
		/* last: starting running killing lost gone silent */
		[STATE_M_STARTING] = "ssssss", [STATE_M_RUNNING] = "rrrrrr",
		[STATE_M_KILLING] = "kkkkkk",  [STATE_M_LOST] = "srk-g-",
		[STATE_M_GONE] = "gggggg",     [STATE_M_SILENT] = "srk-g-",
	};

	return table[m][last];
}

static enum sluice_backend_state oracle_state(char result, enum sluice_backend_state previous)
{
	switch (result) {
	case 'W':
		return SLUICE_BACKEND_WAITING;
	case 'U':
		return SLUICE_BACKEND_UP;
	case 'D':
		return SLUICE_BACKEND_DOWN;
	case 'R':
		return SLUICE_BACKEND_DRAINING;
	case 'G':
		return SLUICE_BACKEND_GONE;
	}
	if (previous == SLUICE_BACKEND_FREE || previous == SLUICE_BACKEND_GONE)
		return SLUICE_BACKEND_WAITING;
	return previous;
}

static unsigned matching_rows(const struct state_input *in, const struct oracle_row **first)
{
	unsigned matches = 0;

	for (size_t i = 0; i < sizeof(oracle) / sizeof(oracle[0]); i++) {
		const struct oracle_row *row = &oracle[i];

		if (!allows(row->drain, in->operator_drain ? 'y' : 'n') ||
		    !allows(row->m, oracle_m(in->m, in->m_last)) ||
		    !allows(row->health, "ugbn"[in->health]) || !allows(row->c, "pwcmns"[in->c]) ||
		    !allows(row->k, "ynu"[in->k]) ||
		    !allows(row->warning, in->warning_is_up ? 'u' : 'd') ||
		    !allows(row->timeout, in->drain_timeout_passed ? 'y' : 'n') ||
		    !allows(row->second, in->second_answer_lacks ? 'y' : 'n'))
			continue;
		if (!matches++)
			*first = row;
	}
	return matches;
}

static struct state_input combination(unsigned n)
{
	struct state_input in;

	in.operator_drain = n % 2, n /= 2;
	in.warning_is_up = n % 2, n /= 2;
	in.drain_timeout_passed = n % 2, n /= 2;
	in.second_answer_lacks = n % 2, n /= 2;
	in.m = n % 6, n /= 6;
	in.m_last = n % 6, n /= 6;
	in.health = n % 4, n /= 4;
	in.c = n % 6, n /= 6;
	in.k = n % 3, n /= 3;
	in.previous = n % 6, n /= 6;
	assert_int_equal(n, 0);
	return in;
}

static void every_combination(void **unused)
{
	const unsigned total = 2 * 2 * 2 * 2 * 6 * 6 * 4 * 6 * 3 * 6;
	unsigned per_row[11] = { 0 };

	(void)unused;
	assert_int_equal(FACTS_HEALTH_UNKNOWN,
			 0); /* the letters of health rely on the enum's order */
	assert_int_equal(FACTS_HEALTH_NO_CHECKS, 3);
	for (unsigned n = 0; n < total; n++) {
		struct state_input in = combination(n);
		const struct oracle_row *row = NULL;
		struct state_output out = state_decide(&in);

		if (matching_rows(&in, &row) != 1)
			fail_msg("combination %u matches %u rows of the oracle", n,
				 matching_rows(&in, &row));
		if (out.row != row->row || out.state != oracle_state(row->result, in.previous))
			fail_msg("combination %u: row %u state %s, expected row %u state %s", n,
				 out.row, state_name(out.state), row->row,
				 state_name(oracle_state(row->result, in.previous)));
		assert_non_null(out.reason);
		assert_true(strlen(out.reason) < SLUICE_REASON_LEN);
		assert_true(strlen(out.source) < sizeof(((struct sluice_label *)0)->source));
		per_row[out.row]++;
	}
	for (unsigned row = 1; row <= 10; row++)
		assert_true(per_row[row] > 0);
	assert_int_equal(per_row[0], 0);
	assert_int_equal(per_row[1], total / 2);
}

static void deciding_source(void **unused)
{
	struct state_input in = { .m = STATE_M_RUNNING,
				  .m_last = STATE_M_RUNNING,
				  .c = STATE_C_CRITICAL,
				  .k = STATE_K_UNKNOWN,
				  .previous = SLUICE_BACKEND_UP };

	(void)unused;
	assert_string_equal(state_decide(&in).source, "consul");
	in.k = STATE_K_NO;
	assert_string_equal(state_decide(&in).source, "kernel");
	in.m = STATE_M_KILLING;
	assert_string_equal(state_decide(&in).source, "marathon");
	in.operator_drain = true;
	assert_string_equal(state_decide(&in).source, "operator");
}

static void names(void **unused)
{
	(void)unused;
	assert_string_equal(state_name(SLUICE_BACKEND_UP), "up");
	assert_string_equal(state_name(SLUICE_BACKEND_DOWN), "down");
	assert_string_equal(state_name(SLUICE_BACKEND_DRAINING), "draining");
	assert_string_equal(state_name(SLUICE_BACKEND_GONE), "gone");
	assert_string_equal(state_name(SLUICE_BACKEND_WAITING), "waiting");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_combination),
		cmocka_unit_test(deciding_source),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
