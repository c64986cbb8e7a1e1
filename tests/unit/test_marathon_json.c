/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Marathon's apps into facts: payloads of 0.7, 1.1-1.3, 1.4 and 1.8, port assignment, health, and
 * everything that must be refused.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "marathon_json.h"
#include "payload.h"

#define HERE "mesos-slave-1.example.org"

static const struct marathon_filter everything;

static struct json_error error;

static int parse(const char *text, const struct marathon_filter *filter,
		 struct facts_marathon *answer)
{
	json_error_init(&error, "m");
	return marathon_json_apps(text, strlen(text), filter, answer, &error);
}

/* The `tasks` array of a /v2/tasks payload inside an app of our making. */
static void embed(const char *payload, const char *app_fields, struct facts_marathon *answer)
{
	size_t len;
	char *tasks = payload_file(payload, &len), *list = strchr(tasks, '['), *text;

	assert_non_null(list);
	assert_true(asprintf(&text, "{\"apps\":[{\"id\":\"/web/rails\",%s,\"tasks\":%.*s]}",
			     app_fields, (int)(tasks + len - list), list) > 0);
	assert_int_equal(parse(text, &everything, answer), 0);
	assert_true(answer->full);
	assert_int_equal(answer->app_count, 1);
	free(text);
	free(tasks);
}

static const char old_bridge[] =
	"\"version\":\"2014-11-30T12:40:03.156Z\",\"ports\":[10019],\"healthChecks\":[{\"protocol\":\"HTTP\"}],"
	"\"container\":{\"docker\":{\"network\":\"BRIDGE\",\"portMappings\":[{\"containerPort\":3000}]}}";

static void version_0_7(void **state)
{
	struct facts_marathon answer;
	const struct facts_task *task;

	(void)state;
	embed("marathon/rest/tasks.v0.7.json", old_bridge, &answer);
	assert_int_equal(answer.apps[0].task_count, 2);
	task = &answer.apps[0].tasks[0];
	assert_string_equal(task->host, HERE);
	assert_int_equal(task->state, FACTS_TASK_RUNNING);
	assert_int_equal(task->health, FACTS_HEALTH_GOOD);
	assert_int_equal(task->port_count, 1);
	assert_int_equal(task->ports[0], 31182);
	assert_int_equal(task->started_ms, 1417351631200);
	assert_string_equal(task->version, "2014-11-30T12:40:03.156Z");
	assert_string_equal(answer.apps[0].version, "2014-11-30T12:40:03.156Z");
	task++;
	assert_string_equal(task->host, "");
	assert_int_equal(task->state, FACTS_TASK_STARTING);
	assert_int_equal(task->health, FACTS_HEALTH_UNKNOWN);
	assert_int_equal(task->started_ms, 0);
	facts_marathon_release(&answer);
	facts_marathon_release(&answer);
}

static void version_1_1(void **state)
{
	struct facts_marathon answer;

	(void)state;
	embed("marathon/rest/tasks.v1.1.2-1.3.json", old_bridge, &answer);
	assert_int_equal(answer.apps[0].tasks[0].state, FACTS_TASK_RUNNING);
	assert_int_equal(answer.apps[0].tasks[0].ports[0], 31182);
	assert_int_equal(answer.apps[0].tasks[1].state, FACTS_TASK_STARTING);
	facts_marathon_release(&answer);
}

static void version_1_8_tasks(void **state)
{
	struct facts_marathon answer;
	const struct facts_task *task;

	(void)state;
	embed("marathon/rest/tasks.v1.8plus.json",
	      "\"healthChecks\":[{\"protocol\":\"MESOS_HTTP\",\"port\":8080}],\"networks\":[{\"mode\":\"host\"}],"
	      "\"portDefinitions\":[{\"port\":10019}]",
	      &answer);
	task = answer.apps[0].tasks;
	assert_int_equal(answer.apps[0].task_count, 3);
	assert_int_equal(task[0].health, FACTS_HEALTH_GOOD);
	assert_int_equal(task[1].health, FACTS_HEALTH_BAD);
	assert_int_equal(task[2].health, FACTS_HEALTH_UNKNOWN);
	assert_int_equal(task[2].ports[0], 31184);
	/* the port of a MESOS_ check is inside the container */
	assert_int_equal(answer.apps[0].checks[0].port, 0);
	assert_int_equal(answer.apps[0].checks[0].protocol, FACTS_CHECK_HTTP);
	facts_marathon_release(&answer);
}

