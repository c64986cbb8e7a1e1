/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One look at one backend, for a pick: may it be chosen, and is it better than the best so far? On
 * this CPU's walk, or on a desk of its own for who may be interrupted. Knows no set and no algorithm.
 */
#ifndef SLUICE_BPF_PICK_LOOK_H
#define SLUICE_BPF_PICK_LOOK_H

#include <stdbool.h>

#include <bpf/bpf_endian.h>

#include "count.h"

static __always_inline bool pick_port_allowed(__be16 port)
{
	__u16 host = bpf_ntohs(port);

	return host >= sluice_port_min && host <= sluice_port_max;
}

/*
 * Is it a suspect that is to be skipped? After its time a client's SYN may try it again, but not one
 * that another backend has just refused: however many are dead, a connection meets one of them.
 * SLUICE_SUSPECT_STALE is written lest jiffies come round to suspect_since.
 */
static __always_inline bool pick_is_suspect(struct sluice_backend *backend, __u32 now, bool moved)
{
	if (!backend->suspect)
		return false;
	if (backend->suspect == SLUICE_SUSPECT_FRESH) {
		if (sluice_age(now, backend->suspect_since) <
		    sluice_ms_to_jiffies(SLUICE_SUSPECT_MS, sluice_hz))
			return true;
		backend->suspect = SLUICE_SUSPECT_STALE;
	}
	return moved;
}

static __always_inline bool pick_is_usable(const struct sluice_backend *backend)
{
	return backend->generation && backend->state == SLUICE_BACKEND_UP;
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

enum pick_place { PICK_ON_CPU, PICK_ON_DESK }; /* whose walk; a compile-time constant */

/*
 * What a walk over the table remembers. In a map and not on the stack for the verifier's sake: it
 * follows every combination of values that it knows through all turns of the loop, and values in a
 * map it does not know. Softirqs and egress with softirqs off share one a CPU, tasks have desks.
 */
struct pick_walk {
	struct pick_candidate candidate; /* being looked at */
	struct pick_candidate best;
	struct pick_candidate doubtful; /* first suspect; rather one whose time is over */
	__u32 full;			/* somebody was left out for maxconn */
	__u8 on_empty;			/* what the set says */
	__u8 on_full;
	__u8 refused;	     /* somebody was left out for a port outside the range */
	__u8 doubtful_fresh; /* 1: that suspect's time is not over */
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
 * is not taken. backend: what slot has, NULL: nothing. moved: another has refused this connection.
 * alone, a compile-time constant: the first that is acceptable will do, and its load is not asked
 * for.
 */
static __always_inline void pick_look(struct pick_walk *walk, struct sluice_backend *backend,
				      __u32 slot, __u32 service, __u32 exclude, __u32 now,
				      __u32 maxconn, bool moved, bool alone)
{
	const volatile struct sluice_backend *shared = backend;
	struct pick_candidate *to = &walk->candidate;
	__u32 active = 0;
	__u8 fresh;

	if (!backend || slot == exclude)
		return;
	to->slot = slot;
	to->generation = shared->generation;
	to->port = shared->port;
	to->weight = shared->weight;
	if (!to->generation || shared->state != SLUICE_BACKEND_UP || !to->weight ||
	    shared->service != service)
		return;
	if (maxconn || !alone)
		active = pick_positive(
			sluice_tally_sum(&shared->active, now, sluice_timeouts.idle_periods) +
			shared->local);
	to->load = active;
	if (!alone)
		to->load += pick_positive(sluice_tally_sum(&shared->half_open, now,
							   sluice_timeouts.half_open_periods));
	if (shared->generation != to->generation)
		return;
	if (!pick_port_allowed(to->port)) {
		walk->refused = 1;
		return;
	}
	if (maxconn && active >= maxconn) {
		walk->full = 1;
		return;
	}
	if (pick_is_suspect(backend, now, moved)) {
		fresh = backend->suspect == SLUICE_SUSPECT_FRESH;
		if (!walk->doubtful.slot || fresh < walk->doubtful_fresh) {
			walk->doubtful = *to;
			walk->doubtful_fresh = fresh;
		}
		return;
	}
	if (!walk->best.slot || pick_is_better(to, &walk->best))
		walk->best = *to;
}

static __always_inline void pick_look_at(struct pick_walk *walk, __u32 slot, __u32 service,
					 __u32 exclude, __u32 now, __u32 maxconn, bool alone)
{
	pick_look(walk, bpf_map_lookup_elem(&sluice_backends, &slot), slot, service, exclude, now,
		  maxconn, exclude != 0, alone);
}

/*
 * The same on this CPU's walk. A global function, so that the verifier looks at it once and not in
 * each of the walk's turns; 0 always.
 */
__noinline int sluice_consider(__u32 slot, __u32 service, __u32 exclude, __u32 now, __u32 maxconn)
{
	struct pick_walk *walk;
	__u32 zero = 0;

	walk = bpf_map_lookup_elem(&sluice_walk, &zero);
	if (walk)
		pick_look_at(walk, slot, service, exclude, now, maxconn, false);
	return 0;
}

/*
 * A walk of its own for who may be interrupted in it: a connect(2), which runs in a task. By the
 * socket's cookie, for the time of the pick.
 */
struct pick_desk {
	struct pick_walk walk;
	/* asked for; maxconn is the set's */
	__u32 service;
	__be32 client;
	__u32 exclude[2]; /* slots that must not be chosen, 0: none */
	__u32 now;	  /* jiffies */
	__u32 maxconn;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, struct pick_desk);
} sluice_desks SEC(".maps");

__noinline int sluice_consider_at(__u32 slot, __u64 cookie)
{
	/* Both looks before anything is read from the desk: the stack is full, and has no place. */
	struct pick_desk *desk = bpf_map_lookup_elem(&sluice_desks, &cookie);
	struct sluice_backend *backend = bpf_map_lookup_elem(&sluice_backends, &slot);

	if (desk && slot != desk->exclude[1])
		pick_look(&desk->walk, backend, slot, desk->service, desk->exclude[0], desk->now,
			  desk->maxconn, false, false);
	return 0;
}

#endif
