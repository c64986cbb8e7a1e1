/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The clock of the flow tables. The kernel tells jiffies to BPF programs only, so this one asks through a program of two
 * instructions. Needs the right to load programs: for attach and tests, whose findings struct sluice_meta hands on.
 */
#ifndef SLUICE_JIFFIES_H
#define SLUICE_JIFFIES_H

#include <stdint.h>

struct jiffies {
	uint32_t hz;	   /* ticks per second: 100, 250, 300 or 1000 */
	uint32_t count;	   /* low 32 bits of jiffies64 ... */
	uint64_t ktime_ns; /* ... at this CLOCK_MONOTONIC, just after a tick */
};

/* Measures for about a tenth of a second. 0 or negative errno (-EPERM: no right to load programs). */
int jiffies_measure(struct jiffies *jiffies);

#endif
