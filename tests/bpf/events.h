/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the programs tell people, read as sluicectl does. One world at a time. Every packet of every
 * case is held against the list of reasons that are told, which stands in sluicectl(8).
 */
#ifndef TESTS_EVENTS_H
#define TESTS_EVENTS_H

#include <stdbool.h>

#include "frame.h"
#include "hook.h"
#include "play.h"
#include "world.h"

int events_open(struct world *world);
void events_release(void);

/* Before a packet: what was told is read, and nothing is held back from now on. */
void events_begin(void);

/* After it: one event for each told reason that was counted, and none else. False, and why on report. */
bool events_agree(bool out, const struct frame *frame, const struct hook_result *result,
		  FILE *report);

/* Sampling and a ring that nobody reads. False, and why on report. The world must be empty, and is so after it. */
bool events_try_flood(struct world *world, FILE *report);

#endif
