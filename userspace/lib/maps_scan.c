/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The walk through the flow tables by batch look-up, and the flows' own clock. What the flows mean
 * is their visitor's. Declared in maps.h and maps_scan.h.
 */
#include "maps_scan.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define BATCH_FIRST 256 /* most tables are nearly empty, and pages are not free */
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

union scan_key {
	struct sluice_flow_key4 key4;
	struct sluice_flow_key6 key6;
	__u64 cookie;
};

union scan_value {
	struct sluice_half half;
	struct sluice_flow flow;
	struct sluice_local local;
};

/* Room for a batch of any table. */
struct batch {
	char *keys, *values;
	__u32 size; /* in elements */
};

struct scan {
	int fd, family;		     /* AF_UNSPEC: the map of local connections */
	size_t key_size, value_size; /* a flow table's value begins with its struct sluice_flow */
};

static void batch_release(struct batch *batch)
{
	free(batch->keys);
	free(batch->values);
	*batch = (struct batch){ 0 };
}

static int batch_resize(struct batch *batch, __u32 size)
{
	batch_release(batch);
	batch->keys = calloc(size, sizeof(union scan_key));
	batch->values = calloc(size, sizeof(union scan_value));
	batch->size = size;
	return batch->keys && batch->values ? 0 : -ENOMEM;
}

static void describe(const struct scan *scan, const struct batch *batch, __u32 i,
		     struct maps_flow *flow)
{
	const void *value = batch->values + i * scan->value_size;
	struct sluice_flow_key4 key4;
	struct sluice_flow_key6 key6;

	*flow = (struct maps_flow){
		.family = scan->family,
		.established = scan->value_size == sizeof(struct sluice_flow),
		.flow = value,
	};
	if (scan->family == AF_INET) {
		memcpy(&key4, batch->keys + i * scan->key_size, sizeof(key4));
		flow->client[0] = key4.client;
		flow->local[0] = key4.local;
		flow->client_port = key4.client_port;
		flow->service_port = key4.service_port;
	} else {
		memcpy(&key6, batch->keys + i * scan->key_size, sizeof(key6));
		memcpy(flow->client, key6.client, sizeof(flow->client));
		memcpy(flow->local, key6.local, sizeof(flow->local));
		flow->client_port = key6.client_port;
		flow->service_port = key6.service_port;
	}
}

static void describe_local(const struct scan *scan, const struct batch *batch, __u32 i, __u32 now,
			   struct sluice_flow *as_flow, struct maps_flow *flow)
{
	struct sluice_local local;

	memcpy(&local, batch->values + i * scan->value_size, sizeof(local));
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
	memcpy(&flow->cookie, batch->keys + i * scan->key_size, sizeof(flow->cookie));
	memcpy(flow->client, local.client, sizeof(flow->client));
	memcpy(flow->local, local.local, sizeof(flow->local));
}

/* As many as fit. One bucket that holds more than the batch is thrown away, and asked for again. */
static int look_up(const struct scan *scan, struct batch *batch, const __u32 *from, __u32 *next,
		   __u32 *count)
{
	__u32 position;
	int err;

	do {
		*count = batch->size;
		position = from ? *from : 0;
		err = bpf_map_lookup_batch(scan->fd, from ? &position : NULL, next, batch->keys,
					   batch->values, count, NULL) < 0
			      ? -errno
			      : 0;
	} while (err == -ENOSPC && batch->size < BATCH_MAX &&
		 !(err = batch_resize(batch, batch->size * 2)));
	return err;
}

/* 1: visit wants no more; 0: the whole table was seen. */
static int scan_table(const struct scan *scan, struct batch *batch, __u32 now,
		      maps_visit_flow visit, void *ctx)
{
	__u32 position = 0, next = 0, count, i;
	const __u32 *from = NULL;
	struct sluice_flow as_flow;
	struct maps_flow flow;
	int err = batch->size ? 0 : batch_resize(batch, BATCH_FIRST);

	while (!err) {
		err = look_up(scan, batch, from, &next, &count);
		if (err && err != -ENOENT)
			return err;
		for (i = 0; i < count; i++) {
			if (scan->family == AF_UNSPEC)
				describe_local(scan, batch, i, now, &as_flow, &flow);
			else
				describe(scan, batch, i, &flow);
			if (!visit(ctx, &flow))
				return 1;
		}
		position = next;
		from = &position;
		if (!err && batch->size < BATCH)
			err = batch_resize(batch, BATCH);
	}
	return err == -ENOENT ? 0 : err;
}

/* Half-open first: a flow that is promoted meanwhile is seen twice rather than never. */
static void describe_tables(const struct maps *maps, struct scan scans[MAPS_TABLES])
{
	const struct scan all[MAPS_TABLES] = {
		{ maps->half4_fd, AF_INET, sizeof(struct sluice_flow_key4),
		  sizeof(struct sluice_half) },
		{ maps->half6_fd, AF_INET6, sizeof(struct sluice_flow_key6),
		  sizeof(struct sluice_half) },
		{ maps->est4_fd, AF_INET, sizeof(struct sluice_flow_key4),
		  sizeof(struct sluice_flow) },
		{ maps->est6_fd, AF_INET6, sizeof(struct sluice_flow_key6),
		  sizeof(struct sluice_flow) },
		{ maps->local_fd, AF_UNSPEC, sizeof(__u64), sizeof(struct sluice_local) },
	};

	memcpy(scans, all, sizeof(all));
}

int maps_scan_tables(const struct maps *maps, maps_begin_table begin, maps_visit_flow visit,
		     void *ctx)
{
	struct scan scans[MAPS_TABLES];
	struct batch batch = { 0 };
	int err = 0;
	unsigned i;

	describe_tables(maps, scans);
	for (i = 0; i < MAPS_TABLES && !err; i++) {
		err = begin ? begin(ctx, i, scans[i].fd) : 0;
		if (!err)
			err = scan_table(&scans[i], &batch, maps_jiffies(maps), visit, ctx);
	}
	batch_release(&batch);
	return err < 0 ? err : 0;
}

int maps_scan_flows(const struct maps *maps, maps_visit_flow visit, void *ctx)
{
	return maps_scan_tables(maps, NULL, visit, ctx);
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
