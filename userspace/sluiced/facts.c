/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Releases what the parsers fill in. Every function accepts a zeroed structure, one that a parser
 * gave up half way, and one that was released before.
 */
#include "facts.h"

#include <stdlib.h>
#include <string.h>

void facts_app_release(struct facts_app *app)
{
	for (size_t i = 0; i < app->check_count; i++)
		free(app->checks[i].path);
	for (size_t i = 0; i < app->task_count; i++) {
		free(app->tasks[i].id);
		free(app->tasks[i].host);
		free(app->tasks[i].problem);
		free(app->tasks[i].version);
	}
	free(app->checks);
	free(app->tasks);
	free(app->version);
	free(app->config_version);
	free(app->id);
	memset(app, 0, sizeof(*app));
}

void facts_marathon_release(struct facts_marathon *answer)
{
	for (size_t i = 0; i < answer->app_count; i++)
		facts_app_release(&answer->apps[i]);
	free(answer->apps);
	for (size_t i = 0; i < answer->unknown_count; i++)
		free(answer->unknown[i]);
	free(answer->unknown);
	memset(answer, 0, sizeof(*answer));
}

void facts_entry_release(struct facts_entry *entry)
{
	free(entry->id);
	free(entry->service);
	free(entry->address);
	free(entry->output);
	free(entry->task);
	free(entry->app);
	free(entry->boot_id);
	free(entry->definition);
	memset(entry, 0, sizeof(*entry));
}

void facts_consul_release(struct facts_consul *answer)
{
	for (size_t i = 0; i < answer->entry_count; i++)
		facts_entry_release(&answer->entries[i]);
	free(answer->entries);
	memset(answer, 0, sizeof(*answer));
}
