/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The flow tables as user space sees them: by batch look-up, at the time of the flows' own clock. Declared in maps.h.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "maps.h"

#define BATCH 4096
#define BATCH_MAX (1u << 20)
/*
 * Linux gives up sending a SYN-ACK after 63 s, and a SYN after 127 s (tcp(7), tcp_syn_retries).
 */
#define HANDSHAKE_MAX_S 128

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

struct batch {
	struct sluice_flow_key4 *keys;
	struct sluice_flow *flows;
	__u32 size;
};

static int batch_resize(struct batch *batch, __u32 size)
{
	free(batch->keys);
	free(batch->flows);
	batch->keys = calloc(size, sizeof(*batch->keys));
	batch->flows = calloc(size, sizeof(*batch->flows));
	batch->size = size;
	return batch->keys && batch->flows ? 0 : -ENOMEM;
}

/* 1: visit wants no more; 0: the whole table was seen. */
static int scan_table(int fd, bool established, struct batch *batch, maps_visit_flow visit,
		      void *ctx)
{
	__u32 position = 0, next = 0, count, i;
	void *from = NULL;
	int err;

	for (;;) {
		count = batch->size;
		err = bpf_map_lookup_batch(fd, from, &next, batch->keys, batch->flows, &count,
					   NULL) < 0
			      ? -errno
			      : 0;
		if (err == -ENOSPC && batch->size < BATCH_MAX) {
			/* One bucket holds more than the batch. What came is thrown away, and asked for again. */
			err = batch_resize(batch, batch->size * 2);
			if (err)
				return err;
			continue;
		}
		if (err && err != -ENOENT)
			return err;
		for (i = 0; i < count; i++) {
			if (!visit(ctx, &batch->keys[i], &batch->flows[i], established))
				return 1;
		}
		if (err == -ENOENT)
			return 0;
		position = next;
		from = &position;
	}
}

int maps_scan_flows(const struct maps *maps, maps_visit_flow visit, void *ctx)
{
	struct batch batch = {};
	int err = batch_resize(&batch, BATCH);

	/* Half-open first: a flow that is promoted meanwhile is seen twice rather than never. */
	if (!err)
		err = scan_table(maps->half4_fd, false, &batch, visit, ctx);
	if (!err)
		err = scan_table(maps->est4_fd, true, &batch, visit, ctx);
	free(batch.keys);
	free(batch.flows);
	return err < 0 ? err : 0;
}

struct count {
	const struct maps *maps;
	struct maps_flow_counts *counts;
};

static bool count_flow(void *ctx, const struct sluice_flow_key4 *key,
		       const struct sluice_flow *flow, bool established)
{
	const struct count *count = ctx;
	const struct maps *maps = count->maps;
	/* Read after the flow was: a mark that is newer than now would look very old. */
	uint32_t hz = maps->meta.hz, now = maps_jiffies(maps), idle = now - flow->touched;

	(void)key;
	if (!flow->slot || flow->slot > SLUICE_MAX_BACKENDS)
		return true;
	if (__atomic_load_n(&maps->backends[flow->slot].generation, __ATOMIC_RELAXED) !=
	    flow->generation)
		return true;
	if (sluice_flow_state(flow, established, now, hz) == SLUICE_FLOW_CLOSED)
		return true;
	if (established && idle <= SLUICE_ESTABLISHED_IDLE_S * hz)
		count->counts->active[flow->slot]++;
	else if (!established && idle <= HANDSHAKE_MAX_S * hz)
		count->counts->half_open[flow->slot]++;
	return true;
}

int maps_count_flows(const struct maps *maps, struct maps_flow_counts *counts)
{
	struct count count = { .maps = maps, .counts = counts };

	memset(counts, 0, sizeof(*counts));
	return maps_scan_flows(maps, count_flow, &count);
}
