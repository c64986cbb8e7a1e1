/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The flow tables as user space sees them: by batch look-up, at the time of the flows' own clock. Declared in maps.h.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <sluice/flow_rules.h>
#include <sluice/tally.h>

#include "maps.h"

#define BATCH 4096
#define BATCH_MAX (1u << 20)
/* The tick's length as the kernel rounds it (TICK_NSEC), so that nothing drifts at 300 Hz. */
static uint64_t tick_ns(uint32_t hz)
{
	return (UINT64_C(1000000000) + hz / 2) / hz;
}

/*
 * Jiffies are counted from CLOCK_MONOTONIC (kernel/time/tick-sched.c, tick_do_update_jiffies64()), so both run together
 * through slewing and suspend. The moment of attach is known to a tick: one is added, for an age of "one tick ago" is
 * harmless where "one tick ahead" would be a very great age.
 */
int maps_clear_percpu(int fd, uint32_t entries, size_t value_size)
{
	const int cpus = libbpf_num_possible_cpus();
	void *zeros = cpus > 0 ? calloc((size_t)cpus, (value_size + 7) / 8 * 8) : NULL;
	int err = zeros ? 0 : -ENOMEM;
	uint32_t i;

	for (i = 0; i < entries && !err; i++)
		if (bpf_map_update_elem(fd, &i, zeros, BPF_ANY))
			err = -errno;
	free(zeros);
	return err;
}

uint32_t maps_jiffies(const struct maps *maps)
{
	struct timespec now;
	uint64_t ns;

	if (!maps->meta.hz)
		return 0;
	clock_gettime(CLOCK_MONOTONIC, &now);
	ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec - maps->meta.clock_ktime_ns;
	return (uint32_t)(maps->meta.clock_jiffies + ns / tick_ns(maps->meta.hz) + 1);
}

/* One table, and room for a batch of it. */
struct scan {
	int fd, family;		     /* AF_UNSPEC: the map of local connections */
	size_t key_size, value_size; /* a flow table's value begins with its struct sluice_flow */
	char *keys, *values;
	__u32 size; /* of a batch, in elements */
};

static int scan_resize(struct scan *scan, __u32 size)
{
	free(scan->keys);
	free(scan->values);
	scan->keys = calloc(size, scan->key_size);
	scan->values = calloc(size, scan->value_size);
	scan->size = size;
	return scan->keys && scan->values ? 0 : -ENOMEM;
}

static void describe(const struct scan *scan, __u32 i, struct maps_flow *flow)
{
	const void *value = scan->values + i * scan->value_size;
	struct sluice_flow_key4 key4;
	struct sluice_flow_key6 key6;

	*flow = (struct maps_flow){
		.family = scan->family,
		.established = scan->value_size == sizeof(struct sluice_flow),
		.flow = value,
	};
	if (scan->family == AF_INET) {
		memcpy(&key4, scan->keys + i * scan->key_size, sizeof(key4));
		flow->client[0] = key4.client;
		flow->local[0] = key4.local;
		flow->client_port = key4.client_port;
		flow->service_port = key4.service_port;
	} else {
		memcpy(&key6, scan->keys + i * scan->key_size, sizeof(key6));
		memcpy(flow->client, key6.client, sizeof(flow->client));
		memcpy(flow->local, key6.local, sizeof(flow->local));
		flow->client_port = key6.client_port;
		flow->service_port = key6.service_port;
	}
}

static void describe_local(const struct scan *scan, __u32 i, __u32 now, struct sluice_flow *as_flow,
			   struct maps_flow *flow)
{
	struct sluice_local local;

	memcpy(&local, scan->values + i * scan->value_size, sizeof(local));
	*as_flow = (struct sluice_flow){
		.generation = local.generation,
		.slot = local.slot,
		.port = local.port,
		.service = local.service,
		.picked = local.connected,
		.touched = now,
		.done = 1,
	};
	*flow = (struct maps_flow){
		.family = local.ip_version == 4 ? AF_INET : AF_INET6,
		.origin = local.origin,
		.client_port = local.client_port,
		.service_port = local.service_port,
		.flow = as_flow,
	};
	memcpy(&flow->cookie, scan->keys + i * scan->key_size, sizeof(flow->cookie));
	memcpy(flow->client, local.client, sizeof(flow->client));
	memcpy(flow->local, local.local, sizeof(flow->local));
}

