/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the driver tells the measuring programs: which packet to restore before each run of the
 * shipped program, and for how many flows. Only <linux/types.h> types, as in <sluice/abi.h>.
 */
#ifndef BENCH_PROG_JOB_H
#define BENCH_PROG_JOB_H

#include <linux/types.h>

#define JOB_BACKENDS 4	      /* of established flows: flow i belongs to slot 1 + i % 4 */
#define JOB_FIRST_PORT 31000  /* of the backends, host order */
#define JOB_SERVICE 1	      /* index of the service of established flows ... */
#define JOB_SERVICE_PORT 80   /* ... and its port, host order */
#define JOB_CLIENT 0x0b000000 /* address of flow 0's client, host order; IPv6: the last word */
#define JOB_GENERATION 1      /* of every backend */

enum job_order {
	JOB_SAME,   /* flow 0, again and again */
	JOB_RANDOM, /* any of the flows; which one depends on what the run before found */
	JOB_FRESH,  /* each one new */
};

struct job {
	__u64 state;  /* of the generator, JOB_RANDOM */
	__u64 fresh;  /* flows made so far, JOB_FRESH and filling */
	__u64 misses; /* look-ups and insertions of the bare programs that failed */
	__u32 order;  /* enum job_order */
	__u32 flows;
	__u32 family; /* 4 or 6 */
	__u32 sum; /* TCP checksum's, without what is restored: the client's (last) word and the ports */
	__be16 service_port; /* restored on the way in */
	__u16 pad[3];
};
_Static_assert(sizeof(struct job) == 48, "job");

#endif
