/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One app and its tasks, see marathon_app.h. Health is told as Marathon means it: a failure
 * inside the grace period before the first success says nothing, a check that has not reported says
 * nothing, and no defined check is not the same as no report. Names in the JSON are those of
 * Marathon's documentation.
 */
#include "marathon_app.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "marathon_ports.h"

#define MAX_CHECKS 32

static const struct {
	const char *word;
	enum facts_task_state state;
} states[] = {
	{ "STAGING", FACTS_TASK_STARTING },
	{ "STARTING", FACTS_TASK_STARTING },
	{ "PROVISIONED", FACTS_TASK_STARTING },
	{ "SCHEDULED", FACTS_TASK_STARTING },
	{ "CREATED", FACTS_TASK_STARTING },
	{ "RUNNING", FACTS_TASK_RUNNING },
	{ "KILLING", FACTS_TASK_KILLING },
	{ "FINISHED", FACTS_TASK_GONE },
	{ "FAILED", FACTS_TASK_GONE },
	{ "KILLED", FACTS_TASK_GONE },
	{ "ERROR", FACTS_TASK_GONE },
	{ "DROPPED", FACTS_TASK_GONE },
	{ "GONE", FACTS_TASK_GONE },
	{ "GONE_BY_OPERATOR", FACTS_TASK_GONE },
};

enum facts_task_state marathon_json_state(const char *word)
{
	if (strncasecmp(word, "TASK_", 5) == 0)
		word += 5;
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (strcasecmp(word, states[i].word) == 0)
			return states[i].state;
	return FACTS_TASK_LOST;
}

bool marathon_app_listed(const char *const *list, size_t count, const char *word)
{
	for (size_t i = 0; i < count; i++)
		if (strcasecmp(list[i], word) == 0)
			return true;
	return count == 0;
}

/* "2014-11-30T12:47:11.286Z"; 0 for anything else: the time only serves to tell ages. */
static int64_t parse_time(const char *text)
{
	unsigned ms = 0;
	struct tm tm = {};
	const char *rest = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;

	if (!rest)
		return 0;
	if (*rest == '.' && sscanf(rest + 1, "%3u", &ms) != 1)
		ms = 0;
	return (int64_t)timegm(&tm) * 1000 + ms;
}

static int read_check(const cJSON *item, const char *place, struct facts_check *check,
		      struct json_error *error)
{
	const char *protocol, *path;
	int64_t port, index, interval, timeout, grace, failures;

	if (!cJSON_IsObject(item))
		return json_fail(error, "%s is not an object", place);
	if (json_string(item, "protocol", false, place, &protocol, error) ||
	    json_string(item, "path", false, place, &path, error) ||
	    json_number(item, "port", 0, 65535, 0, place, &port, error) ||
	    json_number(item, "portIndex", 0, 65535, 0, place, &index, error) ||
	    json_number(item, "intervalSeconds", 0, 1 << 30, 60, place, &interval, error) ||
	    json_number(item, "timeoutSeconds", 0, 1 << 30, 20, place, &timeout, error) ||
	    json_number(item, "gracePeriodSeconds", 0, 1 << 30, 300, place, &grace, error) ||
	    json_number(item, "maxConsecutiveFailures", 0, 1 << 30, 3, place, &failures, error))
		return -EINVAL;
	if (!protocol)
		protocol = "HTTP";
	check->port = port;
	if (strncmp(protocol, "MESOS_", 6) == 0) {
		protocol += 6;
		check->port = 0;
	}
	if (strcmp(protocol, "HTTP") == 0)
		check->protocol = FACTS_CHECK_HTTP;
	else if (strcmp(protocol, "HTTPS") == 0)
		check->protocol = FACTS_CHECK_HTTPS;
	else if (strcmp(protocol, "TCP") == 0)
		check->protocol = FACTS_CHECK_TCP;
	else
		check->protocol = FACTS_CHECK_COMMAND;
	check->port_index = index;
	check->interval_s = interval;
	check->timeout_s = timeout;
	check->grace_s = grace;
	check->max_failures = failures;
	check->path = strdup(path && *path ? path : "/");
	return check->path ? 0 : -ENOMEM;
}

static int read_checks(const cJSON *app, const char *place, struct facts_app *out,
		       struct json_error *error)
{
	const cJSON *list, *item;
	size_t count;
	int err;

	err = json_array(app, "healthChecks", false, place, &list, error);
	if (err)
		return err;
	count = list ? cJSON_GetArraySize(list) : 0;
	if (!count)
		return 0;
	if (count > MAX_CHECKS)
		return json_fail(error, "%s.healthChecks has more than %d entries", place,
				 MAX_CHECKS);
	out->checks = calloc(count, sizeof(*out->checks));
	if (!out->checks)
		return -ENOMEM;
	cJSON_ArrayForEach(item, list)
	{
		char at[PLACE_LEN + 32];

		snprintf(at, sizeof(at), "%s.healthChecks[%zu]", place, out->check_count);
		err = read_check(item, at, &out->checks[out->check_count++], error);
		if (err)
			return err;
	}
	return 0;
}

