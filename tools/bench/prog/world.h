/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The measuring programs, loaded, with maps as attach and the daemon would have filled them: one
 * service whose established flows stand in the tables, and services for new connections, one for
 * each algorithm and number of backends.
 */
#ifndef BENCH_PROG_WORLD_H
#define BENCH_PROG_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "frame.h"
#include "job.h"
#include "maps.h"

enum world_program {
	WORLD_XDP_SHIPPED, /* as they are: for packets that they leave alone */
	WORLD_TC_IN_SHIPPED,
	WORLD_TC_OUT_SHIPPED,
	WORLD_XDP_EMPTY,
	WORLD_TC_EMPTY,
	WORLD_XDP_BASE, /* restoring alone */
	WORLD_TC_BASE,
	WORLD_OUT_BASE,
	WORLD_XDP, /* restoring and the shipped program */
	WORLD_TC_IN,
	WORLD_TC_OUT,
	WORLD_LOOKUP, /* restoring and one look-up and write */
	WORLD_INSERT, /* restoring and one insertion */
	WORLD_FILL,
	WORLD_PROGRAMS
};

#define WORLD_FEW 4
#define WORLD_MANY 1000

/* Port of the service whose new connections are spread so over so many backends, host order. */
#define WORLD_NEW_PORT(balance, many) (8000 + (balance)*2 + (many))

struct bench_prog; /* the skeleton */

#define WORLD_LOG_LEN 65536

struct world {
	struct bench_prog *skel;
	struct maps maps;
	int program_fd[WORLD_PROGRAMS];
	uint32_t flows; /* established flows of each family that are in the tables */
	char *logs;	/* of the programs, WORLD_LOG_LEN each */
};

struct world_size {
	uint32_t table;	     /* entries of the established tables */
	uint32_t half_table; /* of the half-open ones */
	bool steps;	     /* load the programs of step.bpf.c too */
	uint64_t host_netns; /* of the clients on this host, as cgroup_netns() tells; 0: there are none */
};

/* 0 or negative errno, which has been printed. */
int world_open(struct world *world, const struct world_size *size);
void world_release(struct world *world); /* accepts a zeroed structure */

/* More established flows: so many in all, more than there are. */
int world_fill(struct world *world, uint32_t flows);

struct world_run {
	enum world_program program;
	const char *step; /* of step.bpf.c, what follows bench_step_; NULL: it is program */
	enum job_order order;
	uint32_t flows;
	unsigned family;
	enum frame_kind kind;
	uint16_t service_port;
};

/*
 * So many runs; *ns is what one took, of CPU time. The verdict of the last one must be `pass` of its hook. 0 or
 * negative errno.
 */
int world_measure(struct world *world, const struct world_run *run, uint32_t repeat, double *ns);

/* CPU time of this thread, which is the time that is measured. */
double world_cpu_ns(void);

/* What the verifier said of the program: its statistics. */
const char *world_log(const struct world *world, enum world_program program);

/* All backends at maxconn, in every set; or no limit again. */
void world_limit(struct world *world, bool full);

/* Put the backends' counts back, which nobody else subtracts from here. */
void world_settle(struct world *world);

#endif