static void version_1_8_apps(void **state)
{
	static const char *const apps[] = { "/web/rails", "/overlay/mixed" };
	static const char *const hosts[] = { "10.0.0.1", "Mesos-Slave-1.example.org" };
	struct marathon_filter filter = { apps, 2, hosts, 2 };
	struct facts_marathon answer;
	size_t len;
	char *text = payload_file("marathon/rest/apps.embed-tasks.v1.8plus.json", &len);

	(void)state;
	assert_int_equal(parse(text, &filter, &answer), 0);
	assert_int_equal(answer.app_count, 2);
	assert_string_equal(answer.apps[0].id, "/web/rails");
	assert_int_equal(answer.apps[0].tasks[0].port_count, 2);
	assert_int_equal(answer.apps[0].tasks[0].ports[0], 31182);
	assert_int_equal(answer.apps[0].tasks[0].ports[1], 31183);
	assert_null(answer.apps[0].tasks[0].problem);
	/* the first mapping has no host-port and takes none of the task's */
	assert_string_equal(answer.apps[1].id, "/overlay/mixed");
	assert_int_equal(answer.apps[1].check_count, 0);
	assert_int_equal(answer.apps[1].tasks[0].health, FACTS_HEALTH_NO_CHECKS);
	assert_int_equal(answer.apps[1].tasks[0].port_count, 2);
	assert_int_equal(answer.apps[1].tasks[0].ports[0], 0);
	assert_int_equal(answer.apps[1].tasks[0].ports[1], 31700);
	assert_non_null(strstr(answer.apps[1].tasks[0].problem, "port 0"));
	facts_marathon_release(&answer);

	filter.hosts = hosts;
	filter.host_count = 1;
	assert_int_equal(parse(text, &filter, &answer), 0);
	assert_int_equal(answer.app_count, 2);
	assert_int_equal(answer.apps[0].task_count, 0);
	facts_marathon_release(&answer);
	free(text);
}

static void version_1_4_single(void **state)
{
	size_t len;
	char *text = payload_file("marathon/rest/app.single.v1.4.docker-bridge.json", &len);
	const struct facts_check *check;
	struct facts_marathon answer;

	(void)state;
	json_error_init(&error, "m");
	assert_int_equal(marathon_json_app(text, len, "/web/rails", &everything, &answer, &error),
			 0);
	assert_false(answer.full);
	assert_false(answer.gone);
	assert_int_equal(answer.apps[0].tasks[0].ports[0], 31182);
	check = &answer.apps[0].checks[0];
	assert_string_equal(check->path, "/health");
	assert_int_equal(check->interval_s, 10);
	assert_int_equal(check->timeout_s, 5);
	assert_int_equal(check->grace_s, 300);
	assert_int_equal(check->max_failures, 3);
	facts_marathon_release(&answer);
	assert_int_equal(marathon_json_app(text, len, "/web", &everything, &answer, &error),
			 -EINVAL);
	assert_non_null(strstr(error.text, "\"/web\" was asked for"));
	assert_int_equal(answer.app_count, 0);
	free(text);
}

