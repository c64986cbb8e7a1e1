/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The programs. Read on in this order:
 *   maps.h     every map, and the settings
 *   count.h    counters
 *   event.h    telling people; event_send.h is the other half of it
 *   packet.h   from a frame to fields
 *   flow.h     the life of a flow
 *   pick.h     who gets a new connection
 *   admit.h    may this client connect
 *   verdict.h  the protocol between core and hooks
 *   redispatch.h  a SYN that its backend does not take goes to another
 *   ingress.h  the way in, row by row of the packet table
 *   egress.h   the way out
 *   icmp.h     ICMP errors about a connection, both ways
 *   rewrite.h  changing a port and the checksum
 *   answer.h   resets, SYNs sent again to another backend, questions to a client
 *   scratch.h  where all of this lies while a packet is worked on
 *   local.h    clients on this host: no packets, but sockets
 *
 * sluice_xdp is attached in native or generic mode, sluice_tc_in and sluice_tc_out in every mode;
 * sluice_tc_write is where these two end for a packet that changes, the others are attached to a cgroup.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

#include "maps.h"

#include "count.h"
#include "event.h"
#include "packet.h"

#include "admit.h"
#include "answer.h"
#include "event_send.h"
#include "flow.h"
#include "pick.h"
#include "scratch.h"
#include "verdict.h"

#include "egress.h"
#include "icmp.h"
#include "ingress.h"
#include "redispatch.h"

#include "rewrite.h"

#include "local.h"

char LICENSE[] SEC("license") = "GPL";

/* Index of the service on a port, 0 if there is none. */
static __always_inline __u32 service_on(__be16 port)
{
	__u32 index = bpf_ntohs(port);
	const struct sluice_port *entry = bpf_map_lookup_elem(&sluice_ports, &index);

	return entry ? entry->service : 0;
}

/* What clients know a backend's port by, 0 if it is none. */
static __always_inline __be16 service_port_of(__be16 port)
{
	__u32 index = bpf_ntohs(port);
	const struct sluice_hport *hport = bpf_map_lookup_elem(&sluice_hports, &index);

	return hport ? hport->service_port : 0;
}

static __always_inline void *xdp_data(const struct xdp_md *ctx)
{
	return (void *)(long)((const volatile struct xdp_md *)ctx)->data;
}

static __always_inline void *xdp_data_end(const struct xdp_md *ctx)
{
	return (void *)(long)((const volatile struct xdp_md *)ctx)->data_end;
}

static __always_inline void *skb_data(const struct __sk_buff *skb)
{
	return (void *)(long)((const volatile struct __sk_buff *)skb)->data;
}

static __always_inline void *skb_data_end(const struct __sk_buff *skb)
{
	return (void *)(long)((const volatile struct __sk_buff *)skb)->data_end;
}

static __always_inline int xdp_in(struct xdp_md *ctx, struct scratch *scratch, __u32 service,
				  enum family family)
{
	struct packet *packet = &scratch->packet;
	enum sluice_reason reason;
	struct tcphdr *tcp;
	__be16 port = 0;

	if (packet_parse_tcp(packet, xdp_data(ctx), xdp_data_end(ctx), &reason))
		return XDP_PASS;
	if (rewrite_is_partial(packet, family)) {
		count_reason(SLUICE_REASON_TO_TC);
		return XDP_PASS;
	}
	if (packet_opens(packet))
		ingress_keep_options(&scratch->half, packet, xdp_data(ctx), xdp_data_end(ctx));
	switch (ingress(scratch, service, HOOK_XDP, family, &port)) {
	case VERDICT_REWRITE:
		tcp = packet_tcp(packet, xdp_data(ctx), xdp_data_end(ctx));
		if (tcp)
			rewrite_xdp(tcp, packet, port);
		return XDP_PASS;
	case VERDICT_DROP:
		return XDP_DROP;
	case VERDICT_RESET:
		count_reason(SLUICE_REASON_TO_TC);
		return XDP_PASS;
	default:
		return XDP_PASS;
	}
}

