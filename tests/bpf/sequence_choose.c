/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The steps of random sequences. Few clients and ports, so that flows meet; numbers near those that
 * the model knows, so that something comes of them. Ages are multiples of one unit, no sum of which
 * comes near a time that the design names.
 */
#include <netinet/in.h>
#include <string.h>

#include "sequence.h"

enum { AGE_UNIT_MS = 290 };

/* SplitMix64. */
static uint32_t roll(struct sequence_dice *dice, uint32_t sides)
{
	uint64_t z = dice->state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return (uint32_t)((z ^ z >> 31) >> 16) % sides;
}

static bool chance(struct sequence_dice *dice, unsigned percent)
{
	return roll(dice, 100) < percent;
}

static uint32_t any_number(struct sequence_dice *dice)
{
	static const uint32_t favourites[] = { 0, 1000, 5000, 0xffffffff, 0xfffffff0, 0x80000000 };

	return chance(dice, 50) ? favourites[roll(dice, 6)] : roll(dice, 0xffffffff);
}

/* One of the numbers that matter, or near it. */
static uint32_t some(struct sequence_dice *dice, const uint32_t *numbers, unsigned count)
{
	uint32_t number = numbers[roll(dice, count)];

	if (chance(dice, 6))
		return number + roll(dice, 200000) - 100000;
	if (chance(dice, 6))
		return number + roll(dice, 3) - 1;
	return chance(dice, 2) ? any_number(dice) : number;
}

static uint8_t some_flags(struct sequence_dice *dice, const char *const *choices, unsigned count)
{
	struct frame frame;

	frame_set_flags(&frame, choices[roll(dice, count)]);
	return frame.flags;
}

static void choose_tuple(struct sequence_dice *dice, struct frame *frame)
{
	if (chance(dice, 30))
		frame->src.bytes[15] = 3;
	frame->sport = (uint16_t)(40000 + roll(dice, 2));
	frame->dport = chance(dice, 85) ? 80 : 81;
	if (chance(dice, 1))
		frame->dst.bytes[15] = 9;
	frame->payload_len = chance(dice, 25) ? 1 + roll(dice, 40) : 0;
	frame->tos = (uint8_t)roll(dice, 256);
	if (chance(dice, 30)) {
		frame->tcp_options_len = 4 * roll(dice, 11);
		memset(frame->tcp_options, 1, frame->tcp_options_len);
	}
}

/* A connection whose backend gets no new ones: nobody but its time-out can say that it is over. */
static bool is_lonely(const struct model *model, const struct model_flow *flow)
{
	const struct model_backend *backend = &model->backends[flow->slot];

	return flow->used && flow->lives_in_est && backend->generation == flow->generation &&
	       backend->state != SLUICE_BACKEND_UP;
}

static bool is_answered(const struct model_flow *flow)
{
	return flow->used && !flow->done && flow->out_marks == SLUICE_OUT_SYNACK;
}

static void choose_in(struct sequence_dice *dice, struct model *model, struct frame *frame)
{
	static const char *const usual[] = { "S", "S",	"A",   "A",    "A",  "PA", "PA", "FA", "FA",
					     "R", "RA", "SEC", "none", "SA", "SF", "SR", "F",  "P" };
	const struct model_flow *flow =
		model_find(model, &frame->src, &frame->dst, frame->sport, frame->dport);
	const struct model_flow nothing = { .used = false };

	frame->flags = flow || chance(dice, 20) ? some_flags(dice, usual, 18) : FRAME_SYN;
	if (flow && is_lonely(model, flow) && chance(dice, 50))
		frame->flags = FRAME_SYN;
	if (!flow)
		flow = &nothing;

	const uint32_t seqs[] = { flow->client_next,	flow->client_next, flow->client_next,
				  flow->client_isn + 1, flow->client_fin,  flow->next_isn + 1 };
	const uint32_t acks[] = {
		flow->server_next,    flow->server_next,	   flow->server_next,
		flow->server_isn + 1, flow->server_isn_before + 1, flow->server_fin,
		flow->server_fin
	};

	if (frame->flags & FRAME_SYN) {
		frame->seq = chance(dice, 60) ? flow->client_isn : any_number(dice);
		if (chance(dice, 70))
			frame->payload_len = 0;
	} else {
		frame->seq = some(dice, seqs, 6);
	}
	frame->ack = some(dice, acks, 7);
	if (flow->before_ack && !flow->out_marks &&
	    chance(dice, 20)) { /* the client resets the connection before */
		frame->flags = FRAME_RST;
		frame->seq = flow->before_ack;
		frame->payload_len = 0;
	}
	if (is_answered(flow) && chance(dice, 35)) { /* or few handshakes would ever be done */
		frame->flags = FRAME_ACK;
		frame->seq = flow->client_isn + 1;
		frame->ack = flow->server_next;
		frame->payload_len = 0;
	}
	if (chance(dice, 4)) { /* straight to a host-port */
		frame->dport = (uint16_t)(31001 + roll(dice, 6));
		if (flow->used && chance(dice, 70))
			frame->dport = flow->port;
		if (chance(dice, 50))
			frame->flags = FRAME_SYN;
	}
}

