/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Builder of the frames in packet cases. Every byte is written by put16/put32 at an offset, every
 * checksum summed over the finished bytes: nothing incremental, nothing shared with what is tested.
 */
#include "frame.h"

#include <netinet/in.h>
#include <string.h>

enum { ETH_LEN = 14, IP_LEN = 20, TCP_LEN = 20 };

static const uint8_t mac_client[6] = { 2, 0, 0, 0, 0, 1 };

static const uint8_t mac_host[6] = { 2, 0, 0, 0, 0, 2 };

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value & 0xffff);
}

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)get16(at) << 16 | get16(at + 2);
}

static uint16_t ones_add(uint32_t a, uint32_t b)
{
	uint32_t sum = a + b;

	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static uint16_t ones_sub(uint16_t a, uint16_t b)
{
	return ones_add(a, (uint16_t)~b);
}

static uint16_t sum_bytes(const uint8_t *data, size_t len)
{
	uint16_t sum = 0;
	size_t i;

	for (i = 0; i + 1 < len; i += 2)
		sum = ones_add(sum, get16(data + i));
	if (len & 1)
		sum = ones_add(sum, (uint32_t)data[len - 1] << 8);
	return sum;
}

static uint16_t sum_pseudo(const uint8_t *ip, uint32_t segment_len)
{
	uint16_t sum = sum_bytes(ip + 12, 8);

	sum = ones_add(sum, ip[9]);
	return ones_add(sum, segment_len);
}

void frame_init_in(struct frame *frame)
{
	memset(frame, 0, sizeof(*frame));
	memcpy(frame->eth_dst, mac_host, 6);
	memcpy(frame->eth_src, mac_client, 6);
	frame->eth_type = 0x0800;
	frame->ip_version = 4;
	frame->ttl = 61;
	frame->proto = IPPROTO_TCP;
	frame->ip_id = 0x1234;
	frame->frag = 0x4000;
	frame->src = 0x0a500001;
	frame->dst = 0x0a500002;
	frame->sport = 40000;
	frame->dport = 80;
	frame->window = 64240;
	frame->seq = 1000;
	frame->payload_first = 'a';
}

void frame_init_out(struct frame *frame)
{
	frame_init_in(frame);
	memcpy(frame->eth_dst, mac_client, 6);
	memcpy(frame->eth_src, mac_host, 6);
	frame->ttl = 64;
	frame->src = 0x0a500002;
	frame->dst = 0x0a500001;
	frame->sport = 0;
	frame->dport = 40000;
	frame->seq = 5000;
	frame->ack = 1001;
	frame->payload_first = 'A';
}

void frame_make_reset(const struct frame *syn, struct frame *reset)
{
	frame_init_out(reset);
	memcpy(reset->eth_dst, syn->eth_src, 6);
	memcpy(reset->eth_src, syn->eth_dst, 6);
	reset->src = syn->dst;
	reset->dst = syn->src;
	reset->sport = syn->dport;
	reset->dport = syn->sport;
	reset->tos = syn->tos; /* as the kernel's own resets have it */
	reset->ip_id = 0;
	reset->window = 0;
	reset->seq = 0;
	reset->ack = syn->seq + 1;
	reset->flags = FRAME_RST | FRAME_ACK;
}

static unsigned tcp_len(const struct frame *frame)
{
	return TCP_LEN + frame->tcp_options_len + frame->payload_len;
}

size_t frame_packet_len(const struct frame *frame)
{
	return frame->has_raw ? frame->raw_len
			      : (size_t)ETH_LEN + IP_LEN + frame->ip_options_len + tcp_len(frame);
}

static void build_ip(const struct frame *frame, uint8_t *ip)
{
	unsigned header_len = IP_LEN + frame->ip_options_len;
	unsigned ihl = frame->ihl.set ? frame->ihl.value : header_len / 4;

	ip[0] = (uint8_t)(frame->ip_version << 4 | (ihl & 15));
	ip[1] = frame->tos;
	put16(ip + 2, frame->ip_len.set ? frame->ip_len.value : header_len + tcp_len(frame));
	put16(ip + 4, frame->ip_id);
	put16(ip + 6, frame->frag);
	ip[8] = frame->ttl;
	ip[9] = frame->proto;
	put32(ip + 12, frame->src);
	put32(ip + 16, frame->dst);
	memcpy(ip + IP_LEN, frame->ip_options, frame->ip_options_len);
	put16(ip + 10, frame->ip_checksum.set ? frame->ip_checksum.value
					      : (uint16_t)~sum_bytes(ip, header_len));
}

static uint16_t right_checksum(const uint8_t *ip, const uint8_t *tcp, unsigned len)
{
	return (uint16_t)~ones_add(sum_pseudo(ip, len), sum_bytes(tcp, len));
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
	have = right_checksum(ip, tcp, tcp_len(frame));
	frame->urgent = ones_sub(have, frame->tune_to);
	frame->tune = false;
	put16(tcp, frame->sport);
	put16(tcp + 2, frame->dport);
	put16(tcp + 18, frame->urgent);
}

static void build_tcp(struct frame *frame, const uint8_t *ip, uint8_t *tcp)
{
	unsigned doff = frame->doff.set ? frame->doff.value
					: (TCP_LEN + frame->tcp_options_len) / 4;
	uint16_t right;
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

	right = right_checksum(ip, tcp, tcp_len(frame));
	switch (frame->checksum) {
	case FRAME_CHECKSUM_GOOD:
		put16(tcp + 16, right);
		break;
	case FRAME_CHECKSUM_OFF:
		put16(tcp + 16, ones_add(right, frame->checksum_value));
		break;
	case FRAME_CHECKSUM_SET:
		put16(tcp + 16, frame->checksum_value);
		break;
	case FRAME_CHECKSUM_PARTIAL:
		put16(tcp + 16, sum_pseudo(ip, tcp_len(frame)));
		break;
	}
}

size_t frame_build(struct frame *frame, uint8_t *buf)
{
	size_t len = frame_packet_len(frame) + frame->pad_len;

	memset(buf, 0, len);
	if (frame->has_raw) {
		memcpy(buf, frame->raw, frame->raw_len);
	} else {
		memcpy(buf, frame->eth_dst, 6);
		memcpy(buf + 6, frame->eth_src, 6);
		put16(buf + 12, frame->eth_type);
		build_ip(frame, buf + ETH_LEN);
		build_tcp(frame, buf + ETH_LEN, buf + ETH_LEN + IP_LEN + frame->ip_options_len);
		/* not zero, so that padding taken for payload shows in the checksum */
		memset(buf + frame_packet_len(frame), 0xe7, frame->pad_len);
	}
	return frame->cut.set && frame->cut.value < len ? frame->cut.value : len;
}

size_t frame_build_rewritten(struct frame *from, struct frame *to, uint8_t *buf)
{
	size_t tcp_at = (size_t)ETH_LEN + IP_LEN + from->ip_options_len;
	uint16_t right_from, field_from, right_to;
	size_t len;

	if (from->has_raw || from->checksum == FRAME_CHECKSUM_GOOD)
		return frame_build(to, buf);
	frame_build(from, buf);
	field_from = get16(buf + tcp_at + 16);
	put16(buf + tcp_at + 16, 0);
	right_from = right_checksum(buf + ETH_LEN, buf + tcp_at, tcp_len(from));
	to->checksum = FRAME_CHECKSUM_GOOD;
	len = frame_build(to, buf);
	right_to = get16(buf + tcp_at + 16);
	if (field_from == 0xffff && right_from == 0) /* the other zero is right as well */
		return len;
	put16(buf + tcp_at + 16, ones_add(right_to, ones_sub(field_from, right_from)));
	return len;
}

bool frame_checksum_valid(const uint8_t *buf, size_t len)
{
	const uint8_t *ip = buf + ETH_LEN;
	unsigned header_len = (ip[0] & 15u) * 4, total_len = get16(ip + 2);

	if (ETH_LEN + total_len > len || total_len < header_len)
		return false;
	total_len -= header_len;
	return ones_add(sum_pseudo(ip, total_len), sum_bytes(ip + header_len, total_len)) == 0xffff;
}

static void print_address(FILE *to, uint32_t address)
{
	fprintf(to, "%u.%u.%u.%u", address >> 24, address >> 16 & 255, address >> 8 & 255,
		address & 255);
}

void frame_print(FILE *to, const char *label, const uint8_t *buf, size_t len)
{
	static const char letters[] = "FSRPAUEC";
	const uint8_t *ip = buf + ETH_LEN, *tcp;
	unsigned i;

	fprintf(to, "%s %zu bytes", label, len);
	if (len < ETH_LEN + IP_LEN || get16(buf + 12) != 0x0800)
		goto out;
	tcp = ip + (ip[0] & 15u) * 4;
	fprintf(to, " ip len=%u proto=%u ttl=%u ", get16(ip + 2), ip[9], ip[8]);
	print_address(to, get32(ip + 12));
	fprintf(to, " > ");
	print_address(to, get32(ip + 16));
	if (tcp + TCP_LEN > buf + len)
		goto out;
	fprintf(to, " tcp %u > %u ", get16(tcp), get16(tcp + 2));
	for (i = 0; i < 8; i++)
		if (tcp[13] >> i & 1)
			fputc(letters[i], to);
	fprintf(to, " seq=%u ack=%u win=%u csum=0x%04x (%s)", get32(tcp + 4), get32(tcp + 8),
		get16(tcp + 14), get16(tcp + 16),
		frame_checksum_valid(buf, len) ? "right" : "wrong");
out:
	fputc('\n', to);
}

void frame_print_difference(FILE *to, const uint8_t *want, size_t want_len, const uint8_t *got,
			    size_t got_len)
{
	size_t i, j, max = want_len > got_len ? want_len : got_len;
	unsigned shown = 0;

	frame_print(to, "    want", want, want_len);
	frame_print(to, "    got ", got, got_len);
	for (i = 0; i < max && shown < 6; i += 16) {
		for (j = i; j < i + 16 && j < max; j++)
			if (j >= want_len || j >= got_len || want[j] != got[j])
				break;
		if (j == i + 16 || j == max)
			continue;
		shown++;
		fprintf(to, "    %04zx want", i);
		for (j = i; j < i + 16 && j < want_len; j++)
			fprintf(to, " %02x", want[j]);
		fprintf(to, "\n         got ");
		for (j = i; j < i + 16 && j < got_len; j++)
			fprintf(to, " %02x", got[j]);
		fputc('\n', to);
	}
}
