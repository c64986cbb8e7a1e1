/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The time that passes in the maps: what carries a stamp becomes older, and what was counted goes
 * with its flows. Counts are made here by the rules of <sluice/tally.h> and not by the daemon's
 * scan (maps_count.c), so that a misunderstanding between the two shows.
 */
#include "world.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include <sluice/flow_rules.h>
#include <sluice/tally.h>

#include "world_internal.h"

/* Keys of either family fit. */
static unsigned list_keys(int fd, uint8_t (*keys)[sizeof(struct sluice_flow_key6)])
{
	unsigned count = 0;

	while (count < WORLD_FLOW_ENTRIES &&
	       !bpf_map_get_next_key(fd, count ? keys[count - 1] : NULL, keys[count]))
		count++;
	return count;
}

static void age_flow(struct sluice_flow *flow, uint32_t jiffies)
{
	flow->picked -= jiffies;
	flow->touched -= jiffies;
	if (flow->client_rst)
		flow->client_rst = (flow->client_rst - jiffies) | 1;
}

static int age_flows(int fd, uint32_t jiffies)
{
	static uint8_t keys[WORLD_FLOW_ENTRIES][sizeof(struct sluice_flow_key6)];
	struct sluice_half half = {
		.pad = 0
	}; /* its first member is all that an established table holds */
	unsigned i, count = list_keys(fd, keys);

	for (i = 0; i < count; i++) {
		if (bpf_map_lookup_elem(fd, keys[i], &half))
			return -errno;
		age_flow(&half.flow, jiffies);
		if (bpf_map_update_elem(fd, keys[i], &half, BPF_EXIST))
			return -errno;
	}
	return 0;
}

/* A full LRU pushes somebody out even for a key that it holds: so first all go, and then come back. */
static int age_full_flows(int fd, uint32_t jiffies)
{
	static uint8_t keys[WORLD_FLOW_ENTRIES][sizeof(struct sluice_flow_key6)];
	struct sluice_half halves[WORLD_FEW_HALF + WORLD_FEW_EST];
	unsigned i, count = list_keys(fd, keys);

	if (count > WORLD_FEW_HALF + WORLD_FEW_EST)
		return -E2BIG;
	for (i = 0; i < count; i++)
		if (bpf_map_lookup_elem(fd, keys[i], &halves[i]) ||
		    bpf_map_delete_elem(fd, keys[i]))
			return -errno;
	for (i = 0; i < count; i++) {
		age_flow(&halves[i].flow, jiffies);
		if (bpf_map_update_elem(fd, keys[i], &halves[i], BPF_NOEXIST))
			return -errno;
	}
	return 0;
}

static int age_rates(int fd, uint32_t jiffies)
{
	struct sluice_rate_key keys[64];
	struct sluice_rate rate;
	unsigned i, count = 0;

	while (count < 64 &&
	       !bpf_map_get_next_key(fd, count ? &keys[count - 1] : NULL, &keys[count]))
		count++;
	for (i = 0; i < count; i++) {
		if (bpf_map_lookup_elem(fd, &keys[i], &rate))
			return -errno;
		rate.filled -= jiffies;
		if (bpf_map_update_elem(fd, &keys[i], &rate, BPF_EXIST))
			return -errno;
	}
	return 0;
}

/* --- counts --- */

static const struct sluice_timeouts *timeouts_of(const struct world *world)
{
	return &world->maps->meta.timeouts;
}

static void set_tally(struct world *world, struct sluice_tally *tally, uint32_t periods,
		      int32_t count)
{
	const uint32_t now = world_jiffies(world);

	sluice_tally_reset(tally, now, periods);
	tally->part[tally->period % SLUICE_TALLY_PARTS] = count;
}

void world_set_active(struct world *world, unsigned slot, int32_t active)
{
	world->maps->backends[slot].local = 0;
	set_tally(world, &world->maps->backends[slot].active, timeouts_of(world)->idle_periods,
		  active);
}

void world_set_half_open(struct world *world, unsigned slot, int32_t half_open)
{
	set_tally(world, &world->maps->backends[slot].half_open,
		  timeouts_of(world)->half_open_periods, half_open);
}

/* What the programs have counted if they have made no mistake. */
struct counted {
	uint32_t active_part[SLUICE_MAX_BACKENDS + 1][SLUICE_TALLY_PARTS];
	uint32_t half_open_part[SLUICE_MAX_BACKENDS + 1][SLUICE_TALLY_PARTS];
};

static void count_one(uint32_t part[SLUICE_TALLY_PARTS], uint32_t stamp, uint32_t now,
		      uint32_t periods)
{
	const uint32_t period = sluice_tally_period(stamp, periods);

	if (sluice_tally_distance(period, sluice_tally_period(now, periods), periods) <
	    SLUICE_TALLY_PARTS)
		part[period % SLUICE_TALLY_PARTS]++;
}

