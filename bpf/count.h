/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counters. Nothing here returns a value: a counter that cannot be found never changes a verdict.
 */
#ifndef SLUICE_BPF_COUNT_H
#define SLUICE_BPF_COUNT_H

#include "maps.h"

static __always_inline void count_reason(enum sluice_reason reason)
{
	__u32 index = reason;
	__u64 *count = bpf_map_lookup_elem(&sluice_reasons, &index);

	if (count)
		(*count)++;
}

static __always_inline void count_pick(__u32 slot, __u32 service)
{
	struct sluice_stats *stats = bpf_map_lookup_elem(&sluice_bstats, &slot);

	if (stats)
		stats->picks++;
	stats = bpf_map_lookup_elem(&sluice_sstats, &service);
	if (stats)
		stats->picks++;
}

static __always_inline void count_connection(__u32 slot, __u32 service)
{
	struct sluice_stats *stats = bpf_map_lookup_elem(&sluice_bstats, &slot);

	if (stats)
		stats->connections++;
	stats = bpf_map_lookup_elem(&sluice_sstats, &service);
	if (stats)
		stats->connections++;
}

static __always_inline void count_in(__u32 slot, __u32 service, __u32 bytes)
{
	struct sluice_stats *stats = bpf_map_lookup_elem(&sluice_bstats, &slot);

	if (stats) {
		stats->packets_in++;
		stats->bytes_in += bytes;
	}
	stats = bpf_map_lookup_elem(&sluice_sstats, &service);
	if (stats) {
		stats->packets_in++;
		stats->bytes_in += bytes;
	}
}

static __always_inline void count_out(__u32 slot, __u32 service, __u32 bytes)
{
	struct sluice_stats *stats = bpf_map_lookup_elem(&sluice_bstats, &slot);

	if (stats) {
		stats->packets_out++;
		stats->bytes_out += bytes;
	}
	stats = bpf_map_lookup_elem(&sluice_sstats, &service);
	if (stats) {
		stats->packets_out++;
		stats->bytes_out += bytes;
	}
}

#endif
