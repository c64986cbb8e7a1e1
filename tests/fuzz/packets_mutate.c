/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The mutator. Numbers are drawn near those that the path knows: the ports and addresses of the
 * packet cases, sequence numbers a little off.
 */
#include "packets_mutate.h"

#include <netinet/in.h>
#include <string.h>

#include "../bpf/frame_bytes.h"
#include "frame.h"

struct dice {
	uint64_t state;
};

/* SplitMix64. 0 if there are no sides: an IP header may say that it is empty. */
static uint32_t roll(struct dice *dice, uint32_t sides)
{
	uint64_t z = dice->state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return sides ? (uint32_t)((z ^ z >> 31) >> 16) % sides : 0;
}

static void mend(uint8_t *frame, const struct frame_places *places)
{
	size_t len = places->end - places->l4,
	       check = places->l4 + (places->proto == IPPROTO_TCP ? 16 : 2);
	uint16_t sum;

	put16(frame + check, 0);
	sum = sum_bytes(frame + places->l4, len);
	if (places->proto != IPPROTO_ICMP)
		sum = ones_add(sum, sum_pseudo(frame + places->l3, places->family, places->proto,
					       (uint32_t)len));
	put16(frame + check, (uint16_t)~sum);
}

static void change_tcp(struct dice *dice, uint8_t *tcp)
{
	static const uint8_t flags[] = { 0x02, 0x10, 0x12, 0x11, 0x14, 0x04, 0x18, 0xc2, 0x00 };
	static const uint16_t ports[] = { 80, 81, 443, 31001, 31002, 31003, 30999, 32001, 40000 };
	uint8_t *number = tcp + (roll(dice, 2) ? 4 : 8);

	switch (roll(dice, 7)) {
	case 0:
		put16(tcp + 2 * roll(dice, 2), ports[roll(dice, 9)]);
		break;
	case 1:
		put32(number, get32(number) + roll(dice, 5) - 2);
		break;
	case 2:
		put32(number, get32(number) + roll(dice, 1 << 20));
		break;
	case 3:
		put32(number, roll(dice, UINT32_MAX));
		break;
	case 4:
		tcp[13] = flags[roll(dice, 9)];
		break;
	case 5:
		tcp[13] ^= (uint8_t)(1u << roll(dice, 8));
		break;
	default:
		tcp[12] = (uint8_t)(roll(dice, 16) << 4);
	}
}

static void change_frame(struct dice *dice, struct packets_record *record)
{
	struct frame_places places;
	uint8_t *frame = record->body;

	if (!frame_locate(frame, record->len, &places)) {
		if (record->len)
			frame[roll(dice, (uint32_t)record->len)] ^= (uint8_t)(1u << roll(dice, 8));
		return;
	}
	switch (roll(dice, 8)) {
	case 0: /* anything in the IP header */
		frame[places.l3 + roll(dice, (uint32_t)(places.l4 - places.l3))] =
			(uint8_t)roll(dice, 256);
		break;
	case 1:
		record->len = roll(dice, (uint32_t)record->len + 1);
		return;
	case 2: /* an address, a little */
		frame[places.l3 + (places.family == 4 ? 15 : 23) +
		      (places.family == 4 ? 4 : 16) * roll(dice, 2)] ^= (uint8_t)roll(dice, 4);
		break;
	case 3: /* a tag */
		if (record->len + 4 > PACKETS_BODY_MAX)
			return;
		memmove(frame + 16, frame + 12, record->len - 12);
		put32(frame + 12, 0x81000000u | roll(dice, 4096));
		record->len += 4;
		return;
	default:
		change_tcp(dice, frame + (places.quote_l4 && roll(dice, 2) &&
							  places.quote_l4 + TCP_LEN <= record->len
						  ? places.quote_l4
						  : places.l4));
	}
	if (roll(dice, 10) && frame_locate(frame, record->len, &places) &&
	    places.l4 + TCP_LEN <= places.end)
		mend(frame, &places);
}