static void readiness_results(void **state)
{
	static const struct {
		const char *app, *task; /* version, and what comes in the app */
		enum facts_readiness readiness;
	} rows[] = {
		{ "", "2", FACTS_READINESS_NONE },
		{ ",\"readinessChecks\":[{}],\"deployments\":[{\"id\":\"d\"}]", "2",
		  FACTS_READINESS_NONE }, /* not told: an old Marathon */
		{ ",\"readinessChecks\":[{}],\"deployments\":[{\"id\":\"d\"}],"
		  "\"readinessCheckResults\":[]",
		  "2", FACTS_READINESS_PENDING },
		{ ",\"readinessChecks\":[{}],\"deployments\":[{\"id\":\"d\"}],"
		  "\"readinessCheckResults\":[]",
		  "1", FACTS_READINESS_NONE }, /* of the version before */
		{ ",\"readinessChecks\":[{}],\"deployments\":[],\"readinessCheckResults\":[]", "2",
		  FACTS_READINESS_NONE },
		{ ",\"readinessCheckResults\":[{\"taskId\":\"t\",\"ready\":true}]", "2",
		  FACTS_READINESS_READY },
		{ ",\"readinessCheckResults\":[{\"taskId\":\"u\",\"ready\":false}]", "2",
		  FACTS_READINESS_NONE },
		{ ",\"readinessCheckResults\":[{\"taskId\":\"t\",\"ready\":true},"
		  "{\"taskId\":\"t\",\"ready\":false},{\"taskId\":\"t\",\"ready\":true}]",
		  "2", FACTS_READINESS_NOT },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct facts_marathon answer;
		char text[512];

		snprintf(text, sizeof(text),
			 "{\"app\":{\"id\":\"/w\",\"version\":\"2\",\"tasks\":[{\"id\":\"t\","
			 "\"version\":\"%s\",\"state\":\"TASK_RUNNING\"}]%s}}",
			 rows[i].task, rows[i].app);
		json_error_init(&error, "m");
		assert_int_equal(marathon_json_app(text, strlen(text), "/w", &everything, &answer,
						   &error),
				 0);
		assert_int_equal(answer.app_count, 1);
		assert_int_equal(answer.apps[0].tasks[0].readiness, rows[i].readiness);
		facts_marathon_release(&answer);
	}
}

static void app_gone(void **state)
{
	size_t len;
	char *text = payload_file("marathon/rest/app.404.json", &len);
	struct facts_marathon answer;

	(void)state;
	assert_true(marathon_json_app_gone(text, len, "/nope", &answer));
	assert_true(answer.gone);
	assert_false(answer.full);
	assert_int_equal(answer.app_count, 1);
	assert_string_equal(answer.apps[0].id, "/nope");
	assert_int_equal(answer.apps[0].task_count, 0);
	facts_marathon_release(&answer);
	/* a proxy's 404, another app's, and half of one prove nothing */
	assert_false(marathon_json_app_gone(text, len, "/web/rails", &answer));
	assert_false(marathon_json_app_gone(text, len - 4, "/nope", &answer));
	assert_false(marathon_json_app_gone("<html>/nope does not exist", 26, "/nope", &answer));
	assert_int_equal(answer.app_count, 0);
	free(text);
}

/* One app with one task; fields of the app, the task's ports and version. */
static void one_task(const char *fields, const char *task_fields, struct facts_marathon *answer)
{
	char text[2048];

	snprintf(
		text, sizeof(text),
		"{\"apps\":[{\"id\":\"/a\",\"version\":\"V\",%s,\"tasks\":[{\"id\":\"a.1\",\"host\":\"h\","
		"\"state\":\"TASK_RUNNING\",%s}]}]}",
		fields, task_fields);
	if (parse(text, &everything, answer))
		fail_msg("%s", error.text);
}

