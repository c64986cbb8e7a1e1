/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A queue of pointers, first in first out, in a ring of fixed size. It owns nothing that is in it.
 */
#ifndef LAB_PROGRAM_RING_H
#define LAB_PROGRAM_RING_H

#include <stddef.h>

struct ring {
	void **slots;
	size_t size, head, count;
};

/* Empty, with room for size. 0 or -ENOMEM; ring_release() is right after either. */
int ring_init(struct ring *ring, size_t size);
void ring_release(struct ring *ring);

/* Never more than size at a time: not checked. */
void ring_push(struct ring *ring, void *thing);
/* The one that came first. Only where count is not 0. */
void *ring_pop(struct ring *ring);

#endif
