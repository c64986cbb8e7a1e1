/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The maps against what sluiced wants them to say. That it is not running is no fault of the maps: a note. That it does not answer is one.
 */
#include <arpa/inet.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "daemon.h"
#include "maps.h"
#include "verify.h"
#include "views.h"

#define LOG "see sluiced's log: it cannot publish, or refuses it"

static const char *text_of(const cJSON *object, const char *key)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));

	return text ? text : "";
}

static unsigned number_of(const cJSON *object, const char *key)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

	return cJSON_IsNumber(item) ? (unsigned)item->valuedouble : 0;
}

/* Slot of the wanted backend; 0: the maps do not have it. */
static unsigned find(const struct verify *verify, const cJSON *wanted)
{
	const struct maps *maps = verify->maps;

	for (unsigned slot = 1; slot <= SLUICE_MAX_BACKENDS; slot++) {
		const struct sluice_backend *backend = &maps->backends[slot];

		if (backend->generation && backend->service &&
		    backend->service <= SLUICE_MAX_SERVICES &&
		    ntohs(backend->port) == number_of(wanted, "port") &&
		    maps->labels[slot].port_index == number_of(wanted, "port_index") &&
		    !strncmp(maps->labels[slot].task, text_of(wanted, "task"), SLUICE_TASK_LEN) &&
		    !strcmp(verify->services[backend->service].name, text_of(wanted, "service")))
			return slot;
	}
	return 0;
}

static bool is_attached(const struct verify *verify, const char *service)
{
	for (unsigned i = 1; i <= SLUICE_MAX_SERVICES; i++)
		if (!strcmp(verify->services[i].name, service))
			return true;
	return false;
}

static void check_wanted(struct verify *verify, const cJSON *wanted,
			 bool known[SLUICE_MAX_BACKENDS + 1])
{
	const struct sluice_backend *backend;
	unsigned slot = find(verify, wanted);
	char where[64];

	snprintf(where, sizeof(where), "%.32s/%u", text_of(wanted, "service"),
		 number_of(wanted, "port"));
	if (!slot) {
		if (is_attached(verify, text_of(wanted, "service")))
			verify_add(verify, "wanted.missing", LOG, where,
				   SLUICE_MAP_BACKENDS ": sluiced wants it, and it is not there");
		return;
	}
	known[slot] = true;
	backend = &verify->maps->backends[slot];
	if (backend->state != number_of(wanted, "state"))
		verify_add(verify, "wanted.state", LOG, where,
			   SLUICE_MAP_BACKENDS ": slot %u is %s, and sluiced wants it %s", slot,
			   views_backend_state(backend->state),
			   views_backend_state(number_of(wanted, "state")));
	if (backend->weight != number_of(wanted, "weight"))
		verify_add(verify, "wanted.weight", LOG, where,
			   SLUICE_MAP_BACKENDS ": slot %u has weight %u, and sluiced wants %u",
			   slot, backend->weight, number_of(wanted, "weight"));
}

static void check_services(struct verify *verify, const cJSON *services,
			   bool managed[SLUICE_MAX_SERVICES + 1])
{
	const cJSON *service;

	cJSON_ArrayForEach(service, services)
	{
		for (unsigned i = 1; i <= SLUICE_MAX_SERVICES; i++) {
			if (!verify->services[i].name[0] ||
			    strcmp(verify->services[i].name, text_of(service, "name")) != 0)
				continue;
			managed[i] = true;
			if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(service, "synced")) &&
			    !verify->maps->active[i].version)
				verify_add(verify, "wanted.set", LOG, verify->services[i].name,
					   SLUICE_MAP_ACTIVE
					   ": sluiced wants a set, there is none");
		}
	}
}

static void compare(struct verify *verify, const cJSON *document)
{
	const cJSON *services = cJSON_GetObjectItemCaseSensitive(document, "services");
	bool known[SLUICE_MAX_BACKENDS + 1] = { 0 }, managed[SLUICE_MAX_SERVICES + 1] = { 0 };
	const cJSON *wanted;
	char where[64];

	if (!cJSON_IsArray(services)) {
		verify_unseen(verify, "sluiced is older than this program");
		return;
	}
	check_services(verify, services, managed);
	cJSON_ArrayForEach(wanted, cJSON_GetObjectItemCaseSensitive(document, "backends"))
		check_wanted(verify, wanted, known);
	for (unsigned slot = 1; slot <= SLUICE_MAX_BACKENDS; slot++) {
		const struct sluice_backend *backend = &verify->maps->backends[slot];

		if (!backend->generation || known[slot] || backend->service > SLUICE_MAX_SERVICES ||
		    !managed[backend->service])
			continue;
		verify_name(verify, slot, where);
		verify_add(verify, "wanted.unknown", LOG, where,
			   SLUICE_MAP_BACKENDS ": slot %u is there, and sluiced does not want it",
			   slot);
	}
}

void verify_daemon(struct verify *verify)
{
	char why[160];
	int err;
	cJSON *document = daemon_ask(verify->config, "wanted", why, sizeof(why), &err);

	if (document)
		compare(verify, document);
	else if (err == -ENOENT || err == -ECONNREFUSED)
		snprintf(verify->note, sizeof(verify->note),
			 "sluiced is not running: what it would want is not known");
	else if (err == -ETIMEDOUT)
		verify_add(verify, "daemon.silent", "restart sluiced", "sluiced",
			   "it holds its socket and does not answer");
	else
		verify_unseen(verify, "sluiced: %s", why);
	cJSON_Delete(document);
}
