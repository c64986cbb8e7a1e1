/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Both families by one code: a key is as many bytes as an address. Added before anything is taken away, so that an address
 * which stays is never missing in between.
 */
#include "own_addresses.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "iface.h"
#include "maps.h"

#define MAX_ADDRESSES 1024 /* as many as a map holds */

/* One family's addresses as the keys of its map, one after the other. */
struct addresses {
	int map_fd;
	size_t key_size;
	int count; /* or negative errno */
	const void *keys;
};

static bool contains(const struct addresses *addresses, const void *key)
{
	const char *own = addresses->keys;
	int i;

	for (i = 0; i < addresses->count; i++) {
		if (!memcmp(own + (size_t)i * addresses->key_size, key, addresses->key_size))
			return true;
	}
	return false;
}

static int remove_others(const struct addresses *addresses)
{
	struct sluice_addr6 others[MAX_ADDRESSES], key, *previous = NULL;
	int other_count = 0, i;

	/* a key of IPv4 takes the first word */
	while (other_count < MAX_ADDRESSES &&
	       !bpf_map_get_next_key(addresses->map_fd, previous, &key)) {
		if (!contains(addresses, &key))
			others[other_count++] = key;
		previous = &key;
	}
	for (i = 0; i < other_count; i++) {
		if (bpf_map_delete_elem(addresses->map_fd, &others[i]) < 0 && errno != ENOENT)
			return -errno;
	}
	return 0;
}

static int write_family(const struct addresses *addresses, bool remove)
{
	const char *own = addresses->keys;
	const __u32 present = 1;
	int i;

	if (addresses->count < 0)
		return addresses->count;
	for (i = 0; i < addresses->count; i++) {
		if (bpf_map_update_elem(addresses->map_fd, own + (size_t)i * addresses->key_size,
					&present, BPF_ANY) < 0)
			return -errno;
	}
	return remove ? remove_others(addresses) : 0;
}

static int write_both(const struct maps *maps, bool remove)
{
	struct sluice_addr6 keys6[MAX_ADDRESSES];
	__be32 keys4[MAX_ADDRESSES];
	const struct addresses four = {
		.map_fd = maps->addrs4_fd,
		.key_size = sizeof(keys4[0]),
		.count = iface_addresses(true, keys4, MAX_ADDRESSES),
		.keys = keys4,
	};
	const struct addresses six = {
		.map_fd = maps->addrs6_fd,
		.key_size = sizeof(keys6[0]),
		.count = iface_addresses6(keys6, MAX_ADDRESSES),
		.keys = keys6,
	};
	int err = write_family(&four, remove);

	return err ? err : write_family(&six, remove);
}

int own_addresses_add(const struct maps *maps)
{
	return write_both(maps, false);
}

int own_addresses_sync(const struct maps *maps)
{
	return write_both(maps, true);
}
