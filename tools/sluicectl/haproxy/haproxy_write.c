/* SPDX-License-Identifier: GPL-2.0-only */
/* A comment is kept short: inih cuts long lines, and what is left would be a line of its own. */
#include "haproxy_write.h"

#include <arpa/inet.h>

#include "config.h"
#include "haproxy_import.h"

#define TEXT_MAX 72
#define REASON_MAX 220

static const char *title_of(enum haproxy_class class)
{
	static const char *const titles[] = {
		[HAPROXY_NOT_NEEDED] = "not needed",
		[HAPROXY_TRANSLATED] = "translated",
		[HAPROXY_APP] = "the app must do it",
		[HAPROXY_BLOCKS] = "blocks migration",
	};

	return titles[class];
}

static void write_verdicts(const struct haproxy_import *import, enum haproxy_class class, FILE *to)
{
	unsigned count = haproxy_import_count(import, class);

	if (!count)
		return;
	fprintf(to, ";\n; %s (%u)\n", title_of(class), count);
	for (unsigned i = 0; i < import->file.count; i++) {
		const struct haproxy_verdict *verdict = &import->verdict[i];

		if (verdict->class == class)
			fprintf(to, ";   line %u: %.*s -- %.*s\n", verdict->line, TEXT_MAX,
				verdict->text, REASON_MAX, verdict->reason);
	}
}

static void write_addresses(const struct haproxy_service *service, FILE *to)
{
	char text[INET_ADDRSTRLEN];

	for (unsigned i = 0; i < service->address_count; i++)
		fprintf(to, "%s%s", i ? ", " : "address = ",
			inet_ntop(AF_INET, &service->address[i], text, sizeof(text)));
	if (service->address_count)
		fputc('\n', to);
}

static void write_service(const struct haproxy_service *service, FILE *to)
{
	fprintf(to, "\n[service %s]\nport = %u\n", service->name, service->port);
	write_addresses(service, to);
	if (service->allow[0])
		fprintf(to, "allow = %s\n", service->allow);
	fprintf(to, "marathon_app = /%s\n", service->app);
	if (service->consul[0])
		fprintf(to, "consul_service = %s\n", service->consul);
	fprintf(to, "balance = %s\non_empty = pass\n", service->balance);
	if (service->slowstart[0])
		fprintf(to, "slowstart = %s\n", service->slowstart);
	if (service->maxconn)
		fprintf(to, "maxconn = %u\n", service->maxconn);
}

void haproxy_write_sections(const struct haproxy_import *import, FILE *to)
{
	if (import->port_min &&
	    (import->port_min < CONFIG_PORT_MIN || import->port_max > CONFIG_PORT_MAX))
		fprintf(to, "\n[node]\nports = %u-%u\n", import->port_min, import->port_max);
	for (unsigned i = 0; i < import->service_count; i++)
		write_service(&import->service[i], to);
	fputs("\n[marathon]\nurl = http://127.0.0.1:8080\n\n[consul]\nurl = http://127.0.0.1:8500\n",
	      to);
}

void haproxy_write(const struct haproxy_import *import, const char *name, FILE *to)
{
	static const enum haproxy_class order[] = { HAPROXY_BLOCKS, HAPROXY_APP, HAPROXY_NOT_NEEDED,
						    HAPROXY_TRANSLATED };

	fprintf(to,
		"; From %.*s, by `sluicectl import-haproxy`. Every line that says something stands below once.\n",
		TEXT_MAX, name);
	fputs("; Before it is used: the app's own ids and the addresses of Marathon and Consul. on_empty = pass leaves a service\n"
	      "; without a backend to HAProxy for as long as that runs; after it, `reset` tells the ELB at once.\n",
	      to);
	if (import->file.truncated)
		fputs("; The file is longer than what is read here.\n", to);
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		write_verdicts(import, order[i], to);
	haproxy_write_sections(import, to);
}
