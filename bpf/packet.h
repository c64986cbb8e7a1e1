/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From a frame to the fields that the core decides on. Ethernet and IPv4 so far; VLAN tags and IPv6
 * get their own step between packet_parse() and packet_parse_ip4(), the rest does not know the
 * difference.
 *
 * Two stages, so that a packet for no port of ours is sent on after a dozen instructions:
 * packet_parse() reads the ports, and only if the caller finds one of ours does packet_parse_tcp()
 * check and read the rest.
 */
#ifndef SLUICE_BPF_PACKET_H
#define SLUICE_BPF_PACKET_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <stdbool.h>

#include <bpf/bpf_endian.h>

#include "maps.h"

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

#define IP_OFFSET 0x1fff
#define IP_MORE_FRAGMENTS 0x2000
#define IP_DO_NOT_FRAGMENT 0x4000

struct packet {
	/* valid after packet_parse() */
	struct iphdr *ip;
	struct tcphdr *tcp; /* eight bytes of it are known to be there */
	__u32 l4_off;	    /* of the TCP header from the frame's start */
	__u32 l4_len;	    /* bytes of TCP header and payload, as IP says */
	__u32 ip_len;	    /* IP total length */
	__be32 saddr;
	__be32 daddr;
	__be16 sport;
	__be16 dport;
	bool fragment; /* first of several */
	/* valid after packet_parse_tcp() */
	__u32 seq; /* host order, as ack */
	__u32 ack;
	__u32 header_len; /* of the TCP header with its options, 20..60 */
	__u32 payload_len;
	__u16 check; /* as it stands in the packet */
	__u8 flags;  /* TCP_* */
};

/*
 * 0: a TCP packet, look at its ports. -1: not for us; *reason says why it is worth counting, or is
 * SLUICE_REASON_NONE. frame_len is the whole length of the frame, beyond what lies between data and
 * data_end.
 */
static __always_inline int packet_parse(struct packet *packet, void *data, void *data_end,
					__u32 frame_len, enum sluice_reason *reason)
{
	struct ethhdr *eth = data;
	struct iphdr *ip = (void *)(eth + 1);
	__u32 ihl;

	*reason = SLUICE_REASON_NONE;
	if ((void *)(eth + 1) > data_end || eth->h_proto != bpf_htons(ETH_P_IP))
		return -1;
	if ((void *)(ip + 1) > data_end) {
		*reason = SLUICE_REASON_MALFORMED;
		return -1;
	}
	if (ip->protocol != IPPROTO_TCP)
		return -1;
	ihl = ip->ihl * 4;
	packet->ip = ip;
	packet->ip_len = bpf_ntohs(ip->tot_len);
	/* BIG TCP: a super-packet of more than 64 KiB has no length in its header (Linux 6.3). */
	if (!packet->ip_len && frame_len > 65535)
		packet->ip_len = frame_len - sizeof(*eth);
	if (ip->version != 4 || ihl < sizeof(*ip) || packet->ip_len < ihl ||
	    packet->ip_len > frame_len - sizeof(*eth)) {
		*reason = SLUICE_REASON_MALFORMED;
		return -1;
	}
	if (ip->frag_off & bpf_htons(IP_OFFSET)) {
		*reason = SLUICE_REASON_FRAGMENT;
		return -1;
	}
	packet->fragment = ip->frag_off & bpf_htons(IP_MORE_FRAGMENTS);
	packet->l4_off = sizeof(*eth) + ihl;
	packet->l4_len = packet->ip_len - ihl;
	packet->tcp = (void *)ip + ihl;
	if (packet->l4_len < 8 || (void *)packet->tcp + 8 > data_end) {
		*reason = packet->fragment ? SLUICE_REASON_FRAGMENT_SHORT : SLUICE_REASON_MALFORMED;
		return -1;
	}
	packet->saddr = ip->saddr;
	packet->daddr = ip->daddr;
	packet->sport = packet->tcp->source;
	packet->dport = packet->tcp->dest;
	return 0;
}

/* 0, or -1 with *reason: the header is not whole, the packet goes to the stack untouched. */
static __always_inline int packet_parse_tcp(struct packet *packet, void *data_end,
					    enum sluice_reason *reason)
{
	struct tcphdr *tcp = packet->tcp;

	if ((void *)(tcp + 1) > data_end || tcp->doff < 5 ||
	    packet->l4_len < (__u32)tcp->doff * 4) {
		*reason = packet->fragment ? SLUICE_REASON_FRAGMENT_SHORT : SLUICE_REASON_MALFORMED;
		return -1;
	}
	packet->header_len = tcp->doff * 4;
	packet->payload_len = packet->l4_len - packet->header_len;
	packet->seq = bpf_ntohl(tcp->seq);
	packet->ack = bpf_ntohl(tcp->ack_seq);
	packet->flags = ((__u8 *)tcp)[13];
	packet->check = tcp->check;
	return 0;
}

/*
 * A SYN that opens a connection. FIN and RST beside it are nonsense that no kernel answers with a
 * SYN-ACK.
 */
static __always_inline bool packet_opens(const struct packet *packet)
{
	return (packet->flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == TCP_SYN;
}

/* Sequence number after everything in the packet, SYN and FIN included (RFC 9293 section 3.4). */
static __always_inline __u32 packet_seq_end(const struct packet *packet)
{
	return packet->seq + packet->payload_len + !!(packet->flags & TCP_SYN) +
	       !!(packet->flags & TCP_FIN);
}

#endif
