/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The way out: is this TCP packet from a backend's port part of a balanced connection? Then its
 * source port becomes the service's. Everything else that a backend says (to direct clients, to
 * health checks) is none of our business and leaves untouched.
 */
#ifndef SLUICE_BPF_EGRESS_H
#define SLUICE_BPF_EGRESS_H

#include "flow.h"
#include "packet.h"
#include "verdict.h"

/*
 * A SYN-ACK for the client's newer SYN: the old connection is over for the backend's kernel, so it
 * is for us.
 */
static __always_inline void egress_reopen(struct owned *owned, const struct packet *packet,
					  const struct sluice_flow_key4 *key, __u32 now)
{
	struct sluice_flow *flow = owned->flow;
	struct sluice_flow fresh = {
		.generation = flow->generation,
		.slot = flow->slot,
		.port = flow->port,
		.service = flow->service,
		.out_marks = SLUICE_OUT_SYNACK,
		.client_isn = packet->ack - 1,
		.server_isn = packet->seq,
		.server_next = packet_seq_end(packet),
		.picked = now,
		.touched = now,
	};

	count_reason(SLUICE_REASON_SYN_REOPEN);
	if (!owned->established) {
		*flow = fresh;
		return;
	}
	flow_remove(owned, key);
	if (bpf_map_update_elem(&sluice_half4, key, &fresh, BPF_NOEXIST))
		count_reason(SLUICE_REASON_TABLE_FULL);
	else
		flow_count(owned->backend, 1);
}

/* Does the backend answer the client's newer SYN? */
static __always_inline bool egress_answers_new_syn(const struct sluice_flow *flow,
						   const struct packet *packet)
{
	return (flow->in_marks & SLUICE_IN_NEW_SYN) && packet->ack == flow->next_isn + 1;
}

/*
 * A half-open flow owns only what its handshake can bring about: the backend's answer to one of its
 * SYNs, and, once that has left, what follows on it. Anything else on the same ports belongs to a
 * direct connection.
 */
static __always_inline bool egress_half_open_owns(const struct sluice_flow *flow,
						  const struct packet *packet)
{
	bool answers = (packet->flags & TCP_ACK) && (packet->ack == flow->client_isn + 1 ||
						     egress_answers_new_syn(flow, packet));

	if (packet->flags & TCP_SYN)
		return answers;
	if (flow->out_marks & SLUICE_OUT_SYNACK)
		return (__s32)(packet->seq - flow->server_isn) >= 0;
	return answers && (packet->flags & TCP_RST);
}

/* A segment of a half-open flow that is the flow's own. */
static __always_inline void egress_half_open(struct owned *owned, const struct packet *packet,
					     const struct sluice_flow_key4 *key)
{
	struct sluice_flow *flow = owned->flow;

	if (packet->flags & TCP_RST)
		return;
	if (packet->flags & TCP_SYN) {
		flow->server_isn = packet->seq;
		flow->server_next = packet_seq_end(packet);
		flow->out_marks |= SLUICE_OUT_SYNACK;
		return;
	}
	if ((__s32)(packet_seq_end(packet) - flow->server_next) > 0)
		flow->server_next = packet_seq_end(packet);
	/* A backend's kernel sends data only on a connection that it holds for open. */
	if (packet->payload_len)
		flow_promote(owned, key);
}

/*
 * The core. service_port: what the clients know the backend's port packet->sport by. After
 * VERDICT_REWRITE it becomes the packet's source port.
 */
static __always_inline enum verdict egress(const struct packet *packet, __be16 service_port)
{
	struct sluice_flow_key4 key = {
		.client = packet->daddr,
		.local = packet->saddr,
		.client_port = packet->dport,
		.service_port = service_port,
	};
	bool syn = packet->flags & TCP_SYN;
	struct owned owned;
	__u32 now = flow_now(), slot, service;

	flow_find(&owned, &key);
	if (!owned.flow || owned.flow->port != packet->sport)
		return verdict_pass(SLUICE_REASON_DIRECT_REPLY, HOOK_TC);
	if (!owned.backend) {
		flow_remove(&owned, &key);
		return verdict_pass(SLUICE_REASON_RETIRED, HOOK_TC);
	}
	if (!owned.established && !egress_half_open_owns(owned.flow, packet))
		return verdict_pass(SLUICE_REASON_DIRECT_REPLY, HOOK_TC);
	slot = owned.flow->slot;
	service = owned.flow->service;
	count_out(slot, service, packet->ip_len);
	if (syn && (packet->flags & TCP_ACK) && egress_answers_new_syn(owned.flow, packet)) {
		egress_reopen(&owned, packet, &key, now);
		return VERDICT_REWRITE;
	}
	flow_from_backend(&owned, packet, now);
	if (!owned.established)
		egress_half_open(&owned, packet, &key);
	return VERDICT_REWRITE;
}

#endif