/* 1: visit wants no more; 0: the whole table was seen. */
static int scan_table(struct scan *scan, __u32 now, maps_visit_flow visit, void *ctx)
{
	__u32 position = 0, next = 0, count, i;
	struct sluice_flow as_flow;
	struct maps_flow flow;
	void *from = NULL;
	int err = scan_resize(scan, BATCH);

	while (!err) {
		count = scan->size;
		err = bpf_map_lookup_batch(scan->fd, from, &next, scan->keys, scan->values, &count,
					   NULL) < 0
			      ? -errno
			      : 0;
		if (err == -ENOSPC && scan->size < BATCH_MAX) {
			/* One bucket holds more than the batch. What came is thrown away, and asked for again. */
			err = scan_resize(scan, scan->size * 2);
			continue;
		}
		if (err && err != -ENOENT)
			return err;
		for (i = 0; i < count; i++) {
			if (scan->family == AF_UNSPEC)
				describe_local(scan, i, now, &as_flow, &flow);
			else
				describe(scan, i, &flow);
			if (!visit(ctx, &flow))
				return 1;
		}
		position = next;
		from = &position;
	}
	return err == -ENOENT ? 0 : err;
}

/* Half-open first: a flow that is promoted meanwhile is seen twice rather than never. */
static void describe_tables(const struct maps *maps, struct scan scans[MAPS_TABLES])
{
	const struct scan all[MAPS_TABLES] = {
		{ maps->half4_fd, AF_INET, sizeof(struct sluice_flow_key4),
		  sizeof(struct sluice_half), NULL, NULL, 0 },
		{ maps->half6_fd, AF_INET6, sizeof(struct sluice_flow_key6),
		  sizeof(struct sluice_half), NULL, NULL, 0 },
		{ maps->est4_fd, AF_INET, sizeof(struct sluice_flow_key4),
		  sizeof(struct sluice_flow), NULL, NULL, 0 },
		{ maps->est6_fd, AF_INET6, sizeof(struct sluice_flow_key6),
		  sizeof(struct sluice_flow), NULL, NULL, 0 },
		{ maps->local_fd, AF_UNSPEC, sizeof(__u64), sizeof(struct sluice_local), NULL, NULL,
		  0 },
	};

	memcpy(scans, all, sizeof(all));
}

static void scan_free(struct scan *scan)
{
	free(scan->keys);
	free(scan->values);
}

int maps_scan_flows(const struct maps *maps, maps_visit_flow visit, void *ctx)
{
	struct scan scans[MAPS_TABLES];
	int err = 0;
	size_t i;

	describe_tables(maps, scans);
	for (i = 0; i < MAPS_TABLES && !err; i++)
		err = scan_table(&scans[i], maps_jiffies(maps), visit, ctx);
	for (i = 0; i < MAPS_TABLES; i++)
		scan_free(&scans[i]);
	return err < 0 ? err : 0;
}

struct occupied {
	const struct maps *maps;
	struct maps_occupancy *table;
};

static bool count_entry(void *ctx, const struct maps_flow *flow)
{
	const struct occupied *occupied = ctx;
	const struct maps *maps = occupied->maps;

	occupied->table->held++;
	if (!sluice_flow_is_expired(flow->flow, maps_jiffies(maps), &maps->meta.timeouts))
		occupied->table->entries++;
	return true;
}

static int capacity_of(int fd, uint32_t *capacity)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
		return -errno;
	*capacity = info.max_entries;
	return 0;
}

