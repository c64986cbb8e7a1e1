/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the frames in packet cases are before a case changes them, and how one is made of another.
 * The bytes are frame_build.c's business.
 */
#include "frame.h"

#include <netinet/in.h>
#include <string.h>

static const uint8_t mac_client[6] = { 2, 0, 0, 0, 0, 1 };

static const uint8_t mac_host[6] = { 2, 0, 0, 0, 0, 2 };

static const struct frame_address address_client = {
	.bytes = { [12] = 10, [13] = 80, [14] = 0, [15] = 1 },
};

static const struct frame_address address_host = {
	.bytes = { [12] = 10, [13] = 80, [14] = 0, [15] = 2 },
};

static const struct frame_address address_router = {
	.bytes = { [12] = 10, [13] = 80, [14] = 0, [15] = 254 },
};

void frame_init_in(struct frame *frame)
{
	memset(frame, 0, sizeof(*frame));
	frame->family = 4;
	memcpy(frame->eth_dst, mac_host, 6);
	memcpy(frame->eth_src, mac_client, 6);
	frame->eth_type = 0x0800;
	frame->ip_version = 4;
	frame->ttl = 61;
	frame->proto = IPPROTO_TCP;
	frame->ip_id = 0x1234;
	frame->frag = 0x4000;
	frame->src = address_client;
	frame->dst = address_host;
	frame->icmp.via = address_router;
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
	frame->src = address_host;
	frame->dst = address_client;
	frame->sport = 0;
	frame->dport = 40000;
	frame->seq = 5000;
	frame->ack = 1001;
	frame->payload_first = 'A';
}

void frame_address_make_six(struct frame_address *address)
{
	if (address->six)
		return;
	address->six = true;
	address->bytes[0] = 0xfd;
}

void frame_make_six(struct frame *frame)
{
	frame->family = 6;
	if (frame->eth_type == 0x0800)
		frame->eth_type = 0x86dd;
	if (frame->ip_version == 4)
		frame->ip_version = 6;
	frame_address_make_six(&frame->src);
	frame_address_make_six(&frame->dst);
	frame_address_make_six(&frame->icmp.via);
}

/* What an answer takes from the packet that it is made of: addresses and whatever stands before TCP. */
static void turn_round(const struct frame *from, struct frame *to)
{
	memcpy(to->eth_dst, from->eth_src, 6);
	memcpy(to->eth_src, from->eth_dst, 6);
	memcpy(to->tags, from->tags, sizeof(to->tags));
	to->tag_count = from->tag_count;
	memcpy(to->extensions, from->extensions, sizeof(to->extensions));
	to->extension_count = from->extension_count;
	to->family = from->family;
	to->eth_type = from->eth_type;
	to->ip_version = from->ip_version;
	to->src = from->dst;
	to->dst = from->src;
	to->ip_id = 0;
	to->frag = 0x4000;
	memcpy(to->ip_options, from->ip_options, sizeof(to->ip_options));
	to->ip_options_len = from->ip_options_len;
	to->checksum = from->checksum;
	to->checksum_value = from->checksum_value;
}

void frame_make_reset(const struct frame *syn, struct frame *reset)
{
	frame_init_out(reset);
	turn_round(syn, reset);
	reset->sport = syn->dport;
	reset->dport = syn->sport;
	reset->tos = syn->tos; /* as the kernel's own resets have it */
	reset->window = 0;
	reset->seq = 0;
	reset->ack = syn->seq + 1;
	reset->flags = FRAME_RST | FRAME_ACK;
}

void frame_make_again(const struct frame *syn, const struct frame *refusal, struct frame *again)
{
	frame_init_in(again);
	turn_round(refusal, again);
	if (refusal->icmp.is) { /* what it quotes goes this way already, and is all that stays */
		again->src = refusal->src;
		again->dst = refusal->dst;
		again->ip_options_len = 0;
		again->extension_count = 0;
		again->checksum = FRAME_CHECKSUM_GOOD;
	}
	again->tos = syn->tos;
	again->ttl = syn->ttl;
	again->sport = syn->sport;
	again->dport = syn->dport;
	again->window = syn->window;
	again->seq = syn->seq;
	again->ack = 0;
	again->flags = syn->flags;
	memcpy(again->tcp_options, syn->tcp_options, sizeof(again->tcp_options));
	again->tcp_options_len = syn->tcp_options_len;
}

void frame_make_challenge(const struct frame *refusal, struct frame *challenge)
{
	if (refusal->icmp.is) { /* it quotes the client's packet, and goes to the client */
		frame_init_out(challenge);
		turn_round(refusal, challenge);
		memcpy(challenge->eth_dst, refusal->eth_dst, 6);
		memcpy(challenge->eth_src, refusal->eth_src, 6);
		challenge->tos = 0;
		challenge->ttl = 64;
		challenge->dport = refusal->sport;
		challenge->ip_options_len = 0;
		challenge->extension_count = 0;
		challenge->checksum = FRAME_CHECKSUM_GOOD;
	} else {
		*challenge = *refusal;
		challenge->reserved = 0;
		challenge->urgent = 0;
		challenge->pad_len = 0;
		memset(challenge->tcp_options, 0, sizeof(challenge->tcp_options));
	}
	challenge->sport = 80;
	challenge->seq = 5000;
	challenge->ack = 1001;
	challenge->flags = FRAME_ACK;
	challenge->window = 65535;
}
