/* SPDX-License-Identifier: GPL-2.0-only */
/* Events to hints: every payload of every version, with what must come of it as a table. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hint.h"
#include "payload.h"

#define HERE "mesos-slave-1.example.org"
#define UUID "5dd78972-6771-11e4-94e1-be5b2935a987"
#define APP FACTS_HINT_APP
#define REMOVAL FACTS_HINT_REMOVAL
#define EVERYTHING FACTS_HINT_EVERYTHING
#define NONE FACTS_HINT_NONE

struct collected {
	size_t count;
	struct facts_hint hint[4];
};

static void collect(void *ctx, const struct facts_hint *hint)
{
	struct collected *collected = ctx;

	assert_true(collected->count < 4);
	collected->hint[collected->count++] = *hint;
}

static int parse(const char *text, size_t len, const char *host, struct collected *collected,
		 struct json_error *error)
{
	memset(collected, 0, sizeof(*collected));
	json_error_init(error, "event");
	return hint_parse(text, len, &host, host ? 1 : 0, collect, collected, error);
}

static const struct {
	const char *file;
	enum facts_hint_kind here, elsewhere; /* on the host that it names, on another */
	const char *app, *uuid;
} cases[] = {
	{ "api_post", APP, APP, "/web/rails", "" },
	{ "app_terminated", APP, APP, "/web/rails", "" },
	{ "deployment_failed.light-plan.v1.7plus", APP, APP, "/web/rails", "" },
	{ "deployment_success.light-plan.v1.7plus", APP, APP, "/web/rails", "" },
	{ "deployment_step_success.light-plan.v1.7plus", NONE, NONE, "", "" },
	{ "deployment_success.v0.7-0.9", EVERYTHING, EVERYTHING, "", "" },
	{ "event_stream_attached", NONE, NONE, "", "" },
	{ "event_stream_detached", NONE, NONE, "", "" },
	{ "failed_health_check.v0.7-1.3", NONE, NONE, "", "" },
	{ "failed_health_check.v1.4", NONE, NONE, "", "" },
	{ "group_change_success", APP, APP, "/web", "" },
	{ "health_status_changed.alive.v0.7-1.3", APP, APP, "/web/rails", UUID },
	{ "health_status_changed.alive.v1.4plus", APP, APP, "/web/rails", UUID },
	{ "health_status_changed.dead.v0.7-1.3", APP, APP, "/web/rails", UUID },
	{ "instance_changed.killed.v1.4plus", REMOVAL, NONE, "/web/rails", UUID },
	{ "instance_changed.killing.v1.4plus", REMOVAL, NONE, "/web/rails", UUID },
	{ "instance_changed.provisioned.v1.4plus", APP, NONE, "/web/rails", UUID },
	{ "instance_changed.running.v1.4plus", APP, NONE, "/web/rails", UUID },
	{ "instance_changed.unreachable.v1.4plus", APP, NONE, "/web/rails", UUID },
	{ "instance_health_changed.healthy.v1.4plus", APP, APP, "/web/rails", UUID },
	{ "instance_health_changed.unhealthy.v1.4plus", APP, APP, "/web/rails", UUID },
	{ "instance_health_changed.unknown-null.v1.4plus", APP, APP, "/web/rails", UUID },
	{ "scheduler_registered", EVERYTHING, EVERYTHING, "", "" },
	{ "status_update.error", REMOVAL, NONE, "/web/rails", UUID },
	{ "status_update.expunged.v1.2-1.3", REMOVAL, NONE, "/web/rails", UUID },
	{ "status_update.failed", REMOVAL, NONE, "/web/rails", UUID },
	{ "status_update.finished", REMOVAL, NONE, "/web/rails", UUID },
	{ "status_update.gone", REMOVAL, NONE, "/web/rails", UUID },
	{ "status_update.killed", REMOVAL, NONE, "/web/rails", UUID },
	{ "status_update.killing", REMOVAL, NONE, "/web/rails", UUID },
	{ "status_update.lost", APP, NONE, "/web/rails", UUID },
	{ "status_update.no-ports", APP, NONE, "/batch", "8cad6a69-6ca8-11e7-beb2-0e2beceebfcc" },
	{ "status_update.running.v0.14-1.7", APP, NONE, "/web/rails", UUID },
	{ "status_update.running.v0.7-0.13", APP, NONE, "/web/rails", UUID },
	{ "status_update.running.v1.8plus", APP, NONE, "/web/rails", UUID },
	{ "status_update.two-ports", APP, NONE, "/web/rails",
	  "8cad6a69-6ca8-11e7-beb2-0e2beceebfcc" },
	{ "status_update.unreachable", APP, NONE, "/web/rails", UUID },
	{ "subscribe", NONE, NONE, "", "" },
	{ "unhealthy_instance_kill.v1.4plus", REMOVAL, NONE, "/web/rails", UUID },
	{ "unhealthy_task_kill.v1.0-1.3", REMOVAL, NONE, "/web/rails", UUID },
	{ "unknown_instance_terminated.v1.4plus", REMOVAL, REMOVAL, "/web/rails", UUID },
	{ "unknown_task_terminated.v1.3", REMOVAL, REMOVAL, "/web/rails", UUID },
};