/* Most of what goes on in a connection follows from the packet before. */
static void fill_record(struct dice *dice, struct packets_record *record)
{
	static const uint8_t flags[] = { 0x12, 0x10, 0x11, 0x14, 0x18, 0x04 };
	static const enum packets_kind kinds[] = { PACKETS_TURN, PACKETS_TURN, PACKETS_FOLLOW,
						   PACKETS_FOLLOW, PACKETS_MIRROR };
	static const uint32_t ages[] = { 200, 900, 1100, 2100, 76000, 7300000 };
	unsigned i;

	memset(record->body, 0, 32);
	record->kind = roll(dice, 3) ? kinds[roll(dice, 5)]
				     : (enum packets_kind)roll(dice, PACKETS_KINDS);
	record->len = 12;
	for (i = 0; i < 12; i++)
		record->body[i] = (uint8_t)roll(dice, 256);
	switch (record->kind) {
	case PACKETS_TURN:
	case PACKETS_FOLLOW:
		record->body[0] = flags[roll(dice, 6)];
		record->body[1] = (uint8_t)roll(dice, 4);
		record->body[2] = roll(dice, 3) ? 0 : (uint8_t)roll(dice, 60);
		break;
	case PACKETS_BACKEND:
		record->body[0] &= 3;
		record->body[1] = 0;
		put16(record->body + 2, 31000 + roll(dice, 4));
		record->body[4] = 2;
		break;
	case PACKETS_SET:
		record->body[0] = 0;
		for (i = 5; i < 12; i++)
			record->body[i] &= 3;
		break;
	case PACKETS_AGE:
		put32(record->body, ages[roll(dice, 6)]);
		break;
	case PACKETS_MIRROR:
		record->len = 0;
		break;
	default:
		break;
	}
}

static void insert_record(struct dice *dice, struct packets_input *input)
{
	unsigned at;

	if (input->count == PACKETS_RECORDS)
		return;
	at = roll(dice, input->count + 1);
	memmove(&input->records[at + 1], &input->records[at],
		(input->count - at) * sizeof(input->records[0]));
	input->count++;
	if (input->count > 1 && !roll(dice, 3)) /* one that is there already */
		input->records[at] =
			input->records[(at + 1 + roll(dice, input->count - 1)) % input->count];
	else
		fill_record(dice, &input->records[at]);
}

static void remove_record(struct dice *dice, struct packets_input *input)
{
	unsigned at;

	if (!input->count)
		return;
	at = roll(dice, input->count--);
	memmove(&input->records[at], &input->records[at + 1],
		(input->count - at) * sizeof(input->records[0]));
}

static void change_record(struct dice *dice, struct packets_record *record,
			  size_t (*raw)(uint8_t *data, size_t len, size_t room))
{
	if (record->kind <= PACKETS_OUT_SAME && roll(dice, 8))
		change_frame(dice, record);
	else if (record->kind == PACKETS_TURN || record->kind == PACKETS_FOLLOW)
		fill_record(dice, record);
	else
		record->len = raw(record->body, record->len, PACKETS_BODY_MAX);
}

void packets_mutate(struct packets_input *input, unsigned seed,
		    size_t (*raw)(uint8_t *data, size_t len, size_t room))
{
	struct dice dice = { .state = seed };
	unsigned times = 1 + roll(&dice, 4);

	while (times--) {
		switch (roll(&dice, 8)) {
		case 0:
		case 1:
		case 2:
			insert_record(&dice, input);
			break;
		case 3:
			remove_record(&dice, input);
			break;
		case 4:
			input->settings ^= PACKETS_XDP;
			break;
		default:
			if (input->count)
				change_record(&dice, &input->records[roll(&dice, input->count)],
					      raw);
		}
	}
}

void packets_cross(struct packets_input *to, const struct packets_input *other, unsigned seed)
{
	struct dice dice = { .state = seed };
	unsigned i;

	to->count = roll(&dice, to->count + 1);
	for (i = roll(&dice, other->count + 1); i < other->count; i++)
		packets_add(to, other->records[i].kind, other->records[i].body,
			    other->records[i].len);
}
