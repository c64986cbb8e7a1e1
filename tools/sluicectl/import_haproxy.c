/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sluicectl import-haproxy: reads a haproxy.cfg and prints what of it becomes a sluice.conf, and what becomes of every other line.
 * Needs neither root, nor a configuration, nor anything attached. JSON: see sluicectl(8).
 */
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "haproxy_import.h"
#include "haproxy_write.h"

#define FILE_MAX (16u << 20)

/* What is in the file; NULL after an error was printed. */
static char *read_file(const char *name, size_t *len)
{
	FILE *file = strcmp(name, "-") != 0 ? fopen(name, "re") : stdin;
	char *text = NULL, *grown;
	size_t room = 0;

	*len = 0;
	if (!file) {
		command_error("%s: %s", name, strerror(errno));
		return NULL;
	}
	do {
		room = room ? 2 * room : 65536;
		grown = room <= FILE_MAX ? realloc(text, room) : NULL;
		if (!grown)
			break;
		text = grown;
		*len += fread(text + *len, 1, room - *len, file);
	} while (*len == room);
	if (!grown || ferror(file)) {
		command_error("%s: %s", name,
			      grown ? strerror(errno) : "too long, or out of memory");
		free(text);
		text = NULL;
	}
	if (file != stdin)
		fclose(file);
	return text;
}

static const char *class_key(enum haproxy_class class)
{
	static const char *const keys[] = {
		[HAPROXY_NOT_NEEDED] = "not_needed",
		[HAPROXY_TRANSLATED] = "translated",
		[HAPROXY_APP] = "app",
		[HAPROXY_BLOCKS] = "blocks",
	};

	return keys[class];
}

static int print_json(const struct haproxy_import *import, const char *config)
{
	cJSON *document = cJSON_CreateObject(), *list;

	cJSON_AddBoolToObject(document, "ok", !haproxy_import_count(import, HAPROXY_BLOCKS));
	cJSON_AddStringToObject(document, "config", config);
	cJSON_AddNumberToObject(document, "services", import->service_count);
	list = cJSON_AddArrayToObject(document, "lines");
	for (unsigned i = 0; i < import->file.count; i++) {
		cJSON *object = cJSON_CreateObject();

		cJSON_AddNumberToObject(object, "line", import->verdict[i].line);
		cJSON_AddStringToObject(object, "text", import->verdict[i].text);
		cJSON_AddStringToObject(object, "class", class_key(import->verdict[i].class));
		cJSON_AddStringToObject(object, "reason", import->verdict[i].reason);
		cJSON_AddItemToArray(list, object);
	}
	return command_print_json(document);
}

static int print(const struct command *command, const struct haproxy_import *import,
		 const char *name)
{
	char *config = NULL;
	size_t len = 0;
	FILE *memory = open_memstream(&config, &len);
	int status = EXIT_FAILURE;

	if (!memory)
		goto out;
	if (command->json)
		haproxy_write_sections(import, memory);
	else
		haproxy_write(import, name, memory);
	if (fclose(memory))
		goto out;
	if (command->json)
		status = print_json(import, config);
	else
		status = fputs(config, stdout) < 0 || fflush(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
out:
	if (status)
		command_error("%s: cannot be printed: %s", name, strerror(errno));
	free(config);
	return status;
}

int verb_import_haproxy(const struct command *command)
{
	struct haproxy_import import;
	int status = EXIT_FAILURE;
	const char *name;
	unsigned blocks;
	size_t len;
	char *text;

	if (command->argc != 1)
		return command_usage("import-haproxy: ", "wants one FILE (- is standard input)");
	name = command->argv[0];
	text = read_file(name, &len);
	if (!text)
		return EXIT_FAILURE;
	if (haproxy_import(&import, text, len))
		command_error("out of memory");
	else
		status = print(command, &import, name);
	blocks = status ? 0 : haproxy_import_count(&import, HAPROXY_BLOCKS);
	if (blocks) {
		command_error("%s: %u line%s block%s migration: see the report's first part", name,
			      blocks, blocks > 1 ? "s" : "", blocks > 1 ? "" : "s");
		status = EXIT_FAILURE;
	}
	haproxy_import_release(&import);
	free(text);
	return status;
}
