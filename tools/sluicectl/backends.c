/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sluicectl backends: who gets connections, who does not and why. The JSON keys are a contract, see sluicectl(8).
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "config.h"
#include "maps.h"
#include "services.h"
#include "table.h"
#include "views.h"

static cJSON *backend_json(const struct views_backend *backend, bool leaving)
{
	cJSON *object = cJSON_CreateObject();

	cJSON_AddStringToObject(object, "service", backend->service);
	cJSON_AddNumberToObject(object, "port", backend->port);
	cJSON_AddStringToObject(object, "task", backend->task);
	cJSON_AddStringToObject(object, "app", backend->app);
	cJSON_AddNumberToObject(object, "port_index", backend->port_index);
	cJSON_AddStringToObject(object, "state", views_backend_state(backend->state));
	cJSON_AddNumberToObject(object, "state_ms", (double)backend->state_since_ms);
	cJSON_AddNumberToObject(object, "weight", backend->weight);
	cJSON_AddNumberToObject(object, "slot", backend->slot);
	cJSON_AddNumberToObject(object, "generation", backend->generation);
	cJSON_AddNumberToObject(object, "active", backend->active);
	cJSON_AddNumberToObject(object, "half_open", backend->half_open);
	cJSON_AddNumberToObject(object, "connections", (double)backend->stats.connections);
	cJSON_AddNumberToObject(object, "picks", (double)backend->stats.picks);
	cJSON_AddNumberToObject(object, "packets_in", (double)backend->stats.packets_in);
	cJSON_AddNumberToObject(object, "bytes_in", (double)backend->stats.bytes_in);
	cJSON_AddNumberToObject(object, "packets_out", (double)backend->stats.packets_out);
	cJSON_AddNumberToObject(object, "bytes_out", (double)backend->stats.bytes_out);
	cJSON_AddStringToObject(object, "reason", backend->reason);
	cJSON_AddStringToObject(object, "source", backend->source);
	cJSON_AddBoolToObject(object, "leaving", leaving);
	return object;
}

static int print_json(const struct views_backend *list, size_t count, bool leaving)
{
	cJSON *document = cJSON_CreateArray();
	size_t i;

	for (i = 0; i < count; i++)
		cJSON_AddItemToArray(document, backend_json(&list[i], leaving));
	return command_print_json(document);
}

static int print_table(const struct views_backend *list, size_t count, bool leaving)
{
	static const char *const titles[] = { "BACKEND", "STATE",      "SINCE",	       ">WEIGHT",
					      ">ACTIVE", ">HALF-OPEN", ">CONNECTIONS", ">IN",
					      ">OUT",	 "TASK",       "REASON",       NULL };
	struct table *table = table_new(titles);
	size_t i;
	int err;

	if (!table)
		goto lost;
	if (leaving)
		printf("leaving: %s\n\n", command_leaving);
	for (i = 0; i < count; i++) {
		const struct views_backend *backend = &list[i];

		table_format(table, "%s/%u", backend->service[0] ? backend->service : "?",
			     backend->port);
		table_text(table, views_backend_state(backend->state));
		table_duration(table, backend->state_since_ms);
		table_number(table, backend->weight);
		table_number(table, backend->active);
		table_number(table, backend->half_open);
		table_number(table, backend->stats.connections);
		table_bytes(table, backend->stats.bytes_in);
		table_bytes(table, backend->stats.bytes_out);
		table_text(table, backend->task);
		table_text(table, backend->reason);
	}
	err = table_print(table);
	table_free(table);
	if (!err)
		return EXIT_SUCCESS;
lost:
	command_error("out of memory");
	return EXIT_FAILURE;
}

int verb_backends(const struct command *command)
{
	struct views_backend *list;
	struct config *config;
	struct maps maps;
	size_t count;
	int status, err;
	bool leaving;

	if (!command_maps(command, &config, &maps))
		return EXIT_FAILURE;
	err = views_backends(&maps, &list, &count);
	if (err) {
		command_error("%s: cannot read the backends: %s", config->pin_dir, strerror(-err));
		status = EXIT_FAILURE;
	} else {
		leaving = services_are_leaving(&maps);
		status = command->json ? print_json(list, count, leaving)
				       : print_table(list, count, leaving);
		free(list);
	}
	maps_release(&maps);
	config_free(config);
	return status;
}
