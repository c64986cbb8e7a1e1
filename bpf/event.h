/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Telling people what happened to a connection. Only a packet that is refused, dropped or given
 * another backend is told of, never one of a connection that goes its way. Nothing here returns a
 * value: an event that cannot be sent never changes a verdict.
 *
 * event_send.h does the sending; it needs to know flows, and flows tell events.
 */
#ifndef SLUICE_BPF_EVENT_H
#define SLUICE_BPF_EVENT_H

#include "maps.h"

/*
 * A global function, so that the verifier looks at it once. It finds the packet in the scratch;
 * slots are 0 where no backend had or has the connection. 0 always.
 */
int sluice_event(__u32 reason, __u32 from_slot, __u32 to_slot);

static __always_inline void event_tell(enum sluice_reason reason, __u32 from_slot, __u32 to_slot)
{
	sluice_event(reason, from_slot, to_slot);
}

#endif
