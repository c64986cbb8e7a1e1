/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sequences of what the sources may say, against a record of what they have said: no pool runs empty without proof, nothing goes in
 * masses on absence alone, maintenance and the operator's drain are kept, the state is as DESIGN's table says where nothing is held back,
 * and when all tell the truth again that is what there is. Where chance comes from is the caller's: a random number, a fuzzer's bytes.
 * Fails the running cmocka test; where none runs, the process ends.
 */
#ifndef TESTS_MODEL_ORACLE_H
#define TESTS_MODEL_ORACLE_H

#include <stdbool.h>

struct oracle_chance {
	void *ctx;
	unsigned (*below)(void *ctx, unsigned limit); /* 0..limit - 1, limit at most 256 */
	bool (*ended)(void *ctx);		      /* NULL: never */
};

/* How often each side of a rule was seen. */
struct oracle_seen {
	unsigned long emptied, held, mass, kernel, kept, by_the_table, restarts, vetoed;
};

/* One sequence of so many steps, and the way back to the truth. Adds to seen. */
void oracle_sequence(const struct oracle_chance *chance, unsigned steps, struct oracle_seen *seen);

#endif
