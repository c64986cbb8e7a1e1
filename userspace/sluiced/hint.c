/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Events to hints, see hint.h. One row per event type says where its fields are; task-keyed and
 * instance-keyed ids are joined by the UUID in them. Unknown types are no error: every version of
 * Marathon adds some.
 */
#include "hint.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "marathon_json.h"

enum shape {
	SHAPE_STATE,	  /* app and task, a removal if the state says so */
	SHAPE_APP,	  /* something of this app, or of this app's task, changed */
	SHAPE_KILL,	  /* a removal whatever else it says */
	SHAPE_DEPLOYMENT, /* the apps that the plan names */
	SHAPE_EVERYTHING,
};

static const struct row {
	const char *type;
	enum shape shape;
	const char *app, *task, *instance, *state;
} rows[] = {
	{ "status_update_event", SHAPE_STATE, "appId", "taskId", NULL, "taskStatus" },
	{ "instance_changed_event", SHAPE_STATE, "runSpecId", NULL, "instanceId", "condition" },
	{ "health_status_changed_event", SHAPE_APP, "appId", "taskId", "instanceId", NULL },
	{ "instance_health_changed_event", SHAPE_APP, "runSpecId", NULL, "instanceId", NULL },
	{ "unhealthy_task_kill_event", SHAPE_KILL, "appId", "taskId", NULL, NULL },
	{ "unhealthy_instance_kill_event", SHAPE_KILL, "appId", "taskId", "instanceId", NULL },
	{ "unknown_task_terminated_event", SHAPE_KILL, "runSpecId", "taskId", NULL, NULL },
	{ "unknown_instance_terminated_event", SHAPE_KILL, "runSpecId", NULL, "instanceId", NULL },
	{ "app_terminated_event", SHAPE_APP, "appId", NULL, NULL, NULL },
	{ "group_change_success", SHAPE_APP, "groupId", NULL, NULL, NULL },
	{ "api_post_event", SHAPE_APP, "id", NULL, NULL, NULL },
	{ "deployment_success", SHAPE_DEPLOYMENT, NULL, NULL, NULL, NULL },
	{ "deployment_failed", SHAPE_DEPLOYMENT, NULL, NULL, NULL, NULL },
	{ "scheduler_registered_event", SHAPE_EVERYTHING, NULL, NULL, NULL, NULL },
};

const char *hint_event_type(size_t index)
{
	return index < sizeof(rows) / sizeof(rows[0]) ? rows[index].type : NULL;
}

static bool is_uuid(const char *text)
{
	for (int i = 0; i < 36; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? text[i] != '-' : !isxdigit((unsigned char)text[i]))
			return false;
	}
	return true;
}

void hint_find_uuid(const char *id, char uuid[40])
{
	size_t len = strlen(id);

	uuid[0] = '\0';
	/* from the right: an app's name may look like anything */
	for (size_t at = len >= 36 ? len - 36 + 1 : 0; at-- > 0;) {
		if (!is_uuid(id + at))
			continue;
		memcpy(uuid, id + at, 36);
		uuid[36] = '\0';
		return;
	}
}

static int copy_string(const cJSON *object, const char *key, char *out, size_t size,
		       struct json_error *error)
{
	const char *text;
	int err;

	if (!key || out[0])
		return 0;
	err = json_string(object, key, false, "", &text, error);
	if (err || !text)
		return err;
	if (strlen(text) >= size)
		return json_fail(error, "%s is longer than %zu characters", key, size - 1);
	memcpy(out, text, strlen(text) + 1);
	return 0;
}

static bool elsewhere(const struct facts_hint *hint, const char *const *hosts, size_t count)
{
	if (!hint->host[0] || strcasecmp(hint->host, "unknown") == 0)
		return false;
	for (size_t i = 0; i < count; i++)
		if (strcasecmp(hosts[i], hint->host) == 0)
			return false;
	return count > 0;
}

struct emitter {
	void (*emit)(void *ctx, const struct facts_hint *hint);
	void *ctx;
};

/*
 * Light or heavy, a plan names each app (or pod) in steps[].actions[]; before 0.10 there is no
 * plan. One app is often in several steps, so a name is emitted once, unless there are more than a
 * handful. out NULL: nothing is emitted, it only says whether the plan can be read.
 */
static int walk_plan(const cJSON *plan, const struct emitter *out, size_t *named,
		     struct json_error *error)
{
	struct facts_hint hint = { .kind = FACTS_HINT_APP };
	const cJSON *steps, *step, *actions, *action;
	int err;

