/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * This host's addresses: tells by rtnetlink when they may have changed, and which of them are names of this host. Needs no
 * capability.
 */
#ifndef SLUICED_ADDRESSES_H
#define SLUICED_ADDRESSES_H

#include <linux/types.h>
#include <stddef.h>

#define ADDRESSES_MAX 512

struct addresses;
struct event_base;

/* changed is called from the loop, some milliseconds after the last of a burst of changes. NULL with errno set. */
struct addresses *addresses_new(struct event_base *base, void (*changed)(void *ctx), void *ctx);
void addresses_free(struct addresses *addresses);

/*
 * IPv4 addresses by which registries may know this host, as text: none of loopback or of bridges. Returns how many were
 * stored, or negative errno.
 */
#define ADDRESSES_TEXT_LEN 16
int addresses_names(char names[][ADDRESSES_TEXT_LEN], size_t max);

#endif
