/* SPDX-License-Identifier: GPL-2.0-only */
/* A run of other characters is one dash, and none stands at an end. */
#include "haproxy_names.h"

#include <stdio.h>
#include <string.h>

#include "haproxy_import.h"

void haproxy_names_clean(char *to, size_t room, const char *from, bool lower)
{
	size_t len = 0;

	for (; *from && len + 1 < room; from++) {
		char c = *from;

		if (lower && c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
			to[len++] = c;
		else if (len && to[len - 1] != '-')
			to[len++] = '-';
	}
	while (len && to[len - 1] == '-')
		len--;
	to[len] = '\0';
}

static bool name_is_taken(const struct haproxy_import *import, const char *name)
{
	for (unsigned i = 0; i < import->service_count; i++)
		if (!strcmp(import->service[i].name, name))
			return true;
	return false;
}

void haproxy_names_service(const struct haproxy_import *import, struct haproxy_service *service,
			   const char *proxy)
{
	char clean[SLUICE_NAME_LEN - 6]; /* room for a port */

	haproxy_names_clean(clean, sizeof(clean), proxy, false);
	snprintf(service->name, sizeof(service->name), "%s", clean[0] ? clean : "service");
	if (name_is_taken(import, service->name))
		snprintf(service->name, sizeof(service->name), "%s-%u", clean[0] ? clean : "s",
			 service->port);
}
