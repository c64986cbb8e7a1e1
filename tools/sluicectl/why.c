/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sluicectl why: everything that is known of one host-port. Maps, record and the kernel are asked in any case; sluiced adds what its sources say
 * and what it makes of it. JSON keys in sluicectl(8).
 */
#include "why.h"

#include <arpa/inet.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "changes.h"
#include "command.h"
#include "config.h"
#include "config_value.h"
#include "daemon.h"
#include "maps.h"
#include "views.h"

#define CHANGES_SHOWN 10

/* --- what sluiced says --- */

const struct cJSON *why_claims(const struct why *why)
{
	return cJSON_GetObjectItemCaseSensitive(why->facts, "backends");
}

const struct cJSON *why_claim_of(const struct why *why, const char *task)
{
	const cJSON *claim;

	cJSON_ArrayForEach(claim, why_claims(why))
	{
		const char *name =
			cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(claim, "task"));

		if (name && !strcmp(name, task))
			return claim;
	}
	return NULL;
}

/* sluiced's reason why the task cannot be a backend; NULL: none. Without a task: the first one there is. */
static const char *problem_of(const struct why *why, const char *task)
{
	const cJSON *problem;

	cJSON_ArrayForEach(problem, cJSON_GetObjectItemCaseSensitive(why->status, "problems"))
	{
		const char *name =
			cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(problem, "task"));

		if (!task || (name && !strcmp(name, task)))
			return cJSON_GetStringValue(
				cJSON_GetObjectItemCaseSensitive(problem, "reason"));
	}
	return NULL;
}

/* --- gathering --- */

/* PORT, SERVICE/PORT or a task's id. 0, or the exit status. */
static int parse(struct why *why, const struct command *command)
{
	const char *word = command->argc ? command->argv[0] : NULL, *slash, *problem;

	if (!word)
		return command_usage("why: ", "name a host-port, as 31005 or web/31005, or a task");
	if (command->argc > 1)
		return command_usage("no such argument: ", command->argv[1]);
	slash = strrchr(word, '/');
	if (config_value_port(slash ? slash + 1 : word, &why->port, &problem)) {
		if (slash || word[0] == '-' || word[strspn(word, "0123456789")] == '\0')
			return command_usage("why: no host-port: ", word);
		why->task = word;
		return 0;
	}
	if (slash && (slash == word || (size_t)(slash - word) >= sizeof(why->service)))
		return command_usage("why: no service's name: ", word);
	if (slash)
		snprintf(why->service, sizeof(why->service), "%.*s", (int)(slash - word), word);
	return 0;
}

static bool is_asked_for(const struct why *why, const struct views_backend *backend)
{
	if (why->task)
		return !strcmp(backend->task, why->task);
	return backend->port == why->port &&
	       (!why->service[0] || !strcmp(backend->service, why->service));
}

static int read_backends(struct why *why)
{
	size_t kept = 0;
	int err = views_backends(why->maps, &why->backends, &why->backend_count);

	for (size_t i = 0; !err && i < why->backend_count; i++)
		if (is_asked_for(why, &why->backends[i]))
			why->backends[kept++] = why->backends[i];
	why->backend_count = err ? 0 : kept;
	why->overrides = calloc(kept + 1, sizeof(*why->overrides));
	if (!err && !why->overrides)
		err = -ENOMEM;
	for (size_t i = 0; !err && i < kept; i++) {
		const struct sluice_override_key key = { why->backends[i].slot,
							 why->backends[i].generation };

		if (maps_lookup(why->maps->override_fd, &key, &why->overrides[i]))
			why->overrides[i] = (struct sluice_override){ 0 };
	}
	if (!err && why->task && kept)
		why->port = why->backends[0].port;
	return err;
}

static bool is_about(const struct why *why, const struct sluice_change *change)
{
	if (why->task)
		return !strcmp(change->task, why->task);
	return change->port == why->port &&
	       (!why->service[0] || !strcmp(change->service, why->service));
}

static int read_record(struct why *why)
{
	size_t kept = 0, skip;
	int err = changes_read(why->maps, &why->changes, &why->change_count);

	if (err)
		return err;
	for (size_t i = 0; i < why->change_count; i++)
		if (is_about(why, &why->changes[i]))
			why->changes[kept++] = why->changes[i];
	skip = kept > CHANGES_SHOWN ? kept - CHANGES_SHOWN : 0;
	memmove(why->changes, why->changes + skip, (kept - skip) * sizeof(*why->changes));
	why->change_count = kept - skip;
	return 0;
}

static void ask_daemon(struct why *why)
{
	char request[64], ignored[160];

	why->status =
		daemon_ask(why->config, "status", why->no_daemon, sizeof(why->no_daemon), NULL);
	if (!why->status || !why->port)
		return;
	snprintf(request, sizeof(request), "why %s %u", why->service[0] ? why->service : "*",
		 why->port);
	why->facts = daemon_ask(why->config, request, ignored, sizeof(ignored), NULL);
}

/* --- a port that nobody has --- */

/* A client's port, or one on which somebody else listens: one line that helps. */
static void say_nobody(const struct why *why)
{
	struct sluice_service services[SLUICE_MAX_SERVICES + 1];
	const struct behind *behind = &why->behind;

	for (unsigned i = 1; !maps_read_services(why->maps, services) && i <= SLUICE_MAX_SERVICES;
	     i++) {
		if (!services[i].name[0] || ntohs(services[i].port) != why->port)
			continue;
		command_error("%u is the port of service %s: ask for a host-port of its backends",
			      why->port, services[i].name);
		return;
	}
	if (behind->socket_count && behind->socket[0].owner.pid)
		command_error(
			"%u: no backend has this host-port, now or in the record; %s (pid %d) "
			"listens on it",
			why->port, behind->socket[0].owner.comm, behind->socket[0].owner.pid);
	else
		command_error(
			"%u: no backend has this host-port, now or in the record, and %s listens on it%s",
			why->port, behind->socket_count ? "some process" : "nobody",
			problem_of(why, NULL) ? "; some tasks have no host-port: see `sluicectl "
						"status`"
					      : "");
}

static bool is_known(const struct why *why)
{
	return why->backend_count || why->change_count || cJSON_GetArraySize(why_claims(why)) ||
	       (why->task && problem_of(why, why->task));
}

static int run(struct why *why, const struct command *command)
{
	int err = read_backends(why);

	if (!err)
		err = read_record(why);
	if (err) {
		command_error("%s: cannot read the backends: %s", why->config->pin_dir,
			      strerror(-err));
		return EXIT_FAILURE;
	}
	ask_daemon(why);
	if (why->port)
		behind_look(&why->behind, why->port);
	if (is_known(why))
		return command->json ? why_print_json(why) : why_print_text(why);
	if (why->task)
		command_error("%s: no such task, now or in the record%s", why->task,
			      why->status ? "" : "; sluiced is not there to ask");
	else
		say_nobody(why);
	return EXIT_FAILURE;
}

int verb_why(const struct command *command)
{
	struct why why = { 0 };
	struct config *config;
	struct maps maps;
	int status = parse(&why, command);

	if (status)
		return status;
	if (!command_maps(command, &config, &maps))
		return EXIT_FAILURE;
	why.config = config;
	why.maps = &maps;
	status = run(&why, command);
	cJSON_Delete(why.status);
	cJSON_Delete(why.facts);
	free(why.backends);
	free(why.overrides);
	free(why.changes);
	maps_release(&maps);
	config_free(config);
	return status;
}
