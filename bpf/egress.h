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
#include "redispatch.h"
#include "scratch.h"
#include "verdict.h"

#define EGRESS_SYN_DATA 1460 /* data that a SYN can bring */

static __always_inline bool egress_answers_new_syn(const struct sluice_flow *flow,
						   const struct packet *packet)
{
	return (packet->flags & TCP_ACK) && (flow->in_marks & SLUICE_IN_NEW_SYN) &&
	       packet->ack - (flow->next_isn + 1) <= EGRESS_SYN_DATA;
}

/*
 * The answer to some SYN: a SYN-ACK, or the reset of a port where nobody listens (RFC 9293 section
 * 3.5.2).
 */
static __always_inline bool egress_is_answer(const struct packet *packet)
{
	if (!(packet->flags & TCP_ACK))
		return false;
	return (packet->flags & TCP_SYN) || ((packet->flags & TCP_RST) && !packet->seq);
}

/*
 * A segment of a handshake: does it speak of what the client has sent, or of what the backend has?
 */
static __always_inline bool egress_is_near(const struct sluice_flow *flow,
					   const struct packet *packet)
{
	if (!(flow->out_marks & SLUICE_OUT_SYNACK))
		return false;
	if (!(packet->flags &
	      TCP_ACK)) /* a reset without ACK has its number from the client's ACK */
		return packet->seq - (flow->server_isn + 1) < FLOW_FIRST_WINDOW ||
		       packet->seq - (flow->server_isn_before + 1) < FLOW_FIRST_WINDOW;
	return packet->ack - (flow->client_isn + 1) < FLOW_FIRST_WINDOW ||
	       ((flow->in_marks & SLUICE_IN_NEW_SYN) &&
		packet->ack - (flow->next_isn + 1) < FLOW_FIRST_WINDOW);
}

/* What a packet from a backend's port is to the flow that has its addresses and ports. */
enum egress_owner {
	EGRESS_OWN,
	EGRESS_DIRECT, /* of a direct connection */
	/*
	 * of a direct connection, and it proves that the backend's kernel knows nothing of the flow
	 */
	EGRESS_STALE,
};

static __always_inline enum egress_owner egress_owner(const struct sluice_flow *flow,
						      const struct packet *packet)
{
	if (egress_is_answer(packet)) {
		if (flow_is_answered(flow, packet) || egress_answers_new_syn(flow, packet))
			return EGRESS_OWN;
		/* a reset may be a firewall's, for a SYN that anybody can forge */
		return flow->done && (packet->flags & TCP_SYN) ? EGRESS_STALE : EGRESS_DIRECT;
	}
	if (flow->done || egress_is_near(flow, packet))
		return EGRESS_OWN;
	return EGRESS_DIRECT;
}

/*
 * A SYN-ACK for the client's newer SYN: the old connection is over for the backend's kernel, so it
 * is for us. Of a half-open flow both SYNs stay known: under SYN cookies either may be the real
 * one.
 */
static __always_inline void egress_reopen(const struct owned *owned, struct scratch *scratch,
					  enum family family, __u32 now)
{
	const struct packet *packet = &scratch->packet;
	struct sluice_half *half = &scratch->half;
	struct sluice_flow *flow = owned->flow, *fresh = &half->flow;
	__u32 stamp;
	bool done = flow->done;

	__builtin_memset(half, 0, sizeof(*half));
	*fresh = *flow;
	if (fresh->cookie != owned->cookie)
		return;
	fresh->in_marks = done ? 0 : SLUICE_IN_NEW_SYN;
	fresh->out_marks = SLUICE_OUT_SYNACK;
	fresh->next_isn = flow->client_isn;
	/* with data on the SYN, next_isn tells where it began */
	fresh->client_isn = (flow->in_marks & SLUICE_IN_NEW_SYN) ? flow->next_isn : packet->ack - 1;
	fresh->client_next = packet->ack;
	fresh->syn_payload = packet->ack - (fresh->client_isn + 1);
	fresh->server_isn_before = done ? packet->seq : flow->server_isn;
	fresh->server_isn = packet->seq;
	fresh->server_next = packet_seq_end(packet);
	fresh->client_rst = 0;
	if (done)
		fresh->client_fin = fresh->server_fin = 0;
	fresh->done = 0;
	fresh->picked = fresh->touched = now;
	if (owned->half) {
		count_reason(SLUICE_REASON_SYN_REOPEN);
		if (sluice_flow_counts_as(flow, 0) ==
		    SLUICE_COUNT_HALF_OPEN) /* by the older pick */
			flow_count_half(owned->backend, flow->picked, -1);
		flow_count_half(owned->backend, now, 1);
		*flow = *fresh;
		owned->half->tcp_flags = 0; /* what is kept are the other SYN's options */
		return;
	}
	/* Its SYN is not kept: it has been answered, nobody will send it again. */
	if (flow_insert_demoted(&scratch->key, half, family)) {
		count_reason(SLUICE_REASON_TABLE_FULL);
		event_tell(SLUICE_REASON_TABLE_FULL, 0, owned->slot);
		return;
	}
	count_reason(SLUICE_REASON_SYN_REOPEN);
	flow_count_half(owned->backend, now, 1);
	/* what stands in an established table counts, whatever its marks say */
	stamp = flow_counted_at(flow);
	if (!flow_delete(&scratch->key, false, family))
		flow_count_active(owned->backend, stamp, -1);
}

