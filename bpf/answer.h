/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Turning a TCP packet into another one. It goes back to where it came from: a SYN as the reset that
 * answers it, a backend's reset as the client's SYN for another backend. Or it goes on, a backend's
 * reset as a question to the client. tc only: what XDP_TX sends on a native veth is lost.
 *
 * The TCP checksum is corrected by the difference of the two headers, through
 * bpf_l4_csum_replace(), so that the result is right whether the old checksum was complete or
 * partial. Swapping the addresses changes no sum.
 */
#ifndef SLUICE_BPF_ANSWER_H
#define SLUICE_BPF_ANSWER_H

#include <linux/pkt_cls.h>

#include "flow.h"
#include "packet.h"
#include "rewrite.h"

#define ANSWER_TTL 64
#define ANSWER_WINDOW 65535
#define ANSWER_TCP_MIN 20 /* bytes of a TCP header without options */
#define IP_WORDS 3	  /* 32-bit words of an IPv4 header before the addresses */

/* A TCP header; options beyond its length are zero. */
struct answer_tcp {
	__be16 sport;
	__be16 dport;
	__be32 seq;
	__be32 ack;
	__u8 doff_reserved;
	__u8 flags;
	__be16 window;
	__u16 check;
	__be16 urgent;
	__be32 options[SLUICE_TCP_OPTIONS / 4];
};

/* What the answer is to be. */
struct answer {
	struct answer_tcp tcp; /* check and doff_reserved are filled in here */
	__u32 options_len;     /* a multiple of four, at most SLUICE_TCP_OPTIONS */
	__u8 tos;
	__u8 ttl;
	__u8 pad[2];
};

static __always_inline long answer_tcp_header(struct __sk_buff *skb, const struct packet *packet,
					      struct answer *answer)
{
	__u32 before_last = packet->header_len - ANSWER_TCP_MIN - 1, off = packet->l4_off;
	__u32 options_len = answer->options_len, new_len;
	const __u32 check_off = off + offsetof(struct tcphdr, check);
	struct answer_tcp old = {};
	__s64 diff;
	long err;

	/* As below: the number itself is compared, and not what it was made from. */
	asm volatile("" : "+r"(options_len));
	if (options_len > SLUICE_TCP_OPTIONS)
		return -1;
	new_len = ANSWER_TCP_MIN + options_len;
	err = bpf_skb_load_bytes(skb, off, &old, ANSWER_TCP_MIN);
	if (err)
		return err;
	/*
	 * Its options, if there are any: one comparison, with the number that the length is made from. A verifier of
	 * 5.10 learns nothing from "not 0", and nothing about a number from a comparison of its copy.
	 */
	asm volatile("" : "+r"(before_last));
	if (before_last < sizeof(old.options)) {
		err = bpf_skb_load_bytes(skb, off + ANSWER_TCP_MIN, old.options, before_last + 1);
		if (err)
			return err;
	}
	answer->tcp.doff_reserved = new_len / 4 << 4;
	answer->tcp.check = old.check;
	diff = bpf_csum_diff((__be32 *)&old, sizeof(old), (__be32 *)&answer->tcp,
			     sizeof(answer->tcp), 0);
	if (diff < 0)
		return diff;
	err = bpf_skb_change_tail(skb, off + new_len, 0);
	if (err)
		return err;
	err = bpf_skb_store_bytes(skb, off, &answer->tcp, new_len, 0);
	if (err)
		return err;
	err = bpf_l4_csum_replace(skb, check_off, 0, diff, 0);
	if (err)
		return err;
	return bpf_l4_csum_replace(skb, check_off, bpf_htons((__u16)packet->l4_len),
				   bpf_htons(new_len), BPF_F_PSEUDO_HDR | sizeof(__u16));
}

