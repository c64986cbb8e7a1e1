/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Flows: finding them, their life from half-open to closed, and whose they are. Two tables:
 * half-open flows live in an LRU of their own, so that a SYN flood cannot touch a connection whose
 * handshake is done.
 *
 * State changes go through the looked-up pointer. bpf_map_update_elem() on a key that is already in
 * a full LRU evicts somebody else, so it is only called for keys that are new (BPF_NOEXIST).
 */
#ifndef SLUICE_BPF_FLOW_H
#define SLUICE_BPF_FLOW_H

#include "count.h"
#include "packet.h"

/* A flow that was found, with the backend it belongs to. */
struct owned {
	struct sluice_flow *flow;	/* NULL: there is none */
	struct sluice_backend *backend; /* NULL: its generation is retired */
	bool established;		/* which table it stands in */
};

static __always_inline __u32 flow_now(void)
{
	return (__u32)bpf_jiffies64();
}

static __always_inline __u32 flow_ms(__u32 ms)
{
	return ms * sluice_hz / 1000;
}

static __always_inline void flow_find(struct owned *owned, const struct sluice_flow_key4 *key)
{
	__u32 slot;

	owned->established = true;
	owned->flow = bpf_map_lookup_elem(&sluice_est4, key);
	if (!owned->flow) {
		owned->established = false;
		owned->flow = bpf_map_lookup_elem(&sluice_half4, key);
	}
	if (!owned->flow) {
		/*
		 * Another CPU may have moved it from one table to the other between our two looks.
		 */
		owned->established = true;
		owned->flow = bpf_map_lookup_elem(&sluice_est4, key);
	}
	owned->backend = NULL;
	if (!owned->flow)
		return;
	slot = owned->flow->slot;
	owned->backend = bpf_map_lookup_elem(&sluice_backends, &slot);
	if (owned->backend && owned->backend->generation != owned->flow->generation)
		owned->backend = NULL;
}

/*
 * The count that leastconn and maxconn go by. It may drift (an evicted half-open flow is never
 * subtracted); the daemon's scan puts it right.
 */
static __always_inline void flow_count(struct sluice_backend *backend, int change)
{
	if (backend)
		__sync_fetch_and_add(&backend->active, change);
}

/*
 * Take the flow out of its table. One that has not ended on a packet (idle, or a client's RST that
 * nobody answered) is subtracted here.
 */
static __always_inline void flow_remove(const struct owned *owned,
					const struct sluice_flow_key4 *key)
{
	const __u8 in = owned->flow->in_marks, out = owned->flow->out_marks;

	if (!(out & SLUICE_OUT_RST) &&
	    !((in & SLUICE_IN_FIN_ACKED) && (out & SLUICE_OUT_FIN_ACKED)))
		flow_count(owned->backend, -1);
	if (owned->established)
		bpf_map_delete_elem(&sluice_est4, key);
	else
		bpf_map_delete_elem(&sluice_half4, key);
}

static __always_inline void flow_touch(struct sluice_flow *flow, __u32 now)
{
	/* At most four writes a second, so that the line stays clean on a busy flow. */
	if (now - flow->touched >= sluice_hz / 4)
		flow->touched = now;
}

static __always_inline bool flow_is_idle(const struct owned *owned, __u32 now)
{
	return owned->established &&
	       now - owned->flow->touched > sluice_established_idle_s * sluice_hz;
}

static __always_inline bool flow_is_closed(const struct owned *owned, __u32 now)
{
	return sluice_flow_state(owned->flow, owned->established, now, sluice_hz) ==
	       SLUICE_FLOW_CLOSED;
}

/* The connection has ended on the packet at hand. */
static __always_inline void flow_ended(const struct owned *owned)
{
	flow_count(owned->backend, -1);
	count_reason(SLUICE_REASON_CLOSED);
}

/*
 * The handshake is done: out of reach of SYN floods. Without room the flow stays half-open and its
 * next packet tries again.
 */
static __always_inline void flow_promote(struct owned *owned, const struct sluice_flow_key4 *key)
{
	struct sluice_flow copy = *owned->flow;
	long err = bpf_map_update_elem(&sluice_est4, key, &copy, BPF_NOEXIST);

	if (!err) {
		count_reason(SLUICE_REASON_ESTABLISHED);
		count_connection(copy.slot, copy.service);
	} else if (err != -17 /* EEXIST: another CPU was faster */) {
		count_reason(SLUICE_REASON_TABLE_FULL);
		return;
	}
	bpf_map_delete_elem(&sluice_half4, key);
}

/* What a packet from the client changes: FIN, RST, and the acknowledgement of the backend's FIN. */
static __always_inline void flow_from_client(const struct owned *owned, const struct packet *packet,
					     __u32 now)
{
	struct sluice_flow *flow = owned->flow;

	flow_touch(flow, now);
	if ((packet->flags & TCP_ACK) && (flow->out_marks & SLUICE_OUT_FIN) &&
	    !(flow->in_marks & SLUICE_IN_FIN_ACKED) &&
	    (__s32)(packet->ack - flow->server_fin) >= 0) {
		flow->in_marks |= SLUICE_IN_FIN_ACKED;
		if (flow->out_marks & SLUICE_OUT_FIN_ACKED)
			flow_ended(owned);
	}
	if (!(packet->flags & (TCP_FIN | TCP_RST)))
		return;
	if (packet->flags & TCP_RST) {
		/* Only a mark: a forged one is disproved by the backend's next segment. */
		if (!flow->client_rst)
			flow->client_rst = now | 1;
	} else if (!(flow->out_marks & SLUICE_OUT_FIN_ACKED)) {
		flow->client_fin = packet_seq_end(packet);
		flow->in_marks |= SLUICE_IN_FIN;
	}
}

/* The same for a packet from the backend. Its RST is final: it comes from this host's own stack. */
static __always_inline void flow_from_backend(const struct owned *owned,
					      const struct packet *packet, __u32 now)
{
	struct sluice_flow *flow = owned->flow;

	flow_touch(flow, now);
	if (packet->flags & TCP_RST) {
		if (!flow_is_closed(owned, now))
			flow_ended(owned);
		flow->out_marks |= SLUICE_OUT_RST;
		return;
	}
	if (flow->client_rst)
		flow->client_rst = 0;
	if ((packet->flags & TCP_ACK) && (flow->in_marks & SLUICE_IN_FIN) &&
	    !(flow->out_marks & SLUICE_OUT_FIN_ACKED) &&
	    (__s32)(packet->ack - flow->client_fin) >= 0) {
		flow->out_marks |= SLUICE_OUT_FIN_ACKED;
		if (flow->in_marks & SLUICE_IN_FIN_ACKED)
			flow_ended(owned);
	}
	if ((packet->flags & TCP_FIN) && !(flow->in_marks & SLUICE_IN_FIN_ACKED)) {
		flow->server_fin = packet_seq_end(packet);
		flow->out_marks |= SLUICE_OUT_FIN;
	}
}

#endif
