/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sluicectl flows: every balanced connection, from the client's address on. The JSON keys are a contract, see sluicectl(8).
 */
#include <arpa/inet.h>
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "config.h"
#include "maps.h"
#include "table.h"
#include "views.h"

static cJSON *flow_json(const struct views_flow *flow)
{
	cJSON *object = cJSON_CreateObject();
	char address[INET6_ADDRSTRLEN];

	cJSON_AddStringToObject(object, "client",
				inet_ntop(flow->family, flow->client, address, sizeof(address)));
	cJSON_AddNumberToObject(object, "client_port", flow->client_port);
	cJSON_AddStringToObject(object, "local",
				inet_ntop(flow->family, flow->local, address, sizeof(address)));
	cJSON_AddNumberToObject(object, "service_port", flow->service_port);
	cJSON_AddStringToObject(object, "service", flow->service);
	cJSON_AddNumberToObject(object, "port", flow->port);
	cJSON_AddNumberToObject(object, "slot", flow->slot);
	cJSON_AddNumberToObject(object, "generation", flow->generation);
	cJSON_AddStringToObject(object, "state", views_flow_state(flow->state));
	cJSON_AddStringToObject(object, "origin", views_origin(flow->origin));
	cJSON_AddNumberToObject(object, "age_ms", (double)flow->age_ms);
	cJSON_AddNumberToObject(object, "idle_ms", (double)flow->idle_ms);
	return object;
}

static int print_json(const struct views_flow *list, size_t count)
{
	cJSON *document = cJSON_CreateArray();
	size_t i;

	for (i = 0; i < count; i++)
		cJSON_AddItemToArray(document, flow_json(&list[i]));
	return command_print_json(document);
}

static void add_endpoint(struct table *table, int family, const void *address, unsigned port)
{
	char text[INET6_ADDRSTRLEN];

	inet_ntop(family, address, text, sizeof(text));
	table_format(table, family == AF_INET6 ? "[%s]:%u" : "%s:%u", text, port);
}

static int print_table(const struct views_flow *list, size_t count)
{
	static const char *const titles[] = { "CLIENT", "LOCAL", "BACKEND", "STATE",
					      ">AGE",	">IDLE", NULL };
	struct table *table = table_new(titles);
	size_t i;
	int err;

	if (!table)
		goto lost;
	for (i = 0; i < count; i++) {
		const struct views_flow *flow = &list[i];

		add_endpoint(table, flow->family, flow->client, flow->client_port);
		add_endpoint(table, flow->family, flow->local, flow->service_port);
		table_format(table, "%s/%u", flow->service[0] ? flow->service : "?", flow->port);
		table_text(table, views_flow_state(flow->state));
		table_duration(table, flow->age_ms);
		table_duration(table, flow->idle_ms);
	}
	err = table_print(table);
	table_free(table);
	if (!err)
		return EXIT_SUCCESS;
lost:
	command_error("out of memory");
	return EXIT_FAILURE;
}

int verb_flows(const struct command *command)
{
	struct views_flow *list;
	struct config *config;
	struct maps maps;
	size_t count;
	int status, err;

	if (!command_maps(command, &config, &maps))
		return EXIT_FAILURE;
	err = views_flows(&maps, &list, &count);
	if (err) {
		command_error("%s: cannot read the flows: %s", config->pin_dir, strerror(-err));
		status = EXIT_FAILURE;
	} else {
		status = command->json ? print_json(list, count) : print_table(list, count);
		free(list);
	}
	maps_release(&maps);
	config_free(config);
	return status;
}
