/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A process that is a client on this host, and its backends: in a cgroup and a network namespace of its own, where
 * nobody else's connects meet the programs. Knows nothing of what is measured.
 */
#ifndef BENCH_PROG_CLIENT_H
#define BENCH_PROG_CLIENT_H

#include <poll.h>

#include "cgroup.h"
#include "world.h"

struct bpf_link;

#define CLIENT_OTHER_PORT 30999 /* no service's, and no backend's */
#define CLIENT_LISTENERS (JOB_BACKENDS + 1)

struct client {
	struct world world;
	int cgroup_fd;
	struct pollfd
		listeners[CLIENT_LISTENERS];  /* at loopback: the other port, then the backends */
	int udp_fd, tcp_fd;		      /* to be connected again and again */
	struct bpf_link *links[CGROUP_HOOKS]; /* NULL: the programs are not attached */
	unsigned turn;
};

/* This process leaves its network namespace for a new one, and goes into that cgroup below root_fd. 0 or negative errno. */
int client_enter(struct client *client, int root_fd, const char *name);

/* 0 or negative errno. */
int client_open_sockets(struct client *client);

/* The shipped programs on its cgroup, all five or none after client_detach(). 0 or negative errno. */
int client_attach(struct client *client);
void client_detach(struct client *client); /* also what was attached in part, or not at all */

/*
 * How many programs of others meet connect(2) on this machine, by a link to some cgroup: with the first of them the kernel
 * takes a longer way for all processes.
 */
unsigned client_count_others(const struct client *client);

#endif
