/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Facts into maps without memory: no answer that could only be taken in by half empties a pool,
 * what stands in the maps stays, and when the sources say the same again, all is as it would have
 * been.
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
#include "consul_json.h"
#include "marathon_json.h"
#include "model_world.h"
#include "registrar.h"
#include "registrar_plan.h"
#include "status.h"
#include "why.h"

#define TASKS 6

static struct config_service service;
static struct config config;

/* --- what the sources say: tasks first to last - 1, all well --- */

static struct facts_marathon marathon_says(unsigned first, unsigned last)
{
	struct facts_marathon answer = { 0 };
	struct json_error error;
	char text[4096];
	size_t len;

	json_error_init(&error, "apps");
	len = (size_t)snprintf(
		text, sizeof(text),
		"{\"apps\":[{\"id\":\"/web\",\"version\":\"v1\",\"ports\":[10000],\"healthChecks\":[{"
		"\"protocol\":\"HTTP\",\"path\":\"/health\",\"portIndex\":0}],\"tasks\":[");
	for (unsigned i = first; i < last; i++)
		len += (size_t)snprintf(
			text + len, sizeof(text) - len,
			"%s{\"id\":\"t%u\",\"host\":\"slave-1.example.com\",\"state\":\"TASK_RUNNING\","
			"\"version\":\"v1\",\"ports\":[%u],\"healthCheckResults\":[{\"alive\":true}]}",
			i > first ? "," : "", i, 31000 + i);
	len += (size_t)snprintf(text + len, sizeof(text) - len, "]}]}");
	assert_int_equal(
		marathon_json_apps(text, len, &(struct marathon_filter){ 0 }, &answer, &error), 0);
	return answer;
}

static struct facts_consul consul_says(unsigned first, unsigned last)
{
	struct json_error of_services, of_checks;
	struct facts_consul answer = { 0 };
	char services[4096], checks[4096];
	size_t len, checks_len;

	len = (size_t)snprintf(services, sizeof(services),
			       "{\"Node\":{\"Node\":\"n\"},\"Services\":{");
	checks_len = (size_t)snprintf(checks, sizeof(checks), "[");
	for (unsigned i = first; i < last; i++) {
		len += (size_t)snprintf(
			services + len, sizeof(services) - len,
			"%s\"sluice:t%u:0\":{\"ID\":\"sluice:t%u:0\",\"Service\":\"web\",\"Port\":%u,"
			"\"Meta\":{\"sluice_app\":\"/web\",\"sluice_task\":\"t%u\",\"sluice_index\":\"0\","
			"\"sluice_boot\":\"boot-1\"}}",
			i > first ? "," : "", i, i, 31000 + i, i);
		checks_len += (size_t)snprintf(
			checks + checks_len, sizeof(checks) - checks_len,
			"%s{\"Node\":\"n\",\"CheckID\":\"c%u\",\"ServiceID\":\"sluice:t%u:0\","
			"\"Status\":\"passing\",\"Output\":\"ok\",\"CreateIndex\":1,\"ModifyIndex\":2}",
			i > first ? "," : "", i, i);
	}
	len += (size_t)snprintf(services + len, sizeof(services) - len, "}}");
	checks_len += (size_t)snprintf(checks + checks_len, sizeof(checks) - checks_len, "]");
	json_error_init(&of_services, "services");
	json_error_init(&of_checks, "checks");
	assert_int_equal(consul_json_node(&(struct consul_text){ services, len, &of_services },
					  &(struct consul_text){ checks, checks_len, &of_checks },
					  &(struct consul_host){ .node = "n" }, &answer),
			 0);
	return answer;
}

static struct facts_listeners kernel_says(unsigned first, unsigned last)
{
	struct facts_listeners listeners = { 0 };

	for (unsigned i = first; i < last; i++)
		facts_set_listens(&listeners, (uint16_t)(31000 + i));
	return listeners;
}

