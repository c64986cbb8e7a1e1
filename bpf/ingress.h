/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The way in: what happens to a TCP packet for a service port. The rows of the packet table, in the
 * order in which they are tried. Decides and keeps the flow; the hooks do the writing.
 */
#ifndef SLUICE_BPF_INGRESS_H
#define SLUICE_BPF_INGRESS_H

#include "flow.h"
#include "packet.h"
#include "pick.h"
#include "verdict.h"

/* Is it addressed to us? Asked for the first SYN only: a flow that exists has been asked. */
static __always_inline bool ingress_is_local(__u32 index, __be32 address)
{
	const struct sluice_service *service = bpf_map_lookup_elem(&sluice_services, &index);
	int i;

	if (!service)
		return false;
	if (!service->address_count)
		return bpf_map_lookup_elem(&sluice_addrs4, &address);
	for (i = 0; i < SLUICE_MAX_ADDRESS; i++) {
		if (i < (int)service->address_count && service->address[i] == address)
			return true;
	}
	return false;
}

/* Nobody could be picked. */
static __always_inline enum verdict ingress_unserved(int result, const struct pick *pick,
						     enum hook hook)
{
	switch (result) {
	case PICK_UNSYNCED:
		return verdict_pass(SLUICE_REASON_UNSYNCED, hook);
	case PICK_FULL:
		if (pick->on_full == SLUICE_FULL_RESET)
			return verdict_reset(SLUICE_REASON_FULL_RESET, hook);
		return verdict_drop(SLUICE_REASON_FULL_DROP);
	case PICK_EMPTY:
		if (pick->on_empty == SLUICE_EMPTY_PASS)
			return verdict_pass(SLUICE_REASON_EMPTY_PASS, hook);
		if (pick->on_empty == SLUICE_EMPTY_DROP)
			return verdict_drop(SLUICE_REASON_EMPTY_DROP);
		return verdict_reset(SLUICE_REASON_EMPTY_RESET, hook);
	default:
		return verdict_drop(SLUICE_REASON_TORN_SET);
	}
}

static __always_inline void ingress_fill_flow(struct sluice_flow *flow, const struct pick *pick,
					      __u32 isn)
{
	*flow = (struct sluice_flow){
		.generation = pick->generation,
		.slot = pick->slot,
		.port = pick->port,
		.service = pick->service,
		.client_isn = isn,
		.picked = pick->now,
		.touched = pick->now,
	};
}

static __always_inline void ingress_count_pick(const struct pick *pick)
{
	__u32 slot = pick->slot;

	flow_count(bpf_map_lookup_elem(&sluice_backends, &slot), 1);
	count_pick(pick->slot, pick->service);
}

/* A SYN without a flow that still counts: pick somebody, remember it as half-open. */
static __always_inline enum verdict ingress_first_syn(const struct packet *packet,
						      const struct sluice_flow_key4 *key,
						      struct pick *pick, enum hook hook,
						      __be16 *port)
{
	struct sluice_flow flow, *other;
	int result;

	if (!ingress_is_local(pick->service, packet->daddr))
		return verdict_pass(SLUICE_REASON_NOT_LOCAL, hook);
	result = pick_backend(pick);
	if (result != PICK_OK)
		return ingress_unserved(result, pick, hook);

	ingress_fill_flow(&flow, pick, packet->seq);
	*port = pick->port;
	if (bpf_map_update_elem(&sluice_half4, key, &flow, BPF_NOEXIST)) {
		/* The same SYN on another CPU, a moment ago? Then its choice holds. */
		other = bpf_map_lookup_elem(&sluice_half4, key);
		if (!other)
			return verdict_drop(SLUICE_REASON_TABLE_FULL);
		*port = other->port;
		pick->slot = other->slot;
		count_reason(SLUICE_REASON_SYN_AGAIN);
		return VERDICT_REWRITE;
	}
	ingress_count_pick(pick);
	count_reason(SLUICE_REASON_NEW);
	return VERDICT_REWRITE;
}

/*
 * The backend has not answered this half-open flow's SYN, and it is unusable or has had its time:
 * somebody else gets the SYN, the old one is a suspect for a while. False if there is nobody else.
 */
static __always_inline bool ingress_move(const struct owned *owned, const struct packet *packet,
					 struct pick *pick)
{
	struct sluice_backend *old = owned->backend;

