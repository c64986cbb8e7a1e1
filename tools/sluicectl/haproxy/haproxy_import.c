/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * First each line by itself (haproxy_words.h), then what hangs together: binds and the backend behind them make a service, its
 * servers tell limits and ports. Lines that only their section tells the worth of come last.
 */
#include "haproxy_import.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "config_value.h"
#include "haproxy_binds.h"
#include "haproxy_judge.h"
#include "haproxy_names.h"
#include "haproxy_route.h"
#include "haproxy_servers.h"

/* --- a frontend, or a listen --- */

/* The networks of `acl NAME src NETWORK...` as `allow` takes them: each once. False: one that cannot be read, or no room. */
static bool take_networks(const struct haproxy_line *acl, char *allow, size_t room)
{
	struct config_network network[HAPROXY_MAX_WORDS];
	unsigned count = 0;
	size_t used = 0;
	const char *why;

	for (unsigned k = 3; k < acl->count; k++) {
		bool known = false;

		if (config_value_network(acl->word[k], &network[count], &why))
			return false;
		for (unsigned i = 0; i < count; i++)
			known |= network[i].address == network[count].address &&
				 network[i].prefix_len == network[count].prefix_len;
		if (known)
			continue;
		if (used + strlen(acl->word[k]) + 3 > room)
			return false;
		used += (size_t)snprintf(allow + used, room - used, "%s%s", used ? ", " : "",
					 acl->word[k]);
		count++;
	}
	return true;
}

/* `acl NAME src NETWORK...` and `tcp-request connection reject if !NAME` are `allow`. */
static void take_allow(struct haproxy_import *import, const struct haproxy_section *front,
		       char *allow, size_t room)
{
	const struct haproxy_line *reject =
		haproxy_file_find(&import->file, front, "tcp-request connection reject");
	const char *name;

	if (!reject || reject->count != 5)
		return;
	name = reject->word[4];
	if (!strcmp(reject->word[3], "if") && *name == '!')
		name++;
	else if (strcmp(reject->word[3], "unless") != 0)
		return;
	for (unsigned i = front->first; i < front->end; i++) {
		const struct haproxy_line *acl = &import->file.line[i];

		if (!haproxy_line_begins(acl, "acl") || acl->count < 4 ||
		    strcmp(acl->word[1], name) != 0)
			continue;
		/* several acls of a name, or no networks: by hand */
		if (*allow || strcmp(acl->word[2], "src") != 0 ||
		    !take_networks(acl, allow, room)) {
			*allow = '\0';
			return;
		}
	}
	if (*allow)
		haproxy_judge(import, reject, HAPROXY_TRANSLATED, "allow = %.200s", allow);
}

static const char *take_balance(struct haproxy_import *import, const struct haproxy_section *back)
{
	static const char *const same[] = { "roundrobin", "leastconn", "random", "source" };
	const struct haproxy_line *line = haproxy_file_setting(&import->file, back, "balance"),
				  *stick =
					  haproxy_file_setting(&import->file, back, "stick on src");
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
	haproxy_names_clean(service->app, sizeof(service->app), back->name, true);
	if (!service->app[0])
		snprintf(service->app, sizeof(service->app), "app");
	snprintf(service->allow, sizeof(service->allow), "%s", allow);
	haproxy_servers_limits(&import->file, back, service);
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
			haproxy_judge(
				import, line, HAPROXY_APP,
				"only redirects: the app, or a listener rule of an ALB, must do it");
		else
			haproxy_judge(import, line, HAPROXY_BLOCKS,
				      "nothing says where its connections go unless they are read");
	}
}

/* 0 or -ENOMEM. */
static int take_front(struct haproxy_import *import, const struct haproxy_section *front)
{
	const struct haproxy_line *header = &import->file.line[front->first], *by;
	const struct haproxy_section *back = haproxy_route_serving(&import->file, front, &by);
	unsigned before = import->service_count;
	char allow[256] = "";
	int err;

	if (haproxy_route_why_idle(&import->file, front))
		return 0;
	if (!back) {
		leave_front(import, front);
		if (by)
			haproxy_judge(import, by, HAPROXY_BLOCKS, "there is no such backend");
		return 0;
	}
	err = haproxy_binds_take(import, front);
	if (err)
		return err;
	take_allow(import, front, allow, sizeof(allow));
	for (unsigned i = before; i < import->service_count; i++)
		fill_service(import, back, allow, &import->service[i]);
	if (import->service_count == before) {
		haproxy_judge(import, header, HAPROXY_BLOCKS,
			      "none of its ports can be a service's");
		if (by)
			haproxy_judge(import, by, HAPROXY_BLOCKS,
				      "none of its ports can be a service's");
		return 0;
	}
	haproxy_judge(import, header, HAPROXY_TRANSLATED, "[service %s]",
		      import->service[before].name);
	if (by)
		haproxy_judge(import, by, HAPROXY_TRANSLATED,
			      "marathon_app = /%s: put the app's own id there",
			      import->service[before].app);
	return 0;
}

/* --- backends --- */

static bool is_served(const struct haproxy_import *import, const struct haproxy_section *back)
{
	const struct haproxy_file *file = &import->file;

	for (unsigned s = 0; s < file->section_count; s++) {
		const struct haproxy_section *front = &file->section[s];
		const struct haproxy_line *by;

		if ((front->kind != HAPROXY_FRONTEND && front->kind != HAPROXY_LISTEN) ||
		    haproxy_route_serving(file, front, &by) != back)
			continue;
		for (unsigned i = 0; i < import->service_count; i++)
			if (import->service[i].line == file->line[front->first].number)
				return true;
	}
	return false;
}

static void judge_backend(struct haproxy_import *import, const struct haproxy_section *back)
{
	const struct haproxy_line *header = &import->file.line[back->first];
	bool served = is_served(import, back),
	     read = haproxy_route_reads(&import->file, back->name);

	if (haproxy_route_why_idle(&import->file, back))
		return;
	if (back->kind == HAPROXY_BACKEND) {
		if (served)
			haproxy_judge(import, header, HAPROXY_TRANSLATED,
				      "backends come from Marathon and Consul");
		else if (read)
			haproxy_judge(
				import, header, HAPROXY_BLOCKS,
				"reached only by what a request says: give that app a port, or an ELB, of its own");
		else
			haproxy_judge(import, header, HAPROXY_NOT_NEEDED,
				      "no frontend that is translated leads to it");
	}
	haproxy_servers_judge(import, back, served, read);
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
	haproxy_judge_alone(import);
	for (unsigned s = 0; s < file->section_count && !err; s++)
		if (file->section[s].kind == HAPROXY_FRONTEND ||
		    file->section[s].kind == HAPROXY_LISTEN)
			err = take_front(import, &file->section[s]);
	if (err)
		return err;
	for (unsigned s = 0; s < file->section_count; s++)
		if (file->section[s].kind == HAPROXY_BACKEND ||
		    file->section[s].kind == HAPROXY_LISTEN)
			judge_backend(import, &file->section[s]);
	haproxy_servers_settle(import);
	for (unsigned s = 0; s < file->section_count; s++)
		if (file->section[s].kind != HAPROXY_GLOBAL &&
		    file->section[s].kind != HAPROXY_OTHER)
			haproxy_judge_together(import, &file->section[s]);
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