/*
 * What XDP passes up unchanged, tc looks at and counts. ICMP errors are rare: XDP leaves them to
 * tc.
 */
SEC("xdp")
int sluice_xdp(struct xdp_md *ctx)
{
	const struct tcphdr *plain = packet_plain_tcp(xdp_data(ctx), xdp_data_end(ctx));
	enum sluice_reason reason;
	struct scratch *scratch;
	__u32 service;

	if (plain && !service_on(plain->dest))
		return XDP_PASS;
	scratch = scratch_get();
	if (!scratch)
		return XDP_PASS;
	if (packet_parse(&scratch->packet, xdp_data(ctx), xdp_data_end(ctx),
			 ctx->data_end - ctx->data, &reason) != PACKET_TCP)
		return XDP_PASS;
	packet_barrier();
	service = service_on(scratch->packet.dport);
	if (!service)
		return XDP_PASS;
	return scratch->packet.family == FAMILY_4 ? xdp_in(ctx, scratch, service, FAMILY_4)
						  : xdp_in(ctx, scratch, service, FAMILY_6);
}

/*
 * Parse, and if the headers turn out not to lie in one piece, which a few drivers do, make them.
 * Only then: pulling the headers of a packet that the stack is still to retransmit copies it.
 */
static __always_inline enum packet_kind tc_parse(struct __sk_buff *skb, struct packet *packet,
						 enum sluice_reason *reason)
{
	const __u32 most = sizeof(struct ethhdr) + 60 + 60;
	enum packet_kind kind;
	__u32 linear;

	kind = packet_parse(packet, skb_data(skb), skb_data_end(skb), skb->len, reason);
	if (kind != PACKET_FOREIGN || *reason != SLUICE_REASON_MALFORMED)
		return kind;
	linear = skb->data_end - skb->data;
	if (linear >= most || linear >= skb->len ||
	    bpf_skb_pull_data(skb, skb->len < most ? skb->len : most))
		return kind;
	return packet_parse(packet, skb_data(skb), skb_data_end(skb), skb->len, reason);
}

/* The same for the TCP header with its options, of a packet that has a port of ours. */
static __always_inline int tc_parse_tcp(struct __sk_buff *skb, struct packet *packet,
					enum sluice_reason *reason)
{
	const __u32 most = packet->l4_off + 60;
	__u32 linear = skb->data_end - skb->data;
	int err;

	err = packet_parse_tcp(packet, skb_data(skb), skb_data_end(skb), reason);
	if (linear >= skb->len || (!err && packet->l4_off + packet->header_len <= linear))
		return err;
	if (bpf_skb_pull_data(skb, skb->len < most ? skb->len : most))
		return err;
	return packet_parse_tcp(packet, skb_data(skb), skb_data_end(skb), reason);
}

/* Verdict for tc after a rewrite that returned err. */
static __always_inline int tc_rewritten(long err)
{
	if (!err)
		return TC_ACT_UNSPEC;
	count_reason(SLUICE_REASON_REWRITE_FAILED);
	event_tell(SLUICE_REASON_REWRITE_FAILED, 0, 0);
	return TC_ACT_SHOT;
}

/* Where the two below end, for a packet of ours: see rewrite.h. */
SEC("tc")
int sluice_tc_write(struct __sk_buff *skb)
{
	struct tcphdr *tcp = skb_data(skb) + (skb->cb[REWRITE_L4_OFF] & PACKET_L4_MAX);

	if ((void *)(tcp + 1) > skb_data_end(skb))
		return tc_rewritten(-1);
	rewrite_as_ordered(skb, tcp);
	return TC_ACT_UNSPEC;
}

static __always_inline int tc_in(struct __sk_buff *skb, struct scratch *scratch, __u32 service,
				 enum family family)
{
	struct packet *packet = &scratch->packet;
	enum sluice_reason reason;
	const struct tcphdr *tcp;
	__be16 port = 0;

