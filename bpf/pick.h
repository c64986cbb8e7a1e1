/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who gets a new connection: reads the service's published set and applies its algorithm. Reads
 * sets and backends, writes only the round-robin cursor. Knows nothing about flows or packets.
 */
#ifndef SLUICE_BPF_PICK_H
#define SLUICE_BPF_PICK_H

#include "count.h"
#include "pick_look.h"

#define PICK_TRIES 64 /* entries of the table looked at before all members are */
#define PICK_SAMPLE 8 /* that leastconn looks at where it does not look at all */
#define PICK_CHUNK 64 /* members looked at by one call */

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
	__u8 trusted;  /* 1: rather nobody than a suspect whose time is not over */
	/* valid after PICK_OK */
	__u32 slot;
	__u32 generation;
	__be16 port;
	/* valid after every result but PICK_UNSYNCED and PICK_TORN */
	__u8 on_empty;
	__u8 on_full;
	__u8 refused; /* 1: a backend's port lies outside the range */
};

/* A number below len, of one below 2^32; evenly, and without a division. */
static __always_inline __u32 pick_below(__u32 number, __u32 len)
{
	return (__u64)number * len >> 32;
}

/* A way through the table: from one entry, and how far it is to the next. */
struct pick_way {
	__u32 start;  /* below len */
	__u32 stride; /* 1 to len */
	__u32 enough; /* entries after which the best so far is good enough */
};

/*
 * By chance: the entries lie at even distances, which are another one with each pick. Two of them
 * are as good as two that know nothing of each other, and never the same.
 */
static __always_inline void pick_way_by_chance(struct pick_way *way, __u32 len, __u32 enough)
{
	const __u32 chance = bpf_get_prandom_u32();

	way->start = pick_below(chance, len);
	way->stride = 1 + pick_below(chance * 0x9e3779b1u, len - 1);
	way->enough = enough;
}

/* The next backends in turn. Addition and read are two steps: two CPUs may at worst begin at one
 * place.
 */
static __always_inline void pick_way_in_turn(struct pick_way *way, __u32 service, __u32 len,
					     __u32 enough)
{
	struct sluice_cursor *cursor = bpf_map_lookup_elem(&sluice_cursor, &service);

	way->start = 0;
	way->stride = 1;
	way->enough = enough;
	if (!cursor)
		return;
	__sync_fetch_and_add(&cursor->cursor, 1);
	way->start = *(volatile __u32 *)&cursor->cursor % len;
}

static __always_inline void pick_way_of_client(struct pick_way *way, __be32 client, __u32 len)
{
	__u32 hash = client;

	/* the finalizer of MurmurHash3: every bit of the address reaches every bit of the result */
	hash ^= hash >> 16;
	hash *= 0x85ebca6b;
	hash ^= hash >> 13;
	hash *= 0xc2b2ae35;
	way->start = (hash ^ hash >> 16) % len;
	way->stride = 1;
	way->enough = 1;
}

/*
 * roundrobin and source take the first acceptable entry, random the better of two, leastconn the
 * best of all or, where they are many, of a sample.
 */
static __always_inline void pick_way(struct pick_way *way, __u8 balance, __u32 service,
				     __be32 client, __u32 len)
{
	if (balance == SLUICE_BALANCE_SOURCE)
		pick_way_of_client(way, client, len);
	else if (balance == SLUICE_BALANCE_RANDOM)
		pick_way_by_chance(way, len, 2);
	else if (balance != SLUICE_BALANCE_LEASTCONN)
		pick_way_in_turn(way, service, len, 1);
	else if (len <= SLUICE_LEASTCONN_EXACT)
		pick_way_in_turn(way, service, len, len);
	else
		pick_way_by_chance(way, len, PICK_SAMPLE);
}

/*
 * Looks at some of the set's members, from one on, until one is acceptable. A global function, so
 * that the verifier looks at the loop once.
 */
__noinline int sluice_search(__u32 index, __u32 from, __u32 service, __u32 exclude, __u32 now)
{
	const struct sluice_set *set = bpf_map_lookup_elem(&sluice_sets, &index);
	const struct pick_walk *walk;
	__u32 i, members, zero = 0;

	walk = bpf_map_lookup_elem(&sluice_walk, &zero);
	if (!set || !walk)
		return 0;
	members = set->members;
	for (i = 0; i < PICK_CHUNK; i++) {
		if (walk->best.slot)
			return 1;
		if (i >= members)
			break;
		from -= members & ((__s32)(members - 1 - from) >> 31);
		sluice_consider(set->member[from & SLUICE_MAX_BACKENDS], service, exclude, now,
				set->maxconn);
		from++;
	}
	return walk->best.slot != 0;
}

