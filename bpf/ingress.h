/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The way in: what happens to a TCP packet for a service port. The rows of the packet table, in the
 * order in which they are tried. Decides and keeps the flow; the hooks do the writing.
 */
#ifndef SLUICE_BPF_INGRESS_H
#define SLUICE_BPF_INGRESS_H

#include "admit.h"
#include "flow.h"
#include "pick.h"
#include "redispatch.h"
#include "scratch.h"
#include "verdict.h"

/*
 * Data on a SYN (TCP Fast Open) would have to be summed up to be cut off from the answer. The
 * client sends the SYN again without it (RFC 7413 section 4.2.1), and that one is answered.
 */
static __always_inline enum verdict ingress_reset(const struct packet *packet,
						  enum sluice_reason reason, enum hook hook)
{
	if (packet->payload_len || packet->fragment)
		return verdict_drop(SLUICE_REASON_RESET_PAYLOAD);
	return verdict_reset(reason, hook);
}

/* Nobody could be picked. */
static __always_inline enum verdict ingress_unserved(const struct packet *packet, int result,
						     const struct pick *pick, enum hook hook)
{
	/* asked of a first SYN before; this one was picked for before the leave began */
	if (admit_is_leaving(pick->service))
		return verdict_pass(SLUICE_REASON_LEAVING, hook);
	switch (result) {
	case PICK_UNSYNCED:
		return verdict_pass(SLUICE_REASON_UNSYNCED, hook);
	case PICK_FULL:
		if (pick->on_full == SLUICE_FULL_RESET)
			return ingress_reset(packet, SLUICE_REASON_FULL_RESET, hook);
		return verdict_drop(SLUICE_REASON_FULL_DROP);
	case PICK_EMPTY:
		if (pick->on_empty == SLUICE_EMPTY_PASS)
			return verdict_pass(SLUICE_REASON_EMPTY_PASS, hook);
		if (pick->on_empty == SLUICE_EMPTY_DROP)
			return verdict_drop(SLUICE_REASON_EMPTY_DROP);
		return ingress_reset(packet, SLUICE_REASON_EMPTY_RESET, hook);
	default:
		return verdict_drop(SLUICE_REASON_TORN_SET);
	}
}

#define INGRESS_QUIET_MS 5000

/* Copy the SYN's options, padded with zeros. data and data_end are the frame's. */
static __always_inline void ingress_keep_options(struct sluice_half *half,
						 const struct packet *packet, void *data,
						 void *data_end)
{
	const __be32 *option = data + (packet->l4_off & PACKET_L4_MAX) + sizeof(struct tcphdr);
	const __u32 count = (packet->header_len - sizeof(struct tcphdr)) / 4;
	__u32 i;

#pragma unroll
	for (i = 0; i < SLUICE_TCP_OPTIONS / 4; i++) {
		half->options[i] = 0;
		if (i < count && (void *)(option + i + 1) <= data_end)
			half->options[i] = option[i];
	}
	half->options_len = count * 4;
}

/* A SYN without a flow that still counts: pick somebody, remember it as half-open. */
static __always_inline enum verdict ingress_first_syn(struct scratch *scratch, struct pick *pick,
						      enum hook hook, enum family family,
						      __be16 *port)
{
	const union flow_key *key = &scratch->key;
	int result = admit(&scratch->own, pick->service, key, pick->now, family);
	struct sluice_half *half = &scratch->half;
	enum verdict verdict = VERDICT_REWRITE;
	struct owned other;

	if (result == SLUICE_REASON_NOT_LOCAL || result == SLUICE_REASON_LEAVING)
		return verdict_pass(result, hook);
	if (result)
		return verdict_drop(result);
	result = pick_backend(pick);
	if (result != PICK_OK)
		verdict = ingress_unserved(&scratch->packet, result, pick, hook);
	if (pick->refused && result != PICK_UNSYNCED && result != PICK_TORN &&
	    (hook == HOOK_TC || result == PICK_OK || verdict == VERDICT_DROP)) {
		count_reason(SLUICE_REASON_OUT_OF_RANGE);
		event_tell(SLUICE_REASON_OUT_OF_RANGE, 0, 0);
	}
	if (result != PICK_OK)
		return verdict;
	if (!admit_within_rate(pick->service, key, pick->now, family))
		return verdict_drop(SLUICE_REASON_RATE_LIMITED);

	flow_begin(&half->flow, pick, flow_cookie(key, family), scratch->packet.seq,
		   scratch->packet.payload_len);
	half->flow.server_ack = scratch->before_ack; /* whoever it is: the SYN may yet go there */
	flow_keep_syn(half, &scratch->packet);
	*port = pick->port;
	if (flow_insert_half(key, half, family)) {
		/* The same SYN on another CPU, a moment ago? Then its choice holds. */
		flow_find(&other, key, family);
		if (!other.flow || !other.backend)
			return verdict_drop(SLUICE_REASON_TABLE_FULL);
		*port = other.port;
		pick->slot = other.slot;
		count_reason(SLUICE_REASON_SYN_AGAIN);
		return VERDICT_REWRITE;
	}
	flow_count_pick(pick);
	count_reason(SLUICE_REASON_NEW);
	return VERDICT_REWRITE;
}

