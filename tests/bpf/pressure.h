/* SPDX-License-Identifier: GPL-2.0-only */
/* Flow tables that are full, without a daemon. */
#ifndef TESTS_PRESSURE_H
#define TESTS_PRESSURE_H

#include <stdbool.h>
#include <stdio.h>

struct world;

/*
 * In a table full of connections whose clients have vanished, new ones find room, and those that speak keep theirs. False,
 * and a line in report, if not. Leaves an empty world.
 */
bool pressure_try(struct world *world, FILE *report);

/*
 * For a world that is WORLD_REFUSES: a client's newer SYN that a backend has taken finds no place
 * in the half-open table. The connection that stands there stays, until there is room. The rest as
 * above.
 */
bool pressure_try_newer(struct world *world, FILE *report);

#endif
