/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From a frame to the fields that the core decides on: Ethernet with up to two VLAN tags, IPv4 with
 * options, IPv6 with hop-by-hop, destination and fragment headers, TCP and ICMP errors.
 *
 * Three stages, so that a packet for no port of ours is sent on after a dozen instructions:
 * packet_plain_tcp() finds the ports of the commonest frames, packet_parse() those of all others,
 * and only if the caller finds one of ours does packet_parse_tcp() check and read the rest.
 */
#ifndef SLUICE_BPF_PACKET_H
#define SLUICE_BPF_PACKET_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <stdbool.h>
#include <stddef.h>

#include <bpf/bpf_endian.h>

#include "maps.h"

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10
#define TCP_ECN 0xc0 /* ECE and CWR */

#define IP_OFFSET 0x1fff
#define IP_MORE_FRAGMENTS 0x2000
#define IP_DO_NOT_FRAGMENT 0x4000
#define IP6_OFFSET 0xfff8
#define IP6_MORE_FRAGMENTS 0x0001

/* ICMP errors (RFC 792); linux/icmp.h wants the C library's headers */
#define ICMP_DEST_UNREACH 3
#define ICMP_SOURCE_QUENCH 4
#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAMETERPROB 12

#define PACKET_VLAN_TAGS 2
#define PACKET_EXTENSIONS 4 /* IPv6 extension headers that are walked over */

/* A compile-time constant in the core: each family has maps of its own. */
enum family { FAMILY_4, FAMILY_6 };

/* Outcomes of packet_parse(). */
enum packet_kind {
	PACKET_FOREIGN, /* for the stack; the reason says whether that is worth counting */
	PACKET_TCP,	/* look at its ports */
	PACKET_ICMP,	/* an ICMP error; what it quotes is not yet looked at */
};

struct vlan_tag {
	__be16 tci;
	__be16 proto;
};

struct ip6_fragment {
	__u8 nexthdr;
	__u8 reserved;
	__be16 offset; /* and flags */
	__be32 id;
};

/*
 * No pointers: a packet is described in a map (scratch.h), so that all the ways of parsing a frame
 * look the same to the verifier once it is parsed. Offsets are from the frame's start.
 */
struct packet {
	/* valid after packet_parse() has found TCP or ICMP */
	__be32 src[4]; /* IPv4 in the first word */
	__be32 dst[4];
	__u32 l3_off;
	__u32 l4_off;
	__u32 l4_len;  /* bytes of L4 header and payload, as IP says */
	__u32 ip_len;  /* IP header and everything behind it */
	__u8 family;   /* enum family */
	__u8 fragment; /* 1: first of several */
	/* TCP only */
	__be16 sport;
	__be16 dport;
	/* valid after packet_parse_tcp() */
	__u16 check; /* as it stands in the packet */
	__u32 seq;   /* host order, as ack */
	__u32 ack;
	__u32 header_len; /* of the TCP header with its options, 20..60 */
	__u32 payload_len;
	__be16 window;
	__u8 flags; /* TCP_* */
	__u8 tos;   /* IPv4's TOS, IPv6's traffic class */
	__u8 ttl;   /* or hop limit */
	/* ICMP only */
	__u8 type;
	__u8 code;
	__u8 pad;
};

/* Ethernet and tags, IPv6 and four extension headers end before this. */
#define PACKET_L4_MAX 0x3fff

/* Forget what the compiler, and so the verifier, knows of values in memory. */
#define packet_barrier() asm volatile("" ::: "memory")

/* Two values of so many bits that lie side by side in memory, as one. */
static __always_inline __u64 packet_pair(__u64 first, __u64 second, int bits)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return second << bits | first;
#else
	return first << bits | second;
#endif
}

static __always_inline __u64 packet_pair32(__be32 first, __be32 second)
{
	return packet_pair(first, second, 32);
}

static __always_inline __u32 packet_pair16(__be16 first, __be16 second)
{
	return packet_pair(first, second, 16);
}

