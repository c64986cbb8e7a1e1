/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sluicectl detach: back to nothing. Done twice it says so, and is still done. With --json one object: detached.
 */
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "attach.h"
#include "command.h"
#include "config.h"

int verb_detach(const struct command *command)
{
	struct config *config = command_config(command);
	char error[CONFIG_ERROR_LEN];
	int status = EXIT_SUCCESS, err;
	bool was = false;

	if (!config)
		return EXIT_FAILURE;
	err = attach_undo(config->pin_dir, &was, error, sizeof(error));
	if (err) {
		command_error("%s%s", error,
			      (err == -EPERM || err == -EACCES) && geteuid()
				      ? " (detach is for root)"
				      : "");
		status = EXIT_FAILURE;
	} else if (command->json) {
		cJSON *document = cJSON_CreateObject();

		cJSON_AddBoolToObject(document, "detached", was);
		status = command_print_json(document);
	} else {
		printf("%s: %s\n", config->pin_dir, was ? "detached" : "nothing was attached");
	}
	config_free(config);
	return status;
}
