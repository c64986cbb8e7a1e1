/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sluicectl services: each service that attach knows, its set in force and its counters. JSON keys in sluicectl(8).
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

static cJSON *service_json(const struct views_service *service)
{
	cJSON *object = cJSON_CreateObject(), *addresses;
	char address[INET_ADDRSTRLEN];
	unsigned i;

	cJSON_AddStringToObject(object, "name", service->name);
	cJSON_AddNumberToObject(object, "port", service->port);
	addresses = cJSON_AddArrayToObject(object, "addresses");
	for (i = 0; i < service->address_count; i++)
		cJSON_AddItemToArray(addresses,
				     cJSON_CreateString(inet_ntop(AF_INET, &service->address[i],
								  address, sizeof(address))));
	cJSON_AddBoolToObject(object, "leaving", service->leaving);
	cJSON_AddBoolToObject(object, "synced", service->synced);
	if (service->synced) {
		cJSON_AddStringToObject(object, "balance", views_balance(service->balance));
		cJSON_AddStringToObject(object, "on_empty", views_on_empty(service->on_empty));
	} else {
		cJSON_AddNullToObject(object, "balance");
		cJSON_AddNullToObject(object, "on_empty");
	}
	cJSON_AddNumberToObject(object, "waiting", service->waiting);
	cJSON_AddNumberToObject(object, "up", service->up);
	cJSON_AddNumberToObject(object, "down", service->down);
	cJSON_AddNumberToObject(object, "draining", service->draining);
	cJSON_AddNumberToObject(object, "gone", service->gone);
	cJSON_AddNumberToObject(object, "active", service->active);
	cJSON_AddNumberToObject(object, "half_open", service->half_open);
	cJSON_AddNumberToObject(object, "connections", (double)service->stats.connections);
	cJSON_AddNumberToObject(object, "picks", (double)service->stats.picks);
	cJSON_AddNumberToObject(object, "packets_in", (double)service->stats.packets_in);
	cJSON_AddNumberToObject(object, "bytes_in", (double)service->stats.bytes_in);
	cJSON_AddNumberToObject(object, "packets_out", (double)service->stats.packets_out);
	cJSON_AddNumberToObject(object, "bytes_out", (double)service->stats.bytes_out);
	return object;
}

static int print_json(const struct views_service *list, size_t count)
{
	cJSON *document = cJSON_CreateArray();
	size_t i;

	for (i = 0; i < count; i++)
		cJSON_AddItemToArray(document, service_json(&list[i]));
	return command_print_json(document);
}

static int print_table(const struct views_service *list, size_t count)
{
	static const char *const titles[] = { "SERVICE", ">PORT",	 "BALANCE",  ">UP",
					      ">DOWN",	 ">DRAINING",	 ">WAITING", ">GONE",
					      ">ACTIVE", ">CONNECTIONS", ">IN",	     ">OUT",
					      NULL };
	struct table *table = table_new(titles);
	size_t i;
	int err;

	if (!table)
		goto lost;
	for (i = 0; i < count; i++) {
		const struct views_service *service = &list[i];

		table_text(table, service->name);
		table_number(table, service->port);
		table_text(table, service->leaving  ? "leaving"
				  : service->synced ? views_balance(service->balance)
						    : "unsynced");
		table_number(table, service->up);
		table_number(table, service->down);
		table_number(table, service->draining);
		table_number(table, service->waiting);
		table_number(table, service->gone);
		table_number(table, service->active);
		table_number(table, service->stats.connections);
		table_bytes(table, service->stats.bytes_in);
		table_bytes(table, service->stats.bytes_out);
	}
	err = table_print(table);
	table_free(table);
	if (!err)
		return EXIT_SUCCESS;
lost:
	command_error("out of memory");
	return EXIT_FAILURE;
}

int verb_services(const struct command *command)
{
	struct views_service *list;
	struct config *config;
	struct maps maps;
	size_t count;
	int status, err;

	if (!command_maps(command, &config, &maps))
		return EXIT_FAILURE;
	err = views_services(&maps, &list, &count);
	if (err) {
		command_error("%s: cannot read the services: %s", config->pin_dir, strerror(-err));
		status = EXIT_FAILURE;
	} else {
		status = command->json ? print_json(list, count) : print_table(list, count);
		free(list);
	}
	maps_release(&maps);
	config_free(config);
	return status;
}
