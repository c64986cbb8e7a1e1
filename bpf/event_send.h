/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sends events into the ring buffer, at most SLUICE_EVENTS_PER_SECOND a second of one reason on one
 * CPU: under a flood of SYNs that are refused the ring is not touched at all. What was left out is
 * counted, and the next event of that reason tells it. A ring that nobody reads fills up; then an
 * attempt costs its lock, and is rationed as well.
 */
#ifndef SLUICE_BPF_EVENT_SEND_H
#define SLUICE_BPF_EVENT_SEND_H

#include "event.h"
#include "flow.h"
#include "packet.h"
#include "scratch.h"

struct event_gate {
	__u32 since; /* jiffies; the second that is being counted began then; 0: none did */
	__u32 tried; /* in this second */
	__u32 suppressed;
	__u32 lost;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SLUICE_REASON_COUNT);
	__type(key, __u32);
	__type(value, struct event_gate);
} sluice_evgate SEC(".maps");

static __always_inline bool event_gate_opens(struct event_gate *gate, __u32 now)
{
	if (!gate->since || sluice_age(now, gate->since) >= sluice_hz) {
		gate->since = now ? now : 1;
		gate->tried = 0;
	}
	if (gate->tried >= SLUICE_EVENTS_PER_SECOND) {
		gate->suppressed++;
		return false;
	}
	gate->tried++;
	return true;
}

static __always_inline __be16 event_port_of(__u32 slot)
{
	const struct sluice_backend *backend = bpf_map_lookup_elem(&sluice_backends, &slot);

	return slot && backend ? backend->port : 0;
}

static __always_inline void event_fill_addresses(struct sluice_event *event,
						 const union flow_key *key, enum family family)
{
	__builtin_memset(event->client, 0, sizeof(event->client));
	__builtin_memset(event->local, 0, sizeof(event->local));
	if (family == FAMILY_4) {
		event->family = 4;
		event->client[0] = key->v4.client;
		event->local[0] = key->v4.local;
		event->client_port = key->v4.client_port;
		event->service_port = key->v4.service_port;
	} else {
		event->family = 6;
		__builtin_memcpy(event->client, key->v6.client, sizeof(event->client));
		__builtin_memcpy(event->local, key->v6.local, sizeof(event->local));
		event->client_port = key->v6.client_port;
		event->service_port = key->v6.service_port;
	}
}

__noinline int sluice_event(__u32 reason, __u32 from_slot, __u32 to_slot)
{
	struct event_gate *gate = bpf_map_lookup_elem(&sluice_evgate, &reason);
	const struct scratch *scratch = scratch_get();
	struct sluice_event *event;

	if (!gate || !scratch || !event_gate_opens(gate, flow_now()))
		return 0;
	event = bpf_ringbuf_reserve(&sluice_events, sizeof(*event), 0);
	if (!event) {
		gate->lost++;
		return 0;
	}
	event->time_ns = bpf_ktime_get_ns();
	event->reason = reason;
	event->suppressed = gate->suppressed;
	event->lost = gate->lost;
	event_fill_addresses(event, &scratch->key, scratch->packet.family);
	event->from_slot = from_slot;
	event->from_port = event_port_of(from_slot);
	event->to_slot = to_slot;
	event->to_port = event_port_of(to_slot);
	__builtin_memset(event->pad, 0, sizeof(event->pad));
	gate->suppressed = 0;
	gate->lost = 0;
	bpf_ringbuf_submit(event, 0);
	return 0;
}

#endif