static void port_assignment(void **state)
{
	static const struct {
		const char *app, *task;
		size_t count;
		uint16_t ports[3];
		const char *problem;
	} rows[] = {
		/* host network, by definitions, by the old list, and by nothing at all */
		{ "\"portDefinitions\":[{\"port\":1},{\"port\":2}]",
		  "\"ports\":[31000,31001]",
		  2,
		  { 31000, 31001 },
		  NULL },
		{ "\"ports\":[10000,10001]", "\"ports\":[31000,31001]", 2, { 31000, 31001 }, NULL },
		{ "\"cpus\":1", "\"ports\":[31000]", 1, { 31000 }, NULL },
		{ "\"cpus\":1", "\"ports\":[]", 0, {}, NULL },
		{ "\"portDefinitions\":[{\"protocol\":\"udp\"},{\"protocol\":\"udp,tcp\"}]",
		  "\"ports\":[31000,31001]",
		  2,
		  { 0, 31001 },
		  "port 0 is not TCP" },
		/* the app's service port is never a host-port */
		{ "\"ports\":[10000]",
		  "\"ports\":[]",
		  0,
		  {},
		  "0 host-ports where its app defines 1" },
		{ "\"ports\":[10000]",
		  "\"ports\":[31000,31001]",
		  0,
		  {},
		  "2 host-ports where its app defines 1" },
		/* another version's definition: as many as there are */
		{ "\"ports\":[10000,10001]",
		  "\"version\":\"U\",\"ports\":[31000]",
		  2,
		  { 31000, 0 },
		  NULL },
		{ "\"ports\":[10000]",
		  "\"version\":\"U\",\"ports\":[31000,31001]",
		  1,
		  { 31000 },
		  NULL },
		/* Docker before 1.5 */
		{ "\"container\":{\"docker\":{\"network\":\"BRIDGE\",\"portMappings\":[{\"hostPort\":0},{}]}}",
		  "\"ports\":[31000,31001]",
		  2,
		  { 31000, 31001 },
		  NULL },
		{ "\"container\":{\"docker\":{\"network\":\"HOST\",\"portMappings\":[]}},\"ports\":[1]",
		  "\"ports\":[31000]",
		  1,
		  { 31000 },
		  NULL },
		{ "\"container\":{\"docker\":{\"network\":\"USER\",\"portMappings\":[{},{\"hostPort\":0}]}}",
		  "\"ports\":[31000]",
		  2,
		  { 0, 31000 },
		  "port 0 is reached at the task's own address" },
		{ "\"ipAddress\":{},\"ports\":[]", "\"ports\":[]", 0, {}, "address of its own" },
		/* networks from 1.5 on */
		{ "\"networks\":[{\"mode\":\"container/bridge\"}],\"container\":{\"portMappings\":[{\"hostPort\":0}]}",
		  "\"ports\":[31000]",
		  1,
		  { 31000 },
		  NULL },
		{ "\"networks\":[{\"name\":\"dcos\"}],\"container\":{\"portMappings\":[{\"hostPort\":31005}]}",
		  "\"ports\":[31005]",
		  1,
		  { 31005 },
		  NULL },
		{ "\"networks\":[{\"mode\":\"container\"}]",
		  "\"ports\":[]",
		  0,
		  {},
		  "address of its own" },
		{ "\"networks\":[{\"mode\":\"host\"}],\"container\":{\"portMappings\":[{}]},\"portDefinitions\":[{}]",
		  "\"ports\":[31000]",
		  1,
		  { 31000 },
		  NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct facts_marathon answer;
		const struct facts_task *task;

		one_task(rows[i].app, rows[i].task, &answer);
		task = answer.apps[0].tasks;
		if (task->port_count != rows[i].count ||
		    memcmp(task->ports, rows[i].ports, sizeof(rows[i].ports)) != 0)
			fail_msg("row %zu: %zu ports, first %u", i, task->port_count,
				 task->ports[0]);
		if (!rows[i].problem != !task->problem ||
		    (task->problem && !strstr(task->problem, rows[i].problem)))
			fail_msg("row %zu: problem \"%s\"", i, task->problem);
		facts_marathon_release(&answer);
	}
}

static void many_ports(void **state)
{
	char definitions[1024], ports[1024];
	struct facts_marathon answer;
	int at = 0, to = 0;

	(void)state;
	for (int i = 0; i < 40; i++) {
		at += snprintf(definitions + at, sizeof(definitions) - at, "%s{}",
			       i ? "," : "\"portDefinitions\":[");
		to += snprintf(ports + to, sizeof(ports) - to, "%s%d", i ? "," : "\"ports\":[",
			       31000 + i);
	}
	snprintf(definitions + at, sizeof(definitions) - at, "]");
	snprintf(ports + to, sizeof(ports) - to, "]");
	one_task(definitions, ports, &answer);
	assert_int_equal(answer.apps[0].tasks[0].port_count, FACTS_MAX_PORTS);
	assert_int_equal(answer.apps[0].tasks[0].ports[FACTS_MAX_PORTS - 1], 31031);
	facts_marathon_release(&answer);
}

static void health(void **state)
{
	static const struct {
		unsigned checks;
		const char *results;
		enum facts_health health;
	} rows[] = {
		{ 0, "null", FACTS_HEALTH_NO_CHECKS },
		{ 0, "[{\"alive\":false,\"consecutiveFailures\":3}]", FACTS_HEALTH_NO_CHECKS },
		{ 1, "null", FACTS_HEALTH_UNKNOWN },
		{ 1, "[]", FACTS_HEALTH_UNKNOWN },
		{ 1, "[null]", FACTS_HEALTH_UNKNOWN },
		{ 1, "[{\"alive\":true}]", FACTS_HEALTH_GOOD },
		{ 1, "[{\"alive\":true,\"consecutiveFailures\":1}]", FACTS_HEALTH_GOOD },
		/* in the grace period, before the first success */
		{ 1, "[{\"alive\":false,\"consecutiveFailures\":0,\"firstSuccess\":null}]",
		  FACTS_HEALTH_UNKNOWN },
		{ 1, "[{\"alive\":false,\"consecutiveFailures\":1,\"firstSuccess\":null}]",
		  FACTS_HEALTH_BAD },
		{ 1,
		  "[{\"alive\":false,\"consecutiveFailures\":0,\"firstSuccess\":\"2014-11-30T12:47:20.957Z\"}]",
		  FACTS_HEALTH_BAD },
		{ 2, "[{\"alive\":true}]", FACTS_HEALTH_UNKNOWN },
		{ 2, "[{\"alive\":true},{\"alive\":true}]", FACTS_HEALTH_GOOD },
		{ 2, "[{\"alive\":true},{\"alive\":false,\"consecutiveFailures\":1}]",
		  FACTS_HEALTH_BAD },
		{ 2, "[{\"alive\":false,\"consecutiveFailures\":1}]", FACTS_HEALTH_BAD },
		{ 2, "[{\"alive\":true},{\"alive\":false,\"consecutiveFailures\":0}]",
		  FACTS_HEALTH_UNKNOWN },
	};
	static const char *const checks[] = { "[]", "[{}]", "[{},{\"protocol\":\"COMMAND\"}]" };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct facts_marathon answer;
		char app[256], task[256];

		snprintf(app, sizeof(app), "\"healthChecks\":%s", checks[rows[i].checks]);
		snprintf(task, sizeof(task), "\"healthCheckResults\":%s", rows[i].results);
		one_task(app, task, &answer);
		if (answer.apps[0].tasks[0].health != rows[i].health)
			fail_msg("row %zu: health %d", i, answer.apps[0].tasks[0].health);
		facts_marathon_release(&answer);
	}
}