static __always_inline long answer_ip4_header(struct __sk_buff *skb, const struct packet *packet,
					      const struct answer *answer)
{
	const __u32 off = packet->l3_off;
	__be32 old[IP_WORDS + 2], new[IP_WORDS + 2];
	__be16 *fields = (__be16 *)new;
	__s64 diff;
	long err;

	err = bpf_skb_load_bytes(skb, off, old, sizeof(old));
	if (err)
		return err;
	__builtin_memcpy(new, old, sizeof(new));
	((__u8 *)new)[1] = answer->tos;
	fields[1] = bpf_htons(packet->l4_off - off + ANSWER_TCP_MIN + answer->options_len);
	fields[2] = 0; /* id */
	fields[3] = bpf_htons(IP_DO_NOT_FRAGMENT);
	((__u8 *)new)[8] = answer->ttl;
	new[IP_WORDS] = old[IP_WORDS + 1];
	new[IP_WORDS + 1] = old[IP_WORDS];
	diff = bpf_csum_diff(old, sizeof(old), new, sizeof(new), 0);
	if (diff < 0)
		return diff;
	err = bpf_skb_store_bytes(skb, off, new, sizeof(new), 0);
	if (err)
		return err;
	return bpf_l3_csum_replace(skb, off + offsetof(struct iphdr, check), 0, diff, 0);
}

static __always_inline long answer_ip6_header(struct __sk_buff *skb, const struct packet *packet,
					      const struct answer *answer)
{
	const __u32 off = packet->l3_off;
	struct ipv6hdr old, new;
	long err;

	err = bpf_skb_load_bytes(skb, off, &old, sizeof(old));
	if (err)
		return err;
	new = old;
	new.priority = answer->tos >> 4;
	new.flow_lbl[0] = (answer->tos & 0xf) << 4; /* and no flow label */
	new.flow_lbl[1] = 0;
	new.flow_lbl[2] = 0;
	new.payload_len = bpf_htons(packet->l4_off - off - sizeof(struct ipv6hdr) + ANSWER_TCP_MIN +
				    answer->options_len);
	new.hop_limit = answer->ttl;
	new.saddr = old.daddr;
	new.daddr = old.saddr;
	return bpf_skb_store_bytes(skb, off, &new, sizeof(new), 0);
}

static __always_inline long answer_ethernet_header(struct __sk_buff *skb)
{
	__u8 old[2 * ETH_ALEN], new[2 * ETH_ALEN];
	long err;

	err = bpf_skb_load_bytes(skb, 0, old, sizeof(old));
	if (err)
		return err;
	__builtin_memcpy(new, old + ETH_ALEN, ETH_ALEN);
	__builtin_memcpy(new + ETH_ALEN, old, ETH_ALEN);
	return bpf_skb_store_bytes(skb, 0, new, sizeof(new), 0);
}

/*
 * Makes the answer of the packet, and sends it by the packet's interface: out if flags is 0, in
 * again if it is BPF_F_INGRESS. The verdict for tc.
 */
static __always_inline int answer_send(struct __sk_buff *skb, const struct packet *packet,
				       struct answer *answer, enum family family, __u64 flags)
{
	if (answer_tcp_header(skb, packet, answer) ||
	    (family == FAMILY_4 ? answer_ip4_header(skb, packet, answer)
				: answer_ip6_header(skb, packet, answer)) ||
	    answer_ethernet_header(skb)) {
		count_reason(SLUICE_REASON_REWRITE_FAILED);
		return TC_ACT_SHOT;
	}
	return bpf_redirect(skb->ifindex, flags);
}

/* The reset for a SYN without payload (RFC 9293 section 3.5.2). answer is a place to work in. */
static __always_inline int answer_reset(struct __sk_buff *skb, const struct packet *packet,
					struct answer *answer, enum family family)
{
	__builtin_memset(answer, 0, sizeof(*answer));
	answer->ttl = ANSWER_TTL;
	answer->tos = packet->tos; /* as Linux does */
	answer->tcp.sport = packet->dport;
	answer->tcp.dport = packet->sport;
	answer->tcp.ack = bpf_htonl(packet->seq + 1);
	answer->tcp.flags = TCP_RST | TCP_ACK;
	return answer_send(skb, packet, answer, family, 0);
}

/* What the client's SYN was; answer is a place to work in. */
static __always_inline void answer_recall_syn(struct answer *answer, const struct sluice_half *half,
					      __be16 client_port, __be16 service_port)
{
	__builtin_memset(answer, 0, sizeof(*answer));
	answer->tcp.sport = client_port;
	answer->tcp.dport = service_port;
	answer->tcp.seq = bpf_htonl(half->flow.client_isn);
	answer->tcp.flags = half->tcp_flags;
	answer->tcp.window = half->window;
	__builtin_memcpy(answer->tcp.options, half->options, sizeof(answer->tcp.options));
	answer->options_len = half->options_len;
	answer->tos = half->tos;
	answer->ttl = half->ttl;
}

