/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A SYN that its backend does not take goes to another one, and the client never learns of it. What
 * says so leaves by this host's interface: a reset, an ICMP error of this host's, or the challenge
 * ACK of a direct connection that holds the client's ports already. Decides and moves the flow; the
 * hook makes the SYN out of the packet that said so (answer.h).
 *
 * Nothing but a packet that names the SYN's own number is believed, and a SYN goes round at most
 * SLUICE_REDISPATCH_MAX times, or SLUICE_REDISPATCH_FEW.
 */
#ifndef SLUICE_BPF_REDISPATCH_H
#define SLUICE_BPF_REDISPATCH_H

#include "flow.h"
#include "packet.h"
#include "scratch.h"
#include "verdict.h"

/*
 * The newest SYN with another ISN that met a connection: what is kept of the connection's own SYN
 * does not fit it. Few such SYNs wait for an answer at any time, and one that is forgotten is
 * refused as the backend said. Not pinned, for that reason.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct sluice_flow_key4);
	__type(value, struct sluice_half);
} sluice_syns4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct sluice_flow_key6);
	__type(value, struct sluice_half);
} sluice_syns6 SEC(".maps");

static __always_inline struct sluice_half *redispatch_kept(const union flow_key *key,
							   enum family family)
{
	if (family == FAMILY_4)
		return bpf_map_lookup_elem(&sluice_syns4, &key->v4);
	return bpf_map_lookup_elem(&sluice_syns6, &key->v6);
}

/*
 * Keep the SYN, whose options lie in scratch->half already, while the backend is asked about it.
 * Its redispatched says how often the client has been asked; the same SYN once more changes nothing
 * of that.
 */
static __always_inline void redispatch_remember(struct scratch *scratch, enum family family)
{
	const struct sluice_half *kept = redispatch_kept(&scratch->key, family);
	const __u32 cookie = flow_cookie(&scratch->key, family);
	const struct packet *packet = &scratch->packet;
	struct sluice_half *half = &scratch->half;
	__u8 asked = 0;

	if (kept && kept->flow.cookie == cookie && kept->flow.client_isn == packet->seq)
		asked = kept->redispatched;
	half->flow = (struct sluice_flow){
		.cookie = cookie,
		.client_isn = packet->seq,
		.syn_payload = packet->payload_len,
	};
	flow_keep_syn(half, packet);
	half->redispatched = asked;
	if (family == FAMILY_4)
		bpf_map_update_elem(&sluice_syns4, &scratch->key.v4, half, BPF_ANY);
	else
		bpf_map_update_elem(&sluice_syns6, &scratch->key.v6, half, BPF_ANY);
}

/* May the flow's own SYN go to somebody else? */
static __always_inline bool redispatch_may(const struct owned *owned, enum flow_cause cause)
{
	const struct sluice_half *half = owned->half;

	return half && !half->flow.done && !sluice_flow_is_over(&half->flow) && half->tcp_flags &&
	       half->redispatched <
		       (cause == FLOW_REFUSED ? SLUICE_REDISPATCH_MAX : SLUICE_REDISPATCH_FEW);
}

/* To another backend, if there is one. */
static __always_inline bool redispatch_move(const struct owned *owned, const union flow_key *key,
					    enum family family, enum flow_cause cause, __u32 now)
{
	struct pick pick = {
		.now = now,
		.service = owned->service,
		.client = flow_client(key, family),
	};
	enum sluice_reason reason;
	__u8 redispatched;

	if (!redispatch_may(owned, cause))
		return false;
	redispatched = owned->half->redispatched;
	pick.trusted = redispatched >= SLUICE_REDISPATCH_ANY;
	if (flow_move(owned, &pick, cause) != PICK_OK)
		return false;
	owned->half->redispatched = redispatched + 1;
	reason = cause == FLOW_TAKEN ? SLUICE_REASON_CONFLICT_MOVED : SLUICE_REASON_REDISPATCH;
	count_reason(reason);
	event_tell(reason, owned->slot, pick.slot);
	return true;
}