/* The same on a desk. */
__noinline int sluice_search_at(__u32 index, __u32 from, __u64 cookie)
{
	const struct sluice_set *set = bpf_map_lookup_elem(&sluice_sets, &index);
	const struct pick_desk *desk = bpf_map_lookup_elem(&sluice_desks, &cookie);
	__u32 i, members;

	if (!set || !desk)
		return 0;
	members = set->members;
	for (i = 0; i < PICK_CHUNK; i++) {
		if (desk->walk.best.slot)
			return 1;
		if (i >= members)
			break;
		from -= members & ((__s32)(members - 1 - from) >> 31);
		sluice_consider_at(set->member[from & SLUICE_MAX_BACKENDS], cookie);
		from++;
	}
	return desk->walk.best.slot != 0;
}

/*
 * The algorithm's way found nobody: anybody will do. Each member is looked at, so that the only
 * usable one of thousands is found; that takes long only where almost nobody is usable.
 */
static __always_inline void pick_anybody(const struct sluice_set *set, __u32 index, __u32 service,
					 __u32 exclude, __u32 now, enum pick_place place,
					 __u64 desk)
{
	const __u32 members = set->members;
	__u32 i, from, at;

	if (!members || members > SLUICE_MAX_BACKENDS)
		return;
	from = pick_below(bpf_get_prandom_u32(), members);
	for (i = 0; i < (SLUICE_MAX_BACKENDS + 1) / PICK_CHUNK; i++) {
		if (i * PICK_CHUNK >= members)
			break;
		at = (from + i * PICK_CHUNK) % members;
		if (place == PICK_ON_DESK ? sluice_search_at(index, at, desk)
					  : sluice_search(index, at, service, exclude, now))
			break;
	}
}

/*
 * Nobody was found among all, at that time: another walk at the same moment would find nobody
 * either. It costs 20 ns a member, and a SYN to a service that is full is free for who sends it.
 */
struct pick_vain {
	__u64 version; /* of the set */
	__u32 at;      /* jiffies */
	__u32 full;    /* as in struct pick_walk */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SLUICE_INDEXES);
	__type(key, __u32);
	__type(value, struct pick_vain);
} sluice_vain SEC(".maps");

/*
 * The only usable one of many is looked for once a jiffy and CPU, if it is not found. A connect(2)
 * is paid for by who makes it, and looks each time.
 */
static __always_inline void pick_among_all(struct pick_walk *walk, const struct sluice_set *set,
					   __u32 index, const struct pick *asked,
					   enum pick_place place, __u64 desk)
{
	__u32 service = asked->service;
	struct pick_vain *vain = NULL;

	if (place == PICK_ON_CPU && set->members > PICK_TRIES)
		vain = bpf_map_lookup_elem(&sluice_vain, &service);
	if (vain && vain->version == set->version && vain->at == asked->now) {
		walk->full |= vain->full;
		return;
	}
	pick_anybody(set, index, service, asked->exclude, asked->now, place, desk);
	if (!vain || asked->exclude || walk->best.slot || walk->doubtful.slot)
		return;
	vain->version = set->version;
	vain->at = asked->now;
	vain->full = walk->full;
}

/*
 * Have the drawn backends brought from memory all at once: each look that follows has branches that
 * would wait for its own. Saves 80 ns of a pick among 1,000, with leastconn and with random.
 */
static __always_inline void pick_draw(const struct sluice_set *set, const struct pick_way *way,
				      __u32 len)
{
	const volatile struct sluice_backend *backend;
	__u32 at = way->start, slot, i;

	for (i = 0; i < PICK_SAMPLE; i++) {
		if (i >= way->enough)
			break;
		slot = set->table[at & (SLUICE_SET_TABLE - 1)];
		backend = bpf_map_lookup_elem(&sluice_backends, &slot);
		if (backend) {
			(void)backend->generation;
			(void)backend->suspect;
		}
		at += way->stride;
		at -= len & ((__s32)(len - 1 - at) >> 31);
	}
}

