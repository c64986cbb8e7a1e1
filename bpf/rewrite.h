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
 * Direct writing gives a program a prologue that unshares the headers of each packet that is a
 * clone, ours or not, and all that TCP sends are clones. So one program writes, and only for ours:
 * sluice_tc_write. In nanoseconds: bpf_skb_store_bytes() 36, the tail call and the writing 5.
 *
 * What to write lies in skb->cb and not in the scratch: while programs are replaced the old ones
 * call the new one's writer, so this is a part of the ABI.
 */
enum rewrite_order {
	REWRITE_L4_OFF,
	REWRITE_PORTS, /* both, as they shall lie in the packet */
	REWRITE_CHECK, /* the checksum; REWRITE_NO_CHECK: it stays */
};

#define REWRITE_NO_CHECK 0x10000

enum rewrite_way { REWRITE_IN, REWRITE_OUT }; /* a compile-time constant */

int sluice_tc_write(struct __sk_buff *skb);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__array(values, int(struct __sk_buff *));
} sluice_writer SEC(".maps") = {
	.values = { [0] = &sluice_tc_write },
};

/* Does not come back, if there is a writer and the kernel lets us call it. */
static __always_inline void rewrite_directly(struct __sk_buff *skb, const struct packet *packet,
					     __u32 ports, __u32 check)
{
	if (!sluice_calls_writer)
		return;
	skb->cb[REWRITE_L4_OFF] = packet->l4_off;
	skb->cb[REWRITE_PORTS] = ports;
	skb->cb[REWRITE_CHECK] = check;
	packet_barrier();
	bpf_tail_call_static(skb, &sluice_writer, 0);
}

/*
 * Change the source port on the way out, the destination port on the way in. Mostly it does not
 * come back: sluice_tc_write has the last word. Else 0, or a helper's error.
 *
 * direct: may the headers be unshared with all that is linear? A clone's payload would be copied.
 */
static __always_inline long rewrite_tc(struct __sk_buff *skb, const struct packet *packet,
				       const struct tcphdr *tcp, enum rewrite_way way, bool direct,
				       __be16 to, enum family family)
{
	const __be16 from = way == REWRITE_OUT ? packet->sport : packet->dport;
	const __u32 ports = way == REWRITE_OUT ? packet_pair16(to, packet->dport)
					       : packet_pair16(packet->sport, to);
	struct { /* up to the checksum, and as packet_pair32() says of keys */
		__u64 words[2];
		__u16 check;
	} header;
	long err;

	/*
	 * Of a fragment the length of the whole is not known, and so not the pseudo header's sum.
	 */
	if (!tcp || packet->fragment || rewrite_is_partial(packet, family)) {
		err = bpf_l4_csum_replace(skb, packet->l4_off + offsetof(struct tcphdr, check),
					  from, to, sizeof(to));
		if (err)
			return err;
		if (tcp && direct)
			rewrite_directly(skb, packet, ports, REWRITE_NO_CHECK);
		return bpf_skb_store_bytes(skb, packet->l4_off, &ports, sizeof(ports), 0);
	}
	header.check = rewrite_checksum(packet->check, from, to);
	if (direct) {
		rewrite_directly(skb, packet, ports, header.check);
		/* No writer. After a tail call tcp is not valid for the verifiers of some kernels. */
		err = bpf_skb_store_bytes(skb, packet->l4_off + offsetof(struct tcphdr, check),
					  &header.check, sizeof(header.check), 0);
		if (err)
			return err;
		return bpf_skb_store_bytes(skb, packet->l4_off, &ports, sizeof(ports), 0);
	}
	header.words[0] = packet_pair32(ports, tcp->seq);
	header.words[1] = *(const __u64 *)&tcp->ack_seq;
	return bpf_skb_store_bytes(skb, packet->l4_off, &header, offsetof(struct tcphdr, urg_ptr),
				   0);
}

/* What sluice_tc_write does to the header that it has found. */
static __always_inline void rewrite_as_ordered(const struct __sk_buff *skb, struct tcphdr *tcp)
{
	*(__u32 *)tcp = skb->cb[REWRITE_PORTS];
	if (skb->cb[REWRITE_CHECK] != REWRITE_NO_CHECK)
		tcp->check = skb->cb[REWRITE_CHECK];
}

#endif
