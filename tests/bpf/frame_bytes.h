/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Numbers and checksums in frames. Everything is written at an offset and summed over finished
 * bytes: nothing incremental, nothing shared with what is tested. Only for frame*.c.
 */
#ifndef TESTS_FRAME_BYTES_H
#define TESTS_FRAME_BYTES_H

#include <stddef.h>
#include <stdint.h>

enum { ETH_LEN = 14, TAG_LEN = 4, IP4_LEN = 20, IP6_LEN = 40, TCP_LEN = 20, ICMP_LEN = 8 };

static inline void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static inline void put32(uint8_t *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value & 0xffff);
}

static inline uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t get32(const uint8_t *at)
{
	return (uint32_t)get16(at) << 16 | get16(at + 2);
}

static inline uint16_t ones_add(uint32_t a, uint32_t b)
{
	uint32_t sum = a + b;

	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static inline uint16_t ones_sub(uint16_t a, uint16_t b)
{
	return ones_add(a, (uint16_t)~b);
}

static inline uint16_t sum_bytes(const uint8_t *data, size_t len)
{
	uint16_t sum = 0;
	size_t i;

	for (i = 0; i + 1 < len; i += 2)
		sum = ones_add(sum, get16(data + i));
	if (len & 1)
		sum = ones_add(sum, (uint32_t)data[len - 1] << 8);
	return sum;
}

/* ip: the IP header. proto: of the segment, behind extension headers (RFC 8200 section 8.1). */
static inline uint16_t sum_pseudo(const uint8_t *ip, unsigned family, uint8_t proto,
				  uint32_t segment_len)
{
	uint16_t sum = family == 4 ? sum_bytes(ip + 12, 8) : sum_bytes(ip + 8, 32);

	sum = ones_add(sum, proto);
	return ones_add(sum, ones_add(segment_len >> 16, segment_len & 0xffff));
}

#endif