/* Goes the algorithm's way through the table. desk: which one, if it is not the CPU's walk. */
static __always_inline int pick_choose(struct pick_walk *walk, const struct sluice_set *set,
				       __u32 index, const struct pick *asked, enum pick_place place,
				       __u64 desk)
{
	__u32 len = set->len, turns, at, i;
	struct pick_way way;

	*walk = (struct pick_walk){ .on_empty = set->on_empty, .on_full = set->on_full };
	if (!len || len > SLUICE_SET_TABLE)
		return PICK_EMPTY;
	pick_way(&way, set->balance, asked->service, asked->client, len);
	turns = len;
	at = way.start;
	/* Not for a local client: in 5.10 the stacks of all that calls this are 512 bytes with it. */
	if (place == PICK_ON_CPU && len > SLUICE_LEASTCONN_EXACT && way.enough > 1)
		pick_draw(set, &way, len);
	/* Mostly the first will do: a call costs as much as the look. */
	if (place == PICK_ON_CPU && way.enough == 1) {
		asm volatile("" : "+r"(at)); /* the verifier needs the mask, the compiler not */
		pick_look_at(walk, set->table[at & (SLUICE_SET_TABLE - 1)], asked->service,
			     asked->exclude, asked->now, set->maxconn, true);
		if (walk->best.slot)
			return PICK_OK;
	}
	for (i = 0; i < PICK_TRIES; i++) {
		if (i >= turns || (i >= way.enough && walk->best.slot))
			break;
		if (place == PICK_ON_DESK)
			sluice_consider_at(set->table[at & (SLUICE_SET_TABLE - 1)], desk);
		else
			sluice_consider(set->table[at & (SLUICE_SET_TABLE - 1)], asked->service,
					asked->exclude, asked->now, set->maxconn);
		/*
		 * round the table's end, without a comparison: it would split what the verifier
		 * knows in two with each turn
		 */
		at += way.stride;
		at -= len & ((__s32)(len - 1 - at) >> 31);
	}
	/* In turn, and once round: that was everybody. */
	if (!walk->best.slot && (way.stride != 1 || len > PICK_TRIES))
		pick_among_all(walk, set, index, asked, place, desk);
	if (!walk->best.slot)
		walk->best = walk->doubtful; /* better a suspect than nobody */
	if (!walk->best.slot)
		return walk->full ? PICK_FULL : PICK_EMPTY;
	return PICK_OK;
}

/* The service's set in force, its version and its place, or NULL if there is none. */
static __always_inline const struct sluice_set *pick_set(__u32 service, __u64 *version,
							 __u32 *index)
{
	const volatile struct sluice_active *active = bpf_map_lookup_elem(&sluice_active, &service);

	if (!active)
		return NULL;
	*version = active->version;
	if (!*version)
		return NULL;
	*index = service * SLUICE_SET_RING + *version % SLUICE_SET_RING;
	return bpf_map_lookup_elem(&sluice_sets, index);
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
	const struct pick asked = {
		.service = service,
		.client = client,
		.exclude = exclude,
		.now = now,
	};
	const struct sluice_set *set;
	struct pick_walk *walk;
	__u32 zero = 0, index;
	__u64 version;
	int result;

	set = pick_set(service, &version, &index);
	if (!set)
		return PICK_UNSYNCED;
	walk = bpf_map_lookup_elem(&sluice_walk, &zero);
	if (!walk || *(const volatile __u64 *)&set->version != version)
		return PICK_TORN;
	result = pick_choose(walk, set, index, &asked, PICK_ON_CPU, 0);
	if (*(const volatile __u64 *)&set->version != version)
		return PICK_TORN;
	return result;
}

/* The same on a desk. */
__noinline int sluice_pick_at(__u64 cookie)
{
	struct pick_desk *desk = bpf_map_lookup_elem(&sluice_desks, &cookie);
	struct pick asked = {};
	const struct sluice_set *set;
	__u64 version;
	__u32 index;
	int result;

	if (!desk)
		return PICK_TORN;
	asked.service = desk->service;
	asked.client = desk->client;
	set = pick_set(desk->service, &version, &index);
	if (!set)
		return PICK_UNSYNCED;
	if (*(const volatile __u64 *)&set->version != version)
		return PICK_TORN;
	desk->maxconn = set->maxconn;
	result = pick_choose(&desk->walk, set, index, &asked, PICK_ON_DESK, cookie);
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
	if (result == PICK_OK && pick->trusted && walk->doubtful_fresh &&
	    walk->best.slot == walk->doubtful.slot)
		return PICK_EMPTY;
	return result;
}

#endif