static int read_health(const cJSON *task, const char *place, size_t check_count,
		       enum facts_health *health, struct json_error *error)
{
	size_t reported = 0, good = 0;
	const cJSON *list, *item;
	int err;

	err = json_array(task, "healthCheckResults", false, place, &list, error);
	if (err)
		return err;
	*health = check_count ? FACTS_HEALTH_UNKNOWN : FACTS_HEALTH_NO_CHECKS;
	cJSON_ArrayForEach(item, list)
	{
		const char *first_success;
		int64_t failures;
		bool alive;

		if (cJSON_IsNull(item))
			continue;
		if (!cJSON_IsObject(item))
			return json_fail(error, "%s.healthCheckResults: an entry is not an object",
					 place);
		if (json_bool(item, "alive", false, place, &alive, error) ||
		    json_number(item, "consecutiveFailures", 0, INT32_MAX, 0, place, &failures,
				error) ||
		    json_string(item, "firstSuccess", false, place, &first_success, error))
			return -EINVAL;
		reported++;
		good += alive;
		if (!alive && (failures > 0 || first_success) && check_count)
			*health = FACTS_HEALTH_BAD;
	}
	if (*health == FACTS_HEALTH_UNKNOWN && reported >= check_count && good == reported)
		*health = FACTS_HEALTH_GOOD;
	return 0;
}

static int read_task_ports(const cJSON *task, const char *place, uint16_t *ports, size_t *count,
			   struct json_error *error)
{
	const cJSON *list, *item;
	int err;

	*count = 0;
	err = json_array(task, "ports", false, place, &list, error);
	if (err)
		return err;
	cJSON_ArrayForEach(item, list)
	{
		int64_t port;

		if (!json_is_whole(item, 0, 65535, &port))
			return json_fail(error, "%s.ports[%zu] is not a port", place, *count);
		if (*count < FACTS_MAX_PORTS)
			ports[(*count)++] = port;
	}
	return 0;
}

/* The app's part of what decides about its tasks' readiness. */
struct readiness {
	const cJSON *results; /* NULL: none are told */
	bool pending;	      /* checks are defined and a deployment is under way */
};

static int read_readiness(const cJSON *app, const char *place, struct readiness *readiness,
			  struct json_error *error)
{
	const cJSON *checks, *deployments;

	if (json_array(app, "readinessCheckResults", false, place, &readiness->results, error) ||
	    json_array(app, "readinessChecks", false, place, &checks, error) ||
	    json_array(app, "deployments", false, place, &deployments, error))
		return -EINVAL;
	/* before they can be asked for nobody knows who is ready: then all are */
	readiness->pending = readiness->results && checks && cJSON_GetArraySize(checks) &&
			     deployments && cJSON_GetArraySize(deployments);
	return 0;
}

struct app_reader {
	struct readiness readiness;
	const struct marathon_filter *filter;
	struct marathon_ports ports;
	const char *version; /* of the app's definition, NULL if not said */
	struct facts_app *app;
	struct json_error *error;
};

/* All of a task's results must be good. newest: it is of the version that is deployed. */
static int read_ready(const struct readiness *readiness, const char *id, bool newest,
		      const char *place, enum facts_readiness *out, struct json_error *error)
{
	const cJSON *item;

	*out = readiness->pending && newest ? FACTS_READINESS_PENDING : FACTS_READINESS_NONE;
	cJSON_ArrayForEach(item, readiness->results)
	{
		const char *task;
		bool ready;

		if (!cJSON_IsObject(item))
			return json_fail(error, "%s.readinessCheckResults: not an object", place);
		if (json_string(item, "taskId", false, place, &task, error) ||
		    json_bool(item, "ready", false, place, &ready, error))
			return -EINVAL;
		if (!task || strcmp(task, id) != 0 || *out == FACTS_READINESS_NOT)
			continue;
		*out = ready ? FACTS_READINESS_READY : FACTS_READINESS_NOT;
	}
	return 0;
}

static int read_task(const struct app_reader *reader, const cJSON *item, const char *place,
		     struct facts_task *task)
{
	const char *id, *host, *state, *started, *version;
	struct json_error *error = reader->error;
	uint16_t ports[FACTS_MAX_PORTS];
	size_t port_count;
	int err;