	if (tc_parse_tcp(skb, packet, &reason)) {
		count_reason(reason);
		return TC_ACT_UNSPEC;
	}
	if (packet_opens(packet))
		ingress_keep_options(&scratch->half, packet, skb_data(skb), skb_data_end(skb));
	switch (ingress(scratch, service, HOOK_TC, family, &port)) {
	case VERDICT_REWRITE:
		tcp = packet_tcp(packet, skb_data(skb), skb_data_end(skb));
		return tc_rewritten(rewrite_tc(skb, packet, tcp, REWRITE_IN, true, port, family));
	case VERDICT_DROP:
		return TC_ACT_SHOT;
	case VERDICT_RESET:
		return answer_reset(skb, packet, &scratch->answer, family);
	default:
		return TC_ACT_UNSPEC;
	}
}

/* A packet for no service. Only a SYN to a backend's own port is of interest. */
static __always_inline int tc_direct_in(struct __sk_buff *skb, struct scratch *scratch)
{
	__be16 service_port = service_port_of(scratch->packet.dport);
	enum sluice_reason reason;
	bool conflicts;

	if (!service_port ||
	    packet_parse_tcp(&scratch->packet, skb_data(skb), skb_data_end(skb), &reason) ||
	    !packet_opens(&scratch->packet))
		return TC_ACT_UNSPEC;
	conflicts = scratch->packet.family == FAMILY_4
			    ? ingress_conflicts(scratch, service_port, FAMILY_4)
			    : ingress_conflicts(scratch, service_port, FAMILY_6);
	if (!conflicts)
		return TC_ACT_UNSPEC;
	count_reason(SLUICE_REASON_CONFLICT);
	event_tell(SLUICE_REASON_CONFLICT, 0, 0);
	return TC_ACT_SHOT;
}

/*
 * The same for the packet that an ICMP error quotes: drivers that pull no more than the headers leave
 * it behind the first piece. As much as the longest IP header and the ports need.
 */
static __always_inline int tc_parse_quote(struct __sk_buff *skb, struct scratch *scratch,
					  enum family family)
{
	const __u32 most = scratch->packet.l4_off + ICMP_QUOTE + 60 + 8;
	__u32 linear = skb->data_end - skb->data;

	if (!icmp_parse_quote(scratch, skb_data(skb), skb_data_end(skb), family))
		return 0;
	if (linear >= most || linear >= skb->len ||
	    bpf_skb_pull_data(skb, skb->len < most ? skb->len : most))
		return -1;
	return icmp_parse_quote(scratch, skb_data(skb), skb_data_end(skb), family);
}

static __always_inline int tc_icmp_in(struct __sk_buff *skb, struct scratch *scratch,
				      enum family family)
{
	struct icmp_change change;

	if (tc_parse_quote(skb, scratch, family) || !service_on(scratch->quote.sport) ||
	    icmp_in(scratch, family, &change) != VERDICT_REWRITE)
		return TC_ACT_UNSPEC;
	return tc_rewritten(
		rewrite_field(skb, change.check_off, change.port_off, change.from, change.to));
}

SEC("tc")
int sluice_tc_in(struct __sk_buff *skb)
{
	const struct tcphdr *plain = packet_plain_tcp(skb_data(skb), skb_data_end(skb));
	enum sluice_reason reason;
	struct scratch *scratch;
	enum packet_kind kind;
	__u32 service;

	/* What XDP has rewritten goes this way too: only the SYNs among it are of interest. */
	if (plain && !service_on(plain->dest) && (!plain->syn || !service_port_of(plain->dest)))
		return TC_ACT_UNSPEC;
	scratch = scratch_get();
	if (!scratch)
		return TC_ACT_UNSPEC;
	kind = tc_parse(skb, &scratch->packet, &reason);
	packet_barrier();
	if (kind == PACKET_ICMP)
		return scratch->packet.family == FAMILY_4 ? tc_icmp_in(skb, scratch, FAMILY_4)
							  : tc_icmp_in(skb, scratch, FAMILY_6);
	if (kind != PACKET_TCP) {
		if (reason)
			count_reason(reason);
		return TC_ACT_UNSPEC;
	}
	service = service_on(scratch->packet.dport);
	if (!service)
		return tc_direct_in(skb, scratch);
	return scratch->packet.family == FAMILY_4 ? tc_in(skb, scratch, service, FAMILY_4)
						  : tc_in(skb, scratch, service, FAMILY_6);
}