/* IPv4: fills what follows from its header, and *proto. 0, or -1 with *reason. */
static __always_inline int packet_parse_ip4(struct packet *packet, void *l3, void *data_end,
					    __u32 ip_room, __u8 *proto, enum sluice_reason *reason)
{
	struct iphdr *ip = l3;
	__u32 ihl, ip_len;

	*reason = SLUICE_REASON_MALFORMED;
	if ((void *)(ip + 1) > data_end)
		return -1;
	*proto = ip->protocol;
	if (*proto != IPPROTO_TCP && *proto != IPPROTO_ICMP) {
		*reason = SLUICE_REASON_NONE;
		return -1;
	}
	ihl = ip->ihl * 4;
	ip_len = bpf_ntohs(ip->tot_len);
	/* BIG TCP: a super-packet of more than 64 KiB has no length in its header (Linux 6.3). */
	if (!ip_len && ip_room > 65535)
		ip_len = ip_room;
	if (ip->version != 4 || ihl < sizeof(*ip) || ip_len < ihl || ip_len > ip_room)
		return -1;
	*reason = *proto == IPPROTO_TCP ? SLUICE_REASON_FRAGMENT : SLUICE_REASON_NONE;
	if (ip->frag_off & bpf_htons(IP_OFFSET))
		return -1;
	packet->family = FAMILY_4;
	packet->src[0] = ip->saddr;
	packet->dst[0] = ip->daddr;
	packet->tos = ip->tos;
	packet->ttl = ip->ttl;
	packet->fragment = !!(ip->frag_off & bpf_htons(IP_MORE_FRAGMENTS));
	packet->ip_len = ip_len;
	packet->l4_off = packet->l3_off + ihl;
	packet->l4_len = ip_len - ihl;
	return 0;
}

/* IPv6: the same. */
static __always_inline int packet_parse_ip6(struct packet *packet, void *l3, void *data_end,
					    __u32 ip_room, __u8 *proto, enum sluice_reason *reason)
{
	struct ip6_fragment *extension; /* the other extension headers are no shorter */
	struct ipv6hdr *ip = l3;
	__u32 len = sizeof(*ip), ip_len;
	__u8 next;
	int i;

	*reason = SLUICE_REASON_MALFORMED;
	if ((void *)(ip + 1) > data_end)
		return -1;
	next = ip->nexthdr;
	ip_len = sizeof(*ip) + bpf_ntohs(ip->payload_len);
	if (!ip->payload_len && ip_room > 65535)
		ip_len = ip_room;
	if (ip->version != 6 || ip_len > ip_room)
		return -1;
	packet->family = FAMILY_6;
	__builtin_memcpy(packet->src, &ip->saddr, sizeof(packet->src));
	__builtin_memcpy(packet->dst, &ip->daddr, sizeof(packet->dst));
	packet->tos = ip->priority << 4 | ip->flow_lbl[0] >> 4;
	packet->ttl = ip->hop_limit;
	packet->fragment = 0;
	for (i = 0; i < PACKET_EXTENSIONS; i++) {
		if (next != IPPROTO_FRAGMENT && next != IPPROTO_HOPOPTS && next != IPPROTO_DSTOPTS)
			break;
		extension = l3 + len;
		if ((void *)(extension + 1) > data_end)
			return -1;
		if (next == IPPROTO_FRAGMENT) {
			if (extension->offset & bpf_htons(IP6_OFFSET)) {
				*reason = extension->nexthdr == IPPROTO_TCP ? SLUICE_REASON_FRAGMENT
									    : SLUICE_REASON_NONE;
				return -1;
			}
			packet->fragment |= !!(extension->offset & bpf_htons(IP6_MORE_FRAGMENTS));
			len += sizeof(*extension);
		} else {
			/* the second byte: length in units of eight bytes, the first not counted */
			len += (extension->reserved + 1) * 8;
		}
		next = extension->nexthdr;
	}
	if (next == IPPROTO_HOPOPTS || next == IPPROTO_DSTOPTS || next == IPPROTO_FRAGMENT ||
	    next == IPPROTO_ROUTING || next == IPPROTO_AH || next == IPPROTO_MH) {
		*reason = SLUICE_REASON_EXT_HEADER;
		return -1;
	}
	if (ip_len < len)
		return -1;
	*proto = next;
	packet->ip_len = ip_len;
	packet->l4_off = packet->l3_off + len;
	packet->l4_len = ip_len - len;
	return 0;
}

