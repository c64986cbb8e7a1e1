/* SPDX-License-Identifier: GPL-2.0-only */
/* Two servers are of one host if their addresses are written alike; what the own addresses are, nobody has told us. */
#include "haproxy_servers.h"

#include <stdio.h>
#include <string.h>

#include "config.h"
#include "config_value.h"

static const struct haproxy_option unknown = {
	"", 0, HAPROXY_BLOCKS, "an option that is not known here: look at it yourself"
};

const struct haproxy_option *
haproxy_servers_worst(const struct haproxy_line *line, unsigned from,
		      const struct haproxy_option *(*find)(const char *word))
{
	const struct haproxy_option *worst = NULL;

	for (unsigned i = from; i < line->count; i++) {
		const struct haproxy_option *option = find(line->word[i]);

		if (!option)
			return &unknown;
		if (!worst || option->class > worst->class)
			worst = option;
		i += option->values;
	}
	return worst;
}

/* --- what stands in a line --- */

static bool is_server(const struct haproxy_line *line)
{
	return haproxy_line_begins(line, "server") || haproxy_line_begins(line, "server-template");
}

/* Where the options begin: server NAME ADDRESS, server-template PREFIX NUMBER ADDRESS, default-server. */
static unsigned options_of(const struct haproxy_line *line)
{
	if (haproxy_line_begins(line, "default-server"))
		return 1;
	return haproxy_line_begins(line, "server") ? 3 : 4;
}

/* "" if there is none. */
static const char *address_of(const struct haproxy_line *line)
{
	unsigned at = options_of(line) - 1;

	return at < line->count ? line->word[at] : "";
}

static const char *value_of(const struct haproxy_line *line, const char *name)
{
	for (unsigned i = options_of(line); i + 1 < line->count; i++) {
		const struct haproxy_option *option = haproxy_words_server(line->word[i]);

		if (!strcmp(line->word[i], name))
			return line->word[i + 1];
		i += option ? option->values : 0;
	}
	return NULL;
}

static bool is_loopback(const char *host, size_t len)
{
	return (len == 9 && !memcmp(host, "localhost", 9)) ||
	       (len > 4 && !memcmp(host, "127.", 4)) || (len == 3 && !memcmp(host, "::1", 3));
}

static size_t host_len(const char *address)
{
	const char *colon = strrchr(address, ':');

	return colon ? (size_t)(colon - address) : strlen(address);
}

/* How many hosts the servers of a backend name. */
static unsigned count_hosts(const struct haproxy_file *file, const struct haproxy_section *back)
{
	const char *first = NULL;
	size_t first_len = 0;

	for (unsigned i = back->first; i < back->end; i++) {
		const char *address;
		size_t len;

		if (!haproxy_line_begins(&file->line[i], "server"))
			continue;
		address = address_of(&file->line[i]);
		len = host_len(address);
		if (is_loopback(address, len))
			continue;
		if (first && (len != first_len || memcmp(first, address, len) != 0))
			return 2;
		first = address;
		first_len = len;
	}
	return 1;
}

/* --- limits --- */

/* A number of milliseconds without a unit is HAProxy's habit: ours wants one. */
static void take_slowstart(struct haproxy_service *service, const char *value)
{
	char text[16];
	uint64_t ms, before;
	const char *why;
	bool bare = strspn(value, "0123456789") == strlen(value);

	if (strlen(value) > 8)
		return;
	snprintf(text, sizeof(text), "%s%s", value, bare ? "ms" : "");
	if (config_value_duration(text, &ms, &why) || !ms)
		return;
	if (!service->slowstart[0] ||
	    (!config_value_duration(service->slowstart, &before, &why) && ms > before))
		snprintf(service->slowstart, sizeof(service->slowstart), "%s", text);
}

static void take_limits(const struct haproxy_line *line, struct haproxy_service *service)
{
	const char *maxconn = value_of(line, "maxconn"), *slowstart = value_of(line, "slowstart"),
		   *why;
	uint32_t number;

	if (maxconn && !config_value_number(maxconn, 1, 1000000, &number, &why) &&
	    (!service->maxconn || number < service->maxconn))
		service->maxconn = number;
	if (slowstart)
		take_slowstart(service, slowstart);
}

