/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How sets are published and read, declared in maps.h. They lie in memory that is shared with the
 * BPF programs and, for readers, with the daemon: a set is written where the service's oldest
 * version lies and then made the one in force, and who has been reading that long sees that its
 * version has gone. Every field that another side writes is read or written by __atomic builtins
 * here.
 */
#include <errno.h>
#include <string.h>

#include "maps.h"

#define READ_TRIES 16 /* a set that changes more often while it is read is not to be read */

/*
 * Higher than any version that a reader can still have in hand, also after attach made the service
 * unsynced.
 */
static __u64 next_version(const struct maps *maps, unsigned service)
{
	__u64 highest = __atomic_load_n(&maps->active[service].version, __ATOMIC_RELAXED);
	unsigned i;

	for (i = 0; i < SLUICE_SET_RING; i++) {
		const struct sluice_set *slot = &maps->sets[service * SLUICE_SET_RING + i];
		__u64 version = __atomic_load_n(&slot->version, __ATOMIC_RELAXED);

		if (version > highest)
			highest = version;
	}
	return highest + 1;
}

/* Each slot of the table once, in the table's order. Slots that cannot be are left out. */
static void list_members(struct sluice_set *set)
{
	bool seen[SLUICE_MAX_BACKENDS + 1] = { true }; /* slot 0 is nobody */
	__u32 i, count = 0;

	for (i = 0; i < set->len; i++) {
		const __u16 slot = set->table[i];

		if (slot > SLUICE_MAX_BACKENDS || seen[slot])
			continue;
		seen[slot] = true;
		set->member[count++] = slot;
	}
	set->members = count;
}

int maps_publish_set(struct maps *maps, unsigned service, const struct sluice_set *set,
		     uint64_t now_boot_ns)
{
	struct sluice_set *slot;
	__u64 version;

	if (!service || service > SLUICE_MAX_SERVICES || set->len > SLUICE_SET_TABLE)
		return -EINVAL;
	version = next_version(maps, service);
	slot = &maps->sets[service * SLUICE_SET_RING + version % SLUICE_SET_RING];
	__atomic_store_n(&slot->version, 0, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	slot->len = set->len;
	slot->maxconn = set->maxconn;
	slot->balance = set->balance;
	slot->on_empty = set->on_empty;
	slot->on_full = set->on_full;
	memcpy(slot->table, set->table, set->len * sizeof(set->table[0]));
	list_members(slot);
	__atomic_store_n(&slot->version, version, __ATOMIC_RELEASE);
	maps->active[service].published_ns = now_boot_ns;
	__atomic_store_n(&maps->active[service].version, version, __ATOMIC_SEQ_CST);
	return 0;
}

bool maps_read_set(const struct maps *maps, unsigned service, struct sluice_set *set)
{
	int tries;

	for (tries = 0; tries < READ_TRIES; tries++) {
		__u64 version = __atomic_load_n(&maps->active[service].version, __ATOMIC_ACQUIRE);
		const struct sluice_set *slot =
			&maps->sets[service * SLUICE_SET_RING + version % SLUICE_SET_RING];

		if (!version)
			return false;
		if (__atomic_load_n(&slot->version, __ATOMIC_ACQUIRE) != version)
			continue;
		memcpy(set, slot, sizeof(*set));
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		set->version = version;
		if (__atomic_load_n(&slot->version, __ATOMIC_RELAXED) == version &&
		    set->len <= SLUICE_SET_TABLE)
			return true;
	}
	return false;
}
