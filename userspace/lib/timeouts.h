/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How long a flow lasts without a packet, by its state: what the configuration file says in
 * milliseconds, and what the programs and the meta map have in jiffies. Pure; the rounding stands
 * here alone, so that what is attached can be compared with what is wanted.
 */
#ifndef SLUICE_TIMEOUTS_H
#define SLUICE_TIMEOUTS_H

#include <stdint.h>

#include <sluice/abi.h>
#include <sluice/flow_rules.h>

/* As sluice.conf(5) describes them. */
struct timeouts {
	uint64_t half_open_ms, idle_ms, closing_ms, closed_ms;
};

/* What holds if nobody says otherwise. */
#define TIMEOUTS_DEFAULT                                                            \
	((struct timeouts){ SLUICE_HALF_OPEN_MS, SLUICE_IDLE_MS, SLUICE_CLOSING_MS, \
			    SLUICE_CLOSED_MS })

#define TIMEOUTS_SHORTEST_MS 1000
#define TIMEOUTS_HALF_OPEN_MAX_MS 600000
#define TIMEOUTS_IDLE_MIN_MS 10000

/* In jiffies, hz of them a second; rounded down. */
struct sluice_timeouts timeouts_in_jiffies(const struct timeouts *timeouts, uint32_t hz);

/* The first key of [node] whose value differs from what is attached, as "node.idle_timeout"; NULL: none. */
const char *timeouts_differ(const struct sluice_timeouts *attached, const struct timeouts *wanted,
			    uint32_t hz);

/* One of them in milliseconds again. */
uint64_t timeouts_ms(uint32_t jiffies, uint32_t hz);

#endif
