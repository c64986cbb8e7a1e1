/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A netlink socket that only wakes us up: what the addresses are is asked afterwards, so a lost message costs nothing but
 * time, and the daemon asks again now and then anyway.
 */
#include "addresses.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "iface.h"

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

int addresses_names(char names[][ADDRESSES_TEXT_LEN], size_t max)
{
	__be32 addresses[ADDRESSES_MAX];
	int count = iface_addresses(false, addresses, max < ADDRESSES_MAX ? max : ADDRESSES_MAX);

	for (int i = 0; i < count; i++)
		inet_ntop(AF_INET, &addresses[i], names[i], ADDRESSES_TEXT_LEN);
	return count;
}