/*
 * The client's SYN once more, made of the packet by which a backend turned it away. It comes in as
 * if it had just arrived: for the service port, and ingress finds the flow with its new backend.
 */
static __always_inline int answer_redispatch(struct __sk_buff *skb, const struct packet *packet,
					     struct answer *answer, const struct sluice_half *half,
					     __be16 service_port, enum family family)
{
	if (!half->tcp_flags)
		return TC_ACT_SHOT;
	answer_recall_syn(answer, half, packet->dport, service_port);
	return answer_send(skb, packet, answer, family, BPF_F_INGRESS);
}

/* The SYN's TCP header, its checksum summed from nothing: an ICMP error has none to start from. */
static __always_inline long answer_sum_tcp(struct answer *answer, const struct packet *quote,
					   enum family family)
{
	const __u32 address_len = family == FAMILY_4 ? 4 : 16;
	const __u32 len = ANSWER_TCP_MIN + answer->options_len;
	__be32 pseudo[10] = {};
	__s64 sum;

	__builtin_memcpy(pseudo, quote->src, address_len);
	__builtin_memcpy(pseudo + 4, quote->dst, address_len);
	pseudo[8] = bpf_htonl(len);
	pseudo[9] = bpf_htonl(IPPROTO_TCP);
	answer->tcp.doff_reserved = len / 4 << 4;
	sum = bpf_csum_diff(NULL, 0, pseudo, sizeof(pseudo), 0);
	if (sum < 0)
		return sum;
	sum = bpf_csum_diff(NULL, 0, (__be32 *)&answer->tcp, sizeof(answer->tcp), sum);
	if (sum < 0)
		return sum;
	answer->tcp.check = ~rewrite_fold(sum);
	return 0;
}

/* An IP header from nothing, in place of that which stands there. */
static __always_inline long answer_fresh_ip4(struct __sk_buff *skb, const struct packet *packet,
					     const struct answer *answer,
					     const struct packet *quote)
{
	struct iphdr ip = {
		.version = 4,
		.ihl = sizeof(ip) / 4,
		.tos = answer->tos,
		.tot_len = bpf_htons(sizeof(ip) + ANSWER_TCP_MIN + answer->options_len),
		.frag_off = bpf_htons(IP_DO_NOT_FRAGMENT),
		.ttl = answer->ttl,
		.protocol = IPPROTO_TCP,
		.saddr = quote->src[0],
		.daddr = quote->dst[0],
	};
	__s64 sum = bpf_csum_diff(NULL, 0, (__be32 *)&ip, sizeof(ip), 0);

	if (sum < 0)
		return sum;
	ip.check = ~rewrite_fold(sum);
	return bpf_skb_store_bytes(skb, packet->l3_off, &ip, sizeof(ip), 0);
}

static __always_inline long answer_fresh_ip6(struct __sk_buff *skb, const struct packet *packet,
					     const struct answer *answer,
					     const struct packet *quote)
{
	struct ipv6hdr ip = {
		.version = 6,
		.priority = answer->tos >> 4,
		.flow_lbl = { (answer->tos & 0xf) << 4 },
		.payload_len = bpf_htons(ANSWER_TCP_MIN + answer->options_len),
		.nexthdr = IPPROTO_TCP,
		.hop_limit = answer->ttl,
	};

	__builtin_memcpy(&ip.saddr, quote->src, sizeof(ip.saddr));
	__builtin_memcpy(&ip.daddr, quote->dst, sizeof(ip.daddr));
	return bpf_skb_store_bytes(skb, packet->l3_off, &ip, sizeof(ip), 0);
}

static __always_inline long answer_fresh_tcp(struct __sk_buff *skb, const struct packet *packet,
					     struct answer *answer, const struct packet *quote,
					     enum family family)
{
	const __u32 ip_len = family == FAMILY_4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	const __u32 off = packet->l3_off + ip_len;
	__u32 options_len = answer->options_len, len;
	long err;

