/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A netlink socket that only wakes us up: what the addresses are is asked afterwards, so a lost message costs nothing but
 * time, and the daemon asks again now and then anyway.
 */
#include "addresses.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "iface.h"
#include "maps.h"

#define SETTLE_MS 20

struct addresses {
	int fd;
	struct event *readable, *settled;
	void (*changed)(void *ctx);
	void *ctx;
};

static void on_settled(evutil_socket_t fd, short what, void *ctx)
{
	struct addresses *addresses = ctx;

	(void)fd;
	(void)what;
	addresses->changed(addresses->ctx);
}

static void on_readable(evutil_socket_t fd, short what, void *ctx)
{
	const struct timeval settle = { .tv_usec = SETTLE_MS * 1000 };
	struct addresses *addresses = ctx;
	char message[8192];

	(void)what;
	while (recv(fd, message, sizeof(message), MSG_DONTWAIT) > 0)
		;
	event_add(addresses->settled, &settle);
}

struct addresses *addresses_new(struct event_base *base, void (*changed)(void *ctx), void *ctx)
{
	struct sockaddr_nl local = { .nl_family = AF_NETLINK,
				     .nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
						  RTMGRP_LINK };
	struct addresses *addresses = calloc(1, sizeof(*addresses));
	int err;

	if (!addresses)
		return NULL;
	addresses->changed = changed;
	addresses->ctx = ctx;
	addresses->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	if (addresses->fd < 0 || bind(addresses->fd, (struct sockaddr *)&local, sizeof(local))) {
		err = errno;
		goto out;
	}
	err = ENOMEM;
	addresses->readable =
		event_new(base, addresses->fd, EV_READ | EV_PERSIST, on_readable, addresses);
	addresses->settled = event_new(base, -1, 0, on_settled, addresses);
	if (!addresses->readable || !addresses->settled || event_add(addresses->readable, NULL))
		goto out;
	return addresses;
out:
	addresses_free(addresses);
	errno = err;
	return NULL;
}

void addresses_free(struct addresses *addresses)
{
	if (!addresses)
		return;
	if (addresses->readable)
		event_free(addresses->readable);
	if (addresses->settled)
		event_free(addresses->settled);
	if (addresses->fd >= 0)
		close(addresses->fd);
	free(addresses);
}

/* One family's addresses as the keys of its map, one after the other. */
struct own {
	int family;
	size_t key_size;
	size_t count;
	unsigned char keys[ADDRESSES_MAX * sizeof(struct sluice_addr6)];
};

static void add_own(struct own *own, const struct sockaddr *address)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	unsigned char *key = own->keys + own->count * own->key_size;

	if (own->count == ADDRESSES_MAX || address->sa_family != own->family)
		return;
	if (own->family == AF_INET) {
		memcpy(&in, address, sizeof(in));
		memcpy(key, &in.sin_addr, own->key_size);
	} else {
		memcpy(&in6, address, sizeof(in6));
		memcpy(key, &in6.sin6_addr, own->key_size);
	}
	own->count++;
}

static bool holds(const struct own *own, const void *key)
{
	for (size_t i = 0; i < own->count; i++)
		if (!memcmp(own->keys + i * own->key_size, key, own->key_size))
			return true;
	return false;
}

static int publish_family(int map_fd, const struct own *own)
{
	unsigned char stale[ADDRESSES_MAX * sizeof(struct sluice_addr6)],
		key[sizeof(struct sluice_addr6)];
	const __u32 one = 1;
	size_t stale_count = 0;
	void *last = NULL;

	/* added before anything is taken away */
	for (size_t i = 0; i < own->count; i++)
		if (bpf_map_update_elem(map_fd, own->keys + i * own->key_size, &one, BPF_ANY))
			return -errno;
	while (stale_count < ADDRESSES_MAX && !bpf_map_get_next_key(map_fd, last, key)) {
		if (!holds(own, key))
			memcpy(stale + stale_count++ * own->key_size, key, own->key_size);
		last = key;
	}
	for (size_t i = 0; i < stale_count; i++)
		bpf_map_delete_elem(map_fd, stale + i * own->key_size);
	return 0;
}

int addresses_publish(const struct maps *maps)
{
	struct own own4 = { .family = AF_INET, .key_size = sizeof(__be32) };
	struct own own6 = { .family = AF_INET6, .key_size = sizeof(struct sluice_addr6) };
	struct ifaddrs *list, *entry;
	int err;

	if (getifaddrs(&list))
		return -errno;
	for (entry = list; entry; entry = entry->ifa_next) {
		if (!entry->ifa_addr)
			continue;
		add_own(&own4, entry->ifa_addr);
		add_own(&own6, entry->ifa_addr);
	}
	freeifaddrs(list);
	err = publish_family(maps->addrs4_fd, &own4);
	return err ? err : publish_family(maps->addrs6_fd, &own6);
}

int addresses_names(char names[][ADDRESSES_TEXT_LEN], size_t max)
{
	__be32 addresses[ADDRESSES_MAX];
	int count = iface_addresses(false, addresses, max < ADDRESSES_MAX ? max : ADDRESSES_MAX);

	for (int i = 0; i < count; i++)
		inet_ntop(AF_INET, &addresses[i], names[i], ADDRESSES_TEXT_LEN);
	return count;
}
