/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The table of a set: from usable slots and weights to the entries that the BPF programs walk. Pure, and the same
 * input gives the same table, so that an unchanged set is seen to be unchanged.
 */
#ifndef SLUICE_SET_TABLE_H
#define SLUICE_SET_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include <sluice/abi.h>

struct set_table_member {
	uint16_t slot;
	uint32_t weight;  /* 1..256 */
	const char *task; /* what source's hash is made of: it must not change with the slot */
};

/*
 * Fill table and len of a set; members is at most SLUICE_MAX_BACKENDS and sorted by slot. roundrobin: a schedule in
 * which each slot stands in proportion to its weight, spread evenly; exact if the weights over their common divisor sum
 * up to SLUICE_SET_TABLE at most, else scaled down, at least one entry each. source: after Maglev (NSDI 2016, 3.4), with a table
 * of 2^n entries and odd skips; who goes takes along little more than its own share, and nobody has more than a tenth above
 * its share. leastconn, random: each slot once. 0 or -ENOMEM.
 */
int set_table_fill(struct sluice_set *set, enum sluice_balance balance,
		   const struct set_table_member *members, size_t count);

#endif