static __always_inline void egress_syn_ack(const struct owned *owned, const struct packet *packet,
					   __u32 now)
{
	struct sluice_flow *flow = owned->flow;
	/* The same SYN-ACK once more is a timer's doing, and says nothing of the listener. */
	const bool repeated = (flow->out_marks & SLUICE_OUT_SYNACK) &&
			      flow->server_isn == packet->seq;

	if (!(flow->out_marks & SLUICE_OUT_SYNACK))
		flow->server_isn_before = packet->seq;
	else if (flow->server_isn != packet->seq)
		flow->server_isn_before = flow->server_isn;
	flow->server_isn = packet->seq;
	flow->server_next = packet_seq_end(packet);
	flow->out_marks |= SLUICE_OUT_SYNACK;
	if (repeated)
		return;
	if (owned->backend->suspect)
		owned->backend->suspect = SLUICE_SUSPECT_NONE;
	/* 0 means never, also while jiffies are so far from it that the age says "in the future" */
	if (!owned->backend->answered || sluice_age(now, owned->backend->answered) >= sluice_hz / 4)
		owned->backend->answered = now ? now : 1;
}

/* A segment of a half-open flow that is the flow's own. */
static __always_inline void egress_half_open(const struct owned *owned, const struct packet *packet,
					     const union flow_key *key, enum family family,
					     __u32 now)
{
	struct sluice_flow *flow = owned->flow;

	if (packet->flags & TCP_RST) {
		if (!sluice_flow_is_over(flow)) {
			flow_count_half(owned->backend, flow->picked, -1);
			count_reason(SLUICE_REASON_CLOSED);
		}
		flow->out_marks |= SLUICE_OUT_RST;
		return;
	}
	if (flow->out_marks & SLUICE_OUT_RST) { /* a wrong ACK was reset, the handshake goes on */
		flow->out_marks &= ~SLUICE_OUT_RST;
		flow_count_half(owned->backend, flow->picked, 1);
	}
	if (flow->client_rst)
		flow->client_rst = 0;
	if (packet->flags & TCP_SYN) {
		egress_syn_ack(owned, packet, now);
		return;
	}
	if ((__s32)(packet_seq_end(packet) - flow->server_next) > 0)
		flow->server_next = packet_seq_end(packet);
	if (packet->flags & TCP_FIN) {
		flow->server_fin = packet_seq_end(packet);
		flow->out_marks |= SLUICE_OUT_FIN;
	}
	/* A backend's kernel sends data only on a connection that it holds for open. */
	if (packet->payload_len)
		flow_promote(owned, key, family);
}

/*
 * A reset: does it say that the backend will not take the SYN, and is there somebody who may? Then
 * *half is the flow whose SYN is to be sent in again, or whose client is to be asked.
 * VERDICT_REWRITE: neither.
 */
static __always_inline enum verdict egress_refused(struct scratch *scratch,
						   const struct owned *owned, enum family family,
						   __u32 now, struct sluice_half **half)
{
	const struct packet *packet = &scratch->packet;

	if (packet->payload_len || !egress_is_answer(packet))
		return VERDICT_REWRITE;
	if (flow_is_answered(owned->flow, packet)) {
		*half = owned->half;
		return redispatch_syn(owned, &scratch->key, family, FLOW_REFUSED, now)
			       ? VERDICT_REDISPATCH
			       : VERDICT_REWRITE;
	}
	*half = &scratch->half;
	return redispatch_has_newer(owned->flow) ? redispatch_refused(scratch, owned, family, now)
						 : VERDICT_REWRITE;
}

