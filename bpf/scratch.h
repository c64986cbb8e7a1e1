/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a program works on while it looks at one packet. It lies in a per-CPU map and not on the
 * stack: that is too small for it, and values in a map are unknown to the verifier, which else
 * follows each combination of what it knows to the program's end. One a CPU is enough: the programs
 * of the hooks run in softirqs, or with softirqs off, and do not interrupt each other; attach
 * refuses PREEMPT_RT, where that is not so. What runs in a process (a cgroup's program, a test run
 * on a kernel that leaves softirqs on) is interrupted by them, and by its like: it needs another
 * place to work in, and a walk of its own too (pick.h).
 */
#ifndef SLUICE_BPF_SCRATCH_H
#define SLUICE_BPF_SCRATCH_H

#include "admit.h"
#include "answer.h"
#include "flow.h"
#include "packet.h"

struct scratch {
	struct packet packet;
	struct packet quote; /* what an ICMP error quotes */
	union flow_key key;
	struct sluice_half half; /* a new flow with its SYN */
	struct answer answer;
	/*
	 * what a backend acknowledged last of the connection that a SYN follows; 0: it follows none
	 */
	__u32 before_ack;
	__u32 pad;
	struct admit_own own; /* the one thing that outlives the packet */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} sluice_scratch SEC(".maps");

static __always_inline struct scratch *scratch_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&sluice_scratch, &zero);
}

#endif