	/* As below: the number itself is compared, and not what it was made from. */
	asm volatile("" : "+r"(options_len));
	if (options_len > SLUICE_TCP_OPTIONS)
		return -1;
	len = ANSWER_TCP_MIN + options_len;
	err = answer_sum_tcp(answer, quote, family);
	if (err)
		return err;
	err = bpf_skb_change_tail(skb, off + len, 0);
	if (err)
		return err;
	return bpf_skb_store_bytes(skb, off, &answer->tcp, len, 0);
}

/*
 * The same, made of an ICMP error that quotes the SYN: of the error nothing stays but the link
 * header.
 */
static __always_inline int answer_redispatch_icmp(struct __sk_buff *skb,
						  const struct packet *packet,
						  const struct packet *quote, struct answer *answer,
						  const struct sluice_half *half,
						  __be16 service_port, enum family family)
{
	if (!half->tcp_flags)
		return TC_ACT_SHOT;
	answer_recall_syn(answer, half, quote->sport, service_port);
	if (answer_fresh_tcp(skb, packet, answer, quote, family) ||
	    (family == FAMILY_4 ? answer_fresh_ip4(skb, packet, answer, quote)
				: answer_fresh_ip6(skb, packet, answer, quote)) ||
	    answer_ethernet_header(skb)) {
		count_reason(SLUICE_REASON_REWRITE_FAILED);
		return TC_ACT_SHOT;
	}
	return bpf_redirect(skb->ifindex, BPF_F_INGRESS);
}

/*
 * The challenge ACK (RFC 5961 section 4.2): what a backend's kernel says of a SYN for a connection
 * that it holds. With a number from before the first byte, so that a client that has the connection
 * takes nothing from it, and at most repeats its own acknowledgement.
 */
static __always_inline void answer_ask(struct answer *answer, const struct sluice_flow *flow,
				       __be16 service_port, __be16 client_port)
{
	__builtin_memset(answer, 0, sizeof(*answer));
	answer->tcp.sport = service_port;
	answer->tcp.dport = client_port;
	answer->tcp.seq = bpf_htonl(flow->server_isn);
	answer->tcp.ack = bpf_htonl(flow->server_ack);
	answer->tcp.flags = TCP_ACK;
	answer->tcp.window = bpf_htons(ANSWER_WINDOW);
}

/* In place of the reset by which a newer SYN was refused, whose IP header stays. */
static __always_inline int answer_challenge(struct __sk_buff *skb, const struct packet *packet,
					    struct answer *answer, const struct sluice_flow *flow,
					    __be16 service_port)
{
	answer_ask(answer, flow, service_port, packet->dport);
	/* as long as it was: zeros end a list of options (RFC 9293 section 3.2) */
	answer->options_len = packet->header_len - ANSWER_TCP_MIN;
	if (answer_tcp_header(skb, packet, answer)) {
		count_reason(SLUICE_REASON_REWRITE_FAILED);
		return TC_ACT_SHOT;
	}
	return bpf_redirect(skb->ifindex, 0);
}

/* The same made of an ICMP error, as answer_redispatch_icmp(). It quotes what goes the other way. */
static __always_inline int answer_challenge_icmp(struct __sk_buff *skb, const struct packet *packet,
						 struct packet *quote, struct answer *answer,
						 const struct sluice_flow *flow,
						 __be16 service_port, enum family family)
{
	__be32 swap[4];

	answer_ask(answer, flow, service_port, quote->sport);
	answer->ttl = ANSWER_TTL;
	__builtin_memcpy(swap, quote->src, sizeof(swap));
	__builtin_memcpy(quote->src, quote->dst, sizeof(swap));
	__builtin_memcpy(quote->dst, swap, sizeof(swap));
	if (answer_fresh_tcp(skb, packet, answer, quote, family) ||
	    (family == FAMILY_4 ? answer_fresh_ip4(skb, packet, answer, quote)
				: answer_fresh_ip6(skb, packet, answer, quote))) {
		count_reason(SLUICE_REASON_REWRITE_FAILED);
		return TC_ACT_SHOT;
	}
	return bpf_redirect(skb->ifindex, 0);
}

#endif
