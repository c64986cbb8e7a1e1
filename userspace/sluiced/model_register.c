/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What should stand in Consul for this host's tasks, said in the registrar's words. A registration is to go only when its task
 * is proved to have ended and no guard still holds on to it.
 */
#include "model_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "registrar.h"

/* What fresh checks start with, so that an agent that lost everything does not take everything down. */
static enum facts_status start_status(const struct model_backend *backend)
{
	switch (backend->evidence) {
	case SLUICE_BACKEND_UP:
		return FACTS_STATUS_PASSING;
	case SLUICE_BACKEND_DOWN:
		return FACTS_STATUS_CRITICAL;
	case SLUICE_BACKEND_FREE:
	case SLUICE_BACKEND_WAITING:
	case SLUICE_BACKEND_DRAINING:
	case SLUICE_BACKEND_GONE:
		break;
	}
	return FACTS_STATUS_NONE;
}

/*
 * That Marathon names its end is proof; that it merely lacks the task is proof only of what the kernel does not contradict,
 * or for as long as a drain may take.
 */
static bool is_proved_gone(const struct model *model, const struct model_service *service,
			   const struct model_backend *backend)
{
	if (backend->m_last != STATE_M_GONE || backend->state == SLUICE_BACKEND_UP)
		return false;
	if (backend->m_terminal)
		return true;
	return backend->m_lacks >= 2 && (backend->m_killed || backend->port_taken ||
					 model_k(model, backend) != STATE_K_YES ||
					 model_has_waited(service, backend, model->tick_ms));
}

/*
 * The task's port may be a backend of several services, and each has an opinion. One that serves or is held keeps the
 * registration, and one whose port belongs to another service says nothing while that one speaks.
 */
static bool all_prove_gone(const struct model *model, const struct model_service *service,
			   const struct model_backend *backend)
{
	if (!is_proved_gone(model, service, backend))
		return false;
	for (size_t s = 0; s < model->service_count; s++) {
		const struct model_backend *copy = model->service[s].backends;

		for (; copy; copy = copy->next) {
			if (copy == backend || copy->retired || copy->port_taken ||
			    copy->port_index != backend->port_index ||
			    strcmp(copy->task, backend->task) != 0)
				continue;
			if (!is_proved_gone(model, &model->service[s], copy))
				return false;
		}
	}
	return true;
}

static bool is_listed(const struct registrar_entry *entries, size_t count,
		      const struct model_backend *backend)
{
	for (size_t i = 0; i < count; i++)
		if (entries[i].port == backend->port &&
		    entries[i].port_index == backend->port_index &&
		    !strcmp(entries[i].task, backend->task))
			return true;
	return false;
}

static int reserve(struct model *model)
{
	size_t count = 1 + model->stray_count;
	void *grown;

	for (size_t s = 0; s < model->service_count; s++)
		for (struct model_backend *b = model->service[s].backends; b; b = b->next)
			count++;
	if (count <= model->entry_capacity)
		return 0;
	grown = realloc(model->entry, count * sizeof(*model->entry));
	if (!grown)
		return -ENOMEM;
	model->entry = grown;
	model->entry_capacity = count;
	return 0;
}

int model_registrations(struct model *model, const struct registrar_entry **entries, size_t *count)
{
	int err = reserve(model);

	if (err)
		return err;
	*count = 0;
	for (size_t s = 0; s < model->service_count; s++) {
		const struct model_service *service = &model->service[s];

		if (!model_by_marathon(model, service) || !model_by_consul(model, service))
			continue;
		for (struct model_backend *b = service->backends; b; b = b->next) {
			bool gone = all_prove_gone(model, service, b);
			bool alive = b->m_last == STATE_M_RUNNING || b->m_last == STATE_M_KILLING;

			const struct model_checks *checks = model_checks_of(service, b);

			if ((!gone && (!alive || b->retired || !checks)) ||
			    is_listed(model->entry, *count, b))
				continue;
			model->entry[(*count)++] = (struct registrar_entry){
				.task = b->task,
				.app = b->app,
				.port_index = b->port_index,
				.address = "",
				.port = b->port,
				.service = service->config->consul_service,
				.status = start_status(b),
				.checks = checks ? checks->check : NULL,
				.check_count = checks ? checks->count : 0,
				.ports = b->port_count ? b->ports : NULL,
				.port_count = b->port_count,
				.gone_proved = gone,
			};
		}
	}
	for (size_t i = 0; i < model->stray_count; i++) {
		const struct model_stray *stray = &model->stray[i];

		if (model_is_stray(model, stray))
			model->entry[(*count)++] = (struct registrar_entry){
				.task = stray->task,
				.app = stray->app,
				.port_index = stray->port_index,
				.address = "",
				.service = stray->consul_service,
				.gone_proved = true,
			};
	}
	*entries = model->entry;
	return 0;
}

void model_registrar_told(struct model *model, const struct registrar_told *told, int64_t now_ms)
{
	for (size_t s = 0; s < model->service_count; s++) {
		struct model_backend *b =
			model_find(&model->service[s], told->task, told->port_index);

		if (!b)
			continue;
		b->checks_unrun = told->checks_unrun;
		if (!told->unlisted)
			b->unlisted_ms = 0;
		else if (!b->unlisted_ms)
			b->unlisted_ms = now_ms;
		if (!told->waits)
			b->registration_waits_ms = 0;
		else if (!b->registration_waits_ms)
			b->registration_waits_ms = now_ms;
	}
}

bool model_unrun_checks(const struct model *model, size_t index, struct model_unrun *unrun)
{
	if (index >= model->service_count)
		return false;
	*unrun = (struct model_unrun){ .service = model->service[index].config->name };
	for (const struct model_backend *b = model->service[index].backends; b; b = b->next) {
		if (b->retired)
			continue;
		unrun->tasks += b->checks_unrun != 0;
		unrun->checks += b->checks_unrun;
	}
	return true;
}
