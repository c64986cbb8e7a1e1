/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the bytes of an input for the packets target mean: one byte of settings, then records (kind,
 * length as two bytes with the low one first, body), each a frame in or out, a frame made from the
 * last one, or a change of the maps. Every sequence of bytes is an input: a kind is taken modulo
 * their number, a length ends where the input does. Knows neither maps nor programs.
 */
#ifndef TESTS_FUZZ_PACKETS_INPUT_H
#define TESTS_FUZZ_PACKETS_INPUT_H

#include <stddef.h>
#include <stdint.h>

#define PACKETS_INPUT_MAX 16384
#define PACKETS_RECORDS 96
#define PACKETS_BODY_MAX 2048

#define PACKETS_XDP 0x01 /* settings: XDP comes first */

enum packets_kind {
	PACKETS_IN,	  /* a frame */
	PACKETS_OUT,	  /* a frame */
	PACKETS_OUT_SAME, /* a frame, from the port that the last one in was delivered to */
	PACKETS_TURN,	  /* backend's answer to the last one in: flags, mode, payload, 4 bytes */
	PACKETS_FOLLOW,	  /* client's answer to the last one out: the same */
	PACKETS_MIRROR,	  /* the last one in sent back as it is: no body */
	PACKETS_SERVICE,  /* index, port (2), how many addresses, 4 bytes each */
	PACKETS_LOCAL,	  /* 1 to remove, family 4 or 6, address (16, IPv4 in the last four) */
	PACKETS_BACKEND,  /* slot, service, port (2), state, weight */
	PACKETS_STATE,	  /* slot, state, weight, suspect, active */
	PACKETS_RETIRE,	  /* slot */
	PACKETS_SET,	  /* service, balance, on_empty, on_full, maxconn, slots ... */
	PACKETS_TEAR,	  /* service */
	PACKETS_AGE,	  /* milliseconds (4) */
	PACKETS_RATE,	  /* service, connections a second, prefix of IPv4, of IPv6 */
	PACKETS_ALLOW,	  /* service, family 4 or 6, prefix, address (16) */
	PACKETS_LEAVE,	  /* service, 1 to leave, 0 to stay */
	PACKETS_KINDS,
};

struct packets_record {
	enum packets_kind kind;
	size_t len;
	uint8_t body[PACKETS_BODY_MAX];
};

struct packets_input {
	uint8_t settings;
	unsigned count;
	struct packets_record records[PACKETS_RECORDS];
};

/* Never fails: what is too much is left out. */
void packets_decode(struct packets_input *input, const uint8_t *data, size_t len);
/* Returns the length; records that have no room are left out. */
size_t packets_encode(const struct packets_input *input, uint8_t *data, size_t room);

/* A new record at the end; NULL if there is no room. */
struct packets_record *packets_add(struct packets_input *input, enum packets_kind kind,
				   const uint8_t *body, size_t len);

/* Numbers in a record's body, the high byte first; 0 behind its end. */
static inline uint8_t packets_byte(const struct packets_record *record, size_t at)
{
	return at < record->len ? record->body[at] : 0;
}

static inline uint16_t packets_word(const struct packets_record *record, size_t at)
{
	return (uint16_t)(packets_byte(record, at) << 8 | packets_byte(record, at + 1));
}

static inline uint32_t packets_number(const struct packets_record *record, size_t at)
{
	return (uint32_t)packets_word(record, at) << 16 | packets_word(record, at + 2);
}

#endif
