/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A flow's life from half-open to closed, and how it is counted. The established tables hold only
 * connections that live; half-open and closed flows stand in LRUs of their own, so that neither a SYN
 * flood nor a flood of short connections can push a quiet connection out.
 *
 * State changes go through the looked-up pointer. bpf_map_update_elem() on a key that is already in
 * a full LRU evicts somebody else, so it is only called for keys that are new (BPF_NOEXIST).
 */
#ifndef SLUICE_BPF_FLOW_H
#define SLUICE_BPF_FLOW_H

#include "count.h"
#include "event.h"
#include "flow_table.h"
#include "packet.h"
#include "pick.h"

/*
 * A peer sends no more than this before it has heard from the other side (64 KiB without scaling).
 */
#define FLOW_FIRST_WINDOW 131072

/* A segment that begins further ahead of what is known is not believed, nor is its number kept. */
#define FLOW_GAP 262144

/*
 * --- counts, for leastconn and maxconn: roughly, and what goes wrong does not last (tally.h). A
 * backend that is NULL is retired, and nobody counts for it. ---
 */

static __always_inline void flow_count_active(struct sluice_backend *backend, __u32 stamp,
					      int change)
{
	if (backend)
		sluice_tally_add(&backend->active, stamp, flow_now(), sluice_timeouts.idle_periods,
				 change);
}

static __always_inline void flow_count_half(struct sluice_backend *backend, __u32 picked,
					    int change)
{
	if (backend)
		sluice_tally_add(&backend->half_open, picked, flow_now(),
				 sluice_timeouts.half_open_periods, change);
}

static __always_inline void flow_count_pick(const struct pick *pick)
{
	__u32 slot = pick->slot;

	flow_count_half(bpf_map_lookup_elem(&sluice_backends, &slot), pick->now, 1);
	count_pick(pick->slot, pick->service);
}

static __always_inline __u32 flow_counted_at(const struct sluice_flow *flow)
{
	return sluice_flow_counted_at(flow, &sluice_timeouts);
}

/*
 * A connection goes to another part of the count. Seldom, a few times in idle_timeout and with its
 * first FIN: a global function, to stay out of the way.
 */
__noinline int sluice_recount(__u32 slot, __u32 before, __u32 after)
{
	struct sluice_backend *backend = bpf_map_lookup_elem(&sluice_backends, &slot);
	const __u32 now = flow_now();

	if (!backend)
		return 0;
	sluice_tally_add(&backend->active, before, now, sluice_timeouts.idle_periods, -1);
	sluice_tally_add(&backend->active, after, now, sluice_timeouts.idle_periods, 1);
	return 0;
}

/*
 * What a flow is counted by, as this packet found it. Another CPU may change the flow meanwhile,
 * and moves it itself: what that has done must not be taken for this packet's, or it is moved
 * twice.
 */
static __always_inline struct sluice_flow flow_as_found(const struct owned *owned)
{
	const volatile struct sluice_flow *flow = owned->flow;

	return (struct sluice_flow){
		.touched = flow->touched,
		.in_marks = flow->in_marks,
		.out_marks = flow->out_marks,
	};
}

/* was: flow_as_found(); is: the same with what the packet has changed. */
static __always_inline void flow_recount(const struct owned *owned, const struct sluice_flow *was,
					 const struct sluice_flow *is)
{
	const __u32 before = flow_counted_at(was), after = flow_counted_at(is);

	if (before != after && !owned->half && owned->backend &&
	    sluice_tally_period(before, sluice_timeouts.idle_periods) !=
		    sluice_tally_period(after, sluice_timeouts.idle_periods))
		sluice_recount(owned->slot, before, after);
}

/* --- life --- */

static __always_inline bool flow_is_closed(const struct sluice_flow *flow, __u32 now)
{
	return sluice_flow_state(flow, now, &sluice_timeouts) == SLUICE_FLOW_CLOSED;
}

/*
 * Has it been quiet for so long that it is as good as gone? Asked of the half-open tables only where
 * a packet is no SYN: those hold what is over.
 */
static __always_inline bool flow_is_expired(const struct sluice_flow *flow, __u32 now)
{
	return sluice_flow_is_expired(flow, now, &sluice_timeouts);
}

/* Does it count as a connection, and so belong into an established table? */
static __always_inline bool flow_lives(const struct sluice_flow *flow)
{
	return flow->done && !sluice_flow_is_over(flow) && !flow->client_rst;
}

