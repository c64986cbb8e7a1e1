/* SPDX-License-Identifier: GPL-2.0-only */
#include "endpoint.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "config_value.h"

bool endpoint_parse(const char *text, struct endpoint *endpoint)
{
	const char *colon = strrchr(text, ':'), *why;
	struct endpoint found = { .family = AF_INET };
	char address[INET6_ADDRSTRLEN + 2];
	size_t len;

	if (!colon || config_value_port(colon + 1, &found.port, &why))
		return false;
	len = (size_t)(colon - text);
	if (text[0] == '[') {
		found.family = AF_INET6;
		if (len < 2 || text[len - 1] != ']')
			return false;
		text++;
		len -= 2;
	}
	if (len >= sizeof(address))
		return false;
	memcpy(address, text, len);
	address[len] = '\0';
	if (inet_pton(found.family, address, found.address) != 1)
		return false;
	*endpoint = found;
	return true;
}

void endpoint_format(int family, const __be32 *address, uint16_t port, char text[ENDPOINT_LEN])
{
	char number[INET6_ADDRSTRLEN];

	inet_ntop(family, address, number, sizeof(number));
	snprintf(text, ENDPOINT_LEN, family == AF_INET6 ? "[%s]:%u" : "%s:%u", number, port);
}
