/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a walk through the flow tables counts: how full each table is, and how many flows each
 * backend has, both as people mean it and as the programs count them, so that the two can be
 * compared; and what the programs have counted. Writes no map. Declared in maps.h.
 */
#include "maps_scan.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include <sluice/flow_rules.h>
#include <sluice/tally.h>

#define PRESSURE_OVER 75 /* percent: below it a table's share is worth saying again */

static int capacity_of(int fd, uint32_t *capacity)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
		return -errno;
	*capacity = info.max_entries;
	return 0;
}

unsigned maps_percent(const struct maps_occupancy *table)
{
	return table->capacity ? (unsigned)((uint64_t)table->entries * 100 / table->capacity) : 0;
}

struct count {
	const struct maps *maps;
	struct maps_flow_counts *counts; /* NULL: nobody asks */
	struct maps_occupancy *tables;	 /* all of them */
	struct maps_occupancy *table;	 /* that is walked */
};

/*
 * A part that is in force when the scan began; a flow that moved since is counted again by the next
 * scan.
 */
static void count_part(uint32_t parts[SLUICE_TALLY_PARTS], uint32_t stamp, uint32_t now,
		       uint32_t periods)
{
	const uint32_t period = sluice_tally_period(stamp, periods);

	if (sluice_tally_distance(period, sluice_tally_period(now, periods), periods) <
	    SLUICE_TALLY_PARTS)
		parts[period % SLUICE_TALLY_PARTS]++;
}

/*
 * What has been quiet for too long is found apart: the programs count it until its part's time is
 * over.
 */
static void count_as_programs(struct maps_flow_counts *counts, const struct maps_flow *found,
			      uint32_t now, const struct sluice_timeouts *timeouts)
{
	const struct sluice_flow *flow = found->flow;

	switch (sluice_flow_counts_as(flow, found->established)) {
	case SLUICE_COUNT_ACTIVE:
		count_part(sluice_flow_is_expired(flow, now, timeouts)
				   ? counts->expired_part[flow->slot]
				   : counts->active_part[flow->slot],
			   sluice_flow_counted_at(flow, timeouts), counts->now,
			   timeouts->idle_periods);
		break;
	case SLUICE_COUNT_HALF_OPEN:
		count_part(counts->half_open_part[flow->slot], flow->picked, counts->now,
			   timeouts->half_open_periods);
		break;
	case SLUICE_COUNT_NONE:
		break;
	}
}

static void count_flow(const struct count *count, const struct maps_flow *found, uint32_t now)
{
	const struct sluice_flow *flow = found->flow;
	const struct maps *maps = count->maps;
	struct maps_flow_counts *counts = count->counts;
	const struct sluice_timeouts *timeouts = &maps->meta.timeouts;

	if (!flow->slot || flow->slot > SLUICE_MAX_BACKENDS)
		return;
	if (__atomic_load_n(&maps->backends[flow->slot].generation, __ATOMIC_RELAXED) !=
	    flow->generation)
		return;
	if (found->origin != SLUICE_ORIGIN_NETWORK)
		counts->local[flow->slot]++;
	else
		count_as_programs(counts, found, now, timeouts);
	switch (sluice_flow_state(flow, now, timeouts)) {
	case SLUICE_FLOW_HALF_OPEN:
		counts->half_open[flow->slot]++;
		break;
	case SLUICE_FLOW_ESTABLISHED:
	case SLUICE_FLOW_CLOSING:
		counts->active[flow->slot] += !sluice_flow_is_expired(flow, now, timeouts);
		break;
	case SLUICE_FLOW_CLOSED:
		break;
	}
}

static bool count_entry(void *ctx, const struct maps_flow *found)
{
	const struct count *count = ctx;
	const uint32_t now = maps_jiffies(count->maps);

	count->table->held++;
	if (!sluice_flow_is_expired(found->flow, now, &count->maps->meta.timeouts))
		count->table->entries++;
	if (count->counts)
		count_flow(count, found, now);
	return true;
}

