/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Turning a SYN into the reset that answers it, and sending it back out of the interface it came in
 * by. tc only: what XDP_TX sends on a native veth is lost.
 *
 * Every change of the TCP header goes through bpf_l4_csum_replace(), as a difference, so that the
 * result is right whether the SYN's checksum was complete or partial. Swapping addresses and ports
 * changes no sum.
 */
#ifndef SLUICE_BPF_RESET_H
#define SLUICE_BPF_RESET_H

#include <stddef.h>

#include "packet.h"

#define RESET_TTL 64
#define TCP_WORDS 4 /* 32-bit words of a TCP header behind the ports */
#define TCP_OPTION_WORDS 10
#define IP_WORDS 3 /* of an IP header before the addresses */

/* What stands behind the ports, checksum taken as zero. */
struct reset_tcp {
	__be32 seq;
	__be32 ack;
	__u8 doff_reserved;
	__u8 flags;
	__be16 window;
	__u16 check;
	__be16 urgent;
	__be32 options[TCP_OPTION_WORDS];
};

static __always_inline long reset_tcp_header(struct __sk_buff *skb, const struct packet *packet)
{
	__u32 options_len = packet->header_len - sizeof(struct tcphdr), off = packet->l4_off;
	const __u32 check_off = off + offsetof(struct tcphdr, check);
	__be16 ports[2] = { packet->dport, packet->sport };
	struct reset_tcp old = {}, new = {};
	__s64 diff;
	long err;

	err = bpf_skb_load_bytes(skb, off + sizeof(ports), &old, TCP_WORDS * 4);
	if (err)
		return err;
	if (options_len > 0 && options_len <= sizeof(old.options)) {
		err = bpf_skb_load_bytes(skb, off + sizeof(struct tcphdr), old.options,
					 options_len);
		if (err)
			return err;
	}
	new.ack = bpf_htonl(packet->seq + 1);
	new.doff_reserved = sizeof(struct tcphdr) / 4 << 4;
	new.flags = TCP_RST | TCP_ACK;
	new.check = old.check;

	diff = bpf_csum_diff((__be32 *)&old, sizeof(old), (__be32 *)&new, TCP_WORDS * 4, 0);
	if (diff < 0)
		return diff;
	err = bpf_skb_change_tail(skb, off + sizeof(struct tcphdr), 0);
	if (err)
		return err;
	err = bpf_skb_store_bytes(skb, off, ports, sizeof(ports), 0);
	if (err)
		return err;
	err = bpf_skb_store_bytes(skb, off + sizeof(ports), &new, TCP_WORDS * 4, 0);
	if (err)
		return err;
	err = bpf_l4_csum_replace(skb, check_off, 0, diff, 0);
	if (err)
		return err;
	return bpf_l4_csum_replace(skb, check_off, bpf_htons((__u16)packet->l4_len),
				   bpf_htons(sizeof(struct tcphdr)),
				   BPF_F_PSEUDO_HDR | sizeof(__u16));
}

static __always_inline long reset_ip_header(struct __sk_buff *skb, const struct packet *packet)
{
	const __u32 off = sizeof(struct ethhdr);
	__be32 addresses[2] = { packet->daddr, packet->saddr };
	__be32 old[IP_WORDS], new[IP_WORDS];
	__be16 *fields = (__be16 *)new;
	__s64 diff;
	long err;

	err = bpf_skb_load_bytes(skb, off, old, sizeof(old));
	if (err)
		return err;
	__builtin_memcpy(new, old, sizeof(new));
	fields[1] = bpf_htons(packet->l4_off - off + sizeof(struct tcphdr)); /* total length */
	fields[2] = 0;							     /* id */
	fields[3] = bpf_htons(IP_DO_NOT_FRAGMENT);
	((__u8 *)new)[8] = RESET_TTL;
	diff = bpf_csum_diff(old, sizeof(old), new, sizeof(new), 0);
	if (diff < 0)
		return diff;
	err = bpf_skb_store_bytes(skb, off, new, sizeof(new), 0);
	if (err)
		return err;
	err = bpf_skb_store_bytes(skb, off + offsetof(struct iphdr, saddr), addresses,
				  sizeof(addresses), 0);
	if (err)
		return err;
	return bpf_l3_csum_replace(skb, off + offsetof(struct iphdr, check), 0, diff, 0);
}

static __always_inline long reset_ethernet_header(struct __sk_buff *skb)
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

/* The verdict for tc: TC_ACT_REDIRECT, or TC_ACT_SHOT if the answer could not be made. */
static __always_inline int reset_answer(struct __sk_buff *skb, const struct packet *packet)
{
	/*
	 * Data on a SYN (TCP Fast Open) would have to be summed up to be cut off. The client sends
	 * the SYN again without it (RFC 7413 section 4.2.1), and that one is answered.
	 */
	if (packet->payload_len) {
		count_reason(SLUICE_REASON_RESET_PAYLOAD);
		return TC_ACT_SHOT;
	}
	if (reset_tcp_header(skb, packet) || reset_ip_header(skb, packet) ||
	    reset_ethernet_header(skb)) {
		count_reason(SLUICE_REASON_REWRITE_FAILED);
		return TC_ACT_SHOT;
	}
	return bpf_redirect(skb->ifindex, 0);
}

#endif