static void choose_out(struct sequence_dice *dice, struct model *model, struct frame *in,
		       struct frame *frame)
{
	static const char *const usual[] = { "SA", "SA", "SA", "A",  "A", "PA",	  "PA",
					     "FA", "FA", "RA", "RA", "R", "none", "F" };
	const struct model_flow *flow = model_find(model, &in->src, &in->dst, in->sport, in->dport);
	const struct model_flow nothing = { .port = 31001 };

	frame->src = in->dst;
	frame->dst = in->src;
	frame->dport = in->sport;
	frame->payload_len = in->payload_len;
	if (!flow)
		flow = &nothing;
	frame->sport = chance(dice, 92) ? flow->port : (uint16_t)(31001 + roll(dice, 6));
	frame->flags = some_flags(dice, usual, 14);

	const uint32_t seqs[] = { flow->server_next, flow->server_next, flow->server_isn,
				  flow->server_fin, flow->server_isn + 1 };
	const uint32_t acks[] = { flow->client_next,
				  flow->client_next,
				  flow->client_isn + 1,
				  flow->client_isn + 1,
				  flow->client_isn + 1 + flow->syn_payload,
				  flow->client_fin,
				  flow->client_fin,
				  flow->next_isn + 1 };

	frame->seq = some(dice, seqs, 5);
	frame->ack = some(dice, acks, 8);
	if (flow->before_ack && !flow->done && !flow->out_marks &&
	    chance(dice, 30)) { /* its kernel holds the connection before */
		frame->flags = FRAME_ACK;
		frame->seq = any_number(dice);
		frame->ack = flow->before_ack;
		frame->payload_len = 0;
		return;
	}
	if (flow->used && !flow->done && !(flow->out_marks & SLUICE_OUT_SYNACK) &&
	    chance(dice, 70)) { /* refuse it, or take it */
		frame->flags = FRAME_RST | FRAME_ACK;
		frame->seq = 0;
		frame->ack = flow->client_isn + 1;
		frame->payload_len = 0;
		if (chance(dice, 60)) {
			frame->flags = FRAME_SYN | FRAME_ACK;
			frame->seq = any_number(dice);
		}
		return;
	}
	if (flow->used && flow->done && (flow->in_marks & SLUICE_IN_NEW_SYN) &&
	    chance(dice, 20)) { /* refuse the newer one */
		frame->flags = FRAME_RST | FRAME_ACK;
		frame->seq = 0;
		frame->ack = flow->next_isn + 1;
		frame->payload_len = 0;
		return;
	}
	if (flow->used && flow->done && (flow->in_marks & SLUICE_IN_NEW_SYN) &&
	    chance(dice, 15)) { /* the backend takes the newer SYN */
		frame->flags = FRAME_SYN | FRAME_ACK;
		frame->ack = flow->next_isn + 1;
	}
	if (frame->flags & FRAME_SYN) {
		frame->payload_len = 0;
		if (chance(dice, 30))
			frame->seq = any_number(dice);
	}
	if (flow->used && flow->done && chance(dice, 8)) {
		/* what answers a segment that somebody has forged, or the client's after the end */
		const uint32_t bare[] = { flow->server_isn + 1, flow->server_isn_before + 1,
					  flow->server_fin,	flow->server_fin - 1,
					  any_number(dice),	any_number(dice),
					  any_number(dice),	any_number(dice) };

		frame->flags = FRAME_RST;
		frame->seq = some(dice, bare, 8);
		frame->payload_len = 0;
		return;
	}
	if (frame->flags & FRAME_RST && chance(dice, 80)) {
		frame->payload_len = 0;
		if (chance(dice, 70))
			frame->seq = 0;
	}
}

