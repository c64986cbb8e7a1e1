/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * First each line by itself (haproxy_words.h), then what hangs together: binds and the backend behind them make a service, its
 * servers tell limits and ports, and an acl is worth what the lines are that ask it.
 */
#include "haproxy_import.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "config_value.h"
#include "haproxy_servers.h"

/* --- verdicts --- */

static struct haproxy_verdict *verdict_of(struct haproxy_import *import,
					  const struct haproxy_line *line)
{
	return &import->verdict[line - import->file.line];
}

static void judge(struct haproxy_import *import, const struct haproxy_line *line,
		  enum haproxy_class class, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static void judge(struct haproxy_import *import, const struct haproxy_line *line,
		  enum haproxy_class class, const char *format, ...)
{
	struct haproxy_verdict *verdict = verdict_of(import, line);
	va_list args;

	verdict->class = class;
	va_start(args, format);
	vsnprintf(verdict->reason, sizeof(verdict->reason), format, args);
	va_end(args);
}

static void judge_alone(struct haproxy_import *import)
{
	const struct haproxy_file *file = &import->file;

	for (unsigned s = 0; s < file->section_count; s++) {
		const struct haproxy_section *section = &file->section[s];

		for (unsigned i = section->first; i < section->end; i++) {
			const struct haproxy_word *word =
				section->kind == HAPROXY_OTHER
					? haproxy_words_section(&file->line[section->first])
					: haproxy_words_find(&file->line[i], section->kind);

			judge(import, &file->line[i], word->class, "%s", word->reason);
		}
		if (section->kind == HAPROXY_GLOBAL || section->kind == HAPROXY_DEFAULTS)
			judge(import, &file->line[section->first], HAPROXY_NOT_NEEDED,
			      "a section's name");
	}
}

/* --- looking around --- */

/* In the section, else in the defaults that hold for it. */
static const struct haproxy_line *find(const struct haproxy_file *file,
				       const struct haproxy_section *section, const char *words)
{
	const struct haproxy_line *line = haproxy_file_find(file, section, words);

	if (!line && section->defaults >= 0)
		line = haproxy_file_find(file, &file->section[section->defaults], words);
	return line;
}

static const struct haproxy_section *find_backend(const struct haproxy_file *file, const char *name)
{
	for (unsigned s = 0; s < file->section_count; s++)
		if ((file->section[s].kind == HAPROXY_BACKEND ||
		     file->section[s].kind == HAPROXY_LISTEN) &&
		    !strcmp(file->section[s].name, name))
			return &file->section[s];
	return NULL;
}

static bool is_conditional(const struct haproxy_line *line)
{
	return line->count > 2;
}

/* Who serves a connection of which nothing is read; NULL with *line: the name that leads nowhere, or no line at all. */
static const struct haproxy_section *serving(const struct haproxy_file *file,
					     const struct haproxy_section *front,
					     const struct haproxy_line **line)
{
	*line = NULL;
	for (unsigned i = front->first; i < front->end;
	     i++) /* use_backend goes before default_backend */
		if (haproxy_line_begins(&file->line[i], "use_backend") &&
		    !is_conditional(&file->line[i]))
			*line = &file->line[i];
	if (!*line)
		*line = find(file, front, "default_backend");
	if (*line && (*line)->count > 1)
		return find_backend(file, (*line)->word[1]);
	return front->kind == HAPROXY_LISTEN && (haproxy_file_find(file, front, "server") ||
						 haproxy_file_find(file, front, "server-template"))
		       ? front
		       : NULL;
}

/* --- names --- */

static void clean_name(char *to, size_t room, const char *from, bool lower)
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

static void name_service(const struct haproxy_import *import, struct haproxy_service *service,
			 const char *proxy)
{
	char clean[SLUICE_NAME_LEN - 6]; /* room for a port */

	clean_name(clean, sizeof(clean), proxy, false);
	snprintf(service->name, sizeof(service->name), "%s", clean[0] ? clean : "service");
	if (name_is_taken(import, service->name))
		snprintf(service->name, sizeof(service->name), "%s-%u", clean[0] ? clean : "s",
			 service->port);
}

/* --- binds --- */

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

	if (place->port >= 31000 && place->port <= 32000)
		return "a port among [node] ports, which are the containers'";
	if (service && service->line != line)
		return "another frontend has the port: one port is one service";
	if (!service) {
		if (import->service_count == SLUICE_MAX_SERVICES)
			return "more services than Sluice has";
		service = &import->service[import->service_count];
		*service = (struct haproxy_service){ .line = line, .port = place->port };
		name_service(import, service, front->name);
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

/* The addresses of one bind, comma separated. */
static void take_places(struct haproxy_import *import, const struct haproxy_section *front,
			const struct haproxy_line *line, const char *places)
{
	char *list = strdup(places), *rest = list, *part;

	while (list && (part = strsep(&rest, ",")) != NULL) {
		struct place place;
		const char *why = parse_place(part, &place);

		if (!why)
			why = add_place(import, front, &place);
		if (why)
			judge(import, line, HAPROXY_BLOCKS, "%s", why);
		else if (verdict_of(import, line)->class != HAPROXY_BLOCKS)
			judge(import, line, HAPROXY_TRANSLATED, "[service %s] port = %u",
			      service_on(import, place.port)->name, place.port);
	}
	free(list);
}

static void take_bind(struct haproxy_import *import, const struct haproxy_section *front,
		      const struct haproxy_line *line)
{
	struct haproxy_verdict *verdict = verdict_of(import, line);
	const struct haproxy_option *worst = haproxy_servers_worst(line, 2, haproxy_words_bind);

	verdict->class = HAPROXY_NOT_NEEDED;
	if (line->count < 2) {
		judge(import, line, HAPROXY_BLOCKS, "no port is given");
		return;
	}
	if (worst && worst->class == HAPROXY_BLOCKS) {
		judge(import, line, HAPROXY_BLOCKS, "%s", worst->reason);
		return;
	}
	take_places(import, front, line, line->word[1]);
	if (worst && verdict->class == HAPROXY_TRANSLATED && worst->reason) {
		size_t len = strlen(verdict->reason);

		snprintf(verdict->reason + len, sizeof(verdict->reason) - len, "; %s",
			 worst->reason);
		if (worst->class > verdict->class)
			verdict->class = worst->class;
	}
}

/* --- a frontend, or a listen --- */

/* `acl NAME src NETWORK...` and `tcp-request connection reject if !NAME` are `allow`. */
static void take_allow(struct haproxy_import *import, const struct haproxy_section *front,
		       char *allow, size_t room)
{
	const struct haproxy_line *reject =
		haproxy_file_find(&import->file, front, "tcp-request connection reject");
	struct config_network network;
	const char *name, *why;

	if (!reject || reject->count != 5)
		return;
	name = reject->word[4];
	if (!strcmp(reject->word[3], "if") && *name == '!')
		name++;
	else if (strcmp(reject->word[3], "unless") != 0)
		return;
	for (unsigned i = front->first; i < front->end; i++) {
		const struct haproxy_line *acl = &import->file.line[i];
		size_t used = 0;

		if (!haproxy_line_begins(acl, "acl") || acl->count < 4 ||
		    strcmp(acl->word[1], name) != 0)
			continue;
		if (*allow || strcmp(acl->word[2], "src") != 0) {
			*allow = '\0'; /* several acls of a name, or no networks: by hand */
			return;
		}
		for (unsigned k = 3; k < acl->count; k++) {
			if (config_value_network(acl->word[k], &network, &why) ||
			    used + strlen(acl->word[k]) + 3 > room) {
				*allow = '\0';
				return;
			}
			used += (size_t)snprintf(allow + used, room - used, "%s%s",
						 used ? ", " : "", acl->word[k]);
		}
	}
	if (*allow)
		judge(import, reject, HAPROXY_TRANSLATED, "allow = %.200s", allow);
}

static const char *take_balance(struct haproxy_import *import, const struct haproxy_section *back)
{
	static const char *const same[] = { "roundrobin", "leastconn", "random", "source" };
	const struct haproxy_line *line = find(&import->file, back, "balance"),
				  *stick = find(&import->file, back, "stick on src");
	const char *word = line && line->count > 1 ? line->word[1] : "roundrobin";

	if (stick)
		return "source";
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		if (!strncmp(word, same[i], strlen(same[i])) &&
		    (!word[strlen(same[i])] || word[strlen(same[i])] == '('))
			return same[i];
	return "roundrobin";
}

static void fill_service(struct haproxy_import *import, const struct haproxy_section *back,
			 const char *allow, struct haproxy_service *service)
{
	service->balance = take_balance(import, back);
	clean_name(service->app, sizeof(service->app), back->name, true);
	if (!service->app[0])
		snprintf(service->app, sizeof(service->app), "app");
	snprintf(service->allow, sizeof(service->allow), "%s", allow);
	haproxy_servers_limits(&import->file, back, service);
}

static bool is_disabled(const struct haproxy_file *file, const struct haproxy_section *section)
{
	const struct haproxy_line *line = haproxy_file_find(file, section, "disabled");

	return line && line->count == 1;
}

/* A page of statistics serves nobody else; and a section may be switched off as a whole. NULL, or why it is not needed. */
static const char *why_idle(const struct haproxy_file *file, const struct haproxy_section *section)
{
	const struct haproxy_line *by;

	if (section->kind != HAPROXY_FRONTEND && section->kind != HAPROXY_LISTEN &&
	    section->kind != HAPROXY_BACKEND)
		return NULL;
	if (is_disabled(file, section))
		return "its section is switched off (disabled)";
	if (section->kind == HAPROXY_BACKEND || !haproxy_file_find(file, section, "stats") ||
	    haproxy_file_find(file, section, "use_backend") || serving(file, section, &by))
		return NULL;
	return "of a page of statistics: sluicectl and /metrics tell it";
}

/* No backend that could be had without reading: why. */
static void leave_front(struct haproxy_import *import, const struct haproxy_section *front)
{
	const struct haproxy_file *file = &import->file;
	bool redirects = haproxy_file_find(file, front, "redirect") ||
			 haproxy_file_find(file, front, "http-request redirect");

	for (unsigned i = front->first; i < front->end; i++) {
		const struct haproxy_line *line = &file->line[i];

		if (i != front->first && !haproxy_line_begins(line, "bind"))
			continue;
		if (redirects)
			judge(import, line, HAPROXY_APP,
			      "only redirects: the app, or a listener rule of an ALB, must do it");
		else
			judge(import, line, HAPROXY_BLOCKS,
			      "nothing says where its connections go unless they are read");
	}
}

static void take_front(struct haproxy_import *import, const struct haproxy_section *front)
{
	const struct haproxy_line *header = &import->file.line[front->first], *by;
	const struct haproxy_section *back = serving(&import->file, front, &by);
	unsigned before = import->service_count;
	char allow[256] = "";

	if (why_idle(&import->file, front))
		return;
	if (!back) {
		leave_front(import, front);
		if (by)
			judge(import, by, HAPROXY_BLOCKS, "there is no such backend");
		return;
	}
	if (header->count > 2 && strchr(header->word[2], ':')) /* listen NAME ADDRESS:PORT */
		take_places(import, front, header, header->word[2]);
	for (unsigned i = front->first; i < front->end; i++)
		if (haproxy_line_begins(&import->file.line[i], "bind"))
			take_bind(import, front, &import->file.line[i]);
	take_allow(import, front, allow, sizeof(allow));
	for (unsigned i = before; i < import->service_count; i++)
		fill_service(import, back, allow, &import->service[i]);
	if (import->service_count == before) {
		judge(import, header, HAPROXY_BLOCKS, "none of its ports can be a service's");
		if (by)
			judge(import, by, HAPROXY_BLOCKS, "none of its ports can be a service's");
		return;
	}
	judge(import, header, HAPROXY_TRANSLATED, "[service %s]", import->service[before].name);
	if (by)
		judge(import, by, HAPROXY_TRANSLATED,
		      "marathon_app = /%s: put the app's own id there",
		      import->service[before].app);
}

/* --- backends, and what is shared --- */

static bool is_served(const struct haproxy_import *import, const struct haproxy_section *back)
{
	const struct haproxy_file *file = &import->file;

	for (unsigned s = 0; s < file->section_count; s++) {
		const struct haproxy_section *front = &file->section[s];
		const struct haproxy_line *by;

		if ((front->kind != HAPROXY_FRONTEND && front->kind != HAPROXY_LISTEN) ||
		    serving(file, front, &by) != back)
			continue;
		for (unsigned i = 0; i < import->service_count; i++)
			if (import->service[i].line == file->line[front->first].number)
				return true;
	}
	return false;
}

static void judge_balance(struct haproxy_import *import, const struct haproxy_line *line)
{
	static const char *const known[] = { "roundrobin", "static-rr", "leastconn", "source" };
	const char *word = line->count > 1 ? line->word[1] : "";

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcmp(word, known[i])) {
			judge(import, line, HAPROXY_TRANSLATED, "balance = %s",
			      i == 1 ? known[0] : known[i]);
			return;
		}
	if (!strncmp(word, "random", 6))
		judge(import, line, HAPROXY_TRANSLATED, "balance = random");
	else if (!strcmp(word, "first"))
		judge(import, line, HAPROXY_NOT_NEEDED,
		      "fills one server after the other to save some: balance = roundrobin spreads");
	else
		judge(import, line, HAPROXY_BLOCKS,
		      "chooses by what a request says, which only a proxy reads");
}

static void judge_use_backend(struct haproxy_import *import, const struct haproxy_line *line)
{
	if (is_conditional(line))
		judge(import, line, HAPROXY_BLOCKS,
		      "routes by what a request says: give that app a port, or an ELB, of its own");
}

/* Worth as much as the worst of the lines that ask it. */
static void judge_acl(struct haproxy_import *import, const struct haproxy_section *section,
		      const struct haproxy_line *acl)
{
	const struct haproxy_verdict *worst = NULL;

	for (unsigned i = section->first; i < section->end && acl->count > 1; i++) {
		const struct haproxy_line *line = &import->file.line[i];
		const struct haproxy_verdict *verdict = verdict_of(import, line);
		bool asks = false;

		if (haproxy_line_begins(line, "acl"))
			continue;
		for (unsigned k = 1; k < line->count; k++)
			asks |= !strcmp(line->word[k] + (line->word[k][0] == '!'), acl->word[1]);
		if (asks && (!worst || verdict->class > worst->class))
			worst = verdict;
	}
	if (worst)
		judge(import, acl, worst->class, "for line %u: %.200s", worst->line, worst->reason);
	else
		judge(import, acl, HAPROXY_NOT_NEEDED, "no line of its section asks it");
}

static void judge_together(struct haproxy_import *import, const struct haproxy_section *section)
{
	const struct haproxy_file *file = &import->file;
	const bool by_source = find(file, section, "stick on src");
	const char *idle = why_idle(file, section);

	if (idle) {
		for (unsigned i = section->first; i < section->end; i++)
			judge(import, &file->line[i], HAPROXY_NOT_NEEDED, "%s", idle);
		return;
	}
	for (unsigned i = section->first; i < section->end; i++) {
		const struct haproxy_line *line = &file->line[i];

		if (by_source && haproxy_line_begins(line, "balance"))
			judge(import, line, HAPROXY_TRANSLATED,
			      "balance = source, for `stick on src`");
		else if (haproxy_line_begins(line, "balance"))
			judge_balance(import, line);
		else if (haproxy_line_begins(line, "use_backend"))
			judge_use_backend(import, line);
		else if (haproxy_line_begins(line, "default-server"))
			haproxy_servers_judge_default(line, verdict_of(import, line));
		else if (by_source && (haproxy_line_begins(line, "stick on src") ||
				       haproxy_line_begins(line, "stick-table")))
			judge(import, line, HAPROXY_TRANSLATED, "balance = source");
	}
	if (section->kind == HAPROXY_DEFAULTS) {
		const struct haproxy_line *line =
			haproxy_file_find(file, section, "default_backend");

		if (line && verdict_of(import, line)->class == HAPROXY_BLOCKS)
			judge(import, line, HAPROXY_NOT_NEEDED, "no frontend falls back on it");
	}
	for (unsigned i = section->first; i < section->end; i++)
		if (haproxy_line_begins(&file->line[i], "acl"))
			judge_acl(import, section, &file->line[i]);
}

/* By a rule that reads what a request says. */
static bool is_routed_to(const struct haproxy_file *file, const char *name)
{
	for (unsigned i = 0; i < file->count; i++)
		if (haproxy_line_begins(&file->line[i], "use_backend") && file->line[i].count > 2 &&
		    (!strcmp(file->line[i].word[1], name) || strchr(file->line[i].word[1], '%')))
			return true;
	return false;
}

static void judge_backend(struct haproxy_import *import, const struct haproxy_section *back)
{
	const struct haproxy_line *header = &import->file.line[back->first];
	bool served = is_served(import, back);

	if (why_idle(&import->file, back))
		return;
	if (back->kind == HAPROXY_BACKEND) {
		if (served)
			judge(import, header, HAPROXY_TRANSLATED,
			      "backends come from Marathon and Consul");
		else if (is_routed_to(&import->file, back->name))
			judge(import, header, HAPROXY_BLOCKS,
			      "reached only by what a request says: give that app a port, or an ELB, of its own");
		else
			judge(import, header, HAPROXY_NOT_NEEDED,
			      "no frontend that is translated leads to it");
	}
	haproxy_servers_judge(import, back, served, is_routed_to(&import->file, back->name));
}

/* --- the whole --- */

int haproxy_import(struct haproxy_import *import, const char *text, size_t len)
{
	struct haproxy_file *file = &import->file;
	int err;

	memset(import, 0, sizeof(*import));
	err = haproxy_file_read(file, text, len);
	if (err)
		return err;
	import->verdict = calloc((size_t)file->count + 1, sizeof(*import->verdict));
	if (!import->verdict)
		return -ENOMEM;
	for (unsigned i = 0; i < file->count; i++) {
		import->verdict[i].line = file->line[i].number;
		import->verdict[i].text = file->line[i].text;
	}
	judge_alone(import);
	for (unsigned s = 0; s < file->section_count; s++)
		if (file->section[s].kind == HAPROXY_FRONTEND ||
		    file->section[s].kind == HAPROXY_LISTEN)
			take_front(import, &file->section[s]);
	for (unsigned s = 0; s < file->section_count; s++)
		if (file->section[s].kind == HAPROXY_BACKEND ||
		    file->section[s].kind == HAPROXY_LISTEN)
			judge_backend(import, &file->section[s]);
	haproxy_servers_settle(import);
	for (unsigned s = 0; s < file->section_count; s++)
		if (file->section[s].kind != HAPROXY_GLOBAL &&
		    file->section[s].kind != HAPROXY_OTHER)
			judge_together(import, &file->section[s]);
	return 0;
}

void haproxy_import_release(struct haproxy_import *import)
{
	haproxy_file_release(&import->file);
	free(import->verdict);
	import->verdict = NULL;
	import->service_count = 0;
}

unsigned haproxy_import_count(const struct haproxy_import *import, enum haproxy_class class)
{
	unsigned count = 0;

	for (unsigned i = 0; i < import->file.count; i++)
		count += import->verdict[i].class == class;
	return count;
}
