/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Before a SYN is sent, explain is asked where it would go; after it, what the programs did is held against that. Asking
 * must leave every map as it was: all that the programs could have written is compared, too.
 */
#ifndef TESTS_ASK_H
#define TESTS_ASK_H

#include <stdbool.h>
#include <stdio.h>

#include "frame.h"
#include "hook.h"
#include "world.h"

/* Load the program that answers. 0 or negative errno, and the reason is on stderr. */
int ask_open(struct world *world);
void ask_close(void);

/*
 * Ask about a frame that goes in. One that explain does not speak of (no plain SYN, or what it would not know: data, a
 * fragment, a cut) is not asked about, nor most of a long row of SYNs; nth is its place in the row. False after a report of what asking changed.
 */
bool ask_before(struct world *world, const struct frame *frame, unsigned nth, FILE *report);
/* False after a report if the programs did something else than what was told. */
bool ask_agrees(const struct hook_result *result, FILE *report);
/* Were there SYNs of both kinds, told and drawn? False after a report: then nothing was proven. */
bool ask_was_used(FILE *report);

#endif
