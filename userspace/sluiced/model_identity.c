/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whose backend a name means: what the operator and the scans say of a slot of the maps, and a
 * service that another registry tells from now on. Marathon calls a task by its id, Consul alone by
 * that of an entry, and both are the same process: its backend goes on under the new name, and so
 * do its connections. Only where the kernel has seen somebody listen on its port ever since it was
 * met there, and where the other registry has named it in this daemon's life. A new name of the
 * same registry is a new task.
 */
#include "model_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the last tick gave out may be asked for before the next. */
static void retell(struct model *model, const char *task, const struct model_backend *backend)
{
	for (size_t i = 0; i < model->wanted.backend_count; i++) {
		if (model->wanted_backend[i].task != task)
			continue;
		model->wanted_backend[i].task = backend->task;
		model->wanted_backend[i].app = backend->app;
		model->wanted_backend[i].formerly = backend->formerly;
	}
	for (size_t i = 0; i < model->guard_count; i++)
		if (model->guard[i].task == task)
			model->guard[i].task = backend->task;
}

static void forget_formerly(struct model *model, struct model_backend *backend)
{
	char *formerly = backend->formerly;

	backend->formerly = NULL;
	if (formerly)
		retell(model, backend->task, backend);
	free(formerly);
}

/* Nobody has said that it ended, and it owns its port. */
static bool goes_on(const struct model *model, const struct model_backend *backend)
{
	return model->kernel_known && backend->listens && backend->watched && !backend->retired &&
	       !backend->port_taken && backend->m_last != STATE_M_GONE;
}

static struct model_backend *named_by_other(const struct model *model,
					    const struct model_service *service,
					    const struct model_new_name *name)
{
	for (struct model_backend *b = service->backends; b; b = b->next)
		if (b->port == name->port && b->port_index == service->config->port_index &&
		    b->named != MODEL_NAMED_BY_NOBODY && b->named != name->by && goes_on(model, b))
			return b;
	return NULL;
}

static void report(const struct model *model, const struct model_service *service,
		   const struct model_backend *backend)
{
	char reason[SLUICE_REASON_LEN];
	const struct model_change change = {
		.service = service->config->name,
		.task = backend->task,
		.source = backend->named == MODEL_NAMED_BY_MARATHON ? "marathon" : "consul",
		.reason = reason,
		.port = backend->port,
		.from = backend->state,
		.to = backend->state,
	};

	snprintf(reason, sizeof(reason), "told by another registry: it was %.32s before",
		 backend->formerly);
	if (model->on_change)
		model->on_change(model->on_change_ctx, &change);
}

int model_rename(struct model *model, const struct model_service *service,
		 const struct model_new_name *name, struct model_backend **renamed)
{
	struct model_backend *backend = named_by_other(model, service, name);
	char *task, *app, *old_app;

	*renamed = NULL;
	if (!backend)
		return 0;
	task = strdup(name->task);
	app = strdup(name->app);
	if (!task || !app) {
		free(task);
		free(app);
		return -ENOMEM;
	}
	forget_formerly(model, backend);
	old_app = backend->app;
	backend->formerly = backend->task;
	backend->task = task;
	backend->app = app;
	retell(model, backend->formerly, backend);
	free(old_app);
	free(backend->beside);
	backend->beside = NULL;
	backend->named = name->by;
	report(model, service, backend);
	*renamed = backend;
	return 0;
}

struct model_backend *model_find_identity(struct model *model, const struct model_identity *of)
{
	const struct model_service *service = model_find_service(model, of->service);
	struct model_backend *backend;

	if (!service)
		return NULL;
	backend = model_find_at(service, of->task, of->port_index, of->port);
	if (backend && !backend->retired) {
		forget_formerly(model, backend); /* the maps have its name of today */
		return backend;
	}
	for (struct model_backend *b = service->backends; b; b = b->next)
		if (b->formerly && !b->retired && b->port == of->port &&
		    b->port_index == of->port_index && !strcmp(b->formerly, of->task))
			return b;
	return backend;
}

/* --- the operator, the scans --- */

void model_overrides_clear(struct model *model)
{
	for (size_t s = 0; s < model->service_count; s++)
		for (struct model_backend *b = model->service[s].backends; b; b = b->next)
			b->op_drain = b->op_has_weight = false;
}

void model_override(struct model *model, const struct model_identity *of,
		    const struct sluice_override *override)
{
	struct model_backend *backend = model_find_identity(model, of);

	if (!backend)
		return;
	backend->op_drain = override->drain;
	backend->op_has_weight = override->has_weight;
	backend->op_weight = override->weight;
}

void model_flows(struct model *model, const struct model_identity *of, uint32_t flows,
		 int64_t started_ms)
{
	struct model_backend *backend = model_find_identity(model, of);

	if (!backend)
		return;
	backend->flows = flows;
	backend->flows_ms = started_ms;
}
