/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ages come from CLOCK_BOOTTIME; the wall clock is shown as it was believed when the change was made.
 */
#include "change_view.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include <sluice/abi.h>

#include "table.h"
#include "views.h"

static uint64_t age_ms(const struct sluice_change *change)
{
	struct timespec now;
	uint64_t now_ns;

	clock_gettime(CLOCK_BOOTTIME, &now);
	now_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	return now_ns > change->boot_ns ? (now_ns - change->boot_ns) / 1000000 : 0;
}

/* RFC 3339, UTC, with milliseconds. */
static void wall_text(const struct sluice_change *change, char *text, size_t len)
{
	time_t seconds = (time_t)(change->wall_ns / 1000000000);
	char start[32] = "";
	struct tm parts;

	if (gmtime_r(&seconds, &parts))
		strftime(start, sizeof(start), "%Y-%m-%dT%H:%M:%S", &parts);
	snprintf(text, len, "%s.%03uZ", start, (unsigned)(change->wall_ns % 1000000000 / 1000000));
}

static void add_state(cJSON *object, const char *name, uint8_t state)
{
	if (state == SLUICE_BACKEND_FREE)
		cJSON_AddNullToObject(object, name);
	else
		cJSON_AddStringToObject(object, name, views_backend_state(state));
}

static cJSON *change_json(const struct sluice_change *change)
{
	cJSON *object = cJSON_CreateObject();
	char text[64];

	wall_text(change, text, sizeof(text));
	cJSON_AddNumberToObject(object, "number", (double)change->number);
	cJSON_AddStringToObject(object, "time", text);
	cJSON_AddNumberToObject(object, "age_ms", (double)age_ms(change));
	cJSON_AddStringToObject(object, "service", change->service);
	cJSON_AddNumberToObject(object, "port", change->port);
	cJSON_AddStringToObject(object, "task", change->task);
	cJSON_AddNumberToObject(object, "slot", change->slot);
	cJSON_AddNumberToObject(object, "generation", change->generation);
	add_state(object, "from", change->from);
	add_state(object, "to", change->to);
	cJSON_AddStringToObject(object, "source", change->source);
	cJSON_AddStringToObject(object, "reason", change->reason);
	return object;
}

struct cJSON *change_view_json(const struct sluice_change *list, size_t count)
{
	cJSON *document = cJSON_CreateArray();

	for (size_t i = 0; i < count; i++)
		cJSON_AddItemToArray(document, change_json(&list[i]));
	return document;
}

static const char *word(uint8_t state)
{
	return state == SLUICE_BACKEND_FREE ? "-" : views_backend_state(state);
}

int change_view_print(const struct sluice_change *list, size_t count)
{
	static const char *const titles[] = { "TIME", ">AGE",	">GENERATION", "BACKEND", "FROM",
					      "TO",   "SOURCE", "REASON",      "TASK",	  NULL };
	struct table *table = table_new(titles);
	char text[64];
	int err;

	if (!table)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		const struct sluice_change *change = &list[i];

		wall_text(change, text, sizeof(text));
		table_text(table, text);
		table_duration(table, age_ms(change));
		table_number(table, change->generation);
		table_format(table, "%s/%u", change->service[0] ? change->service : "?",
			     change->port);
		table_text(table, word(change->from));
		table_text(table, word(change->to));
		table_text(table, change->source);
		table_text(table, change->reason);
		table_text(table, change->task);
	}
	err = table_print(table);
	table_free(table);
	return err;
}