int maps_count_entries(const struct maps *maps, struct maps_occupancy tables[MAPS_TABLES])
{
	static const char *const names[MAPS_TABLES] = { "half-open4", "half-open6", "established4",
							"established6", "local" };
	struct scan scans[MAPS_TABLES];
	int err = 0;
	size_t i;

	describe_tables(maps, scans);
	for (i = 0; i < MAPS_TABLES && !err; i++) {
		struct occupied occupied = { .maps = maps, .table = &tables[i] };

		tables[i] = (struct maps_occupancy){ .name = names[i] };
		err = capacity_of(scans[i].fd, &tables[i].capacity);
		if (!err)
			err = scan_table(&scans[i], maps_jiffies(maps), count_entry, &occupied);
	}
	for (i = 0; i < MAPS_TABLES; i++)
		scan_free(&scans[i]);
	return err < 0 ? err : 0;
}

unsigned maps_percent(const struct maps_occupancy *table)
{
	return table->capacity ? (unsigned)((uint64_t)table->entries * 100 / table->capacity) : 0;
}

struct count {
	const struct maps *maps;
	struct maps_flow_counts *counts;
};

/* A part that is in force when the scan began; a flow that moved since is counted again by the next scan. */
static void count_part(uint32_t parts[SLUICE_TALLY_PARTS], uint32_t stamp, uint32_t now,
		       uint32_t periods)
{
	const uint32_t period = sluice_tally_period(stamp, periods);

	if (sluice_tally_distance(period, sluice_tally_period(now, periods), periods) <
	    SLUICE_TALLY_PARTS)
		parts[period % SLUICE_TALLY_PARTS]++;
}

static void count_as_programs(struct maps_flow_counts *counts, const struct maps_flow *found,
			      const struct sluice_timeouts *timeouts)
{
	const struct sluice_flow *flow = found->flow;

	switch (sluice_flow_counts_as(flow, found->established)) {
	case SLUICE_COUNT_ACTIVE:
		count_part(counts->active_part[flow->slot], flow->touched, counts->now,
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

static bool count_flow(void *ctx, const struct maps_flow *found)
{
	const struct count *count = ctx;
	const struct sluice_flow *flow = found->flow;
	const struct maps *maps = count->maps;
	struct maps_flow_counts *counts = count->counts;
	const struct sluice_timeouts *timeouts = &maps->meta.timeouts;
	uint32_t now = maps_jiffies(maps);

	if (!flow->slot || flow->slot > SLUICE_MAX_BACKENDS)
		return true;
	if (__atomic_load_n(&maps->backends[flow->slot].generation, __ATOMIC_RELAXED) !=
	    flow->generation)
		return true;
	if (found->origin != SLUICE_ORIGIN_NETWORK)
		counts->local[flow->slot]++;
	else
		count_as_programs(counts, found, timeouts);
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
	return true;
}

int maps_count_flows(const struct maps *maps, struct maps_flow_counts *counts)
{
	struct count count = { .maps = maps, .counts = counts };

	memset(counts, 0, sizeof(*counts));
	counts->now = maps_jiffies(maps);
	return maps_scan_flows(maps, count_flow, &count);
}

uint32_t maps_counted_active(const struct maps_flow_counts *counts, unsigned slot)
{
	uint32_t sum = counts->local[slot];

	for (unsigned i = 0; i < SLUICE_TALLY_PARTS; i++)
		sum += counts->active_part[slot][i];
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

#define PRESSURE_OVER 75

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

int maps_forget_local(struct maps *maps)
{
	__u64 key, previous = 0;
	bool first = true;

	/* a key that is gone makes the walk begin anew, and by then there are fewer */
	while (!bpf_map_get_next_key(maps->local_fd, first ? NULL : &previous, &key)) {
		struct sluice_local local;

		first = false;
		previous = key;
		if (bpf_map_lookup_elem(maps->local_fd, &key, &local) < 0 ||
		    bpf_map_delete_elem(maps->local_fd, &key) < 0) {
			if (errno != ENOENT)
				return -errno;
			continue; /* its socket was closed meanwhile */
		}
		if (local.slot && local.slot <= SLUICE_MAX_BACKENDS &&
		    maps->backends[local.slot].generation == local.generation)
			__atomic_fetch_sub(&maps->backends[local.slot].local, 1, __ATOMIC_RELAXED);
	}
	return errno == ENOENT ? 0 : -errno;
}
