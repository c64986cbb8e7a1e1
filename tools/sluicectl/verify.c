/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The looks and what is told of them. sluiced puts most of what is wrong right within a second, so the looks span more than that: what is still
 * there then needs somebody.
 */
#include "verify.h"

#include <arpa/inet.h>
#include <cjson/cJSON.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "command.h"
#include "config.h"
#include "maps.h"
#include "services.h"

#define LOOKS 4
#define PAUSE_MS 600
#define EXIT_UNSEEN 2

void verify_add(struct verify *verify, const char *check, const char *advice, const char *where,
		const char *format, ...)
{
	struct verify_finding *finding;
	va_list args;

	for (size_t i = 0; i < verify->count; i++)
		if (!strcmp(verify->finding[i].check, check) &&
		    !strcmp(verify->finding[i].where, where))
			return;
	if (verify->count == VERIFY_MAX)
		return;
	finding = &verify->finding[verify->count++];
	finding->check = check;
	finding->advice = advice;
	snprintf(finding->where, sizeof(finding->where), "%s", where);
	va_start(args, format);
	vsnprintf(finding->text, sizeof(finding->text), format, args);
	va_end(args);
}

void verify_unseen(struct verify *verify, const char *format, ...)
{
	va_list args;

	if (verify->unseen_count == sizeof(verify->unseen) / sizeof(verify->unseen[0]))
		return;
	va_start(args, format);
	vsnprintf(verify->unseen[verify->unseen_count++], sizeof(verify->unseen[0]), format, args);
	va_end(args);
}

void verify_name(const struct verify *verify, unsigned slot, char name[64])
{
	const struct sluice_backend *backend = &verify->maps->backends[slot];
	const char *service = backend->service && backend->service <= SLUICE_MAX_SERVICES
				      ? verify->services[backend->service].name
				      : "";

	snprintf(name, 64, "%.32s/%u", service[0] ? service : "?", ntohs(backend->port));
}

static void look(struct verify *verify)
{
	size_t len;

	verify->count = 0;
	verify->unseen_count = 0;
	verify->note[0] = '\0';
	if (maps_read_services(verify->maps, verify->services)) {
		verify_unseen(verify, "%s: the services cannot be read", verify->config->pin_dir);
		return;
	}
	verify_ports(verify);
	verify_sets(verify);
	verify_backends(verify);
	verify_addresses(verify);
	verify_flows(verify);
	verify_hooks(verify);
	verify_listeners(verify);
	verify_daemon(verify);
	if (services_are_leaving(verify->maps)) {
		len = strlen(verify->note);
		snprintf(verify->note + len, sizeof(verify->note) - len, "%sleaving: %s",
			 len ? "; " : "", command_leaving);
	}
}

static bool has(const struct verify_finding *list, size_t count, const struct verify_finding *one)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(list[i].check, one->check) && !strcmp(list[i].where, one->where))
			return true;
	return false;
}

/* Keep those that the looks before have had, too. */
static void keep_common(struct verify *verify, const struct verify_finding *before, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < verify->count; i++)
		if (has(before, count, &verify->finding[i]))
			verify->finding[kept++] = verify->finding[i];
	verify->count = kept;
}

static int look_often(struct verify *verify)
{
	const struct timespec pause = { .tv_nsec = PAUSE_MS * 1000000 };
	struct verify_finding *before = calloc(VERIFY_MAX, sizeof(*before));
	size_t count;

	if (!before)
		return -1;
	look(verify);
	for (int i = 1; i < LOOKS && verify->count; i++) {
		count = verify->count;
		memcpy(before, verify->finding, count * sizeof(*before));
		nanosleep(&pause, NULL);
		look(verify);
		keep_common(verify, before, count);
	}
	free(before);
	return 0;
}

/* --- telling --- */

static int print_json(const struct verify *verify, bool ok)
{
	cJSON *document = cJSON_CreateObject(), *list;

	cJSON_AddBoolToObject(document, "ok", ok);
	list = cJSON_AddArrayToObject(document, "findings");
	for (size_t i = 0; i < verify->count; i++) {
		cJSON *object = cJSON_CreateObject();

		cJSON_AddStringToObject(object, "check", verify->finding[i].check);
		cJSON_AddStringToObject(object, "where", verify->finding[i].where);
		cJSON_AddStringToObject(object, "text", verify->finding[i].text);
		cJSON_AddStringToObject(object, "advice", verify->finding[i].advice);
		cJSON_AddItemToArray(list, object);
	}
	list = cJSON_AddArrayToObject(document, "unseen");
	for (size_t i = 0; i < verify->unseen_count; i++)
		cJSON_AddItemToArray(list, cJSON_CreateString(verify->unseen[i]));
	if (verify->note[0])
		cJSON_AddStringToObject(document, "note", verify->note);
	else
		cJSON_AddNullToObject(document, "note");
	return command_print_json(document);
}

static void print_text(const struct verify *verify, bool ok)
{
	for (size_t i = 0; i < verify->count; i++)
		printf("%s: %s: %s; %s\n", verify->finding[i].check, verify->finding[i].where,
		       verify->finding[i].text, verify->finding[i].advice);
	for (size_t i = 0; i < verify->unseen_count; i++)
		printf("not looked at: %s\n", verify->unseen[i]);
	if (verify->note[0])
		printf("note: %s\n", verify->note);
	if (ok)
		puts("ok");
	else if (verify->count)
		printf("%zu finding%s\n", verify->count, verify->count > 1 ? "s" : "");
}

static int run(struct verify *verify, const struct command *command)
{
	bool ok;

	if (!verify->finding || look_often(verify)) {
		command_error("out of memory");
		return EXIT_UNSEEN;
	}
	ok = !verify->count && !verify->unseen_count;
	if (!command->json)
		print_text(verify, ok);
	else if (print_json(verify, ok))
		return EXIT_UNSEEN;
	if (verify->count)
		return EXIT_FAILURE;
	return ok ? EXIT_SUCCESS : EXIT_UNSEEN;
}

int verb_verify(const struct command *command)
{
	struct verify verify = { 0 };
	struct config *config;
	struct maps maps;
	int status;

	if (!command_maps(command, &config, &maps))
		return EXIT_UNSEEN;
	verify.config = config;
	verify.maps = &maps;
	verify.finding = calloc(VERIFY_MAX, sizeof(*verify.finding));
	status = run(&verify, command);
	free(verify.finding);
	maps_release(&maps);
	config_free(config);
	return status;
}
