/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The queue of ring.h.
 */
#include "ring.h"

#include <errno.h>
#include <stdlib.h>

int ring_init(struct ring *ring, size_t size)
{
	*ring = (struct ring){ .slots = calloc(size, sizeof(*ring->slots)), .size = size };
	return ring->slots ? 0 : -ENOMEM;
}

void ring_release(struct ring *ring)
{
	free(ring->slots);
	*ring = (struct ring){ 0 };
}

void ring_push(struct ring *ring, void *thing)
{
	ring->slots[(ring->head + ring->count++) % ring->size] = thing;
}

void *ring_pop(struct ring *ring)
{
	void *thing = ring->slots[ring->head];

	ring->head = (ring->head + 1) % ring->size;
	ring->count--;
	return thing;
}
