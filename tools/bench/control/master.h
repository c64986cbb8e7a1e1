/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A Marathon that does exactly what the measurement wants, when it wants it: apps and tasks of its
 * own making, an event stream on which the caller sends. It measures and judges nothing.
 *
 * Sockets are served by threads; every function may be called from any of them.
 */
#ifndef BENCH_CONTROL_MASTER_H
#define BENCH_CONTROL_MASTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MASTER_MAX_APPS 64
#define MASTER_MAX_TASKS 1024

struct master_task {
	unsigned app;	 /* "/appN" */
	unsigned number; /* part of its id; never used twice */
	uint16_t port;	 /* host order */
	bool well;	 /* what its health check says, if apps have checks */
};

struct master;

/* On 127.0.0.1 at port (host order). host: of all tasks, borrowed. NULL with errno set. */
struct master *master_new(uint16_t port, const char *host, unsigned apps, bool checks);

/* What it answers from now on. Copied. */
void master_set(struct master *master, const struct master_task *tasks, size_t count);

/* How many event streams are open, and how many whole and single answers it has given. */
unsigned master_streams(struct master *master);
uint64_t master_answers(struct master *master, uint64_t *single);

/* Say on all streams that a task is being killed. Returns CLOCK_MONOTONIC, ns, before the first write. */
uint64_t master_kill(struct master *master, const struct master_task *task);
/* Say that a task runs: a hint to ask for its app. */
void master_started(struct master *master, const struct master_task *task);

#endif
