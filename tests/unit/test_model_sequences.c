/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Random sequences of what the sources may say, as model_oracle.h and model_alone.h judge them. SEQUENCES=1000000 is the stated form,
 * SEED=N another start.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "model_alone.h"
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

struct run {
	unsigned long count, first;
};

static struct run run_of_today(void)
{
	return (struct run){ number_of("SEQUENCES", SEQUENCES), number_of("SEED", 1) };
}

/* A failure names the step; this names the sequence: SEED=N SEQUENCES=1 runs it alone. */
static void say(unsigned long number)
{
	if (getenv("SAY_SEQUENCE"))
		fprintf(stderr, "sequence %lu\n", number);
}

/* mostly short ones, some long ones */
static unsigned length(uint64_t *state)
{
	return below(state, 16) ? 4 + below(state, 24) : 200;
}

/* Each sequence adds what it sees to *seen, of the form's own kind. False: too few to judge by. */
static bool play_all(const struct run *run, void *seen,
		     void (*play)(const struct oracle_chance *chance, unsigned steps, void *seen))
{
	for (unsigned long i = 0; i < run->count; i++) {
		uint64_t state = run->first + i;
		const struct oracle_chance chance = { .ctx = &state, .below = below };

		say(run->first + i);
		play(&chance, length(&state), seen);
	}
	return run->count >= SEQUENCES;
}

static void play_oracle(const struct oracle_chance *chance, unsigned steps, void *seen)
{
	oracle_sequence(chance, steps, seen);
}

static void play_alone(const struct oracle_chance *chance, unsigned steps, void *seen)
{
	alone_sequence(chance, steps, seen);
}

static void no_sequence_finds_a_forbidden_state(void **unused)
{
	const struct run run = run_of_today();
	struct oracle_seen seen = { 0 };

	(void)unused;
	if (!play_all(&run, &seen, play_oracle))
		return;
	/* the test saw both sides of each rule */
	assert_true(seen.emptied > run.count / 100);
	assert_true(seen.held > run.count / 100);
	assert_true(seen.mass > run.count / 100);
	assert_true(seen.kernel > run.count / 100);
	assert_true(seen.kept > run.count / 100);
	assert_true(seen.by_the_table > run.count / 100);
	assert_true(seen.restarts > run.count / 100);
	assert_true(seen.vetoed > run.count / 100);
}

static void no_move_of_an_id_does(void **unused)
{
	const struct run run = run_of_today();
	struct alone_seen seen = { 0 };

	(void)unused;
	if (!play_all(&run, &seen, play_alone))
		return;
	assert_true(seen.moved > run.count / 100);
	assert_true(seen.both > run.count / 100);
	assert_true(seen.forgotten > run.count / 100);
	assert_true(seen.emptied > run.count / 100);
	assert_true(seen.held > run.count / 100);
	assert_true(seen.restarts > run.count / 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_sequence_finds_a_forbidden_state),
		cmocka_unit_test(no_move_of_an_id_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
