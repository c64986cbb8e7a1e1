/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Marathon and Consul's agent in a process of their own, so that their allocations are not refused. What they say is
 * derived from a piece of shared memory: the test says there what is true, and reads there what they were asked and told.
 * Tasks t0, t1, ... of app /web run on slave-1 with host-ports from REGISTRIES_PORT on, and pass Marathon's checks.
 */
#ifndef TESTS_FAULTS_REGISTRIES_H
#define TESTS_FAULTS_REGISTRIES_H

#include <stdint.h>
#include <sys/types.h>

#define REGISTRIES_PORT 61000

/* Bits are tasks. Read and written by __atomic builtins on either side. */
struct registries {
	/* what is true */
	unsigned tasks;	   /* how many run */
	unsigned killing;  /* Marathon is killing them */
	unsigned critical; /* Consul's check of theirs fails */
	/* what happens, when a number differs from what was done last */
	unsigned event; /* an event of the last task goes to all streams */
	unsigned cut;	/* the streams are closed */
	/* what the agent holds */
	unsigned registered;
	unsigned ghost;	 /* 1: an entry of an earlier boot stands there */
	unsigned forget; /* the agent loses them, and zeroes it */
	/* what was asked */
	unsigned streams; /* open at this moment */
	unsigned whole;	  /* times of all apps */
	uint16_t port;	  /* of both, on 127.0.0.1 */
};

/* Returns when it answers. It ends with this process, or by registries_stop(). */
struct registries *registries_start(pid_t *child);
void registries_stop(struct registries *registries, pid_t child);

/* An event that says that something of the last task has changed, as Marathon sends it. */
int registries_event(const struct registries *registries, char *text, size_t len);

#endif
