/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Status as JSON. cJSON's printing fails as a whole if any part could not be made, which is what we want.
 */
#include "status.h"

#include <time.h>
#include <unistd.h>

#include "facts.h"
#include "json.h"
#include "model.h"
#include "version.h"

static void add_age(cJSON *object, const char *name, int64_t at_ms, int64_t now_ms)
{
	if (at_ms)
		cJSON_AddNumberToObject(object, name, (double)(now_ms - at_ms));
	else
		cJSON_AddNullToObject(object, name);
}

static void add_source(cJSON *sources, const struct facts_source *source, int64_t now_ms)
{
	cJSON *object = json_item(sources);

	cJSON_AddStringToObject(object, "name", source->name);
	cJSON_AddBoolToObject(object, "used", source->used);
	cJSON_AddBoolToObject(object, "connected", source->connected);
	cJSON_AddBoolToObject(object, "answers", source->answers);
	cJSON_AddNumberToObject(object, "since",
				(double)(time(NULL) - (now_ms - source->since_ms) / 1000));
	add_age(object, "last_event_ms", source->last_event_ms, now_ms);
	add_age(object, "last_good_ms", source->last_good_ms, now_ms);
	cJSON_AddStringToObject(object, "error", source->error);
}

static void add_guard(cJSON *guards, const struct model_guard *guard, int64_t now_ms)
{
	cJSON *object = json_item(guards);

	cJSON_AddStringToObject(object, "guard", guard->guard);
	cJSON_AddStringToObject(object, "service", guard->service);
	cJSON_AddNumberToObject(object, "port", guard->port);
	cJSON_AddStringToObject(object, "task", guard->task);
	cJSON_AddStringToObject(object, "reason", guard->text);
	add_age(object, "age_ms", guard->since_ms, now_ms);
}

static void add_problems(cJSON *root, struct model *model)
{
	cJSON *list = cJSON_AddArrayToObject(root, "problems"), *object;
	const struct model_problem *problem;
	size_t count = model_problems(model, &problem);

	for (size_t i = 0; i < count; i++) {
		object = json_item(list);
		cJSON_AddStringToObject(object, "service", problem[i].service);
		cJSON_AddStringToObject(object, "task", problem[i].task);
		cJSON_AddStringToObject(object, "reason", problem[i].text);
	}
}

static void add_unrun_checks(cJSON *root, const struct model *model)
{
	cJSON *list = cJSON_AddArrayToObject(root, "unrun_checks"), *object;
	struct model_unrun unrun;

	for (size_t i = 0; model_unrun_checks(model, i, &unrun); i++) {
		if (!unrun.checks)
			continue;
		object = json_item(list);
		cJSON_AddStringToObject(object, "service", unrun.service);
		cJSON_AddNumberToObject(object, "tasks", (double)unrun.tasks);
		cJSON_AddNumberToObject(object, "checks", (double)unrun.checks);
	}
}

char *status_json(const struct status_input *input)
{
	cJSON *root = json_begin(), *sources, *guards;
	const struct model_guard *guard;
	size_t guard_count = model_guards(input->model, &guard);

	cJSON_AddNumberToObject(root, "pid", getpid());
	cJSON_AddStringToObject(root, "version", SLUICE_VERSION);
	cJSON_AddStringToObject(root, "config", input->config_file);
	cJSON_AddStringToObject(root, "needs_attach", input->needs_attach);
	cJSON_AddNumberToObject(root, "refused", (double)input->refused);
	sources = cJSON_AddArrayToObject(root, "sources");
	for (size_t i = 0; i < input->source_count; i++)
		if (input->source[i])
			add_source(sources, input->source[i], input->now_ms);
	guards = cJSON_AddArrayToObject(root, "guards");
	for (size_t i = 0; i < guard_count; i++)
		add_guard(guards, &guard[i], input->now_ms);
	add_problems(root, input->model);
	add_unrun_checks(root, input->model);
	return json_end(root);
}

char *status_result_json(bool ok, const char *message)
{
	cJSON *root = json_begin();

	cJSON_AddBoolToObject(root, "ok", ok);
	cJSON_AddStringToObject(root, "message", message);
	return json_end(root);
}
