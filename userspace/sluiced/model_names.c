/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The names of this host: which ones the configuration gives it, and by which one Marathon calls it. A name by which Marathon does is
 * the one: it has no two.
 */
#include "model_internal.h"

#include <stdio.h>
#include <strings.h>

bool model_is_local_name(const struct model *model, const char *host)
{
	for (unsigned i = 0; i < model->config->name_count; i++)
		if (!strcasecmp(model->config->name[i], host))
			return true;
	return false;
}

static bool names_host(const struct facts_app *app, const char *host)
{
	for (size_t i = 0; i < app->task_count; i++)
		if (!strcasecmp(app->tasks[i].host, host))
			return true;
	return false;
}

void model_learn_name(struct model *model, const struct facts_app *app)
{
	for (unsigned i = 0; i < model->config->name_count; i++) {
		if (!names_host(app, model->config->name[i]))
			continue;
		model->names_known = true;
		snprintf(model->called, sizeof(model->called), "%s", model->config->name[i]);
		return;
	}
}

void model_names_known(struct model *model, bool known)
{
	/* what was lacking before and what will be after are not one absence */
	for (size_t s = 0; s < model->service_count && model->names_known && !known; s++)
		for (struct model_backend *b = model->service[s].backends; b; b = b->next)
			b->m_named_ms = 0;
	model->names_known = known;
}

const char *model_called(const struct model *model)
{
	return model->called;
}
