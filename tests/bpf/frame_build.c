/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Builder of the frames in packet cases: from the description to bytes.
 */
#include <netinet/in.h>
#include <string.h>

#include "frame.h"
#include "frame_bytes.h"

static unsigned tcp_len(const struct frame *frame)
{
	return TCP_LEN + frame->tcp_options_len + frame->payload_len;
}

/* IP header with options or extension headers. */
static unsigned ip_header_len(const struct frame *frame)
{
	unsigned i, len = IP6_LEN;

	if (frame->family == 4)
		return IP4_LEN + frame->ip_options_len;
	for (i = 0; i < frame->extension_count; i++)
		len += frame->extensions[i].len;
	return len;
}

static unsigned quote_len(const struct frame *frame)
{
	return frame->icmp.len.set && frame->icmp.len.value < tcp_len(frame) ? frame->icmp.len.value
									     : tcp_len(frame);
}

static unsigned link_len(const struct frame *frame)
{
	return ETH_LEN + frame->tag_count * TAG_LEN;
}

/* The IP packet around the quote of an ICMP error. */
static struct frame icmp_outside(const struct frame *quoted)
{
	struct frame outside = *quoted;

	outside.src = quoted->icmp.via;
	outside.dst = quoted->src;
	outside.tos = 0xc0;
	outside.ttl = 63;
	outside.ip_id = 0x4242;
	outside.frag = 0;
	outside.ip_options_len = 0;
	outside.extension_count = 0;
	outside.ihl.set = outside.ip_len.set = outside.ip_checksum.set = false;
	outside.ip_version = (uint8_t)quoted->family;
	outside.proto = quoted->family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	return outside;
}

size_t frame_packet_len(const struct frame *frame)
{
	struct frame outside;

	if (frame->has_raw)
		return frame->raw_len;
	if (!frame->icmp.is)
		return link_len(frame) + ip_header_len(frame) + tcp_len(frame);
	outside = icmp_outside(frame);
	return link_len(frame) + ip_header_len(&outside) + ICMP_LEN + ip_header_len(frame) +
	       quote_len(frame);
}

static void build_ip4(const struct frame *frame, uint8_t *ip, unsigned payload)
{
	unsigned header_len = ip_header_len(frame);
	unsigned ihl = frame->ihl.set ? frame->ihl.value : header_len / 4;

	ip[0] = (uint8_t)(frame->ip_version << 4 | (ihl & 15));
	ip[1] = frame->tos;
	put16(ip + 2, frame->ip_len.set ? frame->ip_len.value : header_len + payload);
	put16(ip + 4, frame->ip_id);
	put16(ip + 6, frame->frag);
	ip[8] = frame->ttl;
	ip[9] = frame->proto;
	memcpy(ip + 12, frame->src.bytes + 12, 4);
	memcpy(ip + 16, frame->dst.bytes + 12, 4);
	memcpy(ip + IP4_LEN, frame->ip_options, frame->ip_options_len);
	put16(ip + 10, frame->ip_checksum.set ? frame->ip_checksum.value
					      : (uint16_t)~sum_bytes(ip, header_len));
}

/* Fragment header: RFC 8200 section 4.5. All others: length in eights, and options that are padding. */
static void build_extension(const struct frame_extension *extension, uint8_t next, uint8_t *at)
{
	memset(at, 0, extension->len);
	at[0] = next;
	if (extension->proto == IPPROTO_FRAGMENT) {
		put16(at + 2, extension->frag);
		put32(at + 4, 0x01020304);
		return;
	}
	at[1] = (uint8_t)(extension->len / 8 - 1);
	at[2] = 1; /* PadN */
	at[3] = (uint8_t)(extension->len - 4);
}

static void build_ip6(const struct frame *frame, uint8_t *ip, unsigned payload)
{
	const unsigned count = frame->extension_count;
	uint8_t *at = ip + IP6_LEN;
	unsigned i;

	put32(ip, (uint32_t)frame->ip_version << 28 | (uint32_t)frame->tos << 20 | frame->ip_id);
	put16(ip + 4,
	      frame->ip_len.set ? frame->ip_len.value : ip_header_len(frame) - IP6_LEN + payload);
	ip[6] = count ? frame->extensions[0].proto : frame->proto;
	ip[7] = frame->ttl;
	memcpy(ip + 8, frame->src.bytes, 16);
	memcpy(ip + 24, frame->dst.bytes, 16);
	for (i = 0; i < count; i++) {
		build_extension(&frame->extensions[i],
				i + 1 < count ? frame->extensions[i + 1].proto : frame->proto, at);
		at += frame->extensions[i].len;
	}
}

static void build_ip(const struct frame *frame, uint8_t *ip, unsigned payload)
{
	if (frame->family == 4)
		build_ip4(frame, ip, payload);
	else
		build_ip6(frame, ip, payload);
}

static uint16_t right_checksum(const struct frame *frame, const uint8_t *ip, const uint8_t *l4,
			       unsigned len)
{
	uint16_t sum = sum_bytes(l4, len);

	if (frame->proto != IPPROTO_ICMP) /* the only one without a pseudo header */
		sum = ones_add(sum, sum_pseudo(ip, frame->family,
					       frame->proto == IPPROTO_ICMPV6 ? IPPROTO_ICMPV6
									      : IPPROTO_TCP,
					       len));
	return (uint16_t)~sum;
}

/* The urgent pointer, unused without URG, is the ballast that makes the checksum what the case
 * wants. */