static void note_parts(__s32 parts[SLUICE_TALLY_PARTS], const struct sluice_tally *tally)
{
	for (unsigned i = 0; i < SLUICE_TALLY_PARTS; i++)
		parts[i] = __atomic_load_n(&tally->part[i], __ATOMIC_RELAXED);
}

/* Before the first table is looked at: what moves from here on shows in what is said afterwards. */
static void begin_counts(const struct maps *maps, struct maps_flow_counts *counts)
{
	memset(counts, 0, sizeof(*counts));
	counts->now = maps_jiffies(maps);
	for (unsigned slot = 1; slot <= SLUICE_MAX_BACKENDS; slot++) {
		const struct sluice_backend *backend = &maps->backends[slot];

		note_parts(counts->before[slot].active, &backend->active);
		note_parts(counts->before[slot].half_open, &backend->half_open);
		counts->before[slot].local = __atomic_load_n(&backend->local, __ATOMIC_RELAXED);
	}
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* The next table that is walked. */
static int begin_table(void *ctx, unsigned table, int fd)
{
	static const char *const names[MAPS_TABLES] = { "half-open4", "half-open6", "established4",
							"established6", "local" };
	struct count *count = ctx;

	count->table = &count->tables[table];
	*count->table = (struct maps_occupancy){ .name = names[table] };
	return capacity_of(fd, &count->table->capacity);
}

int maps_count(const struct maps *maps, struct maps_flow_counts *counts,
	       struct maps_occupancy tables[MAPS_TABLES])
{
	struct count count = { .maps = maps, .counts = counts, .tables = tables };

	if (counts)
		begin_counts(maps, counts);
	return maps_scan_tables(maps, begin_table, count_entry, &count);
}

int maps_count_entries(const struct maps *maps, struct maps_occupancy tables[MAPS_TABLES])
{
	return maps_count(maps, NULL, tables);
}

int maps_count_flows(const struct maps *maps, struct maps_flow_counts *counts)
{
	struct maps_occupancy tables[MAPS_TABLES];

	return maps_count(maps, counts, tables);
}

uint32_t maps_counted_active(const struct maps_flow_counts *counts, unsigned slot)
{
	uint32_t sum = counts->local[slot];

	for (unsigned i = 0; i < SLUICE_TALLY_PARTS; i++)
		sum += counts->active_part[slot][i];
	return sum;
}

uint32_t maps_counted_expired(const struct maps_flow_counts *counts, unsigned slot)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < SLUICE_TALLY_PARTS; i++)
		sum += counts->expired_part[slot][i];
	return sum;
}

uint32_t maps_counted_half_open(const struct maps_flow_counts *counts, unsigned slot)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < SLUICE_TALLY_PARTS; i++)
		sum += counts->half_open_part[slot][i];
	return sum;
}

int32_t maps_active(const struct maps *maps, const struct sluice_backend *backend)
{
	return sluice_tally_sum(&backend->active, maps_jiffies(maps),
				maps->meta.timeouts.idle_periods) +
	       __atomic_load_n(&backend->local, __ATOMIC_RELAXED);
}

int32_t maps_half_open(const struct maps *maps, const struct sluice_backend *backend)
{
	return sluice_tally_sum(&backend->half_open, maps_jiffies(maps),
				maps->meta.timeouts.half_open_periods);
}

unsigned maps_pressure(const struct maps_occupancy *table, unsigned *level)
{
	unsigned percent = maps_percent(table);
	unsigned now = percent >= MAPS_PRESSURE_HIGH  ? MAPS_PRESSURE_HIGH
		       : percent >= MAPS_PRESSURE_LOW ? MAPS_PRESSURE_LOW
						      : 0;

	if (percent < PRESSURE_OVER)
		*level = 0;
	if (now <= *level)
		return 0;
	*level = now;
	return now;
}
