/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tasks that run on this host and cannot be backends: they have no host-port, say, but an address of their own only. They are nowhere in the
 * wanted state, so why they are missing must be told from here. What Marathon's last answer said is all that is kept.
 */
#include "model_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void model_problems_forget(struct model_service *service)
{
	for (size_t i = 0; i < service->unplaced_count; i++) {
		free(service->unplaced[i].task);
		free(service->unplaced[i].text);
	}
	service->unplaced_count = 0;
}

static bool is_unplaced(const struct model *model, const struct model_service *service,
			const struct facts_task *task)
{
	unsigned index = service->config->port_index;

	if (task->state == FACTS_TASK_GONE || task->state == FACTS_TASK_LOST ||
	    task->state == FACTS_TASK_STARTING || !model_is_local_name(model, task->host))
		return false;
	return index >= FACTS_MAX_PORTS || index >= task->port_count || !task->ports[index];
}

static void report(const struct model *model, const struct model_service *service,
		   const struct model_unplaced *unplaced)
{
	struct model_change change = {
		.service = service->config->name,
		.task = unplaced->task,
		.source = "marathon",
		.reason = unplaced->text,
		.from = SLUICE_BACKEND_FREE,
		.to = SLUICE_BACKEND_FREE,
	};

	if (model->on_change)
		model->on_change(model->on_change_ctx, &change);
}

static bool is_known(const struct model_unplaced *list, size_t count, const char *task)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(list[i].task, task))
			return true;
	return false;
}

void model_problems_learn(const struct model *model, struct model_service *service,
			  const struct facts_app *app)
{
	struct model_unplaced before[MODEL_MAX_PROBLEMS];
	size_t before_count = service->unplaced_count;

	memcpy(before, service->unplaced, sizeof(before));
	service->unplaced_count = 0;
	for (size_t i = 0; app && i < app->task_count; i++) {
		const struct facts_task *task = &app->tasks[i];
		struct model_unplaced *new = &service->unplaced[service->unplaced_count];

		if (service->unplaced_count == MODEL_MAX_PROBLEMS ||
		    !is_unplaced(model, service, task))
			continue;
		new->task = strdup(task->id);
		new->text = NULL;
		if (task->problem)
			new->text = strdup(task->problem);
		else if (asprintf(&new->text, "the task has no port with index %u",
				  service->config->port_index) < 0)
			new->text = NULL;
		if (!new->task || !new->text) { /* no memory: said with the next answer */
			free(new->task);
			free(new->text);
			continue;
		}
		service->unplaced_count++;
		if (!is_known(before, before_count, task->id))
			report(model, service, new);
	}
	for (size_t i = 0; i < before_count; i++) {
		free(before[i].task);
		free(before[i].text);
	}
}

size_t model_problems(struct model *model, const struct model_problem **problems)
{
	struct model_problem *grown;
	size_t count = 0;

	*problems = NULL;
	for (size_t s = 0; s < model->service_count; s++)
		count += model->service[s].unplaced_count;
	if (!count)
		return 0;
	grown = realloc(model->problem, count * sizeof(*grown));
	if (!grown)
		return 0;
	*problems = model->problem = grown;
	for (size_t s = 0; s < model->service_count; s++) {
		const struct model_service *service = &model->service[s];

		for (size_t i = 0; i < service->unplaced_count; i++)
			*grown++ = (struct model_problem){ .service = service->config->name,
							   .task = service->unplaced[i].task,
							   .text = service->unplaced[i].text };
	}
	return count;
}
