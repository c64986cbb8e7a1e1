/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Records become packets, and each packet is checked. Packets that follow from the one before are
 * made here: numbers that nobody guesses.
 */
#include "packets_play.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "../bpf/frame_bytes.h"
#include "packets_change.h"
#include "packets_check.h"

enum { MADE_MAX = 2048 };

/* A frame that the programs let through, as the host or the client has it. */
struct delivered {
	bool is;
	size_t len;
	uint8_t frame[MADE_MAX];
	uint8_t sent[MADE_MAX]; /* as it came */
};

struct play {
	struct world *world;
	bool xdp;
	void (*seen)(uint32_t state);
	struct delivered in, out;
	struct packets_syns syns;
};

/* --- packets --- */

static uint32_t mix(uint32_t hash, uint32_t value)
{
	hash = (hash ^ value) * 0x9e3779b1u;
	return hash ^ hash >> 15;
}

static uint32_t flow_state(const struct packets_flow *flow)
{
	if (!flow->in_half && !flow->in_est)
		return 0;
	return 1u | (uint32_t)flow->in_est << 1 | (uint32_t)flow->flow.in_marks << 2 |
	       (uint32_t)flow->flow.out_marks << 8 | (uint32_t)flow->flow.done << 16 |
	       (uint32_t)(flow->flow.client_rst != 0) << 17;
}

static void tell(const struct play *play, bool out, const struct hook_result *result,
		 const struct packets_flow *before, const struct packets_flow *after)
{
	uint32_t state = mix((uint32_t)result->verdict << 1 | out, flow_state(before));
	unsigned i;

	for (i = 0; i < SLUICE_REASON_COUNT; i++)
		if (result->reasons[i])
			state = mix(state, i);
	play->seen(state);
	play->seen(mix(mix(77, flow_state(before)), flow_state(after)));
}

static const char *run(struct play *play, bool out, const uint8_t *frame, size_t len)
{
	struct packets_flow before, after;
	struct hook_result *result;
	struct delivered *delivered = out ? &play->out : &play->in;
	struct frame_places places;
	const char *broken;

	if (!out && frame_locate(frame, len, &places) && places.proto == IPPROTO_TCP &&
	    frame[places.l4 + 13] & FRAME_SYN)
		packets_remember_syn(&play->syns, frame, len);
	packets_find_flow(play->world, out, frame, len, &before);
	if (hook_run(play->world, out, play->xdp, frame, len, &result))
		return NULL; /* the kernel makes no such packet */
	packets_find_flow(play->world, out, frame, len, &after);
	tell(play, out, result, &before, &after);
	broken = packets_broken(play->world, out, frame, len, result, &play->syns, &after);
	if (broken) {
		frame_print_difference(stderr, frame, len, result->frame, result->len);
		return broken;
	}
	if (result->verdict == HOOK_PASS && len <= MADE_MAX && memcmp(frame, result->frame, len) &&
	    frame_locate(frame, len, &places) && places.proto == IPPROTO_TCP) {
		delivered->is = true;
		delivered->len = len;
		memcpy(delivered->sent, frame, len);
		memcpy(delivered->frame, result->frame, len);
	}
	return NULL;
}

/* The right checksum, from scratch. */
static void sum_tcp(uint8_t *frame, const struct frame_places *places)
{
	uint8_t *tcp = frame + places->l4;
	size_t len = places->end - places->l4;
	uint16_t sum;

	put16(tcp + 16, 0);
	sum = ones_add(sum_bytes(tcp, len),
		       sum_pseudo(frame + places->l3, places->family, IPPROTO_TCP, (uint32_t)len));
	put16(tcp + 16, (uint16_t)~sum);
}

/* Another packet of the connection, the other way: addresses and ports are turned round. */
static size_t turn(const struct packets_record *record, const uint8_t *from, size_t from_len,
		   uint8_t *made)
{
	struct frame_places places;
	const uint8_t *ip, *tcp;
	uint8_t mode = packets_byte(record, 1);
	uint32_t delta = packets_number(record, 3), end;
	size_t address, payload = packets_byte(record, 2);

	if (!frame_locate(from, from_len, &places))
		return 0;
	ip = from + places.l3;
	tcp = from + places.l4;
	address = places.family == 4 ? 4 : 16;
	memcpy(made, from, places.l3);
	memset(made + places.l3, 0, IP6_LEN + TCP_LEN + payload);
	end = get32(tcp + 4) + (uint32_t)(places.end - places.l4 - (size_t)(tcp[12] >> 4) * 4) +
	      !!(tcp[13] & FRAME_SYN) + !!(tcp[13] & FRAME_FIN);
	made += places.l3;
	if (places.family == 4) {
		put16(made, 0x4500);
		put16(made + 2, (uint32_t)(IP4_LEN + TCP_LEN + payload));
		put16(made + 8, 64 << 8 | IPPROTO_TCP);
	} else {
		put32(made, 0x60000000u);
		put16(made + 4, (uint32_t)(TCP_LEN + payload));
		put16(made + 6, IPPROTO_TCP << 8 | 64);
	}
	memcpy(made + (address == 4 ? 12 : 8), ip + (address == 4 ? 16 : 24), address);
	memcpy(made + (address == 4 ? 16 : 24), ip + (address == 4 ? 12 : 8), address);
	if (address == 4)
		put16(made + 10, (uint16_t)~sum_bytes(made, IP4_LEN));
	places.l4 = places.l3 + (address == 4 ? IP4_LEN : IP6_LEN);
	places.end = places.l4 + TCP_LEN + payload;
	made -= places.l3;
	memcpy(made + places.l4, tcp + 2, 2);
	memcpy(made + places.l4 + 2, tcp, 2);
	put32(made + places.l4 + 4, (mode & 1	? get32(tcp + 8)
				     : mode & 2 ? 0
						: 5000) +
					    (mode & 4 ? delta : 0));
	put32(made + places.l4 + 8, end + (mode & 8 ? delta : 0));
	made[places.l4 + 12] = 5 << 4;
	made[places.l4 + 13] = packets_byte(record, 0);
	put16(made + places.l4 + 14, 512);
	sum_tcp(made, &places);
	return places.end;
}

