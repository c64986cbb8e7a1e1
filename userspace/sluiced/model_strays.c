/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Our own registrations whose service is no longer in the file: nobody speaks for them, so they
 * would stay until the next boot, and be believed when somebody else has the port. Only those that
 * this very daemon's host and pin folder have made in this boot, and only while the packet path has
 * no service that the file lacks: else that one may be theirs.
 */
#include "model_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void release(struct model_stray *stray, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(stray[i].task);
		free(stray[i].app);
		free(stray[i].consul_service);
	}
	free(stray);
}

void model_strays_forget(struct model *model)
{
	release(model->stray, model->stray_count);
	model->stray = NULL;
	model->stray_count = 0;
}

/*
 * By app and index, or by Consul's name: where Consul alone tells the tasks by now, they are still
 * its backends.
 */
static bool has_service(const struct model *model, const char *app, unsigned port_index,
			const char *consul_service)
{
	for (size_t s = 0; s < model->service_count; s++) {
		const struct config_service *config = model->service[s].config;
		const char *its_app = config->marathon_app ? config->marathon_app : "";
		const char *its_name = config->consul_service ? config->consul_service : "";

		if ((!strcmp(its_app, app) && config->port_index == port_index) ||
		    !strcmp(its_name, consul_service))
			return true;
	}
	return false;
}

static bool is_stray(const struct model *model, const struct facts_entry *entry)
{
	return entry->ours && entry->marked && model->boot_id[0] &&
	       !strcmp(entry->boot_id, model->boot_id) &&
	       !has_service(model, entry->app, entry->port_index, entry->service);
}

int model_strays_learn(struct model *model, const struct facts_consul *answer)
{
	struct model_stray *stray = NULL;
	size_t count = 0, found = 0;

	for (size_t i = 0; i < answer->entry_count; i++)
		count += is_stray(model, &answer->entries[i]);
	if (count)
		stray = calloc(count, sizeof(*stray));
	if (count && !stray)
		return -ENOMEM;
	for (size_t i = 0; i < answer->entry_count; i++) {
		const struct facts_entry *entry = &answer->entries[i];
		struct model_stray *to;

		if (!is_stray(model, entry))
			continue;
		to = &stray[found++];
		to->port_index = entry->port_index;
		to->task = strdup(entry->task);
		to->app = strdup(entry->app);
		to->consul_service = strdup(entry->service);
		if (!to->task || !to->app || !to->consul_service) {
			release(stray, found);
			return -ENOMEM;
		}
	}
	model_strays_forget(model);
	model->stray = stray;
	model->stray_count = count;
	return 0;
}

bool model_is_stray(const struct model *model, const struct model_stray *stray)
{
	return model->services_agree &&
	       !has_service(model, stray->app, stray->port_index, stray->consul_service);
}

void model_services_agree(struct model *model, bool agree)
{
	model->services_agree = agree;
}
