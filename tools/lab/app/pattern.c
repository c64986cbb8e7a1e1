/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The noise behind pattern.h: a linear congruential generator modulo 2^32, of which the highest byte is taken.
 */
#define _GNU_SOURCE
#include "pattern.h"

#include <stdbool.h>
#include <string.h>

static uint8_t block[PATTERN_PERIOD];
static bool made;

const uint8_t *pattern_at(uint64_t offset, size_t *len)
{
	const size_t at = (size_t)(offset % PATTERN_PERIOD);
	uint32_t state = 1;

	for (size_t i = 0; !made && i < sizeof(block); i++) {
		state = state * 1664525 + 1013904223;
		block[i] = (uint8_t)(state >> 24);
	}
	made = true;
	*len = sizeof(block) - at;
	return block + at;
}

size_t pattern_wrong(uint64_t offset, const void *bytes, size_t len)
{
	const uint8_t *got = bytes;
	size_t wrong = 0;

	while (len) {
		size_t run;
		const uint8_t *want = pattern_at(offset, &run);

		if (run > len)
			run = len;
		if (memcmp(got, want, run)) {
			for (size_t i = 0; i < run; i++)
				wrong += got[i] != want[i];
		}
		offset += run;
		got += run;
		len -= run;
	}
	return wrong;
}