/* What stands in front of TCP: tags, IPv4 options, IPv6 extension headers, fragments. */
static void choose_shape(struct sequence_dice *dice, struct frame *frame)
{
	bool later = chance(dice, 30), fragment = chance(dice, 20);
	bool is_broken = chance(dice, 2);

	if (chance(dice, 12)) {
		frame->tag_count = 1 + roll(dice, 2);
		frame->tags[0].proto = frame->tag_count == 2 ? 0x88a8 : 0x8100;
		frame->tags[1].proto = 0x8100;
		frame->tags[0].tci = (uint16_t)roll(dice, 4096);
		frame->tags[1].tci = (uint16_t)roll(dice, 4096);
	}
	if (is_broken && !frame->icmp.is) /* a header of 16 bytes, or one longer than the packet */
		frame->doff = (struct frame_override){ true, chance(dice, 50) ? 4 : 15 };
	if (frame->doff.set && frame->doff.value > 4)
		frame->tcp_options_len = frame->payload_len = 0;
	if ((!chance(dice, 15) && !is_broken) || frame->icmp.is)
		return;
	if (!is_broken && (frame->flags & FRAME_RST || frame->flags == FRAME_ACK))
		fragment = false; /* a kernel sends those whole */
	if (frame->family == 4) {
		frame->ip_options_len = 4 * roll(dice, 11);
		memset(frame->ip_options, 1, frame->ip_options_len);
		if (fragment)
			frame->frag = later ? 1 + (uint16_t)roll(dice, 100) : 0x2000;
		return;
	}
	frame->extensions[0].proto = chance(dice, 50) ? IPPROTO_HOPOPTS : IPPROTO_DSTOPTS;
	frame->extensions[0].len = (uint8_t)(8 + 8 * roll(dice, 4));
	frame->extension_count = 1;
	if (chance(dice, 10))
		frame->extensions[0].proto = IPPROTO_ROUTING;
	if (!fragment || frame->extensions[0].proto == IPPROTO_ROUTING)
		return;
	frame->extensions[1].proto = IPPROTO_FRAGMENT;
	frame->extensions[1].len = 8;
	frame->extensions[1].frag = later ? (uint16_t)(8 * (1 + roll(dice, 100))) : 1;
	frame->extension_count = 2;
}

/* An error about a packet that went the other way. */
static void choose_icmp(struct sequence_dice *dice, struct model *model, bool out,
			struct frame *frame)
{
	static const char *const kinds[] = { "toobig", "time", "port", "unreachable" };
	struct frame other = *frame; /* as if the error's direction had sent it */
	const struct model_flow *flow;

	frame_parse_icmp(kinds[roll(dice, 4)], &frame->icmp);
	frame->icmp.mtu = 1300;
	frame->ip_options_len = frame->extension_count = 0;
	if (out) { /* quotes what came in */
		flow = model_find(model, &frame->src, &frame->dst, frame->sport, frame->dport);
		if (flow) {
			frame->dport = flow->port;
			frame->seq = chance(dice, 80) ? flow->client_isn : flow->next_isn;
			frame->flags = FRAME_SYN;
		}
		return;
	}
	frame->src = other.dst;
	frame->dst = other.src;
	frame->sport = other.dport;
	frame->dport = other.sport;
}

static void choose_set(struct sequence_dice *dice, struct sequence_step *step)
{
	struct model_set *set = &step->set;
	unsigned slot;

	step->kind = SEQUENCE_SET;
	step->service = chance(dice, 80) ? 1 : 2;
	set->published = true;
	set->balance = (enum sluice_balance)(1 + roll(dice, 4));
	set->on_empty = (enum sluice_on_empty)roll(dice, 3);
	set->on_full = (enum sluice_on_full)roll(dice, 2);
	set->maxconn = chance(dice, 55) ? 0 : 1 + roll(dice, 2);
	for (slot = 1; slot < MODEL_SLOTS - 1; slot++)
		if (chance(dice, 60))
			set->table[set->len++] = (uint16_t)slot;
	if (chance(dice, 5))
		set->len = 0;
}