static __always_inline int tc_icmp_out(struct __sk_buff *skb, struct scratch *scratch,
				       enum family family)
{
	struct sluice_half *half = NULL;
	struct icmp_change change;
	__be16 service_port;

	if (tc_parse_quote(skb, scratch, family))
		return TC_ACT_UNSPEC;
	service_port = service_port_of(scratch->quote.dport);
	if (!service_port)
		return TC_ACT_UNSPEC;
	switch (icmp_out(scratch, service_port, family, &change, &half)) {
	case VERDICT_REWRITE:
		return tc_rewritten(rewrite_field(skb, change.check_off, change.port_off,
						  change.from, change.to));
	case VERDICT_REDISPATCH:
		if (half)
			return answer_redispatch_icmp(skb, &scratch->packet, &scratch->quote,
						      &scratch->answer, half, service_port, family);
		return TC_ACT_SHOT;
	case VERDICT_CHALLENGE:
		return answer_challenge_icmp(skb, &scratch->packet, &scratch->quote,
					     &scratch->answer, &scratch->half.flow, service_port,
					     family);
	default:
		return TC_ACT_UNSPEC;
	}
}

static __always_inline int tc_out(struct __sk_buff *skb, struct scratch *scratch,
				  __be16 service_port, enum family family)
{
	struct packet *packet = &scratch->packet;
	struct sluice_half *half = NULL;
	enum sluice_reason reason;
	const struct tcphdr *tcp;

	if (tc_parse_tcp(skb, packet, &reason)) {
		count_reason(reason);
		return TC_ACT_UNSPEC;
	}
	switch (egress(scratch, service_port, family, &half)) {
	case VERDICT_REWRITE:
		tcp = packet_tcp(packet, skb_data(skb), skb_data_end(skb));
		return tc_rewritten(
			rewrite_tc(skb, packet, tcp, REWRITE_OUT,
				   skb->data_end - skb->data <= packet->l4_off + packet->header_len,
				   service_port, family));
	case VERDICT_REDISPATCH:
		if (half)
			return answer_redispatch(skb, packet, &scratch->answer, half, service_port,
						 family);
		return TC_ACT_SHOT;
	case VERDICT_CHALLENGE:
		return answer_challenge(skb, packet, &scratch->answer, &scratch->half.flow,
					service_port);
	default:
		return TC_ACT_UNSPEC;
	}
}

SEC("tc")
int sluice_tc_out(struct __sk_buff *skb)
{
	const struct tcphdr *plain = packet_plain_tcp(skb_data(skb), skb_data_end(skb));
	enum sluice_reason reason;
	struct scratch *scratch;
	enum packet_kind kind;
	__be16 service_port;

	if (plain && !service_port_of(plain->source))
		return TC_ACT_UNSPEC;
	scratch = scratch_get();
	if (!scratch)
		return TC_ACT_UNSPEC;
	kind = tc_parse(skb, &scratch->packet, &reason);
	packet_barrier();
	if (kind == PACKET_ICMP)
		return scratch->packet.family == FAMILY_4 ? tc_icmp_out(skb, scratch, FAMILY_4)
							  : tc_icmp_out(skb, scratch, FAMILY_6);
	/* Nothing is counted before the port is known: what else leaves is none of our business. */
	if (kind != PACKET_TCP)
		return TC_ACT_UNSPEC;
	service_port = service_port_of(scratch->packet.sport);
	if (!service_port)
		return TC_ACT_UNSPEC;
	return scratch->packet.family == FAMILY_4 ? tc_out(skb, scratch, service_port, FAMILY_4)
						  : tc_out(skb, scratch, service_port, FAMILY_6);
}

