/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How an input is cut into reads. The cuts follow from the bytes themselves, so that a recorded payload is an input as it is, and
 * from a number, so that one input is cut in several ways. Each piece is a copy of its own: ASan sees a read beyond it.
 */
#ifndef FUZZ_PIECES_H
#define FUZZ_PIECES_H

#include <stddef.h>
#include <stdint.h>

struct pieces {
	const uint8_t *data;
	size_t len, at;
	uint64_t state;
	char *piece; /* the current one */
};

/* data must outlive pieces. way 0: one piece, 1: bytes, at first; else of random length, short ones for even numbers. */
void pieces_init(struct pieces *pieces, const uint8_t *data, size_t len, unsigned way);
/* The next piece, valid until the next call; NULL after the last. */
const char *pieces_next(struct pieces *pieces, unsigned way, size_t *len);

#endif