	if (json_string(item, "id", true, place, &id, error) ||
	    json_string(item, "host", false, place, &host, error) ||
	    json_string(item, "state", false, place, &state, error) ||
	    json_string(item, "startedAt", false, place, &started, error) ||
	    json_string(item, "version", false, place, &version, error) ||
	    read_health(item, place, reader->app->check_count, &task->health, error) ||
	    read_task_ports(item, place, ports, &port_count, error))
		return -EINVAL;
	if (!*id || strlen(id) > 255)
		return json_fail(error, "%s.id is not of 1 to 255 characters", place);
	task->id = strdup(id);
	task->host = strdup(host ? host : "");
	task->version = version ? strdup(version) : NULL;
	if (!task->id || !task->host || (version && !task->version))
		return -ENOMEM;
	/*
	 * before 1.2 there is no state: a task that has started runs, one that has ended is not
	 * listed
	 */
	if (state)
		task->state = marathon_json_state(state);
	else
		task->state = started ? FACTS_TASK_RUNNING : FACTS_TASK_STARTING;
	task->started_ms = parse_time(started);
	err = read_ready(&reader->readiness, id,
			 !version || !reader->version || strcmp(version, reader->version) == 0,
			 place, &task->readiness, error);
	if (err)
		return err;
	if (!port_count && (task->state == FACTS_TASK_GONE || task->state == FACTS_TASK_LOST))
		return 0; /* Marathon no longer names an inactive task's ports */
	err = marathon_ports_assign(
		&reader->ports, ports, port_count,
		!version || !reader->version || strcmp(version, reader->version) == 0, task);
	return err;
}

/*
 * Tasks that are not embedded are missing; that is not the same as none, unless the app's own
 * counts say so.
 */
static int check_no_tasks(const cJSON *app, const char *place, struct json_error *error)
{
	int64_t running, staged;

	if (json_number(app, "tasksRunning", 0, INT32_MAX, 1, place, &running, error) ||
	    json_number(app, "tasksStaged", 0, INT32_MAX, 1, place, &staged, error))
		return -EINVAL;
	return running || staged ? json_fail(error, "%s.tasks is missing", place) : 0;
}

static int read_tasks(const struct app_reader *reader, const cJSON *app, const char *place)
{
	const cJSON *list, *item;
	size_t index = 0;
	int err;

	err = json_array(app, "tasks", false, place, &list, reader->error);
	if (err)
		return err;
	if (!list)
		return check_no_tasks(app, place, reader->error);
	if (!cJSON_GetArraySize(list))
		return 0;
	reader->app->tasks = calloc(cJSON_GetArraySize(list), sizeof(*reader->app->tasks));
	if (!reader->app->tasks)
		return -ENOMEM;
	cJSON_ArrayForEach(item, list)
	{
		char at[PLACE_LEN + 32];
		const char *host;

		snprintf(at, sizeof(at), "%s.tasks[%zu]", place, index++);
		if (!cJSON_IsObject(item))
			return json_fail(reader->error, "%s is not an object", at);
		err = json_string(item, "host", false, at, &host, reader->error);
		if (err)
			return err;
		if (reader->filter->host_count &&
		    (!host ||
		     !marathon_app_listed(reader->filter->hosts, reader->filter->host_count, host)))
			continue;
		err = read_task(reader, item, at, &reader->app->tasks[reader->app->task_count++]);
		if (err)
			return err;
	}
	return 0;
}

static int read_versions(const cJSON *item, const char *place, struct app_reader *reader)
{
	const char *changed = NULL;
	const cJSON *info;

	if (json_string(item, "version", false, place, &reader->version, reader->error) ||
	    json_object(item, "versionInfo", false, place, &info, reader->error) ||
	    (info &&
	     json_string(info, "lastConfigChangeAt", false, place, &changed, reader->error)))
		return -EINVAL;
	if (!changed)
		changed = reader->version;
	if (reader->version) {
		reader->app->version = strdup(reader->version);
		if (!reader->app->version)
			return -ENOMEM;
	}
	if (changed) {
		reader->app->config_version = strdup(changed);
		if (!reader->app->config_version)
			return -ENOMEM;
	}
	return 0;
}

int marathon_app_read(const cJSON *item, const char *place, const struct marathon_filter *filter,
		      struct facts_app *app, struct json_error *error)
{
	struct app_reader reader = { .filter = filter, .app = app, .error = error };
	const char *id;
	int err;

	err = json_string(item, "id", true, place, &id, error);
	if (err)
		return err;
	app->id = strdup(id);
	if (!app->id)
		return -ENOMEM;
	err = read_versions(item, place, &reader);
	if (err)
		return err;
	err = read_readiness(item, place, &reader.readiness, error);
	if (err)
		return err;
	err = read_checks(item, place, app, error);
	if (err)
		return err;
	err = marathon_ports_read(item, place, &reader.ports, error);
	if (err)
		return err;
	return read_tasks(&reader, item, place);
}
