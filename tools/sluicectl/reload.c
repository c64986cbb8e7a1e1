/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sluicectl reload: check the file, bring the service ports up to date (as root, who alone may write them), and have the
 * daemon read it again. A bad file changes nothing. What is built into the packet path is not changed here: it
 * "needs attach". JSON: ok, message, needs_attach (a key, or null).
 */
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin_client.h"
#include "attach_needs.h"
#include "command.h"
#include "config.h"
#include "maps.h"
#include "services.h"
#include "writer.h"

#define ANSWER_MS 10000
#define STANDIN_MS 1000 /* a sluicectl that stands in for a daemon has done by then */

struct outcome {
	bool ok;
	char message[CONFIG_ERROR_LEN];
	char needs_attach[64];
};

/* The ports, if we may and something is attached. */
static bool sync_services(const struct config *config, struct outcome *outcome)
{
	struct maps maps;
	int err;

	err = maps_open(&maps, config->pin_dir, geteuid() ? MAPS_READ : MAPS_ROOT, outcome->message,
			sizeof(outcome->message));
	if (err == -ENOENT) {
		outcome->message[0] = '\0';
		snprintf(outcome->needs_attach, sizeof(outcome->needs_attach), "node");
		return true; /* the daemon may run without: it says so itself */
	}
	if (err)
		return false;
	if (!geteuid())
		err = services_sync(&maps, config, services_are_leaving(&maps), outcome->message,
				    sizeof(outcome->message));
	attach_needs(&maps, config, outcome->needs_attach, sizeof(outcome->needs_attach));
	maps_release(&maps);
	return !err;
}

/*
 * Nobody answers at the socket. A daemon that runs all the same listens at another one: the file
 * was changed.
 */
static void tell_unheard(const struct config *config, struct outcome *outcome)
{
	char why[CONFIG_ERROR_LEN];
	int fd = writer_lock(config->pin_dir, STANDIN_MS, why, sizeof(why));

	if (fd >= 0)
		close(fd);
	if (fd == -EBUSY)
		snprintf(
			outcome->message, sizeof(outcome->message),
			"sluiced: running, but not listening at %.100s, so it was told nothing: if [admin] socket has changed, send it SIGHUP",
			config->admin_socket);
	else
		snprintf(
			outcome->message, sizeof(outcome->message),
			"sluiced: not running, so nobody was told; it will read the file when it starts");
}

static void ask_daemon(const struct config *config, struct outcome *outcome)
{
	char *answer = NULL;
	cJSON *document;
	int err = admin_client_call(config->admin_socket, "reload", ANSWER_MS, &answer);

	if (err == -ENOENT || err == -ECONNREFUSED) {
		tell_unheard(config, outcome);
		return;
	}
	if (err) {
		snprintf(outcome->message, sizeof(outcome->message), "%.200s: %s",
			 config->admin_socket, strerror(-err));
		return;
	}
	document = cJSON_Parse(answer);
	free(answer);
	outcome->ok = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(document, "ok"));
	if (cJSON_IsString(cJSON_GetObjectItemCaseSensitive(document, "message")))
		snprintf(outcome->message, sizeof(outcome->message), "%s",
			 cJSON_GetStringValue(
				 cJSON_GetObjectItemCaseSensitive(document, "message")));
	else
		snprintf(outcome->message, sizeof(outcome->message),
			 "sluiced: an answer that makes no sense");
	cJSON_Delete(document);
}

static int print_outcome(const struct command *command, const struct outcome *outcome)
{
	if (command->json) {
		cJSON *document = cJSON_CreateObject();
		int status;

		cJSON_AddBoolToObject(document, "ok", outcome->ok);
		cJSON_AddStringToObject(document, "message", outcome->message);
		if (outcome->needs_attach[0])
			cJSON_AddStringToObject(document, "needs_attach", outcome->needs_attach);
		else
			cJSON_AddNullToObject(document, "needs_attach");
		status = command_print_json(document);
		return outcome->ok ? status : EXIT_FAILURE;
	}
	if (!outcome->ok) {
		command_error("%s", outcome->message);
		return EXIT_FAILURE;
	}
	puts(outcome->message[0] ? outcome->message : "reloaded");
	if (outcome->needs_attach[0])
		printf("needs attach: %s (run sluicectl attach as root)\n", outcome->needs_attach);
	return EXIT_SUCCESS;
}

int verb_reload(const struct command *command)
{
	struct config *config = command_config(command);
	struct outcome outcome = {};

	if (!config)
		return EXIT_FAILURE;
	if (config_check_files(config, outcome.message)) {
		command_error("%s", outcome.message);
		config_free(config);
		return EXIT_FAILURE;
	}
	if (sync_services(config, &outcome))
		ask_daemon(config, &outcome);
	config_free(config);
	return print_outcome(command, &outcome);
}
