/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The TCP sockets that listen in this network namespace, by sock_diag, and whose they are, by /proc.
 */
#ifndef SLUICECTL_LISTENING_H
#define SLUICECTL_LISTENING_H

#include <linux/types.h>
#include <stddef.h>
#include <stdint.h>

struct listening {
	int family; /* AF_INET or AF_INET6 */
	uint16_t port;
	__be32 address[4]; /* IPv4 in the first word */
	uint32_t inode, uid;
};

/* All of them; the caller frees the list. 0 or negative errno. */
int listening_read(struct listening **list, size_t *count);

struct listening_owner {
	int pid; /* 0: not found, or not allowed to look */
	char comm[16];
	char forwards[80]; /* docker-proxy: address and port of the container, else "" */
};

/* The first process that holds the socket; others may share it. */
void listening_find_owner(const struct listening *socket, struct listening_owner *owner);

#endif