/*
 * Is that what the backend's kernel acknowledged last of the connection before on the same ports? It
 * may hold it still, in TIME_WAIT mostly, and then answers a SYN with that acknowledgement alone. The
 * client resets the old connection with the same number (RFC 9293 section 3.10.7.3) and sends its SYN
 * again.
 */
static __always_inline bool flow_follows(const struct sluice_flow *flow, __u32 ack)
{
	return !flow->done && !flow->out_marks && flow->server_ack && flow->server_ack == ack;
}

/* A flow that begins with a SYN and the pick made for it. */
static __always_inline void flow_begin(struct sluice_flow *flow, const struct pick *pick,
				       __u32 cookie, __u32 isn, __u16 payload)
{
	*flow = (struct sluice_flow){
		.generation = pick->generation,
		.slot = pick->slot,
		.port = pick->port,
		.service = pick->service,
		.cookie = cookie,
		.client_isn = isn,
		.client_next = isn + 1 + payload,
		.syn_payload = payload,
		.picked = pick->now,
		.touched = pick->now,
	};
}

/* Forget a flow. */
static __always_inline void flow_remove(const struct owned *owned, const union flow_key *key,
					enum family family)
{
	const enum sluice_flow_count counted = sluice_flow_counts_as(owned->flow, !owned->half);
	const __u32 picked = owned->flow->picked, stamp = flow_counted_at(owned->flow);

	if (flow_delete(key, owned->half, family))
		return;
	if (counted == SLUICE_COUNT_ACTIVE)
		flow_count_active(owned->backend, stamp, -1);
	else if (counted == SLUICE_COUNT_HALF_OPEN)
		flow_count_half(owned->backend, picked, -1);
}

/* The rest of what is needed to send a SYN again to another backend; its options are kept first. */
static __always_inline void flow_keep_syn(struct sluice_half *half, const struct packet *packet)
{
	half->window = packet->window;
	half->tcp_flags = packet->flags;
	half->tos = packet->tos;
	half->ttl = packet->ttl;
	half->redispatched = 0;
	half->pad = 0;
}

static __always_inline void flow_suspect(struct sluice_backend *backend, __u32 now)
{
	backend->suspect_since = now;
	backend->suspect = SLUICE_SUSPECT_FRESH;
}

/* Why a flow leaves its backend. */
enum flow_cause {
	FLOW_SILENT,	  /* no answer */
	FLOW_REFUSED,	  /* nobody listens there */
	FLOW_UNREACHABLE, /* the same by an ICMP error */
	FLOW_TAKEN, /* a direct connection has the client's ports there; no fault of the backend's */
};

/*
 * Another backend for a half-open flow that its backend has not taken; that one is a suspect for a
 * while. After any other result than PICK_OK nothing has changed.
 */
static __always_inline int flow_move(const struct owned *owned, struct pick *pick,
				     enum flow_cause cause)
{
	struct sluice_backend *old = owned->backend;
	__u16 payload = owned->flow->syn_payload;
	__u32 isn = owned->flow->client_isn, picked = owned->flow->picked;
	__u32 before_ack = owned->flow->out_marks ? 0 : owned->flow->server_ack;
	int result;

	pick->exclude = owned->slot;
	result = pick_backend(pick);
	if (result != PICK_OK)
		return result;
	if (!flow_is_still(owned))
		return PICK_TORN;
	flow_count_half(old, picked, -1);
	/* Silence alone is no proof: anybody can send a SYN that a kernel drops. */
	if (old && cause != FLOW_TAKEN &&
	    (cause != FLOW_SILENT || !old->answered ||
	     sluice_age(pick->now, old->answered) >= sluice_age(pick->now, picked)))
		flow_suspect(old, pick->now);
	flow_begin(owned->flow, pick, owned->cookie, isn, payload);
	owned->flow->server_ack = before_ack;
	/* The client has sent its SYN again: that one may go round as often as the first. */
	if (cause == FLOW_SILENT && owned->half)
		owned->half->redispatched = 0;
	flow_count_pick(pick);
	return PICK_OK;
}

/* Marks that another CPU has set on the old element while it was copied. */
static __always_inline void flow_carry(struct sluice_flow *to, const struct sluice_flow *from)
{
	const __u8 in = from->in_marks & ~to->in_marks, out = from->out_marks & ~to->out_marks;

	if (in & SLUICE_IN_FIN)
		to->client_fin = from->client_fin;
	if (out & SLUICE_OUT_FIN)
		to->server_fin = from->server_fin;
	if (in)
		to->in_marks |= in;
	if (out)
		to->out_marks |= out;
}

/*
 * Into the established table. Without room it stays where it is, and its next packet tries again.
 */
