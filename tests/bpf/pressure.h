/* SPDX-License-Identifier: GPL-2.0-only */
/* Established tables that are full, without a daemon. */
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

#endif
