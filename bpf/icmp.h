/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ICMP and ICMPv6 errors about a balanced connection. The packet that such an error quotes has the
 * port that its receiver does not know: on the way in the service's where the host's socket has the
 * backend's, on the way out the other way round. Without the change the path MTU is never learnt
 * (RFC 1191, RFC 8201).
 *
 * Only the quoted port and the ICMP checksum change. The quoted TCP checksum stays: nobody verifies
 * it, most quotes end before it.
 */
#ifndef SLUICE_BPF_ICMP_H
#define SLUICE_BPF_ICMP_H

#include "flow.h"
#include "packet.h"
#include "redispatch.h"
#include "scratch.h"
#include "verdict.h"

#define ICMP_QUOTE 8 /* an error's own header; what it quotes begins behind it */
#define ICMP_CHECK 2 /* offset of the checksum, in both families */

#define ICMP_FRAG_NEEDED 4   /* code of an IPv4 "unreachable" (RFC 1191) */
#define ICMP6_DEST_UNREACH 1 /* RFC 4443 section 3.1 */

/* What has to be changed: valid after VERDICT_REWRITE. */
struct icmp_change {
	__u32 check_off; /* from the frame's start, as port_off */
	__u32 port_off;
	__be16 from;
	__be16 to;
};

/*
 * Reads the quoted packet's addresses and ports into quote, as if it were the packet itself. -1: it
 * is not TCP, or too little is quoted.
 */
static __always_inline int icmp_parse_quote(struct scratch *scratch, void *data, void *data_end,
					    enum family family)
{
	const struct packet *packet = &scratch->packet;
	struct packet *quote = &scratch->quote;
	void *l3 = data + (packet->l4_off & PACKET_L4_MAX) + ICMP_QUOTE;
	const __be16 *ports;
	__u32 len;

	if (family == FAMILY_4) {
		const struct iphdr *ip = l3;

		if ((void *)(ip + 1) > data_end || ip->version != 4 || ip->ihl < 5 ||
		    ip->protocol != IPPROTO_TCP || (ip->frag_off & bpf_htons(IP_OFFSET)))
			return -1;
		len = ip->ihl * 4;
		quote->src[0] = ip->saddr;
		quote->dst[0] = ip->daddr;
	} else {
		const struct ipv6hdr *ip = l3;

		/* Our own stack and TCP peers send no extension headers before TCP. */
		if ((void *)(ip + 1) > data_end || ip->version != 6 || ip->nexthdr != IPPROTO_TCP)
			return -1;
		len = sizeof(*ip);
		__builtin_memcpy(quote->src, &ip->saddr, sizeof(quote->src));
		__builtin_memcpy(quote->dst, &ip->daddr, sizeof(quote->dst));
	}
	ports = l3 + len;
	if ((void *)(ports + 4) > data_end)
		return -1;
	quote->l4_off = packet->l4_off + ICMP_QUOTE + len;
	quote->sport = ports[0];
	quote->dport = ports[1];
	quote->seq = bpf_ntohl(*(const __be32 *)(ports + 2));
	return 0;
}

/* An error from outside: it quotes what we sent, from the service's port to the client. */
static __always_inline enum verdict icmp_in(struct scratch *scratch, enum family family,
					    struct icmp_change *change)
{
	const struct packet *quote = &scratch->quote;
	struct owned owned;

	flow_key_out(&scratch->key, quote, quote->sport, family);
	flow_find(&owned, &scratch->key, family);
	if (!owned.flow || !owned.backend)
		return verdict_pass(SLUICE_REASON_ICMP_NO_FLOW, HOOK_TC);
	change->check_off = scratch->packet.l4_off + ICMP_CHECK;
	change->port_off = quote->l4_off;
	change->from = quote->sport;
	change->to = owned.port;
	count_reason(SLUICE_REASON_ICMP_IN);
	return VERDICT_REWRITE;
}

/*
 * Does the error, which is for the client, say that nobody is there? A firewall's REJECT and a
 * container that has gone do; what asks for a smaller packet or speaks of a hop does not.
 */
static __always_inline bool icmp_is_refusal(const struct scratch *scratch, enum family family)
{
	const struct packet *packet = &scratch->packet, *quote = &scratch->quote;
	__be32 differs = packet->dst[0] ^ quote->src[0];
	int i;

	if (family == FAMILY_4)
		return packet->type == ICMP_DEST_UNREACH && packet->code != ICMP_FRAG_NEEDED &&
		       !differs;
	for (i = 1; i < 4; i++)
		differs |= packet->dst[i] ^ quote->src[i];
	return packet->type == ICMP6_DEST_UNREACH && !differs;
}

/* Was the packet that is quoted a SYN, and may it go to somebody else? As egress_refused(). */
static __always_inline enum verdict icmp_refused(struct scratch *scratch, const struct owned *owned,
						 enum family family, struct sluice_half **half)
{
	const struct sluice_flow *flow = owned->flow;
	const __u32 seq = scratch->quote.seq;

	if (!icmp_is_refusal(scratch, family))
		return VERDICT_REWRITE;
	if (!flow->done && !(flow->out_marks & SLUICE_OUT_SYNACK)) {
		*half = owned->half;
		return seq == flow->client_isn && redispatch_syn(owned, &scratch->key, family,
								 FLOW_UNREACHABLE, flow_now())
			       ? VERDICT_REDISPATCH
			       : VERDICT_REWRITE;
	}
	*half = &scratch->half;
	return seq == flow->next_isn && redispatch_has_newer(flow)
		       ? redispatch_refused(scratch, owned, family, flow_now())
		       : VERDICT_REWRITE;
}

/*
 * An error of this host's (or of a router behind us): it quotes what the client sent, as we had
 * rewritten it. After VERDICT_REDISPATCH and VERDICT_CHALLENGE *half is as egress() says.
 */
static __always_inline enum verdict icmp_out(struct scratch *scratch, __be16 service_port,
					     enum family family, struct icmp_change *change,
					     struct sluice_half **half)
{
	const struct packet *quote = &scratch->quote;
	enum verdict verdict;
	struct owned owned;

	flow_key_in(&scratch->key, quote, service_port, family);
	flow_find(&owned, &scratch->key, family);
	if (!owned.flow || !owned.backend || owned.port != quote->dport)
		return verdict_pass(SLUICE_REASON_ICMP_NO_FLOW, HOOK_TC);
	verdict = icmp_refused(scratch, &owned, family, half);
	if (verdict != VERDICT_REWRITE)
		return verdict;
	change->check_off = scratch->packet.l4_off + ICMP_CHECK;
	change->port_off = quote->l4_off + sizeof(__be16);
	change->from = quote->dport;
	change->to = service_port;
	count_reason(SLUICE_REASON_ICMP_OUT);
	return VERDICT_REWRITE;
}

#endif
