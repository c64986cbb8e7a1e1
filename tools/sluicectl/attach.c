/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sluicectl attach: one shot, or the first of many with --watch (watch.c). With --json the same as one object: attached, mode, why, interfaces, replaced, leaving,
 * local, local_why.
 */
#include "attach.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "config.h"
#include "watch.h"

/* A kernel without tcx is rare to have at hand: SLUICE_TCX=off takes the way for it (sluicectl(8)). */
static bool tcx_is_off(void)
{
	const char *value = getenv("SLUICE_TCX");

	return value && !strcmp(value, "off");
}

static int print_report(const struct command *command, const struct config *config,
			const struct attach_report *report)
{
	unsigned i;

	if (command->json) {
		cJSON *document = cJSON_CreateObject();
		cJSON *interfaces;

		cJSON_AddBoolToObject(document, "attached", true);
		cJSON_AddStringToObject(document, "mode", attach_mode_name(report->mode));
		cJSON_AddStringToObject(document, "why", report->why);
		cJSON_AddBoolToObject(document, "replaced", report->replaced);
		cJSON_AddBoolToObject(document, "leaving", report->leaving);
		cJSON_AddBoolToObject(document, "local", report->local);
		if (report->local)
			cJSON_AddNullToObject(document, "local_why");
		else
			cJSON_AddStringToObject(document, "local_why", report->local_why);
		interfaces = cJSON_AddArrayToObject(document, "interfaces");
		for (i = 0; i < config->interface_count; i++)
			cJSON_AddItemToArray(interfaces, cJSON_CreateString(config->interface[i]));
		return command_print_json(document);
	}
	printf("%s", report->replaced ? "replaced on" : "attached to");
	for (i = 0; i < config->interface_count; i++)
		printf("%s %s", i ? "," : "", config->interface[i]);
	printf(" in mode %s (%s)%s\n", attach_mode_name(report->mode), report->why,
	       report->replaced ? "; flows were kept" : "");
	if (report->leaving)
		puts("new connections still pass to the host: detach --wait began, and only `sluicectl attach` ends it");
	if (report->local)
		printf("clients on this host are balanced too (cgroup %s)\n", config->cgroup);
	else
		printf("clients on this host are not balanced (%s)\n", report->local_why);
	return EXIT_SUCCESS;
}

int attach_and_tell(const struct command *command, const struct config *config)
{
	/* A watch puts back what an interface took along: it must not undo what somebody is about. */
	const struct attach_options options = { .no_tcx = tcx_is_off(),
						.keep_leave = command->watch };
	char error[CONFIG_ERROR_LEN];
	struct attach_report report;
	int err = attach_run(config, &options, &report, error, sizeof(error));

	if (!err)
		return print_report(command, config, &report) == EXIT_SUCCESS ? 0 : -EIO;
	command_error("%s%s", error,
		      (err == -EPERM || err == -EACCES) && geteuid() ? " (attach is for root)"
								     : "");
	return err;
}

int verb_attach(const struct command *command)
{
	struct config *config = command_config(command);
	int err;

	if (!config)
		return EXIT_FAILURE;
	if (command->watch)
		return watch_run(command, config);
	err = attach_and_tell(command, config);
	config_free(config);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}
