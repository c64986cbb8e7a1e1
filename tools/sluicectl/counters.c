/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sluicectl counters: every way that packets took, since attach. JSON: one object, reason to number.
 */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "config.h"
#include "maps.h"
#include "table.h"
#include "views.h"

static int print_json(const uint64_t *counts)
{
	cJSON *document = cJSON_CreateObject();
	enum sluice_reason reason;

	for (reason = SLUICE_REASON_NONE + 1; reason < SLUICE_REASON_COUNT; reason++)
		cJSON_AddNumberToObject(document, views_reason_name(reason),
					(double)counts[reason]);
	return command_print_json(document);
}

static int print_table(const uint64_t *counts)
{
	static const char *const titles[] = { "REASON", ">COUNT", "MEANING", NULL };
	struct table *table = table_new(titles);
	enum sluice_reason reason;
	int err;

	if (!table)
		goto lost;
	for (reason = SLUICE_REASON_NONE + 1; reason < SLUICE_REASON_COUNT; reason++) {
		table_text(table, views_reason_name(reason));
		table_number(table, counts[reason]);
		table_text(table, views_reason_help(reason));
	}
	err = table_print(table);
	table_free(table);
	if (!err)
		return EXIT_SUCCESS;
lost:
	command_error("out of memory");
	return EXIT_FAILURE;
}

int verb_counters(const struct command *command)
{
	uint64_t counts[SLUICE_REASON_COUNT];
	struct config *config;
	struct maps maps;
	int status, err;

	if (!command_maps(command, &config, &maps))
		return EXIT_FAILURE;
	err = maps_read_reasons(&maps, counts);
	if (err) {
		command_error("%s/" SLUICE_MAP_REASONS ": %s", config->pin_dir, strerror(-err));
		status = EXIT_FAILURE;
	} else {
		status = command->json ? print_json(counts) : print_table(counts);
	}
	maps_release(&maps);
	config_free(config);
	return status;
}