/* ICMP and ICMPv6 errors are what quotes a packet (RFC 792, RFC 4443 section 2.1). */
static __always_inline bool packet_is_icmp_error(__u8 family, __u8 type)
{
	if (family == FAMILY_6)
		return type < 128;
	return type == ICMP_DEST_UNREACH || type == ICMP_TIME_EXCEEDED ||
	       type == ICMP_PARAMETERPROB || type == ICMP_SOURCE_QUENCH;
}

/* Ethernet and IP: l3_off and what packet_parse_ip*() fill. 0, or -1 with *reason. */
static __always_inline int packet_parse_l3(struct packet *packet, void *data, void *data_end,
					   __u32 frame_len, __u8 *proto, enum sluice_reason *reason)
{
	struct ethhdr *eth = data;
	__u32 off = sizeof(*eth);
	struct vlan_tag *tag;
	__be16 ethertype;
	int i;

	*reason = SLUICE_REASON_NONE;
	if ((void *)(eth + 1) > data_end)
		return -1;
	ethertype = eth->h_proto;
	for (i = 0; i < PACKET_VLAN_TAGS; i++) {
		if (ethertype != bpf_htons(ETH_P_8021Q) && ethertype != bpf_htons(ETH_P_8021AD))
			break;
		tag = data + off;
		if ((void *)(tag + 1) > data_end)
			return -1;
		ethertype = tag->proto;
		off += sizeof(*tag);
	}
	packet->l3_off = off;
	if (ethertype == bpf_htons(ETH_P_IP))
		return packet_parse_ip4(packet, data + off, data_end, frame_len - off, proto,
					reason);
	if (ethertype == bpf_htons(ETH_P_IPV6))
		return packet_parse_ip6(packet, data + off, data_end, frame_len - off, proto,
					reason);
	return -1;
}

/*
 * The TCP header of the commonest frame: untagged, IP without options or extension headers, not
 * fragmented. NULL: look closer. For a packet that turns out to be none of ours this is all that is
 * ever done, so nothing is checked but what decides where the ports are.
 */
static __always_inline const struct tcphdr *packet_plain_tcp(void *data, void *data_end)
{
	struct ethhdr *eth = data;
	struct ipv6hdr *ip6 = (void *)(eth + 1);
	struct iphdr *ip4 = (void *)(eth + 1);

	if ((void *)(ip4 + 1) + sizeof(struct tcphdr) > data_end)
		return NULL;
	if (eth->h_proto == bpf_htons(ETH_P_IP)) {
		if (ip4->version != 4 || ip4->ihl != 5 || ip4->protocol != IPPROTO_TCP ||
		    (ip4->frag_off & bpf_htons(IP_OFFSET | IP_MORE_FRAGMENTS)))
			return NULL;
		return (void *)(ip4 + 1);
	}
	if (eth->h_proto != bpf_htons(ETH_P_IPV6) ||
	    (void *)(ip6 + 1) + sizeof(struct tcphdr) > data_end || ip6->version != 6 ||
	    ip6->nexthdr != IPPROTO_TCP)
		return NULL;
	return (void *)(ip6 + 1);
}

/*
 * What packet_parse() fills, for the commonest frame, where it lies at fixed places. False: there
 * is something about the frame that packet_parse() has to look into.
 */