/*
 * The challenge ACK (RFC 5961 section 4.2) that a backend's kernel gives a SYN for a connection that
 * it holds already: a direct one or the one before, since ours has no answer yet.
 */
static __always_inline bool egress_is_challenge(const struct packet *packet)
{
	return (packet->flags & ~TCP_ECN) == TCP_ACK && !packet->payload_len;
}

/* Is it the challenge of the backend that had the client's last connection? */
static __always_inline bool egress_is_before(const struct owned *owned, const struct packet *packet)
{
	return egress_is_challenge(packet) && flow_follows(owned->flow, packet->ack);
}

/*
 * May the SYN go to somebody else? It would not wait for long, and a direct connection loses
 * nothing but a repeated acknowledgement. But one that has been moved about, and is with the
 * backend that had the client's last connection, stays: the client knows how to end that, and
 * others may hold still older ones, which it does not know.
 */
static __always_inline bool egress_is_taken(const struct owned *owned, const struct packet *packet,
					    __u32 now)
{
	return egress_is_challenge(packet) && redispatch_may(owned, FLOW_TAKEN) &&
	       !(owned->flow->out_marks & SLUICE_OUT_SYNACK) &&
	       !(owned->half->redispatched >= SLUICE_REDISPATCH_ANY &&
		 egress_is_before(owned, packet)) &&
	       !flow_passed(now, owned->flow->picked, SLUICE_SYN_PATIENCE_MS);
}

/* A packet that is none of the flow's, but perhaps of the connection before it. */
static __always_inline enum verdict egress_direct(struct scratch *scratch,
						  const struct owned *owned,
						  enum egress_owner owner, enum family family,
						  struct sluice_half **half)
{
	const __u32 now = flow_now();

	if (owner == EGRESS_STALE) {
		flow_remove(owned, &scratch->key, family);
	} else if (egress_is_taken(owned, &scratch->packet, now) &&
		   redispatch_syn(owned, &scratch->key, family, FLOW_TAKEN, now)) {
		*half = owned->half;
		return VERDICT_REDISPATCH;
	} else if (egress_is_before(owned, &scratch->packet)) {
		count_out(owned->slot, owned->service, scratch->packet.ip_len);
		flow_touch(owned, now);
		return VERDICT_REWRITE;
	}
	return verdict_pass(SLUICE_REASON_DIRECT_REPLY, HOOK_TC);
}

/*
 * The core. service_port: what the clients know the backend's port packet->sport by. After
 * VERDICT_REWRITE it becomes the packet's source port; after VERDICT_REDISPATCH *half is the flow
 * whose SYN is to be sent in again, after VERDICT_CHALLENGE the one whose client is to be asked.
 */
static __always_inline enum verdict egress(struct scratch *scratch, __be16 service_port,
					   enum family family, struct sluice_half **half)
{
	const struct packet *packet = &scratch->packet;
	union flow_key *key = &scratch->key;
	enum egress_owner owner;
	enum verdict verdict;
	struct owned owned;
	__u32 now;

	flow_key_out(key, packet, service_port, family);
	flow_find(&owned, key, family);
	if (!owned.flow || owned.port != packet->sport)
		return verdict_pass(SLUICE_REASON_DIRECT_REPLY, HOOK_TC);
	if (owned.half && flow_is_expired(owned.flow, flow_now())) {
		flow_remove(&owned, key, family);
		return verdict_pass(SLUICE_REASON_DIRECT_REPLY, HOOK_TC);
	}
	if (!owned.backend) {
		flow_remove(&owned, key, family);
		event_tell(SLUICE_REASON_RETIRED, 0, 0);
		return verdict_pass(SLUICE_REASON_RETIRED, HOOK_TC);
	}
	owner = egress_owner(owned.flow, packet);
	if (owner != EGRESS_OWN)
		return egress_direct(scratch, &owned, owner, family, half);
	now = flow_now();
	if (packet->flags & TCP_RST) {
		verdict = egress_refused(scratch, &owned, family, now, half);
		if (verdict != VERDICT_REWRITE)
			return verdict;
	}
	count_out(owned.slot, owned.service, packet->ip_len);
	if ((packet->flags & TCP_SYN) && !flow_is_answered(owned.flow, packet)) {
		egress_reopen(&owned, scratch, family, now);
		return VERDICT_REWRITE;
	}
	if (owned.flow->done) {
		flow_from_backend(&owned, packet, now);
		flow_settle(&owned, key, family);
	} else {
		flow_touch(&owned, now);
		egress_half_open(&owned, packet, key, family, now);
	}
	return VERDICT_REWRITE;
}

#endif