/*
 * The client sends a SYN again that nobody has answered. If its backend is unusable or has had its
 * time, somebody else gets it; if there is nobody else, an unusable backend is not waited for.
 */
static __always_inline enum verdict ingress_unanswered(struct scratch *scratch, struct owned *owned,
						       struct pick *pick, enum hook hook,
						       enum family family, __be16 *port)
{
	bool usable = pick_is_usable(owned->backend);
	enum verdict verdict;
	int result;

	if (usable && !flow_passed(pick->now, owned->flow->picked, SLUICE_SYN_PATIENCE_MS)) {
		count_reason(SLUICE_REASON_SYN_AGAIN);
		return VERDICT_REWRITE;
	}
	result = flow_move(owned, pick, FLOW_SILENT);
	if (result == PICK_OK) {
		event_tell(SLUICE_REASON_SYN_MOVED, owned->slot, pick->slot);
		owned->slot = pick->slot;
		*port = pick->port;
		count_reason(SLUICE_REASON_SYN_MOVED);
		return VERDICT_REWRITE;
	}
	if (!usable) {
		verdict = ingress_unserved(&scratch->packet, result, pick, hook);
		/* what XDP leaves to tc must find there what XDP found */
		if (hook == HOOK_TC || verdict == VERDICT_DROP)
			flow_remove(owned, &scratch->key, family);
		return verdict;
	}
	count_reason(SLUICE_REASON_SYN_AGAIN);
	return VERDICT_REWRITE;
}

/*
 * The client comes back with another SYN to a backend that is unusable or has had its time, and
 * never answered the first: the new one takes its place, the old one stays known. False: the
 * backend may still answer.
 */
static __always_inline bool ingress_replace_syn(struct scratch *scratch, const struct owned *owned,
						__u32 now)
{
	struct sluice_flow *flow = owned->flow;
	const struct packet *packet = &scratch->packet;

	if (!owned->half || !flow_is_still(owned) ||
	    (pick_is_usable(owned->backend) &&
	     !flow_passed(now, flow->picked, SLUICE_SYN_PATIENCE_MS)))
		return false;
	flow->next_isn = flow->client_isn;
	flow->client_isn = packet->seq;
	flow->syn_payload = packet->payload_len;
	flow->client_next = packet_seq_end(packet);
	__builtin_memcpy(owned->half->options, scratch->half.options, sizeof(owned->half->options));
	owned->half->options_len = scratch->half.options_len;
	flow_keep_syn(owned->half, packet);
	return true;
}

/* A SYN for a flow that still counts. */
static __always_inline enum verdict ingress_next_syn(struct scratch *scratch, struct owned *owned,
						     struct pick *pick, enum hook hook,
						     enum family family, __be16 *port)
{
	struct sluice_flow *flow = owned->flow;
	__u32 seq = scratch->packet.seq;
	bool unanswered;

	*port = owned->port;
	unanswered = !flow->done && !(flow->out_marks & SLUICE_OUT_SYNACK);
	if (seq != flow->client_isn) {
		/*
		 * The backend's kernel knows best: a challenge ACK for a forgery, a SYN-ACK if the
		 * old connection is over.
		 */
		flow->next_isn = seq;
		flow->in_marks |= SLUICE_IN_NEW_SYN;
		if (!unanswered || !ingress_replace_syn(scratch, owned, pick->now)) {
			if (redispatch_has_newer(flow))
				redispatch_remember(scratch, family);
			count_reason(SLUICE_REASON_SYN_OTHER);
			return VERDICT_REWRITE;
		}
	}
	if (unanswered)
		return ingress_unanswered(scratch, owned, pick, hook, family, port);
	count_reason(SLUICE_REASON_SYN_AGAIN);
	return VERDICT_REWRITE;
}

/*
 * A half-open flow takes only what can follow one of its SYNs, and its client's reset of the
 * connection before. A forged SYN has then no power over a connection that somebody else on this
 * host holds.
 */
static __always_inline bool ingress_is_near(const struct sluice_flow *flow,
					    const struct packet *packet)
{
	if (packet->seq - (flow->client_isn + 1) < FLOW_FIRST_WINDOW)
		return true;
	if ((packet->flags & TCP_RST) && flow_follows(flow, packet->seq))
		return true;
	return (flow->in_marks & SLUICE_IN_NEW_SYN) &&
	       packet->seq - (flow->next_isn + 1) < FLOW_FIRST_WINDOW;
}

/*
 * Does the ACK complete the handshake? Modulo 2^32 (RFC 9293 section 3.4): server_isn + 1 <= ack <=
 * server_next.
 */
static __always_inline bool ingress_completes(const struct sluice_flow *flow,
					      const struct packet *packet)
{
	if (!(flow->out_marks & SLUICE_OUT_SYNACK))
		return false;
	return packet->ack - (flow->server_isn + 1) <= flow->server_next - (flow->server_isn + 1) ||
	       packet->ack == flow->server_isn_before + 1;
}