/* --- sockets of this host and its containers --- */

/*
 * A connect4 or connect6. The socket's lock is held. Always 1: go on, with the address as it is
 * now.
 */
SEC("cgroup/connect4")
int sluice_connect4(struct bpf_sock_addr *ctx)
{
	struct local_ask ask = { .family = FAMILY_4, .port = ctx->user_port };
	struct bpf_sock *sk = ctx->sk;
	__be16 port;

	if (ctx->protocol != IPPROTO_TCP || !sk)
		return 1;
	ask.cookie = bpf_get_socket_cookie(ctx);
	local_forget(ask.cookie);
	ask.service = service_on(ask.port);
	if (!ask.service)
		return 1;
	ask.netns = bpf_get_netns_cookie(ctx);
	ask.address[0] = ctx->user_ip4;
	ask.client[0] = sk->src_ip4;
	ask.client_port = bpf_htons(sk->src_port);
	port = local_connect(ctx, sk, &ask);
	if (port != ask.port)
		ctx->user_port = port;
	return 1;
}

SEC("cgroup/connect6")
int sluice_connect6(struct bpf_sock_addr *ctx)
{
	struct local_ask ask = { .family = FAMILY_6, .port = ctx->user_port };
	struct bpf_sock *sk = ctx->sk;
	__be16 port;

	if (ctx->protocol != IPPROTO_TCP || ctx->user_family != 10 /* AF_INET6 */ || !sk)
		return 1;
	ask.cookie = bpf_get_socket_cookie(ctx);
	local_forget(ask.cookie);
	ask.service = service_on(ask.port);
	if (!ask.service)
		return 1;
	ask.netns = bpf_get_netns_cookie(ctx);
	ask.address[0] = ctx->user_ip6[0];
	ask.address[1] = ctx->user_ip6[1];
	ask.address[2] = ctx->user_ip6[2];
	ask.address[3] = ctx->user_ip6[3];
	ask.client[0] = sk->src_ip6[0];
	ask.client[1] = sk->src_ip6[1];
	ask.client[2] = sk->src_ip6[2];
	ask.client[3] = sk->src_ip6[3];
	ask.client_port = bpf_htons(sk->src_port);
	if (local_is_mapped(ask.address)) {
		ask.family = FAMILY_4;
		ask.address[0] = ask.address[3];
		ask.address[2] = ask.address[3] = 0;
		ask.client[0] = ask.client[3];
		ask.client[2] = ask.client[3] = 0;
	}
	port = local_connect(ctx, sk, &ask);
	if (port != ask.port)
		ctx->user_port = port;
	return 1;
}

/* The peer is who was asked for. Every accept(2) that wants to know who it is comes by here too. */
static __always_inline int local_peer(struct bpf_sock_addr *ctx)
{
	const struct sluice_local *entry;
	__u64 cookie;

	if (!local_may_know(ctx->user_port))
		return 1;
	cookie = bpf_get_socket_cookie(ctx);
	entry = bpf_map_lookup_elem(&sluice_local, &cookie);
	if (entry && (__be16)ctx->user_port == entry->port)
		ctx->user_port = entry->service_port;
	return 1;
}

SEC("cgroup/getpeername4")
int sluice_peer4(struct bpf_sock_addr *ctx)
{
	return local_peer(ctx);
}

SEC("cgroup/getpeername6")
int sluice_peer6(struct bpf_sock_addr *ctx)
{
	return local_peer(ctx);
}

/*
 * Every socket that is closed comes by here. One whose connect failed, or that was disconnected,
 * has no port any more. (A program of somebody else's that changes the port behind our back would
 * have us keep a connection for good.)
 */
SEC("cgroup/sock_release")
int sluice_release(struct bpf_sock *ctx)
{
	const __be16 port = ctx->dst_port;

	if (ctx->protocol == IPPROTO_TCP && (!port || local_may_know(port)))
		local_forget(bpf_get_socket_cookie(ctx));
	return 1;
}
