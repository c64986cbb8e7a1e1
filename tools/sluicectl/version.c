/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sluicectl version. Needs no configuration: what cannot be read is left out. JSON: version, abi, attached_abi or null.
 */
#include "version.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "command.h"
#include "config.h"
#include "maps.h"

/* ABI of what is attached, 0 if nothing is, or it cannot be told. */
static unsigned attached_abi(const struct command *command)
{
	char error[CONFIG_ERROR_LEN];
	struct config *config = config_load(command->config_file, error);
	struct maps maps;
	unsigned abi = 0;
	int err;

	if (!config)
		return 0;
	err = maps_open(&maps, config->pin_dir, MAPS_READ, error, sizeof(error));
	if (!err || err == -EPROTO)
		abi = maps.meta.abi;
	if (!err)
		maps_release(&maps);
	config_free(config);
	return abi;
}

int verb_version(const struct command *command)
{
	unsigned abi = attached_abi(command);

	if (command->json) {
		cJSON *document = cJSON_CreateObject();

		cJSON_AddStringToObject(document, "version", SLUICE_VERSION);
		cJSON_AddNumberToObject(document, "abi", SLUICE_ABI);
		if (abi)
			cJSON_AddNumberToObject(document, "attached_abi", abi);
		else
			cJSON_AddNullToObject(document, "attached_abi");
		return command_print_json(document);
	}
	printf("sluicectl %s, ABI %d", SLUICE_VERSION, SLUICE_ABI);
	if (abi)
		printf(", attached: ABI %u", abi);
	putchar('\n');
	return EXIT_SUCCESS;
}
