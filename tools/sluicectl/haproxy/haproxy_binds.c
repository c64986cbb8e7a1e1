/* SPDX-License-Identifier: GPL-2.0-only */
/* What is confined to no address takes back what was confined before: one port is one service. */
#include "haproxy_binds.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "config_value.h"
#include "haproxy_judge.h"
#include "haproxy_names.h"
#include "haproxy_servers.h"

struct place {
	bool any;
	__be32 address;
	uint16_t port;
};

/* NULL, or why not. */
static const char *parse_place(char *text, struct place *place)
{
	char *colon = strrchr(text, ':');
	const char *why, *host;

	if (!strncmp(text, "ipv4@", 5) || !strncmp(text, "ipv6@", 5))
		text += 5;
	if (*text == '/' || strchr(text, '@'))
		return "no TCP port of this host";
	if (!colon || colon < text)
		return "no port is given";
	if (config_value_port(colon + 1, &place->port, &why))
		return strchr(colon + 1, '-') ? "a range of ports: give each a section of its own"
					      : "no port that can be read here";
	*colon = '\0';
	place->any = !*text || !strcmp(text, "*") || !strcmp(text, "0.0.0.0") ||
		     !strcmp(text, "::") || !strcmp(text, "[::]");
	if (place->any)
		return NULL;
	host = strcmp(text, "localhost") != 0 ? text : "127.0.0.1";
	if (strchr(host, ':'))
		return "confined to an IPv6 address: a service can be confined to IPv4 addresses alone";
	return config_value_address(host, &place->address, &why)
		       ? "an address that cannot be read here"
		       : NULL;
}

static struct haproxy_service *service_on(struct haproxy_import *import, uint16_t port)
{
	for (unsigned i = 0; i < import->service_count; i++)
		if (import->service[i].port == port)
			return &import->service[i];
	return NULL;
}

static const char *add_place(struct haproxy_import *import, const struct haproxy_section *front,
			     const struct place *place)
{
	const unsigned line = import->file.line[front->first].number;
	struct haproxy_service *service = service_on(import, place->port);

	if (place->port >= CONFIG_PORT_MIN && place->port <= CONFIG_PORT_MAX)
		return "a port among [node] ports, which are the containers'";
	if (service && service->line != line)
		return "another frontend has the port: one port is one service";
	if (!service) {
		if (import->service_count == SLUICE_MAX_SERVICES)
			return "more services than Sluice has";
		service = &import->service[import->service_count];
		*service = (struct haproxy_service){ .line = line, .port = place->port };
		haproxy_names_service(import, service, front->name);
		import->service_count++;
	} else if (!service->address_count) {
		return NULL; /* every address already */
	}
	if (place->any) {
		service->address_count = 0;
		return NULL;
	}
	for (unsigned i = 0; i < service->address_count; i++)
		if (service->address[i] == place->address)
			return NULL;
	if (service->address_count == SLUICE_MAX_ADDRESS)
		return "more addresses than a service can be confined to";
	service->address[service->address_count++] = place->address;
	return NULL;
}

/* The addresses of one bind, comma separated. 0 or -ENOMEM. */
static int take_places(struct haproxy_import *import, const struct haproxy_section *front,
		       const struct haproxy_line *line, const char *places)
{
	char *list = strdup(places), *rest = list, *part;

	if (!list)
		return -ENOMEM;
	while ((part = strsep(&rest, ",")) != NULL) {
		struct place place;
		const char *why = parse_place(part, &place);

		if (!why)
			why = add_place(import, front, &place);
		if (why)
			haproxy_judge(import, line, HAPROXY_BLOCKS, "%s", why);
		else if (haproxy_judge_verdict(import, line)->class != HAPROXY_BLOCKS)
			haproxy_judge(import, line, HAPROXY_TRANSLATED, "[service %s] port = %u",
				      service_on(import, place.port)->name, place.port);
	}
	free(list);
	return 0;
}

static int take_bind(struct haproxy_import *import, const struct haproxy_section *front,
		     const struct haproxy_line *line)
{
	struct haproxy_verdict *verdict = haproxy_judge_verdict(import, line);
	const struct haproxy_option *worst = haproxy_servers_worst(line, 2, haproxy_words_bind);
	int err;

	verdict->class = HAPROXY_NOT_NEEDED;
	if (line->count < 2) {
		haproxy_judge(import, line, HAPROXY_BLOCKS, "no port is given");
		return 0;
	}
	if (worst && worst->class == HAPROXY_BLOCKS) {
		haproxy_judge(import, line, HAPROXY_BLOCKS, "%s", worst->reason);
		return 0;
	}
	err = take_places(import, front, line, line->word[1]);
	if (!err && worst && verdict->class == HAPROXY_TRANSLATED && worst->reason) {
		size_t len = strlen(verdict->reason);

		snprintf(verdict->reason + len, sizeof(verdict->reason) - len, "; %s",
			 worst->reason);
		if (worst->class > verdict->class)
			verdict->class = worst->class;
	}
	return err;
}

int haproxy_binds_take(struct haproxy_import *import, const struct haproxy_section *front)
{
	const struct haproxy_line *header = &import->file.line[front->first];
	int err = 0;

	if (header->count > 2 && strchr(header->word[2], ':')) /* listen NAME ADDRESS:PORT */
		err = take_places(import, front, header, header->word[2]);
	for (unsigned i = front->first; i < front->end && !err; i++)
		if (haproxy_line_begins(&import->file.line[i], "bind"))
			err = take_bind(import, front, &import->file.line[i]);
	return err;
}
