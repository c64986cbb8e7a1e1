/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The daemon's own scan of the flow tables (maps_count.c) against what the programs have counted:
 * both must say the same as long as no flow was lost, or each scan would put a mistake where there
 * was none.
 */
#include "world.h"

#include <errno.h>
#include <stdlib.h>

#include <sluice/tally.h>

#include "publish.h"

static bool differs(FILE *report, unsigned slot, const char *what, int32_t programs, uint32_t scan)
{
	if (programs != (int32_t)scan)
		fprintf(report, "    backend %u's %s: programs %d, scan %u\n", slot, what, programs,
			scan);
	return programs != (int32_t)scan;
}

int world_recount(struct world *world)
{
	struct maps_flow_counts *counts = malloc(sizeof(*counts));
	int err = counts ? maps_count_flows(world->maps, counts) : -ENOMEM;

	if (!err)
		publish_counts(world->maps, counts);
	free(counts);
	return err;
}

bool world_counts_late(const struct world *world, const struct sluice_flow *flow)
{
	const struct sluice_timeouts *timeouts = &world->maps->meta.timeouts;
	const uint32_t periods = timeouts->idle_periods;
	const uint32_t stamp = flow->touched - (timeouts->idle - timeouts->closing);

	return sluice_tally_distance(sluice_tally_period(stamp, periods),
				     sluice_tally_period(world_jiffies(world), periods),
				     periods) < SLUICE_TALLY_PARTS;
}

int world_scan(struct world *world, FILE *report)
{
	struct maps_flow_counts *counts = malloc(sizeof(*counts));
	int err = counts ? maps_count_flows(world->maps, counts) : -ENOMEM;
	bool bad = false;

	for (unsigned slot = 1; !err && slot <= SLUICE_MAX_BACKENDS; slot++) {
		const struct sluice_backend *backend = &world->maps->backends[slot];
		uint32_t half_open = 0;

		if (!backend->generation)
			continue;
		for (unsigned i = 0; i < SLUICE_TALLY_PARTS; i++)
			half_open += counts->half_open_part[slot][i];
		bad |= differs(report, slot, "active", maps_active(world->maps, backend),
			       maps_counted_active(counts, slot) +
				       maps_counted_expired(counts, slot));
		bad |= differs(report, slot, "half-open", maps_half_open(world->maps, backend),
			       half_open);
	}
	free(counts);
	return err ? err : bad;
}
