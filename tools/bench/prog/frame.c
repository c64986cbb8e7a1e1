/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ethernet, IPv4 or IPv6, TCP or UDP, without tags and extension headers.
 */
#include "frame.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stdbool.h>
#include <string.h>

#include <sluice/abi.h>

enum { CLIENT_PORT = 1024, PAYLOAD = 32, TTL = 64, TCP_MIN = 20, SYN_OPTIONS = 20 };

void frame_local6(__be32 address[4])
{
	address[0] = htonl(0xfd000080);
	address[1] = address[2] = 0;
	address[3] = htonl(2);
}

static void client6(__be32 address[4])
{
	address[0] = htonl(0xfd000080);
	address[1] = address[2] = 0;
	address[3] = htonl(JOB_CLIENT);
}

/* Sum of the 16-bit words as they lie in memory. */
static uint32_t sum_words(const void *data, size_t len)
{
	const uint8_t *bytes = data;
	uint32_t sum = 0;
	uint16_t word;
	size_t i;

	for (i = 0; i + 1 < len; i += 2) {
		memcpy(&word, bytes + i, sizeof(word));
		sum += word;
	}
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

static void put_l3(struct frame *frame, unsigned family, bool out, uint8_t proto, uint16_t l4_len)
{
	struct ethhdr eth = { .h_dest = { 2, 0, 0, 0, 0, 2 }, .h_source = { 2, 0, 0, 0, 0, 1 } };
	struct ipv6hdr ip6 = { .version = 6, .nexthdr = proto, .hop_limit = TTL };
	struct iphdr ip4 = { .version = 4, .ihl = 5, .protocol = proto, .ttl = TTL };
	__be32 client[4], local[4];

	eth.h_proto = htons(family == 4 ? ETH_P_IP : ETH_P_IPV6);
	memcpy(frame->bytes, &eth, sizeof(eth));
	frame->len = sizeof(eth);
	if (family == 4) {
		ip4.tot_len = htons((uint16_t)(sizeof(ip4) + l4_len));
		ip4.saddr = htonl(out ? FRAME_LOCAL4 : JOB_CLIENT);
		ip4.daddr = htonl(out ? JOB_CLIENT : FRAME_LOCAL4);
		ip4.check = (uint16_t)~fold(sum_words(&ip4, sizeof(ip4)));
		memcpy(frame->bytes + frame->len, &ip4, sizeof(ip4));
		frame->len += sizeof(ip4);
	} else {
		client6(client);
		frame_local6(local);
		ip6.payload_len = htons(l4_len);
		memcpy(&ip6.saddr, out ? local : client, sizeof(ip6.saddr));
		memcpy(&ip6.daddr, out ? client : local, sizeof(ip6.daddr));
		memcpy(frame->bytes + frame->len, &ip6, sizeof(ip6));
		frame->len += sizeof(ip6);
	}
}

/* Of the pseudo header, without the client's word that is restored. */
static uint32_t sum_pseudo(unsigned family, uint8_t proto, uint16_t l4_len)
{
	uint32_t sum = htons(proto) + htons(l4_len);
	const __be32 local4 = htonl(FRAME_LOCAL4);
	__be32 address[4];

	if (family == 4)
		return sum + sum_words(&local4, sizeof(local4));
	frame_local6(address);
	sum += sum_words(address, sizeof(address));
	client6(address);
	return sum + sum_words(address, sizeof(address[0]) * 3);
}

/* MSS, SACK permitted, timestamps, window scaling. */
static const uint8_t syn_options[SYN_OPTIONS] = { 2, 4, 5, 180, 4, 2, 8, 10, 0, 1,
						  2, 3, 0, 0,	0, 0, 1, 3,  3, 7 };

static void put_tcp(struct frame *frame, unsigned family, enum frame_kind kind, uint16_t sport,
		    uint16_t dport)
{
	const uint16_t header = TCP_MIN + (kind == FRAME_SYN ? SYN_OPTIONS : 0);
	const bool data = kind != FRAME_SYN && kind != FRAME_OUT;
	const uint16_t l4_len = header + (data ? PAYLOAD : 0);
	const __be32 client = htonl(JOB_CLIENT);
	struct tcphdr tcp = { .window = htons(501), .doff = (header / 4) & 15 };
	uint8_t l4[TCP_MIN + SYN_OPTIONS + PAYLOAD] = {};
	uint32_t sum;

	tcp.seq = htonl(kind == FRAME_SYN ? FRAME_ISN : FRAME_ISN + 1);
	tcp.syn = kind == FRAME_SYN;
	tcp.ack = kind != FRAME_SYN;
	tcp.psh = data;
	tcp.ack_seq = htonl(kind == FRAME_SYN ? 0 : 2001);
	put_l3(frame, family, kind == FRAME_OUT, IPPROTO_TCP, l4_len);
	memcpy(l4, &tcp, sizeof(tcp));
	if (kind == FRAME_SYN)
		memcpy(l4 + TCP_MIN, syn_options, sizeof(syn_options));
	if (data)
		memset(l4 + TCP_MIN, 'x', PAYLOAD);
	frame->sum = fold(sum_pseudo(family, IPPROTO_TCP, l4_len) + sum_words(l4, l4_len));
	sum = frame->sum + sum_words(&client, sizeof(client)) + htons(sport) + htons(dport);
	tcp.source = htons(sport);
	tcp.dest = htons(dport);
	tcp.check = (uint16_t)~fold(sum);
	memcpy(l4, &tcp, sizeof(tcp));
	memcpy(frame->bytes + frame->len, l4, l4_len);
	frame->len += l4_len;
}

static void put_udp(struct frame *frame, unsigned family, uint16_t dport)
{
	const uint16_t len = sizeof(struct udphdr) + PAYLOAD;
	struct udphdr udp = { .source = htons(CLIENT_PORT), .dest = htons(dport) };

	/* No checksum: the programs do not get that far. */
	udp.len = htons(len);
	put_l3(frame, family, false, IPPROTO_UDP, len);
	memcpy(frame->bytes + frame->len, &udp, sizeof(udp));
	memset(frame->bytes + frame->len + sizeof(udp), 'x', PAYLOAD);
	frame->len += len;
}

void frame_build(struct frame *frame, unsigned family, enum frame_kind kind, uint16_t service_port)
{
	memset(frame, 0, sizeof(*frame));
	switch (kind) {
	case FRAME_IN:
	case FRAME_SYN:
		put_tcp(frame, family, kind, CLIENT_PORT, service_port);
		break;
	case FRAME_REWRITTEN:
		put_tcp(frame, family, kind, CLIENT_PORT, JOB_FIRST_PORT);
		break;
	case FRAME_OUT:
		put_tcp(frame, family, kind, JOB_FIRST_PORT, CLIENT_PORT);
		break;
	case FRAME_OTHER:
		put_tcp(frame, family, kind, FRAME_OTHER_PORT + 1, FRAME_OTHER_PORT);
		break;
	case FRAME_UDP:
		put_udp(frame, family, service_port);
		break;
	}
}
