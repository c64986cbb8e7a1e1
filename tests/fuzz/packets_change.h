/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the records of an input that are no packets do to the maps.
 */
#ifndef TESTS_FUZZ_PACKETS_CHANGE_H
#define TESTS_FUZZ_PACKETS_CHANGE_H

#include "packets_input.h"
#include "world.h"

void packets_change(struct world *world, const struct packets_record *record);

#endif