/* --- the model --- */

static struct facts_marathon marathon_before, marathon_after;
static struct facts_consul consul_before, consul_after;
static struct facts_listeners kernel_before, kernel_after;

static void say_all(unsigned count_before)
{
	world_configure(&config, &service);
	marathon_before = marathon_says(0, count_before);
	consul_before = consul_says(0, count_before);
	kernel_before = kernel_says(0, count_before);
	marathon_after = marathon_says(2, TASKS);
	consul_after = consul_says(2, TASKS);
	kernel_after = kernel_says(0, TASKS); /* or the kernel alone may empty the set */
}

static void forget_all(void)
{
	facts_marathon_release(&marathon_before);
	facts_marathon_release(&marathon_after);
	facts_consul_release(&consul_before);
	facts_consul_release(&consul_after);
}

/* At no time do all sources say that nobody is well: so a set is never empty. */
static int tick(struct model *model, int64_t now_ms)
{
	const struct wanted *wanted = model_tick(model, now_ms);

	if (!wanted)
		return -errno;
	faults_must(!wanted->service_count || !wanted->service[0].synced ||
		    world_up_of(wanted) > 0);
	return 0;
}

static void connect_sources(struct model *model, int64_t now_ms)
{
	static const char *const names[] = { "marathon", "consul", "kernel" };

	for (size_t i = 0; i < 3; i++)
		model_source(model,
			     &(struct facts_source){ .name = names[i],
						     .used = true,
						     .connected = true,
						     .answers = true },
			     now_ms);
}

static void note(int *failures, int err)
{
	faults_must(err == 0 || err == -ENOMEM);
	*failures += err != 0;
}

/* One round of all sources, as the daemon hands it on. */
static void tell(struct model *model, const struct facts_marathon *marathon,
		 const struct facts_consul *consul, const struct facts_listeners *kernel,
		 int64_t now_ms, int *failures)
{
	const struct registrar_entry *entries;
	size_t count;

	note(failures, model_marathon(model, marathon, now_ms));
	note(failures, tick(model, now_ms));
	note(failures, model_consul(model, consul, now_ms));
	note(failures, tick(model, now_ms));
	model_listeners(model, kernel, now_ms);
	note(failures, tick(model, now_ms));
	note(failures, model_registrations(model, &entries, &count));
}

static void check_end(struct model *model, int64_t now_ms)
{
	const struct wanted *wanted = model_tick(model, now_ms);

	assert_non_null(wanted);
	assert_int_equal(world_up_of(wanted), TASKS - 2);
	for (size_t i = 0; i < wanted->backend_count; i++) {
		assert_int_equal(wanted->backend[i].state, SLUICE_BACKEND_UP);
		assert_int_equal(wanted->backend[i].port, 31000 + wanted->backend[i].task[1] - '0');
	}
}

static void play_model(const struct faults_order *order)
{
	static const char *const addresses[] = { "10.80.0.2" };
	struct facts_hint hint = { .kind = FACTS_HINT_REMOVAL, .task = "t0" };
	struct model *model;
	int64_t now = 1000000;
	int failures = 0;

	faults_arm(order);
	model = model_new(&config, "boot-1", now);
	if (!model) {
		faults_disarm();
		assert_true(faults_hit());
		return;
	}
	note(&failures, model_addresses(model, addresses, 1));
	connect_sources(model, now);
	tell(model, &marathon_before, &consul_before, &kernel_before, now, &failures);
	note(&failures, model_configure(model, &config));
	model_hint(model, &hint, now);
	note(&failures, tick(model, now += 1000));
	tell(model, &marathon_after, &consul_after, &kernel_after, now += 5000, &failures);
	faults_disarm();
	if (!faults_hit())
		assert_int_equal(failures, 0);
	/* what was missed is said again */
	assert_int_equal(model_addresses(model, addresses, 1), 0);
	failures = 0;
	for (int i = 0; i < 4; i++)
		tell(model, &marathon_after, &consul_after, &kernel_after, now += 2 * DRAIN_MS,
		     &failures);
	assert_int_equal(failures, 0);
	check_end(model, now);
	model_free(model);
}

