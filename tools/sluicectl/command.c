/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * First steps of the verbs. Errors are printed here, with the program's name, so that a verb only has to give up.
 */
#include "command.h"

#include <cjson/cJSON.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "config.h"
#include "maps.h"

const char command_leaving[] =
	"new connections pass to the host, for `sluicectl detach --wait`; `sluicectl attach` ends that";

void command_error(const char *format, ...)
{
	va_list args;

	fputs("sluicectl: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

int command_usage(const char *what, const char *text)
{
	command_error("%s%s (--help tells more)", what, text);
	return EXIT_USAGE;
}

struct config *command_config(const struct command *command)
{
	char error[CONFIG_ERROR_LEN];
	struct config *config = config_load(command->config_file, error);

	if (!config) {
		command_error("%s", error);
		return NULL;
	}
	if (config_fill_defaults(config, error)) {
		command_error("%s", error);
		config_free(config);
		return NULL;
	}
	return config;
}

bool command_maps(const struct command *command, struct config **config, struct maps *maps)
{
	char error[CONFIG_ERROR_LEN];

	*config = command_config(command);
	if (!*config)
		return false;
	if (maps_open(maps, (*config)->pin_dir, MAPS_READ, error, sizeof(error))) {
		command_error("%s", error);
		config_free(*config);
		*config = NULL;
		return false;
	}
	return true;
}

int command_print_json(struct cJSON *document)
{
	char *text = document ? cJSON_Print(document) : NULL;
	int status = EXIT_SUCCESS;

	cJSON_Delete(document);
	if (!text) {
		command_error("out of memory");
		return EXIT_FAILURE;
	}
	if (puts(text) < 0 || fflush(stdout) < 0)
		status = EXIT_FAILURE;
	free(text);
	return status;
}
