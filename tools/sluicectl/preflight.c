/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The verb: runs the checks and prints the findings. JSON: ok, mode {configured, choice, why}, findings [{check, level, text}].
 */
#include "preflight.h"

#include <cjson/cJSON.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "attach.h"
#include "command.h"
#include "config.h"

static const char *const levels[] = { "ok", "skipped", "warning", "block" };

void preflight_add(struct preflight *preflight, enum preflight_level level, const char *check,
		   const char *format, ...)
{
	struct preflight_finding *finding;
	va_list args;

	if (preflight->count == PREFLIGHT_MAX)
		return;
	finding = &preflight->finding[preflight->count++];
	finding->level = level;
	finding->check = check;
	va_start(args, format);
	vsnprintf(finding->text, sizeof(finding->text), format, args);
	va_end(args);
}

static bool is_blocked(const struct preflight *preflight)
{
	unsigned i;

	for (i = 0; i < preflight->count; i++) {
		if (preflight->finding[i].level == PREFLIGHT_BLOCK)
			return true;
	}
	return false;
}

static const char *configured(const struct config *config)
{
	static const char *const modes[] = { "auto", "native", "tc", "generic" };

	return modes[config->mode];
}

static int print_json(const struct preflight *preflight, const struct attach_report *choice)
{
	cJSON *document = cJSON_CreateObject(), *mode, *findings;
	unsigned i;

	cJSON_AddBoolToObject(document, "ok", !is_blocked(preflight));
	mode = cJSON_AddObjectToObject(document, "mode");
	cJSON_AddStringToObject(mode, "configured", configured(preflight->config));
	cJSON_AddStringToObject(mode, "choice", attach_mode_name(choice->mode));
	cJSON_AddStringToObject(mode, "why", choice->why);
	findings = cJSON_AddArrayToObject(document, "findings");
	for (i = 0; i < preflight->count; i++) {
		const struct preflight_finding *finding = &preflight->finding[i];
		cJSON *object = cJSON_CreateObject();

		cJSON_AddStringToObject(object, "check", finding->check);
		cJSON_AddStringToObject(object, "level", levels[finding->level]);
		cJSON_AddStringToObject(object, "text", finding->text);
		cJSON_AddItemToArray(findings, object);
	}
	return command_print_json(document);
}

static int print_text(const struct preflight *preflight, const struct attach_report *choice)
{
	unsigned i;

	for (i = 0; i < preflight->count; i++)
		printf("%-8s %-20s %s\n", levels[preflight->finding[i].level],
		       preflight->finding[i].check, preflight->finding[i].text);
	printf("mode %s: attach will choose %s (%s)\n", configured(preflight->config),
	       attach_mode_name(choice->mode), choice->why);
	puts(is_blocked(preflight) ? "attach would be refused" : "nothing is against attaching");
	return EXIT_SUCCESS;
}

int verb_preflight(const struct command *command)
{
	struct preflight *preflight = calloc(1, sizeof(*preflight));
	struct config *config = command_config(command);
	struct attach_report choice = {};
	int status = EXIT_FAILURE;

	if (!config || !preflight)
		goto out;
	preflight->config = config;
	preflight_kernel(preflight);
	preflight_host(preflight);
	preflight_interfaces(preflight);
	preflight_firewall(preflight);
	attach_choose_mode(config, &choice);
	status = command->json ? print_json(preflight, &choice) : print_text(preflight, &choice);
	if (is_blocked(preflight))
		status = EXIT_FAILURE;
out:
	config_free(config);
	free(preflight);
	return status;
}