void plays_model(void **state)
{
	(void)state;
	say_all(4);
	faults_each("model", 1000, play_model);
	forget_all();
	say_all(1); /* the only one */
	faults_each("model of one", 1000, play_model);
	forget_all();
}

/* --- questions about it --- */

static struct model *settled_model(void)
{
	struct model *model = model_new(&config, "boot-1", 1000000);
	int failures = 0;

	assert_non_null(model);
	connect_sources(model, 1000000);
	tell(model, &marathon_before, &consul_before, &kernel_before, 1000000, &failures);
	tell(model, &marathon_before, &consul_before, &kernel_before, 1002000, &failures);
	assert_int_equal(failures, 0);
	return model;
}

/* A whole answer, or none: ages differ, the words do not. */
static void check_answer(const struct faults_order *order, unsigned which, char *text)
{
	static size_t quotes[8];
	size_t count = 0;

	assert_true(text || faults_hit());
	for (const char *c = text; c && *c; c++)
		count += *c == '"';
	if (!order->at)
		quotes[which] = count;
	assert_true(!text || count == quotes[which]);
	free(text);
}

static void play_questions(const struct faults_order *order)
{
	const struct facts_source source = { .name = "marathon", .used = true };
	const struct facts_source *const sources[] = { &source };
	struct model *model = settled_model();
	const struct status_input input = { .config_file = "sluice.conf",
					    .needs_attach = "",
					    .source = sources,
					    .source_count = 1,
					    .model = model,
					    .now_ms = 1003000 };
	char *status, *why, *wanted, *result;

	faults_arm(order);
	status = status_json(&input);
	why = why_json(model, NULL, 31000, 1003000);
	wanted = why_wanted_json(model);
	result = status_result_json(true, "taken");
	faults_disarm();
	check_answer(order, 0, status);
	check_answer(order, 1, why);
	check_answer(order, 2, wanted);
	check_answer(order, 3, result);
	model_free(model);
}

void plays_questions(void **state)
{
	(void)state;
	say_all(4);
	faults_each("questions", 1000, play_questions);
	forget_all();
}

/* --- what goes to Consul --- */

static void play_registrations(const struct faults_order *order)
{
	static const struct registrar_host host = { "slave-1-example-com", "boot-1", "10.80.0.2",
						    "mark" };
	struct registration made[TASKS] = { 0 };
	const struct registrar_entry *entries;
	struct registrar_step steps[2 * TASKS];
	struct model *model = settled_model();
	static size_t len; /* of the first body, when there is memory */
	size_t count, n = 0;
	char *tag;
	int err = 0;

	assert_int_equal(model_registrations(model, &entries, &count), 0);
	assert_int_equal(count, 4);
	faults_arm(order);
	tag = registrar_tag("slave-1.example.com");
	for (size_t i = 0; i < count && !err; i++) {
		err = registration_make(&entries[i], &host, &made[i]);
		n += !err;
		faults_must(!err || (!made[i].id && !made[i].body && !made[i].definition));
	}
	faults_disarm();
	assert_true(tag || faults_hit());
	assert_true(!err || (err == -ENOMEM && faults_hit()));
	if (!order->at)
		len = strlen(made[0].body);
	assert_true(!n || strlen(made[0].body) == len);
	if (!err) /* held without our digest: all four are written again */
		assert_int_equal(registrar_plan(made, n, &consul_before, "boot-1", steps), 4);
	for (size_t i = 0; i < n; i++)
		registration_release(&made[i]);
	free(tag);
	model_free(model);
}

void plays_registrations(void **state)
{
	(void)state;
	say_all(4);
	faults_each("registrations", 1000, play_registrations);
	forget_all();
}