static void tune_urgent(struct frame *frame, const uint8_t *ip, uint8_t *tcp)
{
	uint16_t have;

	if (frame->tune_sport.set)
		put16(tcp, frame->tune_sport.value);
	if (frame->tune_dport.set)
		put16(tcp + 2, frame->tune_dport.value);
	put16(tcp + 18, 0);
	have = right_checksum(frame, ip, tcp, tcp_len(frame));
	frame->urgent = ones_sub(have, frame->tune_to);
	frame->tune = false;
	put16(tcp, frame->sport);
	put16(tcp + 2, frame->dport);
	put16(tcp + 18, frame->urgent);
}

/* Fill in the checksum as the case wants it. */
static void put_checksum(const struct frame *frame, const uint8_t *ip, uint8_t *l4, unsigned at,
			 unsigned len)
{
	uint16_t right;

	put16(l4 + at, 0);
	right = right_checksum(frame, ip, l4, len);
	switch (frame->checksum) {
	case FRAME_CHECKSUM_GOOD:
		put16(l4 + at, right);
		break;
	case FRAME_CHECKSUM_OFF:
		put16(l4 + at, ones_add(right, frame->checksum_value));
		break;
	case FRAME_CHECKSUM_SET:
		put16(l4 + at, frame->checksum_value);
		break;
	case FRAME_CHECKSUM_PARTIAL:
		put16(l4 + at, sum_pseudo(ip, frame->family, IPPROTO_TCP, len));
		break;
	}
}

static void build_tcp(struct frame *frame, const uint8_t *ip, uint8_t *tcp)
{
	unsigned doff = frame->doff.set ? frame->doff.value
					: (TCP_LEN + frame->tcp_options_len) / 4;
	unsigned i;

	put16(tcp, frame->sport);
	put16(tcp + 2, frame->dport);
	put32(tcp + 4, frame->seq);
	put32(tcp + 8, frame->ack);
	tcp[12] = (uint8_t)(doff << 4 | (frame->reserved & 15));
	tcp[13] = frame->flags;
	put16(tcp + 14, frame->window);
	put16(tcp + 16, 0);
	put16(tcp + 18, frame->urgent);
	memcpy(tcp + TCP_LEN, frame->tcp_options, frame->tcp_options_len);
	for (i = 0; i < frame->payload_len; i++)
		tcp[TCP_LEN + frame->tcp_options_len + i] = (uint8_t)(frame->payload_first + i);
	if (frame->tune)
		tune_urgent(frame, ip, tcp);
	put_checksum(frame, ip, tcp, 16, tcp_len(frame));
}

/* The error around the packet that the frame describes. */
static void build_icmp(const struct frame *frame, uint8_t *ip)
{
	struct frame outside = icmp_outside(frame), quoted = *frame;
	unsigned quoted_header = ip_header_len(frame);
	unsigned len = ICMP_LEN + quoted_header + quote_len(frame);
	uint8_t *icmp = ip + ip_header_len(&outside), *quote = icmp + ICMP_LEN;

	memset(icmp, 0, ICMP_LEN);
	icmp[0] = frame->family == 4 ? frame->icmp.type4 : frame->icmp.type6;
	icmp[1] = frame->family == 4 ? frame->icmp.code4 : frame->icmp.code6;
	put32(icmp + 4, frame->icmp.mtu);
	quoted.checksum = FRAME_CHECKSUM_GOOD;
	build_ip(&quoted, quote, tcp_len(&quoted));
	build_tcp(&quoted, quote, quote + quoted_header);
	if (frame->icmp.sport.set)
		put16(quote + quoted_header, frame->icmp.sport.value);
	if (frame->icmp.dport.set)
		put16(quote + quoted_header + 2, frame->icmp.dport.value);
	build_ip(&outside, ip, len);
	put_checksum(&outside, ip, icmp, 2, len);
}

size_t frame_build(struct frame *frame, uint8_t *buf)
{
	size_t whole = frame_packet_len(frame), len = whole + frame->pad_len;
	uint8_t *ip = buf + link_len(frame);
	unsigned i;

	memset(buf, 0, len);
	if (frame->has_raw) {
		memcpy(buf, frame->raw, frame->raw_len);
	} else {
		memcpy(buf, frame->eth_dst, 6);
		memcpy(buf + 6, frame->eth_src, 6);
		for (i = 0; i < frame->tag_count; i++) {
			put16(buf + 12 + i * TAG_LEN, frame->tags[i].proto);
			put16(buf + 14 + i * TAG_LEN, frame->tags[i].tci);
		}
		put16(ip - 2, frame->eth_type);
		if (frame->icmp.is) {
			build_icmp(frame, ip);
		} else {
			build_ip(frame, ip, tcp_len(frame));
			build_tcp(frame, ip, ip + ip_header_len(frame));
		}
		/* not zero, so that padding taken for payload shows in the checksum */
		memset(buf + whole, 0xe7, frame->pad_len);
	}
	return frame->cut.set && frame->cut.value < len ? frame->cut.value : len;
}

size_t frame_build_rewritten(struct frame *from, struct frame *to, uint8_t *buf)
{
	size_t ip_at = link_len(from), tcp_at = ip_at + ip_header_len(from), check_at;
	uint16_t right_from, field_from, right_to;
	size_t len;

	if (from->has_raw || from->icmp.is || from->checksum == FRAME_CHECKSUM_GOOD)
		return frame_build(to, buf);
	frame_build(from, buf);
	check_at = tcp_at + 16;
	field_from = get16(buf + check_at);
	put16(buf + check_at, 0);
	right_from = right_checksum(from, buf + ip_at, buf + tcp_at, tcp_len(from));
	to->checksum = FRAME_CHECKSUM_GOOD;
	len = frame_build(to, buf);
	right_to = get16(buf + check_at);
	if (field_from == 0xffff && right_from == 0) /* the other zero is right as well */
		return len;
	put16(buf + check_at, ones_add(right_to, ones_sub(field_from, right_from)));
	return len;
}
