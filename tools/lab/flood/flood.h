/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the flood's program and its loader share: what to send. The loader fills it in before the
 * program is loaded, so it stands in read-only data.
 */
#ifndef FLOOD_H
#define FLOOD_H

#include <linux/types.h>

enum flood_kind {
	FLOOD_SYN,   /* every packet opens a connection from another source */
	FLOOD_ACK,   /* an ACK that belongs to nothing */
	FLOOD_TWICE, /* a SYN, then an ACK with a guessed number from the same source */
};

struct flood_order {
	__u32 kind;
	__u32 ifindex; /* the interface that sends, in the loader's network namespace */
	__be32 to;
	__u32 from;	 /* host order: the network that sources are taken from ... */
	__u32 from_mask; /* ... and the bits that are random */
	__be16 port;
	__u8 to_mac[6];
	__u8 from_mac[6];
	__u8 pad[2];
};

#endif