static const char *run_turned(struct play *play, const struct packets_record *record, bool out)
{
	static uint8_t made[MADE_MAX + 512];
	const struct delivered *last = out ? &play->in : &play->out;
	size_t len = last->is ? turn(record, last->frame, last->len, made) : 0;

	return len ? run(play, out, made, len) : NULL;
}

static void swap(uint8_t *a, uint8_t *b, size_t len)
{
	uint8_t kept[16];

	memcpy(kept, a, len);
	memcpy(a, b, len);
	memcpy(b, kept, len);
}

/* Addresses and ports of a TCP packet; changes no sum. */
static bool swap_ends(uint8_t *frame, size_t len)
{
	struct frame_places places;
	uint8_t *ip;

	if (!frame_locate(frame, len, &places) || places.proto != IPPROTO_TCP)
		return false;
	ip = frame + places.l3;
	if (places.family == 4)
		swap(ip + 12, ip + 16, 4);
	else
		swap(ip + 8, ip + 24, 16);
	swap(frame + places.l4, frame + places.l4 + 2, 2);
	return true;
}

/*
 * Egress undoes ingress: what was delivered, sent back, has on the wire each byte that came. Ones'
 * complement has two zeros, so a checksum that is one of them may come back as the other.
 */
static const char *run_mirrored(struct play *play)
{
	static uint8_t sent[MADE_MAX], back[MADE_MAX], made[MADE_MAX];
	size_t len = play->in.len, check;
	struct frame_places places;
	const char *broken;

	if (!play->in.is)
		return NULL;
	memcpy(made, play->in.frame, len);
	memcpy(sent, play->in.sent, len);
	if (!swap_ends(made, len) || !swap_ends(sent, len) || !frame_locate(made, len, &places))
		return NULL;
	play->out.is = false;
	broken = run(play, true, made, len);
	if (broken || !play->out.is)
		return broken;
	memcpy(back, play->out.frame, len);
	check = places.l4 + 16;
	if ((get16(back + check) == 0 || get16(back + check) == 0xffff) &&
	    (get16(sent + check) == 0 || get16(sent + check) == 0xffff))
		memcpy(back + check, sent + check, 2);
	if (!memcmp(back, sent, len))
		return NULL;
	frame_print_difference(stderr, sent, len, back, len);
	return "egress does not undo ingress";
}

/* The frame's source port, or the quoted destination port, becomes the delivered one's. */
static const char *run_from_same(struct play *play, const struct packets_record *record)
{
	static uint8_t made[MADE_MAX];
	struct frame_places places, last;
	size_t at, check;
	uint16_t sum;

	memcpy(made, record->body, record->len);
	if (!play->in.is || !frame_locate(made, record->len, &places) ||
	    !frame_locate(play->in.frame, play->in.len, &last) ||
	    (places.proto != IPPROTO_TCP && !places.quote_l4))
		return run(play, true, record->body, record->len);
	at = places.proto == IPPROTO_TCP ? places.l4 : places.quote_l4 + 2;
	check = places.l4 + (places.proto == IPPROTO_TCP ? 16 : 2);
	sum = ones_add((uint16_t)~get16(made + check), (uint16_t)~get16(made + at));
	memcpy(made + at, play->in.frame + last.l4 + 2, 2);
	put16(made + check, (uint16_t)~ones_add(sum, get16(made + at)));
	return run(play, true, made, record->len);
}

static const char *play_record(struct play *play, const struct packets_record *record)
{
	switch (record->kind) {
	case PACKETS_IN:
	case PACKETS_OUT:
		return run(play, record->kind == PACKETS_OUT, record->body, record->len);
	case PACKETS_OUT_SAME:
		return run_from_same(play, record);
	case PACKETS_TURN:
		return run_turned(play, record, true);
	case PACKETS_FOLLOW:
		return run_turned(play, record, false);
	case PACKETS_MIRROR:
		return run_mirrored(play);
	default:
		packets_change(play->world, record);
		return NULL;
	}
}

const char *packets_play(struct world *world, const struct packets_input *input,
			 void (*seen)(uint32_t state))
{
	static struct play play;
	int moved[SLUICE_REASON_COUNT];
	const char *broken = NULL;
	unsigned i;

	memset(&play, 0, sizeof(play));
	play.world = world;
	play.xdp = input->settings & PACKETS_XDP;
	play.seen = seen;
	if (world_reset(world) || hook_count(world, moved))
		return "the maps cannot be emptied";
	for (i = 0; i < input->count && !broken; i++)
		broken = play_record(&play, &input->records[i]);
	if (broken)
		fprintf(stderr, "record %u: %s\n", i - 1, broken);
	return broken;
}
