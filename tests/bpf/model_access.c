/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fragments, allowed networks and the limit of one connection a second.
 */
#include "model_access.h"

#include <netinet/in.h>

enum { MORE = 0x2000, OFFSET = 0x1fff, MORE6 = 1, OFFSET6 = 0xfff8, SECOND_MS = 1000 };

/* The fragment header's field, 0 without one. */
static unsigned fragment6(const struct frame *packet)
{
	unsigned i;

	for (i = 0; i < packet->extension_count; i++)
		if (packet->extensions[i].proto == IPPROTO_FRAGMENT)
			return packet->extensions[i].frag;
	return 0;
}

bool model_is_fragment(const struct frame *packet)
{
	return packet->family == 4 ? packet->frag & MORE : fragment6(packet) & MORE6;
}

bool model_is_later_fragment(const struct frame *packet)
{
	return packet->family == 4 ? packet->frag & OFFSET : fragment6(packet) & OFFSET6;
}

bool model_is_broken(const struct frame *packet)
{
	unsigned len = 20 + packet->tcp_options_len + packet->payload_len;

	return packet->doff.set && (packet->doff.value < 5 || packet->doff.value * 4 > len);
}

bool model_is_opaque(const struct frame *packet)
{
	unsigned i;

	for (i = 0; i < packet->extension_count; i++)
		if (packet->extensions[i].proto == IPPROTO_ROUTING)
			return true;
	return false;
}

bool model_may_connect(const struct model *model, unsigned service, const struct frame *syn)
{
	const struct model_access *access = &model->access[service];

	return !access->restricted || access->network || access->client[syn->src.bytes[15]];
}

bool model_take_token(struct model *model, unsigned service, const struct frame *syn)
{
	struct model_access *access = &model->access[service];
	unsigned client = syn->src.bytes[15];

	if (!access->limited)
		return true;
	if (access->bucket[client].used &&
	    model->now_ms - access->bucket[client].taken_ms < SECOND_MS)
		return false;
	access->bucket[client].used = true;
	access->bucket[client].taken_ms = model->now_ms;
	return true;
}
