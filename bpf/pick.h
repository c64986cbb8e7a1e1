/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who gets a new connection: reads the service's published set and applies its algorithm. Reads
 * sets and backends, writes only the round-robin cursor. Knows nothing about flows or packets.
 */
#ifndef SLUICE_BPF_PICK_H
#define SLUICE_BPF_PICK_H

#include <stdbool.h>

#include <bpf/bpf_endian.h>

#include "count.h"

#define PICK_TRIES 64 /* entries of the table looked at before giving up, and leastconn's window */

enum pick_result {
	PICK_OK,
	PICK_UNSYNCED, /* the service never had a set */
	PICK_EMPTY,    /* nobody is usable */
	PICK_FULL,     /* somebody would be, but for maxconn */
	PICK_TORN,     /* the set was replaced several times while it was read */
};

struct pick {
	/* asked for */
	__u32 service;
	__be32 client;
	__u32 exclude; /* slot that must not be chosen, 0: none */
	__u32 now;     /* jiffies */
	/* valid after PICK_OK */
	__u32 slot;
	__u32 generation;
	__be16 port;
	/* valid after every result but PICK_UNSYNCED and PICK_TORN */
	__u8 on_empty;
	__u8 on_full;
	__u8 refused; /* 1: a backend's port lies outside the range */
};

/*
 * Where a service's round robin stands. Not pinned: a replaced program begins anew, which nobody
 * notices.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SLUICE_INDEXES);
	__type(key, __u32);
	__type(
		value, struct {
			__u32 cursor;
			__u32 pad[15];
		});
} sluice_cursor SEC(".maps");

static __always_inline bool pick_port_allowed(__be16 port)
{
	__u16 host = bpf_ntohs(port);

	return host >= sluice_port_min && host <= sluice_port_max;
}

/*
 * Is it a suspect that is still to be skipped? One that is no longer is cleared, lest jiffies come
 * round to it.
 */
static __always_inline bool pick_is_suspect(struct sluice_backend *backend, __u32 now)
{
	if (!backend->suspect)
		return false;
	if (sluice_age(now, backend->suspect_since) <
	    sluice_ms_to_jiffies(SLUICE_SUSPECT_MS, sluice_hz))
		return true;
	backend->suspect = 0;
	return false;
}

static __always_inline bool pick_is_usable(const struct sluice_backend *backend)
{
	return backend->generation && backend->state == SLUICE_BACKEND_UP;
}

/*
 * Where in the table to begin. Addition and read are two steps: two CPUs may at worst begin at one
 * place.
 */
static __always_inline __u32 pick_start(__u32 service, __be32 client, __u8 balance)
{
	__u32 hash = client;
	__u32 *cursor;

	if (balance == SLUICE_BALANCE_RANDOM)
		return bpf_get_prandom_u32();
	if (balance == SLUICE_BALANCE_SOURCE) {
		/*
		 * the finalizer of MurmurHash3: every bit of the address reaches every bit of the
		 * result
		 */
		hash ^= hash >> 16;
		hash *= 0x85ebca6b;
		hash ^= hash >> 13;
		hash *= 0xc2b2ae35;
		return hash ^ hash >> 16;
	}
	cursor = bpf_map_lookup_elem(&sluice_cursor, &service);
	if (!cursor)
		return 0;
	__sync_fetch_and_add(cursor, 1);
	return *(volatile __u32 *)cursor;
}

/* The best so far; load is connections per weight, compared crosswise to stay in whole numbers. */
struct pick_candidate {
	__u32 slot; /* 0: none */
	__u32 generation;
	__u32 load; /* connections, half-open ones too */
	__u32 weight;
	__be16 port;
	__u16 pad;
};

/*
 * What a walk over the table remembers. In a map and not on the stack for the verifier's sake: it
 * follows every combination of values that it knows through all turns of the loop, and values in a
 * map it does not know. Only softirq and egress with softirqs off come here, so one a CPU is
 * enough.
 */
struct pick_walk {
	struct pick_candidate candidate; /* being looked at */
	struct pick_candidate best;
	struct pick_candidate doubtful; /* first suspect */
	__u32 full;			/* somebody was left out for maxconn */
	__u8 on_empty;			/* what the set says */
	__u8 on_full;
	__u8 refused; /* somebody was left out for a port outside the range */
	__u8 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pick_walk);
} sluice_walk SEC(".maps");

static __always_inline __u32 pick_positive(__s32 count)
{
	return count < 0 ? 0 : count;
}

static __always_inline bool pick_is_better(const struct pick_candidate *candidate,
					   const struct pick_candidate *best)
{
	return (__u64)candidate->load * best->weight < (__u64)best->load * candidate->weight;
}

/*
 * Looks at one entry of the table. What the daemon may change meanwhile is copied once and then
 * judged; the generation is read first and compared last, so a slot that is given away in between
 * is not taken. A global function, so that the verifier looks at it once and not in each of the
 * walk's turns; 0 always.
 */