static __always_inline void flow_promote(const struct owned *owned, const union flow_key *key,
					 enum family family)
{
	struct sluice_flow copy = *owned->flow, *fresh;
	bool first = !copy.done;
	__u32 stamp;
	int err;

	if (copy.cookie != owned->cookie)
		return;
	copy.done = 1;
	if (first) {
		copy.server_ack = copy.client_isn + 1;
		copy.client_rst = 0; /* a client that completes the handshake has not given up */
	}
	err = flow_insert(key, &copy, family);
	if (err && err != -17 /* EEXIST: another CPU was faster */) {
		count_reason(SLUICE_REASON_TABLE_FULL);
		event_tell(SLUICE_REASON_TABLE_FULL, 0, copy.slot);
		return;
	}
	fresh = flow_lookup(key, family);
	if (fresh && flow_is_still(owned)) {
		flow_carry(fresh, owned->flow);
		copy.in_marks |= owned->flow->in_marks; /* a FIN may have been carried over */
		copy.out_marks |= owned->flow->out_marks;
	}
	stamp = flow_counted_at(&copy); /* what another CPU changes in fresh it counts itself */
	flow_delete(key, true, family);
	if (err)
		return;
	flow_count_active(owned->backend, stamp, 1);
	if (!first)
		return;
	flow_count_half(owned->backend, copy.picked, -1);
	count_reason(SLUICE_REASON_ESTABLISHED);
	count_connection(copy.slot, copy.service);
}

/*
 * Into the half-open table, in place of a flow in the established one. What stands there already is
 * left over from a race: nobody finds it while the other stands. 0 or a negative errno.
 */
static __always_inline int flow_insert_demoted(const union flow_key *key,
					       const struct sluice_half *half, enum family family)
{
	int err = flow_insert_half(key, half, family);

	if (err != -17 /* EEXIST */)
		return err;
	flow_delete(key, true, family);
	return flow_insert_half(key, half, family);
}

/* Out of the established table, to where flows wait to be forgotten. */
static __always_inline void flow_demote(const struct owned *owned, const union flow_key *key,
					enum family family)
{
	struct sluice_half half = { .flow = *owned->flow }, *fresh;

	if (half.flow.cookie != owned->cookie || flow_insert_demoted(key, &half, family))
		return;
	fresh = flow_lookup_half(key, family);
	if (fresh && flow_is_still(owned))
		flow_carry(&fresh->flow, owned->flow);
	if (!flow_delete(key, false, family))
		flow_count_active(owned->backend, flow_counted_at(&half.flow), -1);
}

/* After a packet has changed its marks: the flow goes where it belongs. */
static __always_inline void flow_settle(const struct owned *owned, const union flow_key *key,
					enum family family)
{
	if (!owned->half) {
		if (!flow_lives(owned->flow))
			flow_demote(owned, key, family);
	} else if (flow_lives(owned->flow)) {
		flow_promote(owned, key, family);
	}
}

/* True if the stamp is another one by now. */
static __always_inline bool flow_touch(const struct owned *owned, __u32 now)
{
	/* At most four writes a second, so that the line stays clean on a busy flow. */
	if (sluice_age(now, owned->flow->touched) < sluice_hz / 4)
		return false;
	owned->flow->touched = now;
	return true;
}

/*
 * What a segment from the client changes: how far it has sent, FIN, RST, the acknowledgement of the
 * backend's FIN.
 */
static __always_inline void flow_hear_client(const struct owned *owned, const struct packet *packet,
					     __u32 now)
{
	struct sluice_flow *flow = owned->flow;
	__u32 end = packet_seq_end(packet);
	bool over = sluice_flow_is_over(flow);

	if (packet->flags & TCP_RST) {
		/*
		 * Only a mark, and only if a kernel could believe it (RFC 5961 section 3.2): it has
		 * the number that the backend expects next, as far as the two have let us know. The
		 * backend's next segment disproves it.
		 */
		if (!flow->client_rst && (packet->seq == flow->client_next ||
					  (flow->done && packet->seq == flow->server_ack)))
			flow->client_rst = now | 1;
		return;
	}
	/*
	 * What lies far ahead is forged, or will be made up for by the backend's acknowledgement.
	 */
	if ((__s32)(end - flow->client_next) > 0 &&
	    (__s32)(packet->seq - flow->client_next) <= FLOW_GAP)
		flow->client_next = end;
	/* Nothing follows a FIN, so its acknowledgement is exact. */
	if ((packet->flags & TCP_ACK) && (flow->out_marks & SLUICE_OUT_FIN) &&
	    !(flow->in_marks & SLUICE_IN_FIN_ACKED) && packet->ack == flow->server_fin)
		flow->in_marks |= SLUICE_IN_FIN_ACKED;
	if ((packet->flags & TCP_FIN) && !(flow->out_marks & SLUICE_OUT_FIN_ACKED)) {
		flow->client_fin = end;
		flow->in_marks |= SLUICE_IN_FIN;
	}
	if (!over && sluice_flow_is_over(flow))
		count_reason(SLUICE_REASON_CLOSED);
}