static void versions(void **state)
{
	struct facts_marathon answer;

	(void)state;
	one_task("\"versionInfo\":{\"lastScalingAt\":\"V\",\"lastConfigChangeAt\":\"U\"}",
		 "\"version\":\"T\"", &answer);
	assert_string_equal(answer.apps[0].version, "V");
	assert_string_equal(answer.apps[0].config_version, "U");
	assert_string_equal(answer.apps[0].tasks[0].version, "T");
	facts_marathon_release(&answer);
	one_task("\"versionInfo\":null", "\"version\":null", &answer);
	assert_string_equal(answer.apps[0].config_version, "V");
	assert_null(answer.apps[0].tasks[0].version);
	facts_marathon_release(&answer);
	assert_int_equal(parse("{\"apps\":[{\"id\":\"/a\",\"tasks\":[]}]}", &everything, &answer),
			 0);
	assert_null(answer.apps[0].version);
	assert_null(answer.apps[0].config_version);
	facts_marathon_release(&answer);
}

static void task_states(void **state)
{
	static const struct {
		const char *word;
		enum facts_task_state state;
	} rows[] = {
		{ "TASK_STAGING", FACTS_TASK_STARTING },
		{ "TASK_STARTING", FACTS_TASK_STARTING },
		{ "Provisioned", FACTS_TASK_STARTING },
		{ "Scheduled", FACTS_TASK_STARTING },
		{ "TASK_RUNNING", FACTS_TASK_RUNNING },
		{ "Running", FACTS_TASK_RUNNING },
		{ "TASK_KILLING", FACTS_TASK_KILLING },
		{ "Killing", FACTS_TASK_KILLING },
		{ "TASK_FINISHED", FACTS_TASK_GONE },
		{ "TASK_FAILED", FACTS_TASK_GONE },
		{ "TASK_KILLED", FACTS_TASK_GONE },
		{ "TASK_ERROR", FACTS_TASK_GONE },
		{ "TASK_DROPPED", FACTS_TASK_GONE },
		{ "TASK_GONE", FACTS_TASK_GONE },
		{ "TASK_GONE_BY_OPERATOR", FACTS_TASK_GONE },
		{ "TASK_LOST", FACTS_TASK_LOST },
		{ "TASK_UNREACHABLE", FACTS_TASK_LOST },
		{ "UnreachableInactive", FACTS_TASK_LOST },
		{ "TASK_UNKNOWN", FACTS_TASK_LOST },
		{ "TASK_OF_TOMORROW", FACTS_TASK_LOST },
		{ "", FACTS_TASK_LOST },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (marathon_json_state(rows[i].word) != rows[i].state)
			fail_msg("%s", rows[i].word);
}

/* Whatever is wrong anywhere refuses the whole answer, and says where. */
static void refusals(void **state)
{
	static const char *const rows[][2] = {
		{ "[]", "m: apps is missing" },
		{ "{}", "m: apps is missing" },
		{ "{\"apps\":null}", "m: apps is missing" },
		{ "{\"apps\":{}}", "m: apps is not an array" },
		{ "{\"apps\":[7]}", "m: apps[0] is not an object" },
		{ "{\"apps\":[{\"id\":\"/a\",\"tasks\":[]},{}]}", "m: apps[1].id is missing" },
		{ "{\"apps\":[{\"id\":7}]}", "m: apps[0].id is not a string" },
		{ "{\"apps\":[{\"id\":\"/a\"}]}", "m: apps[0].tasks is missing" },
		{ "{\"apps\":[{\"id\":\"/a\",\"tasks\":null,\"tasksRunning\":1,\"tasksStaged\":0}]}",
		  "m: apps[0].tasks is missing" },
		{ "{\"apps\":[{\"id\":\"/a\",\"tasks\":{}}]}", "m: apps[0].tasks is not an array" },
		{ "{\"apps\":[{\"id\":\"/a\",\"tasks\":[null]}]}",
		  "m: apps[0].tasks[0] is not an object" },
		{ "{\"apps\":[{\"id\":\"/a\",\"tasks\":[{}]}]}",
		  "m: apps[0].tasks[0].id is missing" },
		{ "{\"apps\":[{\"id\":\"/a\",\"tasks\":[{\"id\":\"\"}]}]}",
		  "m: apps[0].tasks[0].id is not of 1" },
		{ "{\"apps\":[{\"id\":\"/a\",\"tasks\":[{\"id\":\"t\",\"ports\":[\"31000\"]}]}]}",
		  "m: apps[0].tasks[0].ports[0] is not a port" },
		{ "{\"apps\":[{\"id\":\"/a\",\"tasks\":[{\"id\":\"t\",\"ports\":[1,65536]}]}]}",
		  "m: apps[0].tasks[0].ports[1] is not a port" },
		{ "{\"apps\":[{\"id\":\"/a\",\"tasks\":[{\"id\":\"t\",\"ports\":[-1]}]}]}",
		  "is not a port" },
		{ "{\"apps\":[{\"id\":\"/a\",\"tasks\":[{\"id\":\"t\",\"ports\":[1.5]}]}]}",
		  "is not a port" },
		{ "{\"apps\":[{\"id\":\"/a\",\"tasks\":[{\"id\":\"t\",\"host\":[]}]}]}",
		  "host is not a string" },
		{ "{\"apps\":[{\"id\":\"/a\",\"tasks\":[{\"id\":\"t\",\"healthCheckResults\":[1]}]}]}",
		  "m: apps[0].tasks[0].healthCheckResults" },
		{ "{\"apps\":[{\"id\":\"/a\",\"healthChecks\":[{\"portIndex\":\"x\"}],\"tasks\":[]}]}",
		  "m: apps[0].healthChecks[0].portIndex is not a whole number" },
		{ "{\"apps\":[{\"id\":\"/a\",\"healthChecks\":[1],\"tasks\":[]}]}",
		  "m: apps[0].healthChecks[0] is not an object" },
		{ "{\"apps\":[{\"id\":\"/a\",\"container\":7,\"tasks\":[]}]}",
		  "m: apps[0].container is not an object" },
		{ "{\"apps\":[{\"id\":\"/a\",\"networks\":7,\"tasks\":[]}]}",
		  "m: apps[0].networks is not an array" },
	};
	struct facts_marathon answer;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(parse(rows[i][0], &everything, &answer), -EINVAL);
		if (!strstr(error.text, rows[i][1]))
			fail_msg("\"%s\" does not say \"%s\"", error.text, rows[i][1]);
		assert_int_equal(answer.app_count, 0);
		assert_null(answer.apps);
	}
}

