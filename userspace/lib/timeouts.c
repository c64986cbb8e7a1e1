/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Milliseconds to jiffies and back.
 */
#include "timeouts.h"

#include <stddef.h>

#include <sluice/tally.h>

struct sluice_timeouts timeouts_in_jiffies(const struct timeouts *timeouts, uint32_t hz)
{
	const uint32_t half_open = sluice_ms_to_jiffies((uint32_t)timeouts->half_open_ms, hz);
	const uint32_t idle = sluice_ms_to_jiffies((uint32_t)timeouts->idle_ms, hz);

	return (struct sluice_timeouts){
		.half_open = half_open,
		.idle = idle,
		.half_open_periods = sluice_tally_periods(half_open),
		.idle_periods = sluice_tally_periods(idle),
		.closing = sluice_ms_to_jiffies((uint32_t)timeouts->closing_ms, hz),
		.closed = sluice_ms_to_jiffies((uint32_t)timeouts->closed_ms, hz),
		.reset = sluice_ms_to_jiffies(SLUICE_RST_LINGER_MS, hz),
	};
}

const char *timeouts_differ(const struct sluice_timeouts *attached, const struct timeouts *wanted,
			    uint32_t hz)
{
	const struct sluice_timeouts ticks = timeouts_in_jiffies(wanted, hz);

	if (attached->half_open != ticks.half_open)
		return "node.half_open_timeout";
	if (attached->idle != ticks.idle)
		return "node.idle_timeout";
	if (attached->closing != ticks.closing)
		return "node.closing_timeout";
	if (attached->closed != ticks.closed)
		return "node.closed_timeout";
	return NULL;
}

uint64_t timeouts_ms(uint32_t jiffies, uint32_t hz)
{
	return hz ? (uint64_t)jiffies * 1000 / hz : 0;
}