/* _rails._tcp.service.consul or rails.service.consul */
static void take_consul(const struct haproxy_line *line, struct haproxy_service *service)
{
	const char *name = address_of(line), *end = strstr(name, ".service.");
	size_t len = end ? (size_t)(end - name) : 0;

	if (len && *name == '_') {
		name++;
		len = strcspn(name, ".");
	}
	if (!len || len >= sizeof(service->consul) ||
	    strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") < len)
		return;
	memcpy(service->consul, name, len);
	service->consul[len] = '\0';
}

void haproxy_servers_limits(const struct haproxy_file *file, const struct haproxy_section *back,
			    struct haproxy_service *service)
{
	bool own = false;

	for (unsigned i = back->first; i < back->end; i++) {
		const struct haproxy_line *line = &file->line[i];

		own |= haproxy_line_begins(line, "default-server") != 0;
		if (is_server(line) || haproxy_line_begins(line, "default-server"))
			take_limits(line, service);
		if (haproxy_line_begins(line, "server-template"))
			take_consul(line, service);
	}
	if (!own && back->defaults >= 0) {
		const struct haproxy_line *line =
			haproxy_file_find(file, &file->section[back->defaults], "default-server");

		if (line)
			take_limits(line, service);
	}
}

/* --- verdicts --- */

static void set(struct haproxy_verdict *verdict, enum haproxy_class class, const char *reason)
{
	verdict->class = class;
	snprintf(verdict->reason, sizeof(verdict->reason), "%s", reason);
}

/* Every option that has something to say, once. */
static void add_options(const struct haproxy_line *line, struct haproxy_verdict *verdict)
{
	for (unsigned i = options_of(line); i < line->count; i++) {
		const struct haproxy_option *option = haproxy_words_server(line->word[i]);
		size_t len = strlen(verdict->reason);

		if (!option)
			option = &unknown;
		if (option->class > verdict->class)
			verdict->class = option->class;
		if (option->reason && !strstr(verdict->reason, option->reason))
			snprintf(verdict->reason + len, sizeof(verdict->reason) - len, "%s%s%s%s",
				 len ? "; " : "",
				 option->class == HAPROXY_NOT_NEEDED ? "" : line->word[i],
				 option->class == HAPROXY_NOT_NEEDED ? "" : ": ", option->reason);
		i += option->values;
	}
}

static void note_port(struct haproxy_import *import, const struct haproxy_line *line)
{
	const char *address = address_of(line), *colon = strrchr(address, ':'), *why;
	uint16_t port;

	if (!colon || config_value_port(colon + 1, &port, &why))
		return;
	if (!import->port_min || port < import->port_min)
		import->port_min = port;
	if (port > import->port_max)
		import->port_max = port;
}

static void judge_server(struct haproxy_import *import, const struct haproxy_line *line,
			 struct haproxy_verdict *verdict)
{
	const char *address = address_of(line), *colon = strrchr(address, ':'), *why;
	bool template = !haproxy_line_begins(line, "server");
	uint16_t port;

	if (*address == '/' || strchr(address, '@')) {
		set(verdict, HAPROXY_BLOCKS, "no TCP port: a container must listen on one");
		return;
	}
	if (!template && (!colon || config_value_port(colon + 1, &port, &why))) {
		set(verdict, HAPROXY_BLOCKS, "no host-port is given");
		return;
	}
	set(verdict, HAPROXY_TRANSLATED,
	    template ? "backends come from Consul" : "backends come from Marathon and Consul");
	add_options(line, verdict);
	if (!template)
		note_port(import, line);
}

void haproxy_servers_judge(struct haproxy_import *import, const struct haproxy_section *back,
			   bool served, bool routed)
{
	const struct haproxy_file *file = &import->file;
	bool spread = count_hosts(file, back) > 1;

	for (unsigned i = back->first; i < back->end; i++) {
		const struct haproxy_line *line = &file->line[i];
		struct haproxy_verdict *verdict = &import->verdict[i];

		if (!is_server(line))
			continue;
		if (!served && routed)
			set(verdict, HAPROXY_BLOCKS, "reached only by what a request says");
		else if (!served)
			set(verdict, HAPROXY_NOT_NEEDED,
			    "no frontend that is translated leads to it");
		else if (spread && haproxy_line_begins(line, "server"))
			set(verdict, HAPROXY_BLOCKS,
			    "servers on several hosts: Sluice balances over its own host's containers, the ELB over the hosts");
		else
			judge_server(import, line, verdict);
	}
}

static bool holds_a_service(const struct haproxy_import *import)
{
	for (unsigned i = 0; i < import->service_count; i++)
		if (import->service[i].port >= import->port_min &&
		    import->service[i].port <= import->port_max)
			return true;
	return false;
}

void haproxy_servers_settle(struct haproxy_import *import)
{
	if (!holds_a_service(import))
		return;
	import->port_min = import->port_max = 0;
	for (unsigned i = 0; i < import->file.count; i++) {
		const struct haproxy_line *line = &import->file.line[i];
		const char *colon, *why;
		uint16_t port;

		if (!haproxy_line_begins(line, "server"))
			continue;
		colon = strrchr(address_of(line), ':');
		if (colon && !config_value_port(colon + 1, &port, &why) &&
		    (port < CONFIG_PORT_MIN || port > CONFIG_PORT_MAX) &&
		    import->verdict[i].class != HAPROXY_NOT_NEEDED)
			set(&import->verdict[i], HAPROXY_BLOCKS,
			    "its port lies outside [node] ports, and a range with it would hold a service's own port");
	}
}

void haproxy_servers_judge_default(const struct haproxy_line *line, struct haproxy_verdict *verdict)
{
	set(verdict, HAPROXY_NOT_NEEDED, "");
	add_options(line, verdict);
	if (!verdict->reason[0])
		set(verdict, HAPROXY_NOT_NEEDED, "nothing that matters here");
}
