/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Random sequences of what the sources may say, as model_oracle.h judges them. SEQUENCES=1000000 is the stated form, SEED=N another start.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "model_oracle.h"

#define SEQUENCES 6000

static unsigned long number_of(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoul(text, NULL, 10) : otherwise;
}

/* splitmix64 */
static unsigned below(void *ctx, unsigned limit)
{
	uint64_t *state = ctx, z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (unsigned)((z ^ (z >> 31)) % limit);
}

static void no_sequence_finds_a_forbidden_state(void **unused)
{
	unsigned long count = number_of("SEQUENCES", SEQUENCES), first = number_of("SEED", 1);
	struct oracle_seen seen = { 0 };

	(void)unused;
	for (unsigned long i = 0; i < count; i++) {
		uint64_t state = first + i;
		const struct oracle_chance chance = { .ctx = &state, .below = below };

		/* a failure names the step; this names the sequence: SEED=N SEQUENCES=1 runs it alone */
		if (getenv("SAY_SEQUENCE"))
			fprintf(stderr, "sequence %lu\n", first + i);
		/* mostly short ones, some long ones */
		oracle_sequence(&chance, below(&state, 16) ? 4 + below(&state, 24) : 200, &seen);
	}
	if (count < SEQUENCES)
		return;
	/* the test saw both sides of each rule */
	assert_true(seen.emptied > count / 100);
	assert_true(seen.held > count / 100);
	assert_true(seen.mass > count / 100);
	assert_true(seen.kernel > count / 100);
	assert_true(seen.kept > count / 100);
	assert_true(seen.by_the_table > count / 100);
	assert_true(seen.restarts > count / 100);
	assert_true(seen.vetoed > count / 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_sequence_finds_a_forbidden_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