static void every_event(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct collected here, elsewhere, any;
		struct json_error error;
		char name[128];
		size_t len;
		char *text;

		snprintf(name, sizeof(name), "marathon/events/%s.json", cases[i].file);
		text = payload_file(name, &len);
		assert_int_equal(parse(text, len, "MESOS-slave-1.example.org", &here, &error), 0);
		assert_int_equal(parse(text, len, "slave-9", &elsewhere, &error), 0);
		assert_int_equal(parse(text, len, NULL, &any, &error), 0);
		assert_int_equal(here.count, 1);
		assert_int_equal(here.hint[0].kind, cases[i].here);
		assert_string_equal(here.hint[0].app, cases[i].app);
		assert_string_equal(here.hint[0].uuid, cases[i].uuid);
		assert_int_equal(elsewhere.count, 1);
		assert_int_equal(elsewhere.hint[0].kind, cases[i].elsewhere);
		assert_int_equal(any.hint[0].kind, cases[i].here);
		free(text);
	}
}

/* A word in an event, and what it means here. */
struct said {
	const char *word;
	enum facts_hint_kind kind;
};

/* The one hint of an event that says the word. */
static struct facts_hint hint_of(const char *text, const struct said *said)
{
	struct collected collected;
	struct json_error error;

	assert_int_equal(parse(text, strlen(text), HERE, &collected, &error), 0);
	assert_int_equal(collected.count, 1);
	if (collected.hint[0].kind != said->kind)
		fail_msg("%s is of kind %d", said->word, collected.hint[0].kind);
	return collected.hint[0];
}

/* What Mesos ever said of a task, and words that it may yet say: only an end, or its beginning, is a removal. */
static void every_state_of_a_task(void **state)
{
	static const struct said rows[] = {
		{ "TASK_STAGING", APP },
		{ "TASK_STARTING", APP },
		{ "TASK_RUNNING", APP },
		{ "TASK_KILLING", REMOVAL },
		{ "TASK_FINISHED", REMOVAL },
		{ "TASK_FAILED", REMOVAL },
		{ "TASK_KILLED", REMOVAL },
		{ "TASK_ERROR", REMOVAL },
		{ "TASK_DROPPED", REMOVAL },
		{ "TASK_GONE", REMOVAL },
		{ "TASK_GONE_BY_OPERATOR", REMOVAL },
		{ "TASK_LOST", APP },
		{ "TASK_UNREACHABLE", APP },
		{ "TASK_UNKNOWN", APP },
		{ "TASK_OF_TOMORROW", APP },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct facts_hint hint;
		char text[512];

		snprintf(text, sizeof(text),
			 "{\"eventType\":\"status_update_event\",\"appId\":\"/web\","
			 "\"taskId\":\"web." UUID "\",\"taskStatus\":\"%s\",\"host\":\"" HERE
			 "\",\"ports\":[31000]}",
			 rows[i].word);
		hint = hint_of(text, &rows[i]);
		assert_string_equal(hint.app, "/web");
		assert_string_equal(hint.task, "web." UUID);
	}
}

/* 1.8 says what is to become of an instance while it still runs. */
static void goals(void **state)
{
	static const struct said rows[] = {
		{ "\"Running\"", APP },
		{ "\"Stopped\"", REMOVAL },
		{ "\"Decommissioned\"", REMOVAL },
		{ "null", APP },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[512];

		snprintf(text, sizeof(text),
			 "{\"eventType\":\"instance_changed_event\",\"runSpecId\":\"/web\","
			 "\"instanceId\":\"web.instance-" UUID "\",\"condition\":\"Running\","
			 "\"host\":\"" HERE "\",\"goal\":%s}",
			 rows[i].word);
		assert_string_equal(hint_of(text, &rows[i]).uuid, UUID);
	}
}

/* A cut anywhere gives one error and no hint. */
static void truncated(void **state)
{
	struct collected collected;
	struct json_error error;
	size_t len;
	char *text = payload_file("marathon/events/status_update.killing.json", &len);

	(void)state;
	while (len && text[len - 1] != '}')
		len--;
	for (size_t cut = 0; cut < len; cut++) {
		char *exact = malloc(cut ? cut : 1);

		memcpy(exact, text, cut);
		assert_int_equal(parse(exact, cut, HERE, &collected, &error), -EINVAL);
		assert_int_equal(collected.count, 0);
		assert_int_equal(strncmp(error.text, "event: ", 7), 0);
		free(exact);
	}
	free(text);
}

