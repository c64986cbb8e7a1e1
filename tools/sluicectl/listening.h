/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The TCP sockets that listen in this network namespace, by sock_diag, and whose they are, by /proc.
 */
#ifndef SLUICECTL_LISTENING_H
#define SLUICECTL_LISTENING_H

#include <stddef.h>

#include "sock_diag.h"

/* All of them; the caller frees the list. 0 or negative errno. */
int listening_read(struct sock_diag_socket **list, size_t *count);

struct listening_owner {
	int pid; /* 0: not found, or not allowed to look */
	char comm[16];
	char forwards[80]; /* docker-proxy: address and port of the container, else "" */
};

/* The first process that holds the socket; others may share it. */
void listening_find_owner(const struct sock_diag_socket *socket, struct listening_owner *owner);

#endif