/* Its backend does not take it. False: nobody else does, and the flow is as it was. */
static __always_inline bool redispatch_syn(const struct owned *owned, const union flow_key *key,
					   enum family family, enum flow_cause cause, __u32 now)
{
	if (redispatch_move(owned, key, family, cause, now))
		return true;
	if (cause != FLOW_TAKEN && !owned->flow->done && !sluice_flow_is_over(owned->flow)) {
		/*
		 * a suspect like those before it: what refuses this client alone leaves them equal
		 */
		if (owned->backend)
			flow_suspect(owned->backend, now);
		count_reason(SLUICE_REASON_REFUSED);
		event_tell(SLUICE_REASON_REFUSED, owned->slot, 0);
	}
	return false;
}

/*
 * A backend refuses the newer SYN of a connection that was there, and the client says that the
 * connection is over. The SYN that was kept goes to another backend, in place of the old flow.
 * After success scratch->half is the flow that the SYN opens.
 */
static __always_inline bool redispatch_newer(struct scratch *scratch, const struct owned *owned,
					     enum family family, __u32 now)
{
	const union flow_key *key = &scratch->key;
	struct pick pick = {
		.now = now,
		.service = owned->service,
		.client = flow_client(key, family),
		.exclude = owned->slot,
	};
	struct sluice_half *half = &scratch->half, *kept = redispatch_kept(key, family);
	__u16 payload;
	__u32 isn;

	if (!kept)
		return false;
	*half = *kept;
	isn = half->flow.client_isn;
	payload = half->flow.syn_payload;
	if (half->flow.cookie != owned->cookie || isn != owned->flow->next_isn ||
	    pick_backend(&pick) != PICK_OK)
		return false;
	flow_suspect(owned->backend, now);
	flow_remove(owned, key, family);
	flow_begin(&half->flow, &pick, owned->cookie, isn, payload);
	half->redispatched = 1;
	if (flow_insert_half(key, half, family)) {
		/* the client sends it again, and finds no flow in its way */
		count_reason(SLUICE_REASON_TABLE_FULL);
		event_tell(SLUICE_REASON_TABLE_FULL, owned->slot, pick.slot);
		half->tcp_flags = 0;
		return true;
	}
	flow_count_pick(&pick);
	count_reason(SLUICE_REASON_REDISPATCH);
	event_tell(SLUICE_REASON_REDISPATCH, owned->slot, pick.slot);
	return true;
}

/* Has the client been asked about its newer SYN as often as it may? If not, now it is. */
static __always_inline bool redispatch_has_asked(const struct scratch *scratch,
						 const struct owned *owned, enum family family)
{
	struct sluice_half *kept = redispatch_kept(&scratch->key, family);

	if (!kept || kept->flow.cookie != owned->cookie ||
	    kept->flow.client_isn != owned->flow->next_isn)
		return false;
	if (kept->redispatched >= SLUICE_CHALLENGE_MAX)
		return true;
	kept->redispatched++;
	return false;
}

/*
 * Nobody has ended the connection that the refused SYN met: is the SYN forged, and a firewall
 * turned it away, or has the backend's kernel forgotten the connection? The client knows. It is
 * asked as a kernel would ask it, by a challenge ACK (RFC 5961 section 4.2). If the SYN was its
 * own, it resets the old connection (RFC 9293 section 3.10.7.3), which marks the flow, and sends
 * the SYN again. A client behind a firewall that hides such an ACK sends its SYN again and says
 * nothing: then the refusal is let out, which a client whose connection lives does not believe (nor
 * does flow_is_ended()). After VERDICT_CHALLENGE scratch->half is the flow as it is.
 */
static __always_inline enum verdict redispatch_refused(struct scratch *scratch,
						       const struct owned *owned,
						       enum family family, __u32 now)
{
	if (!owned->flow->done || owned->flow->client_rst)
		return redispatch_newer(scratch, owned, family, now) ? VERDICT_REDISPATCH
								     : VERDICT_REWRITE;
	if (redispatch_has_asked(scratch, owned, family))
		return VERDICT_REWRITE;
	scratch->half.flow = *owned->flow;
	count_reason(SLUICE_REASON_CHALLENGED);
	return VERDICT_CHALLENGE;
}

/* Is the flow's newer SYN one that its backend may be asked about while a connection stands? */
static __always_inline bool redispatch_has_newer(const struct sluice_flow *flow)
{
	return (flow->in_marks & SLUICE_IN_NEW_SYN) && !sluice_flow_is_over(flow) &&
	       (flow->done || (flow->out_marks & SLUICE_OUT_SYNACK));
}

#endif