/* Seldom: most that follows in the sequence depends on it. */
static void choose_access(struct sequence_dice *dice, struct sequence_step *step)
{
	step->service = chance(dice, 70) ? 1 : 2;
	if (chance(dice, 40)) {
		step->kind = SEQUENCE_TEAR;
	} else if (chance(dice, 50)) {
		step->kind = SEQUENCE_RATE;
	} else {
		step->kind = SEQUENCE_ALLOW;
		step->value = chance(dice, 30) ? 0 : chance(dice, 70) ? 1 : 3;
	}
}

static bool has_lonely(const struct model *model)
{
	const struct model_flow *flow;

	for (flow = model->flows; flow < model->flows + MODEL_FLOWS; flow++)
		if (is_lonely(model, flow))
			return true;
	return false;
}

static void choose_change(struct sequence_dice *dice, struct sequence_step *step)
{
	/* the long ones are 4/3 of a time-out and a little: from then on nothing of it is counted */
	static const unsigned ages[] = { 1, 1, 2, 3,   3,    4,
					 7, 8, 8, 350, 1035, SEQUENCE_FOREVER_MS / AGE_UNIT_MS };

	step->slot = 1 + roll(dice, MODEL_SLOTS - 2);
	switch (roll(dice, 12)) {
	case 0:
	case 1:
	case 2:
	case 3:
		step->kind = SEQUENCE_AGE;
		step->value = AGE_UNIT_MS * ages[roll(dice, 12)];
		break;
	case 4:
	case 5:
		choose_set(dice, step);
		break;
	case 6:
	case 7:
		step->kind = SEQUENCE_STATE;
		step->value = chance(dice, 60) ? SLUICE_BACKEND_UP : 1 + roll(dice, 5);
		step->weight = chance(dice, 90) ? 1 + roll(dice, 3) : 0;
		break;
	case 8:
		step->kind = SEQUENCE_BACKEND;
		step->service = chance(dice, 85) ? 1 : 2;
		/* seldom one that no packet may be sent to */
		step->value = (chance(dice, 90) ? 31000 : 32000) + step->slot;
		step->weight = 1 + roll(dice, 2);
		break;
	case 9:
		step->kind = SEQUENCE_RETIRE;
		break;
	case 10:
		step->kind = SEQUENCE_LEAVE;
		step->service = chance(dice, 70) ? 1 : 2;
		step->value = chance(dice, 35);
		break;
	default:
		choose_access(dice, step);
	}
}

/* The first steps make a world in which something can happen. */
void sequence_choose(struct sequence_dice *dice, struct model *model, unsigned family,
		     unsigned number, struct sequence_step *step)
{
	struct frame other;

	memset(step, 0, sizeof(*step));
	if (number < 4) {
		step->kind = SEQUENCE_BACKEND;
		step->slot = number + 1;
		step->service = number == 3 ? 2 : 1;
		step->value = 31000 + step->slot;
		step->weight = 1 + roll(dice, 2);
		return;
	}
	if (number < 6) {
		choose_set(dice, step);
		step->service = number - 3;
		if (number == 5 && chance(dice, 20)) { /* a service that never had a set */
			step->kind = SEQUENCE_AGE;
			step->value = 0;
		}
		return;
	}
	if (chance(dice, 12)) {
		choose_change(dice, step);
		return;
	}
	if (has_lonely(model) && chance(dice, 4)) {
		step->kind = SEQUENCE_AGE;
		step->value = SEQUENCE_FOREVER_MS;
		return;
	}
	step->kind = chance(dice, 55) ? SEQUENCE_IN : SEQUENCE_OUT;
	frame_init_in(&step->frame);
	frame_init_out(&other);
	if (family == 6) {
		frame_make_six(&step->frame);
		frame_make_six(&other);
	}
	choose_tuple(dice, &step->frame);
	if (chance(dice, 5)) {
		choose_icmp(dice, model, step->kind == SEQUENCE_OUT, &step->frame);
		return;
	}
	if (step->kind == SEQUENCE_IN) {
		choose_in(dice, model, &step->frame);
		choose_shape(dice, &step->frame);
		return;
	}
	choose_out(dice, model, &step->frame, &other);
	choose_shape(dice, &other);
	step->frame = other;
}
