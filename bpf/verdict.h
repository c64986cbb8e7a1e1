/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one protocol between the core and the hooks: what is to be done with the packet, and who
 * counts it.
 *
 * XDP comes first and tc, which is attached in every mode, sees again whatever XDP passes up
 * unchanged. So XDP neither counts nor changes any state for a packet that it will not rewrite or
 * drop itself: tc does, and nothing is counted twice.
 */
#ifndef SLUICE_BPF_VERDICT_H
#define SLUICE_BPF_VERDICT_H

#include "count.h"
#include "event.h"

enum hook { HOOK_XDP, HOOK_TC }; /* a compile-time constant wherever it is passed */

enum verdict {
	VERDICT_PASS,	 /* untouched, up or down the stack */
	VERDICT_REWRITE, /* one port changes: the hook says which way */
	VERDICT_DROP,
	VERDICT_RESET,	    /* answer with a reset; only tc can make one */
	VERDICT_REDISPATCH, /* swallow the reset, send the client's SYN in again; egress only */
	VERDICT_CHALLENGE,  /* instead of the reset ask the client; egress only */
};

static __always_inline enum verdict verdict_pass(enum sluice_reason reason, enum hook hook)
{
	if (hook == HOOK_TC)
		count_reason(reason);
	return VERDICT_PASS;
}

static __always_inline enum verdict verdict_drop(enum sluice_reason reason)
{
	count_reason(reason);
	event_tell(reason, 0, 0);
	return VERDICT_DROP;
}

static __always_inline enum verdict verdict_reset(enum sluice_reason reason, enum hook hook)
{
	if (hook == HOOK_TC) {
		count_reason(reason);
		event_tell(reason, 0, 0);
	}
	return VERDICT_RESET;
}

#endif