	pick->exclude = owned->flow->slot;
	if (pick_backend(pick) != PICK_OK)
		return false;
	flow_count(old, -1);
	if (old) {
		old->suspect_until = pick->now + flow_ms(SLUICE_SUSPECT_MS);
		old->suspect = 1;
	}
	ingress_fill_flow(owned->flow, pick, packet->seq);
	ingress_count_pick(pick);
	return true;
}

/* A SYN for a flow whose backend still stands. */
static __always_inline enum verdict ingress_next_syn(const struct owned *owned,
						     const struct packet *packet, struct pick *pick,
						     __be16 *port)
{
	struct sluice_flow *flow = owned->flow;
	bool unanswered = !owned->established && !(flow->out_marks & SLUICE_OUT_SYNACK);

	if (unanswered &&
	    (!pick_is_usable(owned->backend) ||
	     pick->now - flow->picked >= flow_ms(SLUICE_SYN_PATIENCE_MS)) &&
	    ingress_move(owned, packet, pick)) {
		*port = flow->port;
		count_reason(SLUICE_REASON_SYN_MOVED);
		return VERDICT_REWRITE;
	}
	*port = flow->port;
	if (packet->seq == flow->client_isn) {
		count_reason(SLUICE_REASON_SYN_AGAIN);
		return VERDICT_REWRITE;
	}
	/*
	 * The backend's kernel knows best: a challenge ACK for a forgery, a SYN-ACK if the old
	 * connection is over.
	 */
	flow->next_isn = packet->seq;
	flow->in_marks |= SLUICE_IN_NEW_SYN;
	count_reason(SLUICE_REASON_SYN_OTHER);
	return VERDICT_REWRITE;
}

/* Not a SYN, and a flow whose backend still stands. */
static __always_inline enum verdict ingress_segment(struct owned *owned,
						    const struct packet *packet,
						    const struct sluice_flow_key4 *key, __u32 now,
						    __be16 *port)
{
	struct sluice_flow *flow = owned->flow;

	*port = flow->port;
	flow_from_client(owned, packet, now);
	if (owned->established || !(packet->flags & TCP_ACK) || (packet->flags & TCP_RST) ||
	    !(flow->out_marks & SLUICE_OUT_SYNACK))
		return VERDICT_REWRITE;
	/* server_isn + 1 <= ack <= server_next, modulo 2^32 (RFC 9293 section 3.4) */
	if (packet->ack - (flow->server_isn + 1) <= flow->server_next - (flow->server_isn + 1))
		flow_promote(owned, key);
	else
		count_reason(SLUICE_REASON_BAD_ACK);
	return VERDICT_REWRITE;
}

/*
 * The core. service: index of the service on packet->dport. After VERDICT_REWRITE *port is the
 * host-port that becomes the packet's destination.
 */
static __always_inline enum verdict ingress(const struct packet *packet, __u32 service,
					    enum hook hook, __be16 *port)
{
	struct sluice_flow_key4 key = {
		.client = packet->saddr,
		.local = packet->daddr,
		.client_port = packet->sport,
		.service_port = packet->dport,
	};
	struct pick pick = { .service = service, .client = packet->saddr, .now = flow_now() };
	enum verdict verdict;
	struct owned owned;
	__u32 slot;

	flow_find(&owned, &key);
	if (packet_opens(packet)) {
		if (owned.flow && (!owned.backend || flow_is_closed(&owned, pick.now) ||
				   flow_is_idle(&owned, pick.now))) {
			flow_remove(&owned, &key);
			owned.flow = NULL;
		}
		if (owned.flow)
			verdict = ingress_next_syn(&owned, packet, &pick, port);
		else
			verdict = ingress_first_syn(packet, &key, &pick, hook, port);
		slot = owned.flow ? owned.flow->slot : pick.slot;
	} else {
		if (!owned.flow)
			return verdict_pass(SLUICE_REASON_NO_FLOW, hook);
		if (!owned.backend || flow_is_idle(&owned, pick.now)) {
			if (hook == HOOK_TC)
				flow_remove(&owned, &key);
			return verdict_pass(
				owned.backend ? SLUICE_REASON_IDLE : SLUICE_REASON_RETIRED, hook);
		}
		slot = owned.flow->slot;
		verdict = ingress_segment(&owned, packet, &key, pick.now, port);
	}
	if (verdict == VERDICT_REWRITE)
		count_in(slot, service, packet->ip_len);
	return verdict;
}

#endif
