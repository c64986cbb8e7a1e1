/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the model asks of a packet before it looks for a flow: is it a fragment, may its sender
 * connect. Only for model*.c.
 */
#ifndef TESTS_MODEL_ACCESS_H
#define TESTS_MODEL_ACCESS_H

#include "model.h"

/* The first of several, and one behind it. */
bool model_is_fragment(const struct frame *packet);
/* Its TCP header says that it is shorter than one can be, or longer than the packet. */
bool model_is_broken(const struct frame *packet);
bool model_is_later_fragment(const struct frame *packet);

/* An IPv6 header that may hide anything behind it. */
bool model_is_opaque(const struct frame *packet);

bool model_may_connect(const struct model *model, unsigned service, const struct frame *syn);
/* One more connection within the limit? */
bool model_take_token(struct model *model, unsigned service, const struct frame *syn);

#endif