#define WEB "{\"id\":\"/web\",\"tasks\":[{\"id\":\"web.1\",\"host\":\"h\",\"ports\":[31000]}]}"
#define ODD "{\"id\":\"/odd\",\"tasks\":[],\"healthChecks\":[{\"path\":7}]}"
#define ODDER "{\"id\":\"/odder\"}"

/* One app that cannot be read does not hold up the others, and is not taken for missing. */
static void odd_apps_are_unknown(void **state)
{
	static const char *const apps[] = { "/odd", "/web", "/missing", "/odder" };
	const struct marathon_filter filter = { .apps = apps, .app_count = 4 };
	struct facts_marathon answer;

	(void)state;
	assert_int_equal(parse("{\"apps\":[" ODD "," WEB "," ODDER "]}", &filter, &answer), 0);
	assert_false(answer.full);
	assert_int_equal(answer.app_count, 2);
	assert_string_equal(answer.apps[0].id, "/web");
	assert_int_equal(answer.apps[0].task_count, 1);
	assert_string_equal(answer.apps[1].id, "/missing");
	assert_int_equal(answer.apps[1].task_count, 0);
	assert_int_equal(answer.unknown_count, 2);
	assert_string_equal(answer.unknown[0], "/odd");
	assert_string_equal(answer.unknown[1], "/odder");
	assert_non_null(strstr(error.text, "apps[0].healthChecks[0].path is not a string"));
	facts_marathon_release(&answer);
	assert_null(answer.unknown);

	/* one that nobody wants is not looked at */
	assert_int_equal(
		parse("{\"apps\":[" WEB ",{\"id\":\"/x\",\"tasks\":7}]}", &filter, &answer), 0);
	assert_true(answer.full);
	assert_int_equal(answer.app_count, 1);
	assert_int_equal(answer.unknown_count, 0);
	facts_marathon_release(&answer);
	/* nothing could be read: that is no answer */
	assert_int_equal(parse("{\"apps\":[" ODD "," ODDER "]}", &filter, &answer), -EINVAL);
	assert_null(answer.unknown);
}