static __always_inline bool packet_parse_plain(struct packet *packet, void *data, void *data_end,
					       __u32 frame_len)
{
	const struct tcphdr *tcp = packet_plain_tcp(data, data_end);
	const struct ethhdr *eth = data;
	const struct ipv6hdr *ip6 = (void *)(eth + 1);
	const struct iphdr *ip4 = (void *)(eth + 1);
	__u32 ip_len, l4_at;

	if (!tcp)
		return false;
	if (eth->h_proto == bpf_htons(ETH_P_IP)) {
		l4_at = sizeof(*ip4);
		ip_len = bpf_ntohs(ip4->tot_len);
		packet->family = FAMILY_4;
		packet->src[0] = ip4->saddr;
		packet->dst[0] = ip4->daddr;
		packet->tos = ip4->tos;
		packet->ttl = ip4->ttl;
	} else {
		if ((void *)(ip6 + 1) > data_end)
			return false;
		l4_at = sizeof(*ip6);
		ip_len = sizeof(*ip6) + bpf_ntohs(ip6->payload_len);
		packet->family = FAMILY_6;
		__builtin_memcpy(packet->src, &ip6->saddr, sizeof(packet->src));
		__builtin_memcpy(packet->dst, &ip6->daddr, sizeof(packet->dst));
		packet->tos = ip6->priority << 4 | ip6->flow_lbl[0] >> 4;
		packet->ttl = ip6->hop_limit;
	}
	if (ip_len < l4_at + sizeof(*tcp) || sizeof(*eth) + ip_len > frame_len)
		return false;
	packet->fragment = 0;
	packet->ip_len = ip_len;
	packet->l3_off = sizeof(*eth);
	packet->l4_off = sizeof(*eth) + l4_at;
	packet->l4_len = ip_len - l4_at;
	packet->sport = tcp->source;
	packet->dport = tcp->dest;
	return true;
}

/*
 * The first stage. frame_len is the whole length of the frame, beyond what lies between data and
 * data_end. *reason is valid after PACKET_FOREIGN: SLUICE_REASON_NONE for what has nothing to do
 * with TCP. The caller reads data and data_end anew from its context for whatever comes next.
 */
static __always_inline enum packet_kind packet_parse(struct packet *packet, void *data,
						     void *data_end, __u32 frame_len,
						     enum sluice_reason *reason)
{
	const __be16 *ports;
	__u8 proto;

	if (packet_parse_plain(packet, data, data_end, frame_len))
		return PACKET_TCP;
	if (packet_parse_l3(packet, data, data_end, frame_len, &proto, reason))
		return PACKET_FOREIGN;
	*reason = SLUICE_REASON_NONE;
	if (proto != IPPROTO_TCP && proto != IPPROTO_ICMP && proto != IPPROTO_ICMPV6)
		return PACKET_FOREIGN;
	packet_barrier();
	ports = data + (packet->l4_off & PACKET_L4_MAX);
	if (packet->l4_len < 8 || (void *)(ports + 4) > data_end) {
		*reason = packet->fragment ? SLUICE_REASON_FRAGMENT_SHORT : SLUICE_REASON_MALFORMED;
		return PACKET_FOREIGN;
	}
	if (proto != IPPROTO_TCP) {
		if (proto != (packet->family == FAMILY_4 ? IPPROTO_ICMP : IPPROTO_ICMPV6))
			return PACKET_FOREIGN;
		packet->type = ((const __u8 *)ports)[0];
		packet->code = ((const __u8 *)ports)[1];
		return packet_is_icmp_error(packet->family, packet->type) ? PACKET_ICMP
									  : PACKET_FOREIGN;
	}
	packet->sport = ports[0];
	packet->dport = ports[1];
	return PACKET_TCP;
}

/* The TCP header of a packet that packet_parse() has accepted; NULL if it is cut short. */
static __always_inline struct tcphdr *packet_tcp(const struct packet *packet, void *data,
						 void *data_end)
{
	struct tcphdr *tcp = data + (packet->l4_off & PACKET_L4_MAX);

	return (void *)(tcp + 1) > data_end ? NULL : tcp;
}

/*
 * The second stage. 0, or -1 with *reason: the header is not whole, the packet goes to the stack
 * untouched.
 */
static __always_inline int packet_parse_tcp(struct packet *packet, void *data, void *data_end,
					    enum sluice_reason *reason)
{
	const struct tcphdr *tcp = packet_tcp(packet, data, data_end);

	*reason = packet->fragment ? SLUICE_REASON_FRAGMENT_SHORT : SLUICE_REASON_MALFORMED;
	if (!tcp || tcp->doff < 5 || packet->l4_len < (__u32)tcp->doff * 4)
		return -1;
	packet->header_len = tcp->doff * 4;
	packet->payload_len = packet->l4_len - packet->header_len;
	packet->seq = bpf_ntohl(tcp->seq);
	packet->ack = bpf_ntohl(tcp->ack_seq);
	packet->flags = ((const __u8 *)tcp)[13];
	packet->window = tcp->window;
	packet->check = tcp->check;
	packet_barrier();
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
