/* SPDX-License-Identifier: GPL-2.0-only */
/* See pieces.h. FNV-1a over the input seeds a xorshift. */
#include "pieces.h"

#include <stdlib.h>
#include <string.h>

#include "must.h"

enum { BYTES = 512 }; /* one by one; a long input's rest comes at once */

void pieces_init(struct pieces *pieces, const uint8_t *data, size_t len, unsigned way)
{
	uint64_t hash = 14695981039346656037u + way;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ data[i]) * 1099511628211u;
	*pieces = (struct pieces){ .data = data, .len = len, .state = hash | 1 };
}

static size_t length(struct pieces *pieces, unsigned way, size_t left)
{
	size_t len;

	if (way == 0)
		return left;
	if (way == 1)
		return pieces->at < BYTES ? 1 : left;
	pieces->state ^= pieces->state << 13;
	pieces->state ^= pieces->state >> 7;
	pieces->state ^= pieces->state << 17;
	len = 1 + pieces->state % (way % 2 ? 4096 : 12);
	return len < left ? len : left;
}

const char *pieces_next(struct pieces *pieces, unsigned way, size_t *len)
{
	free(pieces->piece);
	pieces->piece = NULL;
	if (pieces->at == pieces->len)
		return NULL;
	*len = length(pieces, way, pieces->len - pieces->at);
	pieces->piece = malloc(*len);
	must(pieces->piece);
	memcpy(pieces->piece, pieces->data + pieces->at, *len);
	pieces->at += *len;
	return pieces->piece;
}
