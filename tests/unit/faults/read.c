/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Recorded payloads through every parser. A parser that lacks memory says -ENOMEM, or at least
 * blames nobody else, and leaves nothing; one that says 0 has read what it reads with all the
 * memory it wants.
 */
#include "plays.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "alloc.h"
#include "config.h"
#include "consul_json.h"
#include "hint.h"
#include "marathon_json.h"
#include "marathon_sieve.h"
#include "payload.h"
#include "sse.h"

/* What a play reads, read before it begins. */
static struct {
	char *text, *other;
	size_t len, other_len;
	uint64_t right; /* digest of what is read with all memory */
} input;

static uint64_t digest_text(uint64_t digest, const char *text)
{
	for (text = text ? text : "\1"; *text; text++)
		digest = (digest ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	return (digest ^ 0xff) * UINT64_C(0x100000001b3);
}

static uint64_t digest_number(uint64_t digest, uint64_t number)
{
	return (digest ^ number ^ number >> 32) * UINT64_C(0x100000001b3);
}

/* The first, undisturbed round says what is right. */
static void check(const struct faults_order *order, uint64_t digest)
{
	if (!order->at)
		input.right = digest;
	assert_true(input.right); /* else nothing is read */
	assert_int_equal(digest, input.right);
}

static void each_file(const char *const *name, size_t count, unsigned long most,
		      void (*play)(const struct faults_order *order))
{
	for (size_t i = 0; i < count; i++) {
		input.text = payload_file(name[i], &input.len);
		faults_each(name[i], most, play);
		free(input.text);
	}
}

/* --- config --- */

static void play_config(const struct faults_order *order)
{
	char error[CONFIG_ERROR_LEN] = "";
	struct config *config;
	int err = 0;

	faults_arm(order);
	config = config_load("deploy/sluice.conf", error);
	faults_disarm();
	/* a name, or the resolver is asked for one */
	if (config && !config->name_count) {
		config->name[config->name_count++] = strdup("slave-1.example.com");
		assert_non_null(config->name[0]);
	}
	faults_resume(true);
	if (config)
		err = config_fill_defaults(config, error);
	faults_disarm();
	if (!config || err)
		assert_true(faults_hit() && error[0]);
	else
		check(order,
		      digest_number(digest_text(0, config->consul_url), config->service_count));
	config_free(config);
}

void plays_config(void **state)
{
	(void)state;
	faults_each("config", 1000, play_config);
}

/* --- Marathon's answers --- */

static uint64_t digest_marathon(const struct facts_marathon *answer)
{
	uint64_t digest = digest_number(answer->full, answer->app_count);

	for (size_t i = 0; i < answer->app_count; i++) {
		const struct facts_app *app = &answer->apps[i];

		digest = digest_text(digest, app->id);
		digest = digest_number(digest, app->check_count);
		for (size_t j = 0; j < app->task_count; j++) {
			digest = digest_text(digest, app->tasks[j].id);
			digest = digest_text(digest, app->tasks[j].host);
			digest = digest_text(digest, app->tasks[j].problem);
			digest = digest_number(digest, app->tasks[j].state);
			digest = digest_number(digest, app->tasks[j].health);
			digest = digest_number(digest, app->tasks[j].ports[0]);
		}
	}
	return digest_number(digest, answer->unknown_count);
}

static void check_marathon(const struct faults_order *order, int err, struct facts_marathon *answer)
{
	if (err == -ENOMEM)
		assert_true(faults_hit());
	else
		check(order, err ? (uint64_t)err : digest_marathon(answer));
	if (!order->at)
		assert_int_equal(err, 0);
	if (err)
		assert_int_equal(digest_marathon(answer), 0);
	facts_marathon_release(answer);
}

static void play_apps(const struct faults_order *order)
{
	const struct marathon_filter all = { 0 };
	struct facts_marathon answer = { 0 };
	struct json_error error;
	int err;

	json_error_init(&error, "apps");
	faults_arm(order);
	err = marathon_json_apps(input.text, input.len, &all, &answer, &error);
	faults_disarm();
	check_marathon(order, err, &answer);
}

static void play_app(const struct faults_order *order)
{
	const struct marathon_filter all = { 0 };
	struct facts_marathon answer = { 0 };
	struct json_error error;
	int err;

	json_error_init(&error, "app");
	faults_arm(order);
	err = marathon_json_app(input.text, input.len, "/web/rails", &all, &answer, &error);
	faults_disarm();
	check_marathon(order, err, &answer);
}

static void play_app_gone(const struct faults_order *order)
{
	struct facts_marathon answer = { 0 };
	bool gone;

	faults_arm(order);
	gone = marathon_json_app_gone(input.text, input.len, "/nope", &answer);
	faults_disarm();
	assert_true(gone || faults_hit());
	check_marathon(order, gone ? 0 : -ENOMEM, &answer);
}

static void play_subscribed(const struct faults_order *order)
{
	struct json_error error;
	int result;

	json_error_init(&error, "subscriptions");
	faults_arm(order);
	result = marathon_json_subscribed(input.text, input.len, "http://10.0.0.9:4567/callback",
					  &error);
	faults_disarm();
	if (result < 0)
		assert_true(result == -ENOMEM && faults_hit());
	else
		check(order, (uint64_t)result);
}

void plays_marathon(void **state)
{
	static const char *const apps[] = { "marathon/rest/apps.embed-tasks.v1.8plus.json" };
	static const char *const app[] = { "marathon/rest/app.single.v1.4.docker-bridge.json" };
	static const char *const gone[] = { "marathon/rest/app.404.json" };
	static const char *const subscriptions[] = { "marathon/rest/eventSubscriptions.get.json" };

	(void)state;
	each_file(apps, 1, 1000, play_apps);
	each_file(app, 1, 1000, play_app);
	each_file(gone, 1, 1000, play_app_gone);
	each_file(subscriptions, 1, 1000, play_subscribed);
}

static void play_sieve(const struct faults_order *order)
{
	const char *const names[] = { "/web/rails", "/host/dns", "/none" };
	const struct marathon_filter filter = { .apps = names, .app_count = 3 };
	struct marathon_sieve sieve;
	struct facts_marathon answer = { 0 };
	struct json_error error;
	int err = 0;

	json_error_init(&error, "apps");
	faults_arm(order);
	marathon_sieve_init(&sieve, &filter, MARATHON_JSON_MAX_BYTES);
	for (size_t at = 0; at < input.len && !err; at += 100)
		err = marathon_sieve_feed(&sieve, input.text + at,
					  input.len - at < 100 ? input.len - at : 100, &error);
	if (!err)
		err = marathon_json_apps(sieve.text, sieve.len, &filter, &answer, &error);
	marathon_sieve_release(&sieve);
	faults_disarm();
	check_marathon(order, err, &answer);
}

void plays_sieve(void **state)
{
	static const char *const apps[] = { "marathon/rest/apps.embed-tasks.v1.8plus.json" };

	(void)state;
	each_file(apps, 1, 1000, play_sieve);
}

/* --- events --- */

struct heard {
	unsigned long events, lost;
};

static void on_event(void *ctx, const char *data, size_t len)
{
	struct heard *heard = ctx;

	faults_must(len > 0 && data[0] == '{');
	heard->events++;
}

static void on_lost(void *ctx)
{
	((struct heard *)ctx)->lost++;
}

static void feed(struct sse *sse, const char *text, size_t len)
{
	for (size_t at = 0; at < len; at += 50)
		sse_feed(sse, text + at, len - at < 50 ? len - at : 50);
}

/* An event that there was no memory for is reported as lost, and the next one comes whole. */
static void play_stream(const struct faults_order *order)
{
	static const char last[] = "\n\ndata: {\"last\": true}\n\n";
	struct heard heard = { 0 };
	unsigned long before;
	struct sse sse;

	sse_init(&sse, &(struct sse_handler){ &heard, on_event, on_lost }, SSE_MAX_EVENT_BYTES);
	faults_arm(order);
	feed(&sse, input.text, input.len);
	faults_disarm();
	if (!faults_hit())
		check(order, heard.events);
	assert_true(heard.lost || heard.events == input.right);
	before = heard.events;
	feed(&sse, last, sizeof(last) - 1);
	assert_true(heard.events > before);
	sse_release(&sse);
}

static void on_hint(void *ctx, const struct facts_hint *hint)
{
	uint64_t *digest = ctx;

	*digest =
		digest_text(digest_text(digest_number(*digest, hint->kind), hint->app), hint->task);
}

static void play_hint(const struct faults_order *order)
{
	struct json_error error;
	uint64_t digest = 0;
	int err;

	json_error_init(&error, "event");
	faults_arm(order);
	err = hint_parse(input.text, input.len, NULL, 0, on_hint, &digest, &error);
	faults_disarm();
	if (err)
		assert_true(err == -ENOMEM && faults_hit() && !digest);
	else
		check(order, digest);
}

void plays_events(void **state)
{
	static const char *const streams[] = { "marathon/sse/body.crlf.heartbeats.v0.11plus.bin",
					       "marathon/sse/body.multiline-data.generic-sse.bin" };
	static const char *const events[] = {
		"marathon/events/status_update.killing.json",
		"marathon/events/instance_changed.running.v1.4plus.json",
		"marathon/events/deployment_success.light-plan.v1.7plus.json",
		"marathon/events/app_terminated.json"
	};

	(void)state;
	each_file(streams, 1, 1000, play_stream);
	each_file(events, 4, 1000, play_hint);
}

/* --- Consul's answers --- */

static uint64_t digest_consul(const struct facts_consul *answer)
{
	uint64_t digest = answer->entry_count;

	for (size_t i = 0; i < answer->entry_count; i++) {
		const struct facts_entry *entry = &answer->entries[i];

		digest = digest_text(digest_text(digest, entry->id), entry->output);
		digest = digest_number(digest_number(digest, entry->port), entry->status);
	}
	return digest;
}

static void play_node(const struct faults_order *order)
{
	const struct consul_host host = { .node = "mesos-slave-1" };
	struct json_error of_services, of_checks;
	const struct consul_text services = { input.text, input.len, &of_services },
				 checks = { input.other, input.other_len, &of_checks };
	struct facts_consul answer = { 0 };
	int err;

	json_error_init(&of_services, "services");
	json_error_init(&of_checks, "checks");
	faults_arm(order);
	err = consul_json_node(&services, &checks, &host, &answer);
	faults_disarm();
	if (err)
		assert_true(err == -ENOMEM && faults_hit() && !answer.entry_count);
	else
		check(order, digest_consul(&answer));
	facts_consul_release(&answer);
}

static void play_self(const struct faults_order *order)
{
	char *node = NULL, *address = NULL;
	struct json_error error;
	int err;

	json_error_init(&error, "self");
	faults_arm(order);
	err = consul_json_self(input.text, input.len, &node, &address, &error);
	faults_disarm();
	if (err)
		assert_true(err == -ENOMEM && faults_hit() && !node && !address);
	else
		check(order, digest_text(digest_text(0, node), address));
	free(node);
	free(address);
}

void plays_consul(void **state)
{
	static const char *const self[] = { "consul/agent-self.json" };

	(void)state;
	input.text = payload_http("consul/103-catalog-node.http", &input.len);
	input.other = payload_http("consul/100-health-node.http", &input.other_len);
	faults_each("consul node", 1000, play_node);
	free(input.text);
	free(input.other);
	each_file(self, 1, 1000, play_self);
}
