/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * "ADDRESS:PORT" as a person writes it, IPv6 in brackets. Numbers only: nothing is looked up.
 */
#ifndef SLUICECTL_ENDPOINT_H
#define SLUICECTL_ENDPOINT_H

#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>

struct endpoint {
	int family;	   /* AF_INET or AF_INET6 */
	__be32 address[4]; /* IPv4 in the first word */
	uint16_t port;	   /* host order, 1 to 65535 */
};

/* false: it is none, and *endpoint is unchanged. */
bool endpoint_parse(const char *text, struct endpoint *endpoint);

#define ENDPOINT_LEN 64
/* Into text, with its 0. */
void endpoint_format(int family, const __be32 *address, uint16_t port, char text[ENDPOINT_LEN]);

#endif
