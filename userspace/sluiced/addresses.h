/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * This host's addresses, kept up by rtnetlink: tells when they may have changed and keeps the maps of addresses that the BPF
 * programs ask on a SYN. Needs no capability.
 */
#ifndef SLUICED_ADDRESSES_H
#define SLUICED_ADDRESSES_H

#include <linux/types.h>
#include <stddef.h>

#define ADDRESSES_MAX 512

struct addresses;
struct event_base;
struct maps;

/* changed is called from the loop, some milliseconds after the last of a burst of changes. NULL with errno set. */
struct addresses *addresses_new(struct event_base *base, void (*changed)(void *ctx), void *ctx);
void addresses_free(struct addresses *addresses);

/* Make the maps say what the host has, loopback's included. 0 or negative errno; the maps keep what was written. */
int addresses_publish(const struct maps *maps);

/*
 * IPv4 addresses by which registries may know this host, as text: none of loopback or of bridges. Returns how many were
 * stored, or negative errno.
 */
#define ADDRESSES_TEXT_LEN 16
int addresses_names(char names[][ADDRESSES_TEXT_LEN], size_t max);

#endif