static void odd_single_app(void **state)
{
	static const char text[] = "{\"app\":" ODD "}";
	struct facts_marathon answer;

	(void)state;
	json_error_init(&error, "m");
	assert_int_equal(
		marathon_json_app(text, strlen(text), "/odd", &everything, &answer, &error), 0);
	assert_false(answer.full);
	assert_false(answer.gone);
	assert_int_equal(answer.app_count, 0);
	assert_int_equal(answer.unknown_count, 1);
	assert_string_equal(answer.unknown[0], "/odd");
	assert_non_null(strstr(error.text, "app.healthChecks[0].path"));
	facts_marathon_release(&answer);
	assert_int_equal(marathon_json_app(text, strlen(text), "/web", &everything, &answer,
					   &error),
			 -EINVAL);
	assert_null(answer.unknown);
}

static void empty_answers_are_answers(void **state)
{
	struct facts_marathon answer;

	(void)state;
	assert_int_equal(parse("{\"apps\":[]}", &everything, &answer), 0);
	assert_true(answer.full);
	assert_int_equal(answer.app_count, 0);
	assert_int_equal(parse("{\"apps\":[{\"id\":\"/a\",\"tasksRunning\":0,\"tasksStaged\":0}]}",
			       &everything, &answer),
			 0);
	assert_int_equal(answer.app_count, 1);
	assert_int_equal(answer.apps[0].task_count, 0);
	facts_marathon_release(&answer);
}