	err = json_array(plan, "steps", false, "plan", &steps, error);
	if (err)
		return err;
	cJSON_ArrayForEach(step, steps)
	{
		err = json_array(step, "actions", false, "plan.steps[]", &actions, error);
		if (err)
			return err;
		cJSON_ArrayForEach(action, actions)
		{
			char last[sizeof(hint.app)];

			memcpy(last, hint.app, sizeof(last));
			hint.app[0] = '\0';
			err = copy_string(action, "app", hint.app, sizeof(hint.app), error);
			if (!err)
				err = copy_string(action, "pod", hint.app, sizeof(hint.app), error);
			if (err)
				return err;
			if (!hint.app[0] || strcmp(last, hint.app) == 0)
				continue;
			if (out)
				out->emit(out->ctx, &hint);
			++*named;
		}
	}
	return 0;
}

static int emit_deployment(const cJSON *event, const struct emitter *out, struct json_error *error)
{
	struct facts_hint hint = { .kind = FACTS_HINT_NONE };
	size_t named = 0;
	const cJSON *plan;
	int err;

	err = json_object(event, "plan", false, "", &plan, error);
	if (!err)
		err = walk_plan(plan, NULL, &named, error);
	if (err)
		return err;
	if (named)
		return walk_plan(plan, out, &named, error);
	if (!plan)
		hint.kind = FACTS_HINT_EVERYTHING;
	out->emit(out->ctx, &hint);
	return 0;
}

/* From 1.8 on an instance has a goal, which is told before anything is killed for it. */
static bool is_to_end(const char *goal)
{
	return strcasecmp(goal, "Stopped") == 0 || strcasecmp(goal, "Decommissioned") == 0;
}

static int emit_row(const struct row *row, const cJSON *event, const char *const *hosts,
		    size_t host_count, const struct emitter *out, struct json_error *error)
{
	const cJSON *app = event;
	char state[64] = "", goal[64] = "",
	     instance[sizeof(((struct facts_hint *)NULL)->task)] = "";
	struct facts_hint hint = { .kind = FACTS_HINT_APP };
	int err;

	if (strcmp(row->type, "api_post_event") == 0) {
		err = json_object(event, "appDefinition", true, "", &app, error);
		if (err)
			return err;
	}
	if (copy_string(app, row->app, hint.app, sizeof(hint.app), error) ||
	    copy_string(event, row->task, hint.task, sizeof(hint.task), error) ||
	    copy_string(event, row->instance, instance, sizeof(instance), error) ||
	    copy_string(event, row->state, state, sizeof(state), error) ||
	    copy_string(event, row->instance ? "goal" : NULL, goal, sizeof(goal), error) ||
	    copy_string(event, "host", hint.host, sizeof(hint.host), error))
		return -EINVAL;
	if (!hint.task[0])
		memcpy(hint.task, instance, sizeof(instance));
	hint_find_uuid(hint.task, hint.uuid);
	if (row->shape == SHAPE_KILL)
		hint.kind = FACTS_HINT_REMOVAL;
	if (row->shape == SHAPE_STATE && state[0]) {
		enum facts_task_state said = marathon_json_state(state);

		if (said == FACTS_TASK_KILLING || said == FACTS_TASK_GONE || is_to_end(goal))
			hint.kind = FACTS_HINT_REMOVAL;
	}
	if (hint.kind == FACTS_HINT_REMOVAL && !hint.task[0])
		return json_fail(error, "%s without a task or an instance", row->type);
	if (hint.kind == FACTS_HINT_APP && !hint.app[0])
		return json_fail(error, "%s without an app", row->type);
	if (elsewhere(&hint, hosts, host_count))
		hint.kind = FACTS_HINT_NONE;
	out->emit(out->ctx, &hint);
	return 0;
}

static int emit_event(const cJSON *event, const char *const *hosts, size_t host_count,
		      const struct emitter *out, struct json_error *error)
{
	struct facts_hint none = { .kind = FACTS_HINT_NONE };
	struct facts_hint everything = { .kind = FACTS_HINT_EVERYTHING };
	const char *type;
	int err;

	err = json_string(event, "eventType", true, "", &type, error);
	if (err)
		return err;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strcmp(rows[i].type, type) != 0)
			continue;
		if (rows[i].shape == SHAPE_EVERYTHING) {
			out->emit(out->ctx, &everything);
			return 0;
		}
		if (rows[i].shape == SHAPE_DEPLOYMENT)
			return emit_deployment(event, out, error);
		return emit_row(&rows[i], event, hosts, host_count, out, error);
	}
	out->emit(out->ctx, &none);
	return 0;
}

int hint_parse(const char *text, size_t len, const char *const *hosts, size_t host_count,
	       void (*emit)(void *ctx, const struct facts_hint *hint), void *ctx,
	       struct json_error *error)
{
	const struct emitter out = { .emit = emit, .ctx = ctx };
	cJSON *event = json_parse(text, len, HINT_MAX_BYTES, error);
	int err;

	if (!event)
		return -errno;
	if (cJSON_IsObject(event))
		err = emit_event(event, hosts, host_count, &out, error);
	else
		err = json_fail(error, "an event is a JSON object, this is none");
	cJSON_Delete(event);
	return err;
}