/* A connection that closes has less time left than one that is idle, and is counted so. */
static uint32_t older_by(const struct world *world, const struct sluice_flow *flow)
{
	const struct sluice_timeouts *timeouts = timeouts_of(world);
	const bool closing = (flow->in_marks & SLUICE_IN_FIN) || (flow->out_marks & SLUICE_OUT_FIN);

	return closing && timeouts->closing < timeouts->idle ? timeouts->idle - timeouts->closing
							     : 0;
}

static int read_table(struct world *world, unsigned family, bool established,
		      struct counted *counts)
{
	static uint8_t keys[WORLD_FLOW_ENTRIES][sizeof(struct sluice_flow_key6)];
	const int fd = world_flows_fd(world, family, established);
	const uint32_t now = world_jiffies(world);
	unsigned i, count = list_keys(fd, keys);
	struct sluice_half half;
	const struct sluice_flow *flow = &half.flow;

	for (i = 0; i < count; i++) {
		if (bpf_map_lookup_elem(fd, keys[i], &half))
			return -errno;
		if (world->maps->backends[flow->slot].generation != flow->generation)
			continue;
		if (established)
			count_one(counts->active_part[flow->slot],
				  flow->touched - older_by(world, flow), now,
				  timeouts_of(world)->idle_periods);
		else if (!flow->done && !sluice_flow_is_over(flow))
			count_one(counts->half_open_part[flow->slot], flow->picked, now,
				  timeouts_of(world)->half_open_periods);
	}
	return 0;
}

static int read_counts(struct world *world, struct counted *counts)
{
	unsigned i;
	int err = 0;

	memset(counts, 0, sizeof(*counts));
	for (i = 0; i < 4 && !err; i++)
		err = read_table(world, i & 1 ? 6 : 4, i & 2, counts);
	return err;
}

/*
 * Ages are not multiples of a period, so what was counted does not simply lie a few periods further
 * back. The flows that there are tell where they belong; what is left over is the count of flows that
 * nobody has any more, and goes back by whole periods.
 */
static int count_flows(struct world *world, int32_t sign)
{
	static struct counted counts;
	unsigned slot, i;
	int err = read_counts(world, &counts);

	for (slot = 1; slot <= SLUICE_MAX_BACKENDS && !err; slot++) {
		struct sluice_backend *backend = &world->maps->backends[slot];

		for (i = 0; i < SLUICE_TALLY_PARTS; i++) {
			backend->active.part[i] += sign * (int32_t)counts.active_part[slot][i];
			backend->half_open.part[i] +=
				sign * (int32_t)counts.half_open_part[slot][i];
		}
	}
	return err;
}

/* from, to: how far the world has aged. */
static void age_tally(struct sluice_tally *tally, uint32_t now, uint32_t from, uint32_t to,
		      uint32_t periods)
{
	const uint32_t back = sluice_tally_period(to, periods) - sluice_tally_period(from, periods);
	struct sluice_tally old = *tally;
	unsigned i;

	sluice_tally_reset(tally, now, periods);
	for (i = 0; i + back < SLUICE_TALLY_PARTS; i++)
		tally->part[(tally->period - i - back) % SLUICE_TALLY_PARTS] =
			old.part[(old.period - i) % SLUICE_TALLY_PARTS];
}

static void age_backends(struct world *world, uint32_t jiffies)
{
	const uint32_t now = world_jiffies(world);
	unsigned i;

	for (i = 1; i <= SLUICE_MAX_BACKENDS; i++) {
		struct sluice_backend *backend = &world->maps->backends[i];

		if (!backend->generation)
			continue;
		if (backend->suspect)
			backend->suspect_since -= jiffies;
		if (backend->answered)
			backend->answered -= jiffies;
		age_tally(&backend->active, now, world->aged, world->aged + jiffies,
			  timeouts_of(world)->idle_periods);
		age_tally(&backend->half_open, now, world->aged, world->aged + jiffies,
			  timeouts_of(world)->half_open_periods);
	}
	world->aged += jiffies;
}

/* So that every tally stands at the period of this moment. */
static void advance(struct world *world)
{
	const uint32_t now = world_jiffies(world);
	unsigned i;

	for (i = 1; i <= SLUICE_MAX_BACKENDS; i++) {
		sluice_tally_advance(&world->maps->backends[i].active, now,
				     timeouts_of(world)->idle_periods);
		sluice_tally_advance(&world->maps->backends[i].half_open, now,
				     timeouts_of(world)->half_open_periods);
	}
}

int world_age(struct world *world, uint32_t age_ms)
{
	uint32_t jiffies = (uint32_t)((uint64_t)age_ms * world->maps->meta.hz / 1000);
	unsigned i;
	int err = world->limits ? age_rates(world_rates_fd(world), jiffies) : 0;

	advance(world);
	if (!err)
		err = count_flows(world, -1);
	age_backends(world, jiffies);
	for (i = 0; i < 4 && !err; i++) {
		const int fd = world_flows_fd(world, i & 1 ? 6 : 4, i & 2);

		err = world->room == WORLD_FORGETS ? age_full_flows(fd, jiffies)
						   : age_flows(fd, jiffies);
	}
	return err ? err : count_flows(world, 1);
}