static void truncated(void **state)
{
	size_t len;
	char *text = payload_file("marathon/rest/apps.embed-tasks.v1.8plus.json", &len);
	struct facts_marathon answer;

	(void)state;
	while (len && text[len - 1] != '}')
		len--;
	for (size_t cut = 0; cut < len; cut += 7) {
		char *exact = malloc(cut ? cut : 1);

		memcpy(exact, text, cut);
		json_error_init(&error, "m");
		assert_int_equal(marathon_json_apps(exact, cut, &everything, &answer, &error),
				 -EINVAL);
		assert_int_equal(answer.app_count, 0);
		assert_int_equal(strncmp(error.text, "m: ", 3), 0);
		free(exact);
	}
	free(text);
}

static void subscribed(void **state)
{
	size_t len;
	char *text = payload_file("marathon/rest/eventSubscriptions.get.json", &len);

	(void)state;
	json_error_init(&error, "m");
	assert_int_equal(
		marathon_json_subscribed(text, len, "http://10.0.0.9:4567/callback", &error), 1);
	assert_int_equal(marathon_json_subscribed(text, len, "http://10.0.0.9:4567/", &error), 0);
	assert_int_equal(marathon_json_subscribed("{}", 2, "x", &error), -EINVAL);
	assert_string_equal(error.text, "m: callbackUrls is missing");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_0_7),	      cmocka_unit_test(version_1_1),
		cmocka_unit_test(version_1_8_tasks),  cmocka_unit_test(version_1_8_apps),
		cmocka_unit_test(version_1_4_single), cmocka_unit_test(readiness_results),
		cmocka_unit_test(app_gone),	      cmocka_unit_test(port_assignment),
		cmocka_unit_test(many_ports),	      cmocka_unit_test(health),
		cmocka_unit_test(versions),	      cmocka_unit_test(task_states),
		cmocka_unit_test(refusals),	      cmocka_unit_test(odd_apps_are_unknown),
		cmocka_unit_test(odd_single_app),     cmocka_unit_test(empty_answers_are_answers),
		cmocka_unit_test(truncated),	      cmocka_unit_test(subscribed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
