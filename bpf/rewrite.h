/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Changing one port and the TCP checksum, in XDP and in tc.
 *
 * tc's helper knows whether the checksum is complete or still to be filled in by the device
 * (CHECKSUM_PARTIAL), and leaves the second kind alone. XDP cannot know: on veth and in generic
 * mode it sees the bare field. A partial checksum holds the folded sum of the pseudo header, so
 * rewrite_is_partial() recognises it and XDP leaves such a packet to tc, where the helper decides.
 * A complete checksum looks like that once in 65,536 packets; the helper is right for those too.
 */
#ifndef SLUICE_BPF_REWRITE_H
#define SLUICE_BPF_REWRITE_H

#include <stddef.h>

#include "packet.h"

static __always_inline __u16 rewrite_fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

static __always_inline bool rewrite_is_partial(const struct packet *packet, enum family family)
{
	const __u32 words = family == FAMILY_4 ? 1 : 4;
	__u64 sum = bpf_htons(IPPROTO_TCP) + bpf_htons((__u16)packet->l4_len);
	__u32 i;

	/* BIG TCP: the length does not fit the field, and the checksum is never complete. */
	if (packet->l4_len > 65535)
		return true;
#pragma unroll
	for (i = 0; i < words; i++)
		sum += (__u64)packet->src[i] + packet->dst[i];
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	return packet->check == rewrite_fold(sum);
}

/* HC' = ~(~HC + ~m + m'), RFC 1624 equation 3. */
static __always_inline __u16 rewrite_checksum(__u16 check, __be16 from, __be16 to)
{
	return ~rewrite_fold((__u16)~check + (__u16)~from + to);
}

static __always_inline void rewrite_xdp(struct tcphdr *tcp, const struct packet *packet,
					__be16 port)
{
	tcp->check = rewrite_checksum(packet->check, packet->dport, port);
	tcp->dest = port;
}

/*
 * Change one 16-bit field and the checksum that covers it. Both offsets are from the frame's start.
 * 0 or the helper's error; the packet may then be half changed.
 */
static __always_inline long rewrite_field(struct __sk_buff *skb, __u32 check_off, __u32 field_off,
					  __be16 from, __be16 to)
{
	long err;

	err = bpf_l4_csum_replace(skb, check_off, from, to, sizeof(to));
	if (err)
		return err;
	return bpf_skb_store_bytes(skb, field_off, &to, sizeof(to), 0);
}

/*
 * port: offset of the port in the TCP header.
 *
 * A helper call costs as much as a hash look-up, so port and checksum are written by one where the
 * checksum is surely complete. Not by direct access: that would give the program a prologue which
 * unshares the headers of each cloned packet, and all that TCP sends are clones.
 */
static __always_inline long rewrite_tc(struct __sk_buff *skb, const struct packet *packet,
				       const struct tcphdr *tcp, __u32 port, __be16 from, __be16 to,
				       enum family family)
{
	struct { /* up to the checksum, and as packet_pair32() says of keys */
		__u64 words[2];
		__u16 check;
	} header;

	/*
	 * Of a fragment the length of the whole is not known, and so not the pseudo header's sum.
	 */
	if (!tcp || packet->fragment || rewrite_is_partial(packet, family))
		return rewrite_field(skb, packet->l4_off + offsetof(struct tcphdr, check),
				     packet->l4_off + port, from, to);
	header.words[0] = packet_pair32(port ? packet_pair16(packet->sport, to)
					     : packet_pair16(to, packet->dport),
					tcp->seq);
	header.words[1] = *(const __u64 *)&tcp->ack_seq;
	header.check = rewrite_checksum(packet->check, from, to);
	return bpf_skb_store_bytes(skb, packet->l4_off, &header, offsetof(struct tcphdr, urg_ptr),
				   0);
}

#endif
