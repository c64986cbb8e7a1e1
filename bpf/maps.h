/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every map, and the settings that attach writes between open and load. Layouts are in
 * <sluice/abi.h>; who may write what is decided by the modes of the pins, see
 * userspace/lib/loader.h. All maps exist before the daemon starts, since it may not create one.
 *
 * The maps that the daemon writes are memory mapped, so that a set is published by plain stores.
 */
#ifndef SLUICE_BPF_MAPS_H
#define SLUICE_BPF_MAPS_H

#include <linux/bpf.h>
#include <stdbool.h>

#include <bpf/bpf_helpers.h>

#include <sluice/abi.h>
#include <sluice/flow_rules.h>
#include <sluice/reasons.h>
#include <sluice/tally.h>

/*
 * Host-ports a packet may be sent to, both ends included, host order. Read-only data: no map can
 * widen it.
 */
const volatile __u16 sluice_port_min = 31000;
const volatile __u16 sluice_port_max = 32000;
/* Jiffies per second of the running kernel, measured by attach. */
const volatile __u32 sluice_hz = 250;
/* How long a flow lasts without a packet. */
const volatile struct sluice_timeouts sluice_timeouts = {
	.half_open = SLUICE_HALF_OPEN_MS / 4,
	.idle = SLUICE_IDLE_MS / 4,
	.closing = SLUICE_CLOSING_MS / 4,
	.closed = SLUICE_CLOSED_MS / 4,
	.reset = SLUICE_RST_LINGER_MS / 4,
	.half_open_periods = 1 << 19,
	.idle_periods = 1 << 12,
};
/*
 * Cookie of the network namespace that the host's own processes live in; 0: the initial one, where
 * the kernel cannot tell user space (SO_NETNS_COOKIE, Linux 5.14).
 */
const volatile __u64 sluice_host_netns = 0;
/* Has the kernel bpf_skc_to_mptcp_sock() (Linux 5.19) for the programs on a cgroup? */
const volatile bool sluice_knows_mptcp = false;
/*
 * Does the kernel take a tail call from a program that has functions of its own? Not without a JIT, and
 * before Linux 6.0 on x86-64 alone. What is never reached is not judged, so asking is enough.
 */
const volatile bool sluice_calls_writer = false;

#define SLUICE_SLOTS (SLUICE_MAX_BACKENDS + 1)
#define SLUICE_INDEXES (SLUICE_MAX_SERVICES + 1)

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sluice_meta);
} sluice_meta SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 65536);
	__type(key, __u32); /* port, host order */
	__type(value, struct sluice_port);
} sluice_ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SLUICE_INDEXES);
	__type(key, __u32);
	__type(value, struct sluice_service);
} sluice_services SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, SLUICE_INDEXES);
	__type(key, __u32);
	__type(value, struct sluice_active);
} sluice_active SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, SLUICE_INDEXES *SLUICE_SET_RING);
	__type(key, __u32);
	__type(value, struct sluice_set);
} sluice_sets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, SLUICE_SLOTS);
	__type(key, __u32);
	__type(value, struct sluice_backend);
} sluice_backends SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, SLUICE_SLOTS);
	__type(key, __u32);
	__type(value, struct sluice_label);
} sluice_labels SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 65536);
	__type(key, __u32); /* port, host order */
	__type(value, struct sluice_hport);
} sluice_hports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SLUICE_SLOTS);
	__type(key, struct sluice_override_key);
	__type(value, struct sluice_override);
} sluice_override SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, SLUICE_CHANGES);
	__type(key, __u32);
	__type(value, struct sluice_change);
} sluice_changes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __be32);  /* address of this host */
	__type(value, __u32); /* 1 */
} sluice_addrs4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct sluice_addr6);
	__type(value, __u32); /* 1 */
} sluice_addrs6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4096);
	__type(key, struct sluice_allow_key4);
	__type(value, __u32);
} sluice_allow4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4096);
	__type(key, struct sluice_allow_key6);
	__type(value, __u32);
} sluice_allow6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct sluice_rate_key);
	__type(value, struct sluice_rate);
} sluice_rates SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SLUICE_INDEXES);
	__type(key, __u32);
	__type(value, struct sluice_cursor);
} sluice_cursor SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, SLUICE_EVENTS_BYTES);
} sluice_events SEC(".maps");

/*
 * One shared LRU each, not per-CPU (the reply runs on the application's CPU) and without
 * BPF_F_NO_COMMON_LRU (it divides the capacity by the number of CPUs). Attach sets the sizes.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 262144);
	__type(key, struct sluice_flow_key4);
	__type(value, struct sluice_half);
} sluice_half4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 262144);
	__type(key, struct sluice_flow_key4);
	__type(value, struct sluice_flow);
} sluice_est4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 262144);
	__type(key, struct sluice_flow_key6);
	__type(value, struct sluice_half);
} sluice_half6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 262144);
	__type(key, struct sluice_flow_key6);
	__type(value, struct sluice_flow);
} sluice_est6 SEC(".maps");

/* No LRU: an entry lives as long as its socket. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 262144);
	__type(key, __u64); /* socket cookie */
	__type(value, struct sluice_local);
} sluice_local SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sluice_peers);
} sluice_peers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SLUICE_SLOTS);
	__type(key, __u32);
	__type(value, struct sluice_stats);
} sluice_bstats SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SLUICE_INDEXES);
	__type(key, __u32);
	__type(value, struct sluice_stats);
} sluice_sstats SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SLUICE_REASON_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} sluice_reasons SEC(".maps");

#endif