static void bad(void **state)
{
	static const char *const texts[][2] = {
		{ "[]", "JSON object" },
		{ "{}", "eventType is missing" },
		{ "{\"eventType\":7}", "eventType is not a string" },
		{ "{\"eventType\":\"status_update_event\",\"taskId\":{}}",
		  "taskId is not a string" },
		{ "{\"eventType\":\"status_update_event\",\"taskStatus\":\"TASK_KILLED\"}",
		  "without a task" },
		{ "{\"eventType\":\"app_terminated_event\"}", "without an app" },
		{ "{\"eventType\":\"api_post_event\"}", "appDefinition is missing" },
		{ "{\"eventType\":\"deployment_success\",\"plan\":[]}", "plan is not an object" },
		{ "{\"eventType\":\"deployment_success\",\"plan\":{\"steps\":[{\"actions\":[{\"app\":\"/a\"}]},"
		  "{\"actions\":7}]}}",
		  "plan.steps[].actions is not an array" },
	};
	struct collected collected;
	struct json_error error;
	char big[700];

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(parse(texts[i][0], strlen(texts[i][0]), HERE, &collected, &error),
				 -EINVAL);
		assert_int_equal(collected.count, 0);
		if (!strstr(error.text, texts[i][1]))
			fail_msg("\"%s\" does not say \"%s\"", error.text, texts[i][1]);
	}
	snprintf(big, sizeof(big), "{\"eventType\":\"app_terminated_event\",\"appId\":\"/%0600d\"}",
		 0);
	assert_int_equal(parse(big, strlen(big), HERE, &collected, &error), -EINVAL);
	assert_non_null(strstr(error.text, "longer than 255"));
}

static void deployment_of_several(void **state)
{
	static const char text[] =
		"{\"eventType\":\"deployment_success\",\"plan\":{\"steps\":["
		"{\"actions\":[{\"action\":\"ScaleApplication\",\"app\":\"/a\"}]},"
		"{\"actions\":[{\"action\":\"RestartApplication\",\"app\":\"/a\"},"
		"{\"action\":\"StopPod\",\"pod\":\"/b\"}]}]}}";
	static const char empty[] =
		"{\"eventType\":\"deployment_success\",\"plan\":{\"steps\":[]}}";
	struct collected collected;
	struct json_error error;

	(void)state;
	assert_int_equal(parse(text, strlen(text), HERE, &collected, &error), 0);
	assert_int_equal(collected.count, 2);
	assert_string_equal(collected.hint[0].app, "/a");
	assert_string_equal(collected.hint[1].app, "/b");
	assert_int_equal(parse(empty, strlen(empty), HERE, &collected, &error), 0);
	assert_int_equal(collected.hint[0].kind, FACTS_HINT_NONE);
}

static void null_and_unknown_hosts(void **state)
{
	static const char *const hosts[] = { "null", "\"unknown\"", "\"\"" };
	struct collected collected;
	struct json_error error;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		char text[256];

		snprintf(text, sizeof(text),
			 "{\"eventType\":\"instance_changed_event\",\"condition\":\"Killed\","
			 "\"runSpecId\":\"/a\",\"instanceId\":\"a.instance-" UUID "\",\"host\":%s}",
			 hosts[i]);
		assert_int_equal(parse(text, strlen(text), HERE, &collected, &error), 0);
		assert_int_equal(collected.hint[0].kind, FACTS_HINT_REMOVAL);
	}
}

static void uuids(void **state)
{
	char uuid[40];

	(void)state;
	hint_find_uuid("web_rails." UUID, uuid);
	assert_string_equal(uuid, UUID);
	hint_find_uuid("a.instance-" UUID "._app.17", uuid);
	assert_string_equal(uuid, UUID);
	hint_find_uuid(UUID, uuid);
	assert_string_equal(uuid, UUID);
	hint_find_uuid("app-00000000-6771-11e4-94e1-be5b2935a987." UUID, uuid);
	assert_string_equal(uuid, UUID);
	hint_find_uuid("my-app_0-1396592784349", uuid);
	assert_string_equal(uuid, "");
	hint_find_uuid("", uuid);
	assert_string_equal(uuid, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_event),
		cmocka_unit_test(every_state_of_a_task),
		cmocka_unit_test(goals),
		cmocka_unit_test(truncated),
		cmocka_unit_test(bad),
		cmocka_unit_test(deployment_of_several),
		cmocka_unit_test(null_and_unknown_hosts),
		cmocka_unit_test(uuids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