/* Does the packet acknowledge the flow's SYN, with the data on it or without? */
static __always_inline bool flow_is_answered(const struct sluice_flow *flow,
					     const struct packet *packet)
{
	return (packet->flags & TCP_ACK) &&
	       (packet->ack == flow->client_isn + 1 ||
		packet->ack == flow->client_isn + 1 + flow->syn_payload);
}

/*
 * Does the reset say that the connection is over? A kernel that resets what it holds acknowledges
 * what it has of the client. With the number 0 it refuses a SYN, and if that is not the flow's own
 * anybody may have sent it. To a segment that it cannot place it answers with nothing but the
 * segment's own number (RFC 9293 section 3.10.7.1), and anybody can send one: behind Docker this
 * host answers so whatever conntrack calls invalid, while the connection lives. Such a reset proves
 * something only with a number that its client may await (RFC 5961 section 3.2) and nobody else
 * knows: after the SYN-ACK, or after the FIN; or before the FIN, as Linux believes it too. In
 * between nobody keeps the numbers, for that would cost each packet something: a connection that a
 * kernel has forgotten without a word waits for its client's next SYN, for its backend's end or for
 * the idle time-out.
 */
static __always_inline bool flow_is_ended(const struct sluice_flow *flow,
					  const struct packet *packet)
{
	if (packet->flags & TCP_ACK)
		return packet->seq || flow->client_rst || flow_is_answered(flow, packet);
	if ((flow->out_marks & SLUICE_OUT_FIN) && flow->server_fin - packet->seq <= 1)
		return true;
	return packet->seq == flow->server_isn + 1 || packet->seq == flow->server_isn_before + 1;
}

/* The same as flow_hear_client() for a segment from the backend. */
static __always_inline void flow_hear_backend(const struct owned *owned,
					      const struct packet *packet)
{
	struct sluice_flow *flow = owned->flow;
	bool over = sluice_flow_is_over(flow);

	if (packet->flags & TCP_RST) {
		if (flow_is_ended(flow, packet))
			flow->out_marks |= SLUICE_OUT_RST;
		else if (!over)
			count_reason(SLUICE_REASON_RST_UNPROVED);
	} else {
		/*
		 * What speaks lives: under SYN cookies a wrong ACK is reset, and the right one
		 * still opens.
		 */
		if (flow->out_marks & SLUICE_OUT_RST)
			flow->out_marks &= ~SLUICE_OUT_RST;
		if (flow->client_rst)
			flow->client_rst = 0;
		if ((packet->flags & TCP_ACK) && flow->server_ack != packet->ack)
			flow->server_ack = packet->ack;
		if ((packet->flags & TCP_ACK) && (flow->in_marks & SLUICE_IN_FIN) &&
		    !(flow->out_marks & SLUICE_OUT_FIN_ACKED) && packet->ack == flow->client_fin)
			flow->out_marks |= SLUICE_OUT_FIN_ACKED;
		if ((packet->flags & TCP_FIN) && !(flow->in_marks & SLUICE_IN_FIN_ACKED)) {
			flow->server_fin = packet_seq_end(packet);
			flow->out_marks |= SLUICE_OUT_FIN;
		}
	}
	if (!over && sluice_flow_is_over(flow))
		count_reason(SLUICE_REASON_CLOSED);
}

static __always_inline void flow_from_client(const struct owned *owned, const struct packet *packet,
					     __u32 now)
{
	const struct sluice_flow was = flow_as_found(owned);
	struct sluice_flow is = was;

	if (flow_touch(owned, now))
		is.touched = now;
	flow_hear_client(owned, packet, now);
	is.in_marks = owned->flow->in_marks;
	flow_recount(owned, &was, &is);
}

static __always_inline void flow_from_backend(const struct owned *owned,
					      const struct packet *packet, __u32 now)
{
	const struct sluice_flow was = flow_as_found(owned);
	struct sluice_flow is = was;

	if (flow_touch(owned, now))
		is.touched = now;
	flow_hear_backend(owned, packet);
	is.out_marks = owned->flow->out_marks;
	flow_recount(owned, &was, &is);
}

#endif
