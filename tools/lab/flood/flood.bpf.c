/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Makes one TCP segment of the flood and sends it by an interface. It runs on frames that the
 * kernel makes (BPF_PROG_TEST_RUN with BPF_F_TEST_XDP_LIVE_FRAMES, Linux 5.18) and uses again with
 * whatever the last receiver left in them, so every byte is written each time. One thread runs it.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/in.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "flood.h"

#define SYN 0x02
#define ACK 0x10

const volatile struct flood_order flood_order = {};

__u64 flood_sent;
static __u32 last_source, last_seq; /* of the SYN that has its ACK still to come; 0: none */
static __u16 last_port;

struct segment {
	struct ethhdr eth;
	struct iphdr ip;
	struct tcphdr tcp;
} __attribute__((packed));

static __always_inline __u16 fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static __always_inline __u32 add(__u32 sum, __u32 value)
{
	return sum + (value & 0xffff) + (value >> 16);
}

/* All in host order; the sum of 16-bit words in host order is stored by htons (RFC 1071 section 2B). */
static __always_inline void write_segment(struct segment *segment, __u32 source, __u16 port,
					  __u32 seq, __u32 ack, __u8 flags)
{
	const __u32 to = bpf_ntohl(flood_order.to), to_port = bpf_ntohs(flood_order.port);
	const __u16 offset_flags = sizeof(struct tcphdr) / 4 << 12 | flags, window = 64240;
	const __u16 len = sizeof(struct iphdr) + sizeof(struct tcphdr), ttl = 64, id = seq;
	__u16 *words = (void *)&segment->tcp;
	__u32 addresses = add(add(0, source), to), sum;

	for (int i = 0; i < ETH_ALEN;
	     i++) { /* memcpy() would let the compiler take them for zero */
		segment->eth.h_dest[i] = flood_order.to_mac[i];
		segment->eth.h_source[i] = flood_order.from_mac[i];
	}
	segment->eth.h_proto = bpf_htons(ETH_P_IP);
	segment->ip.version = 4;
	segment->ip.ihl = 5;
	segment->ip.tos = 0;
	segment->ip.tot_len = bpf_htons(len);
	segment->ip.id = bpf_htons(id);
	segment->ip.frag_off = 0;
	segment->ip.ttl = ttl;
	segment->ip.protocol = IPPROTO_TCP;
	segment->ip.saddr = bpf_htonl(source);
	segment->ip.daddr = flood_order.to;
	sum = addresses + 0x4500 + len + id + (ttl << 8 | IPPROTO_TCP);
	segment->ip.check = bpf_htons(fold(sum));

	segment->tcp.source = bpf_htons(port);
	segment->tcp.dest = flood_order.port;
	segment->tcp.seq = bpf_htonl(seq);
	segment->tcp.ack_seq = bpf_htonl(ack);
	words[6] = bpf_htons(offset_flags);
	segment->tcp.window = bpf_htons(window);
	segment->tcp.urg_ptr = 0;
	sum = addresses + IPPROTO_TCP + sizeof(struct tcphdr) + port + to_port + offset_flags +
	      window;
	segment->tcp.check = bpf_htons(fold(add(add(sum, seq), ack)));
}

SEC("xdp")
int flood_make(struct xdp_md *ctx)
{
	struct segment *segment = (void *)(long)ctx->data;
	__u32 source, seq, ack = 0;
	__u8 flags = SYN;
	__u16 port;

	if ((void *)(segment + 1) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	if (last_source) {
		source = last_source;
		port = last_port;
		seq = last_seq + 1;
		ack = bpf_get_prandom_u32();
		flags = ACK;
		last_source = 0;
	} else {
		source = flood_order.from | (bpf_get_prandom_u32() & flood_order.from_mask);
		port = 1024 + bpf_get_prandom_u32() % 64000;
		seq = bpf_get_prandom_u32();
		if (flood_order.kind == FLOOD_ACK) {
			ack = bpf_get_prandom_u32();
			flags = ACK;
		}
		if (flood_order.kind == FLOOD_TWICE) {
			last_source = source;
			last_port = port;
			last_seq = seq;
		}
	}
	write_segment(segment, source, port, seq, ack, flags);
	flood_sent++;
	return bpf_redirect(flood_order.ifindex, 0);
}

char LICENSE[] SEC("license") = "GPL";
