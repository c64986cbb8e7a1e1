/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The record of the last changes of backends: a ring in a pinned map, so it outlives the daemon and every attach. One writer, the one
 * that holds the lock on the maps (writer.h); any number of readers meanwhile. Order and ages come from CLOCK_BOOTTIME:
 * a step of the wall clock moves what is printed beside them and nothing else.
 *
 * A writer may be killed at any instruction. The entry that it was writing is then empty, and no other is harmed: with
 * SLUICE_CHANGES entries, SLUICE_CHANGES - 1 are always whole.
 */
#ifndef SLUICE_CHANGES_H
#define SLUICE_CHANGES_H

#include <stddef.h>
#include <stdint.h>

#include <sluice/abi.h>

struct maps;

/*
 * The number that the next change gets. A change is written before it is done, so that none is missing. If the newest is not true
 * (its writer was killed between the two), it is taken out: it will be written again when it is done.
 */
uint64_t changes_next(struct maps *maps);

/* Write it under that number; change->number and change->wall_ns are set here. Texts must be terminated. */
void changes_write(struct maps *maps, const struct sluice_change *change, uint64_t number);

/* All that are whole, oldest first, texts terminated; the caller frees the list. 0 or -ENOMEM. */
int changes_read(const struct maps *maps, struct sluice_change **list, size_t *count);

#endif