__noinline int sluice_consider(__u32 slot, __u32 service, __u32 exclude, __u32 now, __u32 maxconn)
{
	struct sluice_backend *backend = bpf_map_lookup_elem(&sluice_backends, &slot);
	const volatile struct sluice_backend *shared = backend;
	struct pick_candidate *to;
	struct pick_walk *walk;
	__u32 zero = 0;

	walk = bpf_map_lookup_elem(&sluice_walk, &zero);
	if (!walk || !backend || slot == exclude)
		return 0;
	to = &walk->candidate;
	to->slot = slot;
	to->generation = shared->generation;
	to->port = shared->port;
	to->weight = shared->weight;
	to->load = pick_positive(shared->active) + pick_positive(shared->half_open);
	if (!to->generation || shared->state != SLUICE_BACKEND_UP || !to->weight ||
	    shared->service != service || shared->generation != to->generation)
		return 0;
	if (!pick_port_allowed(to->port)) {
		walk->refused = 1;
		return 0;
	}
	if (maxconn && pick_positive(shared->active) >= maxconn) {
		walk->full = 1;
		return 0;
	}
	if (pick_is_suspect(backend, now)) {
		if (!walk->doubtful.slot)
			walk->doubtful = *to;
		return 0;
	}
	if (!walk->best.slot || pick_is_better(to, &walk->best))
		walk->best = *to;
	return 0;
}

/*
 * Walks the table from the algorithm's start. The first acceptable entry is the answer of
 * roundrobin and source, the better of two that of random, the best of a window (which turns with
 * each pick) that of leastconn.
 */
static __always_inline int pick_choose(struct pick_walk *walk, const struct sluice_set *set,
				       __u32 service, __be32 client, __u32 exclude, __u32 now)
{
	__u32 len = set->len, enough, turns, start, i, index;

	*walk = (struct pick_walk){ .on_empty = set->on_empty, .on_full = set->on_full };
	if (!len || len > SLUICE_SET_TABLE)
		return PICK_EMPTY;
	/* Turns after which a candidate is good enough. */
	enough = set->balance == SLUICE_BALANCE_LEASTCONN ? PICK_TRIES
		 : set->balance == SLUICE_BALANCE_RANDOM  ? 2
							  : 1;
	/* random's second start comes after one turn; from there on it must see everybody */
	turns = enough == 2 ? len + 1 : len;
	start = pick_start(service, client, set->balance) % len;
	for (i = 0; i < PICK_TRIES; i++) {
		if (i >= turns || (i >= enough && walk->best.slot))
			break;
		/*
		 * random's second; and a second chance elsewhere, where a whole stretch is unusable
		 */
		if ((i == 1 && enough == 2) ||
		    (i == PICK_TRIES / 2 && len > PICK_TRIES && enough < 3))
			start = bpf_get_prandom_u32() % len;
		/* no comparison: it would split what the verifier knows in two with each turn */
		index = i ? (start + i) % len : start;
		sluice_consider(set->table[index & (SLUICE_SET_TABLE - 1)], service, exclude, now,
				set->maxconn);
	}
	if (!walk->best.slot)
		walk->best = walk->doubtful; /* better a suspect than nobody */
	if (!walk->best.slot)
		return walk->full ? PICK_FULL : PICK_EMPTY;
	return PICK_OK;
}

/* The service's set in force and its version, or NULL if there is none. */
static __always_inline const struct sluice_set *pick_set(__u32 service, __u64 *version)
{
	const volatile struct sluice_active *active = bpf_map_lookup_elem(&sluice_active, &service);
	const struct sluice_set *set;
	__u32 index;

	if (!active)
		return NULL;
	*version = active->version;
	if (!*version)
		return NULL;
	index = service * SLUICE_SET_RING + *version % SLUICE_SET_RING;
	set = bpf_map_lookup_elem(&sluice_sets, &index);
	return set;
}

/*
 * The order of the loads matters: version of the service, version of the slot, table, version of
 * the slot again. BPF has no load barrier before Linux 6.15; the first loads depend on each other
 * by address, and the publisher must come round SLUICE_SET_RING times before it touches the slot
 * that is being read here.
 *
 * A global function, so that the verifier looks at it once and not once for every way of getting
 * here. Such a function takes only scalars before Linux 5.12; its answer lies in the walk.
 */
__noinline int sluice_pick(__u32 service, __be32 client, __u32 exclude, __u32 now)
{
	const struct sluice_set *set;
	struct pick_walk *walk;
	__u32 zero = 0;
	__u64 version;
	int result;

	set = pick_set(service, &version);
	if (!set)
		return PICK_UNSYNCED;
	walk = bpf_map_lookup_elem(&sluice_walk, &zero);
	if (!walk || *(const volatile __u64 *)&set->version != version)
		return PICK_TORN;
	result = pick_choose(walk, set, service, client, exclude, now);
	if (*(const volatile __u64 *)&set->version != version)
		return PICK_TORN;
	return result;
}

static __always_inline int pick_backend(struct pick *pick)
{
	int result = sluice_pick(pick->service, pick->client, pick->exclude, pick->now);
	const struct pick_walk *walk;
	__u32 zero = 0;

	if (result == PICK_TORN)
		result = sluice_pick(pick->service, pick->client, pick->exclude, pick->now);
	walk = bpf_map_lookup_elem(&sluice_walk, &zero);
	if (!walk)
		return PICK_TORN;
	pick->slot = walk->best.slot;
	pick->generation = walk->best.generation;
	pick->port = walk->best.port;
	pick->on_empty = walk->on_empty;
	pick->on_full = walk->on_full;
	pick->refused = walk->refused;
	return result;
}

#endif
