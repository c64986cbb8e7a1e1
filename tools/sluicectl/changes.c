/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sluicectl changes: the record of what became of backends. It lies in a pinned map, so it is there with the daemon dead.
 */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "change_view.h"
#include "changes.h"
#include "command.h"
#include "config.h"
#include "config_value.h"
#include "maps.h"

#define SHOWN 30 /* unless -n says otherwise; JSON: all */

/* -n N, or nothing. 0, or the exit status. */
static int parse(const struct command *command, size_t *shown)
{
	const char *why;
	uint32_t number;

	*shown = command->json ? SLUICE_CHANGES : SHOWN;
	if (!command->argc)
		return 0;
	if (strcmp(command->argv[0], "-n") != 0)
		return command_usage("no such argument: ", command->argv[0]);
	if (command->argc == 1)
		return command_usage("-n: ", "no number is given");
	if (command->argc > 2)
		return command_usage("no such argument: ", command->argv[2]);
	if (config_value_number(command->argv[1], 1, SLUICE_CHANGES, &number, &why))
		return command_usage("-n: not a number from 1 to 1024: ", command->argv[1]);
	*shown = (size_t)number;
	return 0;
}

int verb_changes(const struct command *command)
{
	struct sluice_change *list = NULL;
	struct config *config;
	size_t count, shown;
	struct maps maps;
	int status = parse(command, &shown), err;

	if (status)
		return status;
	if (!command_maps(command, &config, &maps))
		return EXIT_FAILURE;
	err = changes_read(&maps, &list, &count);
	if (!err) {
		const struct sluice_change *last = list + (count > shown ? count - shown : 0);

		if (count > shown)
			count = shown;
		if (command->json)
			status = command_print_json(change_view_json(last, count));
		else
			err = change_view_print(last, count);
	}
	if (err) {
		command_error("out of memory");
		status = EXIT_FAILURE;
	}
	free(list);
	maps_release(&maps);
	config_free(config);
	return status;
}