/* Not a SYN, and a flow whose backend still stands. */
static __always_inline void ingress_segment(const struct owned *owned, const struct packet *packet,
					    const union flow_key *key, enum family family,
					    __u32 now)
{
	struct sluice_flow *flow = owned->flow;

	flow_from_client(owned, packet, now);
	if (flow->done)
		flow_settle(owned, key, family);
	else if ((packet->flags & TCP_ACK) && !(packet->flags & TCP_RST) &&
		 !(flow->out_marks & SLUICE_OUT_RST)) {
		/*
		 * after a reset of the backend's it is for the backend to say that the handshake
		 * goes on
		 */
		if (ingress_completes(flow, packet))
			flow_promote(owned, key, family);
		else
			count_reason(SLUICE_REASON_BAD_ACK);
	}
}

/*
 * May a SYN begin afresh, as if the flow were not there? A quiet connection whose backend stands is
 * for the backend to judge.
 */
static __always_inline bool ingress_is_forgotten(const struct owned *owned, __u32 now)
{
	if (!owned->backend || flow_is_closed(owned->flow, now))
		return true;
	if (pick_is_usable(owned->backend) || !flow_is_expired(owned->flow, now))
		return false;
	count_reason(SLUICE_REASON_IDLE);
	return true;
}

static __always_inline enum verdict ingress_syn(struct scratch *scratch, struct owned *owned,
						struct pick *pick, enum hook hook,
						enum family family, __be16 *port)
{
	enum verdict verdict;

	scratch->before_ack = 0;
	if (owned->flow && ingress_is_forgotten(owned, pick->now)) {
		if (owned->flow->done)
			scratch->before_ack = owned->flow->server_ack;
		flow_remove(owned, &scratch->key, family);
		owned->flow = NULL;
	}
	if (owned->flow)
		return ingress_next_syn(scratch, owned, pick, hook, family, port);
	verdict = ingress_first_syn(scratch, pick, hook, family, port);
	owned->slot = pick->slot;
	return verdict;
}

/*
 * The core. service: index of the service on packet->dport. After VERDICT_REWRITE *port is the
 * host-port that becomes the packet's destination.
 *
 * Idle time ends nothing but the right to a SYN, as long as the connection is not over: a segment of
 * one that was quiet for hours is best judged by the backend's own kernel, which may still hold it.
 */
static __always_inline enum verdict ingress(struct scratch *scratch, __u32 service, enum hook hook,
					    enum family family, __be16 *port)
{
	const struct packet *packet = &scratch->packet;
	struct pick pick = { .service = service };
	enum verdict verdict = VERDICT_REWRITE;
	union flow_key *key = &scratch->key;
	struct owned owned;

	flow_key_in(key, packet, packet->dport, family);
	pick.now = flow_now();
	if (packet_opens(packet)) {
		flow_find_syn(&owned, key, family);
		pick.client = flow_client(key, family);
		verdict = ingress_syn(scratch, &owned, &pick, hook, family, port);
	} else {
		flow_find(&owned, key, family);
		if (owned.half && flow_is_expired(owned.flow, pick.now)) {
			if (hook == HOOK_TC)
				flow_remove(&owned, key, family);
			owned.flow = NULL;
		}
		if (!owned.flow || (!owned.flow->done && !ingress_is_near(owned.flow, packet)))
			return verdict_pass(SLUICE_REASON_NO_FLOW, hook);
		if (!owned.backend) {
			if (hook == HOOK_TC) {
				flow_remove(&owned, key, family);
				event_tell(SLUICE_REASON_RETIRED, 0, 0);
			}
			return verdict_pass(SLUICE_REASON_RETIRED, hook);
		}
		*port = owned.port;
		ingress_segment(&owned, packet, key, family, pick.now);
	}
	if (verdict == VERDICT_REWRITE)
		count_in(owned.slot, service, packet->ip_len);
	return verdict;
}

/*
 * A SYN to a backend's own port, while a balanced connection of the same client address and port
 * lives there: for the backend the two would be one. The balanced one was first.
 */
static __always_inline bool ingress_conflicts(struct scratch *scratch, __be16 service_port,
					      enum family family)
{
	const __u32 now = flow_now();
	struct owned owned;

	flow_key_in(&scratch->key, &scratch->packet, service_port, family);
	flow_find(&owned, &scratch->key, family);
	if (!owned.flow || !owned.backend || owned.port != scratch->packet.dport ||
	    flow_is_closed(owned.flow, now))
		return false;
	/* One that is quiet may be dead, and if it lives its kernel turns the SYN away. */
	if (flow_passed(now, owned.flow->touched, INGRESS_QUIET_MS))
		return false;
	/* The flow's own SYN, which XDP has rewritten, comes by here as well. */
	return scratch->packet.seq != owned.flow->client_isn &&
	       !((owned.flow->in_marks & SLUICE_IN_NEW_SYN) &&
		 scratch->packet.seq == owned.flow->next_isn);
}

#endif
