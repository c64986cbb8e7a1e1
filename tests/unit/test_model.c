/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The model: what the sources may and may not do to a service's backends. Time is a number here. The last test feeds random
 * sequences and checks, with its own record of what was said, that no pool was emptied without proof.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config.h"
#include "model.h"
#include "registrar.h"
#include "state.h"

#define PORTS 8
#define FIRST 31000
#define DRAIN_MS 60000

/* One small world: an app /web whose tasks t0..t7 have the ports 31000.. in that order. */
struct world {
	struct config config;
	struct config_service service;
	struct model *model;
	int64_t now;
	const struct wanted *wanted;
	/* what the next answers will say, by task */
	bool listed[PORTS];
	enum facts_task_state state[PORTS];
	enum facts_health health[PORTS];
	int64_t started[PORTS];
	bool registered[PORTS];
	enum facts_status status[PORTS];
	bool listens[PORTS];
	const char *host;
	bool ours;
	unsigned generation; /* part of the task ids: 1 makes t0 into u0 */
};

static char text_web[] = "/web", text_consul[] = "web", text_name[] = "slave-1.example.com",
	    text_empty[] = "", text_address[] = "10.80.0.2", text_boot[] = "boot-1";

static const char *task_id(const struct world *w, int i)
{
	static char ids[4][PORTS][8];

	snprintf(ids[w->generation % 4][i], sizeof(ids[0][0]), "%c%d", 't' + (int)w->generation, i);
	return ids[w->generation % 4][i];
}

static void source(struct world *w, const char *name, bool connected)
{
	struct facts_source facts = { .name = name, .used = true, .connected = connected };

	model_source(w->model, &facts, w->now);
}

static void start(struct world *w, bool marathon, bool consul)
{
	memset(w, 0, sizeof(*w));
	w->now = 1000000;
	w->host = text_name;
	w->ours = true;
	w->service = (struct config_service){ .name = "web",
					      .port = 80,
					      .marathon_app = text_web,
					      .consul_service = text_consul,
					      .balance = SLUICE_BALANCE_ROUNDROBIN,
					      .drain_timeout_ms = DRAIN_MS };
	w->config = (struct config){ .name = { text_name },
				     .name_count = 1,
				     .service = &w->service,
				     .service_count = 1,
				     .marathon_used = marathon,
				     .consul_used = consul,
				     .consul_register = true,
				     .warning_is_up = true };
	w->model = model_new(&w->config, text_boot, w->now);
	assert_non_null(w->model);
	assert_int_equal(model_addresses(w->model, (const char *const[]){ text_address }, 1), 0);
	source(w, "marathon", marathon);
	source(w, "consul", consul);
}

static void stop(struct world *w)
{
	model_free(w->model);
}

static void tick(struct world *w)
{
	w->wanted = model_tick(w->model, w->now);
	assert_non_null(w->wanted);
}

static void pass(struct world *w, int64_t ms)
{
	w->now += ms;
	tick(w);
}

static void marathon_says(struct world *w)
{
	struct facts_task tasks[PORTS];
	struct facts_app app = { .id = text_web, .tasks = tasks };
	struct facts_marathon answer = { .full = true, .app_count = 1, .apps = &app };
	char ids[PORTS][8], host[64];

	snprintf(host, sizeof(host), "%s", w->host);
	for (int i = 0; i < PORTS; i++) {
		if (!w->listed[i])
			continue;
		snprintf(ids[i], sizeof(ids[i]), "%s", task_id(w, i));
		tasks[app.task_count++] = (struct facts_task){ .id = ids[i],
							       .host = host,
							       .state = w->state[i],
							       .health = w->health[i],
							       .started_ms = w->started[i],
							       .port_count = 1,
							       .ports = { (uint16_t)(FIRST + i) } };
	}
	assert_int_equal(model_marathon(w->model, &answer, w->now), 0);
	tick(w);
}

static void consul_says(struct world *w)
{
	struct facts_entry entries[PORTS];
	struct facts_consul answer = { .entries = entries };
	char ids[PORTS][32], tasks[PORTS][8];

	for (int i = 0; i < PORTS; i++) {
		if (!w->registered[i])
			continue;
		snprintf(tasks[i], sizeof(tasks[i]), "%s", w->ours ? task_id(w, i) : "");
		snprintf(ids[i], sizeof(ids[i]), w->ours ? "sluice:%s:0" : "%s", task_id(w, i));
		entries[answer.entry_count++] =
			(struct facts_entry){ .id = ids[i],
					      .service = text_consul,
					      .address = text_address,
					      .port = (uint16_t)(FIRST + i),
					      .status = w->status[i],
					      .output = text_empty,
					      .ours = w->ours,
					      .task = tasks[i],
					      .app = w->ours ? text_web : text_empty,
					      .boot_id = w->ours ? text_boot : text_empty,
					      .definition = text_empty };
	}
	assert_int_equal(model_consul(w->model, &answer, w->now), 0);
	tick(w);
}

static void kernel_says(struct world *w)
{
	struct facts_listeners listeners = { 0 };

	for (int i = 0; i < PORTS; i++)
		if (w->listens[i])
			facts_set_listens(&listeners, (uint16_t)(FIRST + i));
	model_listeners(w->model, &listeners, w->now);
	tick(w);
}

static const struct wanted_backend *find(const struct world *w, const char *task)
{
	for (size_t i = 0; i < w->wanted->backend_count; i++)
		if (!strcmp(w->wanted->backend[i].task, task))
			return &w->wanted->backend[i];
	return NULL;
}

/* FREE: not there */
static enum sluice_backend_state state_of(const struct world *w, int i)
{
	char consul_id[32];
	const struct wanted_backend *backend = find(w, task_id(w, i));

	snprintf(consul_id, sizeof(consul_id), "sluice:%s:0", task_id(w, i));
	if (!backend)
		backend = find(w, consul_id);
	return backend ? backend->state : SLUICE_BACKEND_FREE;
}

#define assert_state(w, i, s) assert_int_equal(state_of(w, i), SLUICE_BACKEND_##s)

static int count_up(const struct world *w)
{
	int up = 0;

	for (size_t i = 0; i < w->wanted->backend_count; i++)
		up += w->wanted->backend[i].state == SLUICE_BACKEND_UP &&
		      w->wanted->backend[i].weight;
	return up;
}

static bool guarded(const struct world *w, const char *guard)
{
	const struct model_guard *guards;
	size_t count = model_guards(w->model, &guards);

	for (size_t i = 0; i < count; i++)
		if (!strcmp(guards[i].guard, guard))
			return true;
	return false;
}

/* n healthy tasks that everybody agrees on. */
static void healthy(struct world *w, int n)
{
	for (int i = 0; i < n; i++) {
		w->listed[i] = w->registered[i] = w->listens[i] = true;
		w->state[i] = FACTS_TASK_RUNNING;
		w->health[i] = FACTS_HEALTH_GOOD;
		w->status[i] = FACTS_STATUS_PASSING;
		w->started[i] = 1600000000000 + i;
	}
}

static void everybody_says(struct world *w)
{
	if (w->config.marathon_used)
		marathon_says(w);
	if (w->config.consul_used)
		consul_says(w);
	kernel_says(w);
}

static void forget(bool *what)
{
	memset(what, 0, PORTS * sizeof(*what));
}

/* --- the ordinary way --- */

static void all_agree(void **unused)
{
	struct world w;

	(void)unused;
	start(&w, true, true);
	healthy(&w, 3);
	everybody_says(&w);
	assert_int_equal(count_up(&w), 3);
	assert_true(w.wanted->service[0].synced);
	assert_string_equal(find(&w, "t0")->source, "consul");
	w.status[1] = FACTS_STATUS_CRITICAL;
	consul_says(&w);
	assert_state(&w, 1, DOWN);
	assert_int_equal(count_up(&w), 2);
	stop(&w);
}

static void other_hosts_tasks_are_not_ours(void **unused)
{
	struct world w;

	(void)unused;
	start(&w, true, false);
	healthy(&w, 2);
	w.host = "slave-2.example.com";
	marathon_says(&w);
	assert_int_equal(w.wanted->backend_count, 0);
	w.host = "SLAVE-1.Example.COM";
	marathon_says(&w);
	assert_int_equal(count_up(&w), 2);
	w.host = "";
	w.generation = 1;
	marathon_says(&w);
	assert_null(find(&w, "u0"));
	stop(&w);
}

static void foreign_addresses_are_not_ours(void **unused)
{
	struct world w;
	struct facts_entry entry = { .id = text_web,
				     .service = text_consul,
				     .port = 31000,
				     .output = text_empty,
				     .status = FACTS_STATUS_PASSING,
				     .task = text_empty,
				     .app = text_empty,
				     .boot_id = text_empty,
				     .definition = text_empty };
	struct facts_consul answer = { 1, &entry };
	char container[] = "172.17.0.5";

	(void)unused;
	start(&w, false, true);
	entry.address = container;
	assert_int_equal(model_consul(w.model, &answer, w.now), 0);
	tick(&w);
	assert_int_equal(w.wanted->backend_count, 0);
	entry.address = text_address;
	assert_int_equal(model_consul(w.model, &answer, w.now), 0);
	tick(&w);
	assert_int_equal(count_up(&w), 1);
	stop(&w);
}

static void task_ends(void **unused)
{
	struct world w;

	(void)unused;
	start(&w, true, true);
	healthy(&w, 3);
	everybody_says(&w);
	w.state[2] = FACTS_TASK_KILLING;
	marathon_says(&w);
	assert_state(&w, 2, DRAINING);
	w.listed[2] = false;
	marathon_says(&w);
	assert_state(&w, 2, DRAINING); /* Consul still passes it, and it listens */
	w.listens[2] = false;
	kernel_says(&w);
	assert_state(&w, 2, GONE);
	/* a scan that began before it was gone proves nothing, nor does one that found flows */
	model_flows(w.model, "web", "t2", 0, 0, w.now - 1);
	pass(&w, 10);
	assert_state(&w, 2, GONE);
	model_flows(w.model, "web", "t2", 0, 3, w.now);
	pass(&w, 10);
	assert_state(&w, 2, GONE);
	model_flows(w.model, "web", "t2", 0, 0, w.now);
	pass(&w, 10);
	assert_state(&w, 2, FREE);
	assert_int_equal(count_up(&w), 2);
	stop(&w);
}

static void flows_get_drain_timeout_and_no_more(void **unused)
{
	struct world w;

	(void)unused;
	start(&w, true, true);
	healthy(&w, 2);
	everybody_says(&w);
	w.listed[1] = w.registered[1] = w.listens[1] = false;
	everybody_says(&w);
	assert_state(&w, 1, GONE);
	model_flows(w.model, "web", "t1", 0, 9, w.now + 1);
	pass(&w, DRAIN_MS - 1);
	assert_state(&w, 1, GONE);
	pass(&w, 1);
	assert_state(&w, 1, FREE);
	stop(&w);
}

static void new_task_on_an_old_port(void **unused)
{
	struct world w;

	(void)unused;
	start(&w, true, true);
	healthy(&w, 2);
	everybody_says(&w);
	w.generation = 1; /* u0, u1 on the same ports */
	w.started[0] += 1000;
	w.started[1] += 1000;
	everybody_says(&w);
	assert_null(find(&w, "t0"));
	assert_null(find(&w, "t1"));
	assert_int_equal(count_up(&w), 2);
	assert_int_equal(w.wanted->backend_count, 2);
	stop(&w);
}

static void one_port_never_stands_twice(void **unused)
{
	struct world w;
	struct config_service both[2];

	(void)unused;
	start(&w, true, false);
	both[0] = both[1] = w.service;
	snprintf(both[1].name, sizeof(both[1].name), "%s", "again");
	both[1].port = 81;
	w.config.service = both;
	w.config.service_count = 2;
	assert_int_equal(model_configure(w.model, &w.config), 0);
	healthy(&w, 1);
	marathon_says(&w);
	assert_int_equal(w.wanted->backend_count, 1);
	assert_int_equal(w.wanted->backend[0].service, 0);
	assert_true(guarded(&w, "port-taken"));
	stop(&w);
}

/* --- answers that would empty the pool --- */

static void marathon_answers_empty(void **unused)
{
	struct world w;

	(void)unused;
	start(&w, true, true);
	healthy(&w, 3);
	everybody_says(&w);
	forget(w.listed);
	for (int i = 0; i < 200; i++) { /* well past drain_timeout */
		marathon_says(&w);
		assert_int_equal(count_up(&w), 3);
		pass(&w, 1000);
	}
	assert_true(guarded(&w, "last-backend"));
	healthy(&w, 3);
	marathon_says(&w);
	assert_int_equal(count_up(&w), 3);
	assert_false(guarded(&w, "last-backend"));
	stop(&w);
}

static void marathon_loses_half_then_the_rest(void **unused)
{
	struct world w;

	(void)unused;
	start(&w, true, true);
	healthy(&w, 4);
	everybody_says(&w);
	w.listed[0] = w.listed[1] = false;
	marathon_says(&w);
	assert_int_equal(count_up(&w), 2);
	forget(w.listed);
	for (int i = 0; i < 100; i++, pass(&w, 2000)) {
		marathon_says(&w);
		assert_int_equal(count_up(&w), 2);
	}
	stop(&w);
}

static void consul_answers_empty(void **unused)
{
	struct world w;

	(void)unused;
	start(&w, true, true);
	healthy(&w, 3);
	everybody_says(&w);
	forget(w.registered);
	for (int i = 0; i < 200; i++, pass(&w, 1000)) {
		consul_says(&w);
		assert_int_equal(count_up(&w), 3);
	}
	stop(&w);
}

static void both_answer_empty(void **unused)
{
	struct world w;

	(void)unused;
	start(&w, true, true);
	healthy(&w, 3);
	everybody_says(&w);
	forget(w.listed);
	forget(w.registered);
	/* the processes live and listen: nothing goes before drain_timeout has passed */
	for (int64_t begin = w.now; w.now - begin < DRAIN_MS - 1000; pass(&w, 1000)) {
		marathon_says(&w);
		consul_says(&w);
		assert_int_equal(count_up(&w), 3);
	}
	w.listens[0] = false;
	kernel_says(&w);
	assert_state(&w, 0, GONE); /* the kernel's word */
	assert_int_equal(count_up(&w), 2);
	pass(&w, 2000);
	assert_int_equal(count_up(&w),
			 0); /* two registries, each often, for as long as a drain may take */
	stop(&w);
}

static void both_answer_empty_where_the_kernel_cannot_tell(void **unused)
{
	struct world w;

	(void)unused;
	start(&w, true, true);
	healthy(&w, 2);
	forget(w.listens);
	everybody_says(&w);
	forget(w.listed);
	forget(w.registered);
	marathon_says(&w);
	consul_says(&w);
	assert_int_equal(count_up(&w), 2); /* one answer of each is not enough */
	assert_true(model_wants_answer(w.model));
	w.now += MODEL_SECOND_MS - 1;
	marathon_says(&w);
	consul_says(&w);
	assert_int_equal(count_up(&w), 2); /* nor are two within the same second */
	w.now += 1;
	marathon_says(&w);
	assert_int_equal(count_up(&w), 2);
	consul_says(&w);
	assert_int_equal(count_up(&w), 0);
	assert_false(model_wants_answer(w.model));
	stop(&w);
}

static void empty_registries_and_then_silence(void **unused)
{
	struct world w;

	(void)unused;
	start(&w, true, true);
	healthy(&w, 2);
	everybody_says(&w);
	forget(w.listed);
	marathon_says(&w);
	source(&w, "consul", false);
	for (int i = 0; i < 300; i++, pass(&w, 1000)) {
		marathon_says(&w);
		assert_int_equal(count_up(&w), 2);
	}
	source(&w, "marathon", false);
	pass(&w, 3600000);
	assert_int_equal(count_up(&w), 2);
	stop(&w);
}

static void leader_change_with_empty_health(void **unused)
{
	struct world w;

	(void)unused;
	start(&w, true, false);
	healthy(&w, 3);
	w.health[2] = FACTS_HEALTH_BAD;
	marathon_says(&w);
	assert_int_equal(count_up(&w), 2);
	for (int i = 0; i < 3; i++)
		w.health[i] = FACTS_HEALTH_UNKNOWN;
	w.now += 60000;
	marathon_says(&w);
	assert_int_equal(count_up(&w), 2);
	assert_state(&w, 2, DOWN);
	stop(&w);
}

static void lost_tasks_keep_their_last_word(void **unused)
{
	struct world w;

	(void)unused;
	start(&w, true, false);
	healthy(&w, 3);
	marathon_says(&w);
	for (int i = 0; i < 3; i++) {
		w.state[i] = FACTS_TASK_LOST;
		w.health[i] = FACTS_HEALTH_UNKNOWN;
	}
	marathon_says(&w);
	assert_int_equal(count_up(&w), 3);
	stop(&w);
}

static void consul_only_answers_empty(void **unused)
{
	struct world w;

	(void)unused;
	start(&w, false, true);
	w.ours = false;
	healthy(&w, 2);
	everybody_says(&w);
	assert_int_equal(count_up(&w), 2);
	forget(w.registered); /* a token that no longer reads answers [] */
	for (int i = 0; i < 300; i++, pass(&w, 1000)) {
		consul_says(&w);
		assert_int_equal(count_up(&w), 2);
	}
	assert_true(guarded(&w, "last-backend"));
	w.listens[0] = false;
	kernel_says(&w);
	assert_int_equal(count_up(&w), 1);
	w.registered[0] = true; /* one comes back: the other's absence is believed */
	w.listens[0] = true;
	everybody_says(&w);
	assert_state(&w, 0, UP);
	assert_int_equal(count_up(&w), 1);
	stop(&w);
}

static void consul_silence_changes_nothing(void **unused)
{
	struct world w;

	(void)unused;
	start(&w, true, true);
	healthy(&w, 4);
	w.health[0] = FACTS_HEALTH_BAD; /* Consul decides while it speaks */
	w.status[1] = FACTS_STATUS_CRITICAL;
	w.health[1] = FACTS_HEALTH_NO_CHECKS;
	w.status[2] = FACTS_STATUS_MAINT;
	everybody_says(&w);
	assert_state(&w, 0, UP);
	assert_state(&w, 1, DOWN);
	assert_state(&w, 2, DRAINING);
	w.now += 1000;
	source(&w, "consul", false);
	pass(&w, 1000);
	assert_state(&w, 0, UP);
	assert_state(&w, 1, DOWN);
	assert_state(&w, 2, DRAINING);
	assert_state(&w, 3, UP);
	assert_true(guarded(&w, "consul-silent"));
	/* Marathon's own checks speak afresh: they count now; that an app has none is no news */
	marathon_says(&w);
	assert_state(&w, 0, DOWN);
	assert_state(&w, 1, DOWN);
	assert_state(&w, 2, UP);
	stop(&w);
}

static void old_words_are_no_proof_after_a_silence(void **unused)
{
	struct world w;

	(void)unused;
	start(&w, true, true);
	healthy(&w, 1);
	forget(w.listens);
	everybody_says(&w);
	forget(w.listed);
	forget(w.registered);
	consul_says(&w);
	w.now += MODEL_SECOND_MS;
	consul_says(&w);
	source(&w, "consul", false);
	for (int i = 0; i < 3; i++, pass(&w, MODEL_SECOND_MS))
		marathon_says(&w);
	assert_int_equal(count_up(&w), 1);
	source(&w, "consul", true); /* it is back and has said nothing yet */
	pass(&w, 1000);
	assert_int_equal(count_up(&w), 1);
	consul_says(&w);
	assert_int_equal(count_up(&w), 0);
	stop(&w);
	/* the same with Marathon's health */
	start(&w, true, false);
	healthy(&w, 2);
	w.health[0] = FACTS_HEALTH_BAD;
	marathon_says(&w);
	source(&w, "marathon", false);
	w.listens[1] = true;
	kernel_says(&w);
	assert_state(&w, 1, UP);
	source(&w, "marathon", true);
	pass(&w, 1000);
	assert_state(&w, 1, UP);
	w.health[1] = FACTS_HEALTH_BAD;
	marathon_says(&w);
	assert_int_equal(count_up(&w), 0);
	stop(&w);
}

static void consul_only_silence_raises_nobody(void **unused)
{
	struct world w;

	(void)unused;
	start(&w, false, true);
	w.ours = false;
	healthy(&w, 3);
	w.status[1] = FACTS_STATUS_CRITICAL;
	w.status[2] = FACTS_STATUS_NONE; /* it has no check: being listed is enough */
	everybody_says(&w);
	assert_state(&w, 0, UP);
	assert_state(&w, 1, DOWN);
	assert_state(&w, 2, UP);
	source(&w, "consul", false);
	pass(&w, 1000);
	assert_state(&w, 0, UP);
	assert_state(&w, 1, DOWN);
	assert_state(&w, 2, UP);
	stop(&w);
}

static void last_goes_on_evidence_of_its_own_check(void **unused)
{
	struct world w;

	(void)unused;
	start(&w, true, true);
	healthy(&w, 2);
	everybody_says(&w);
	w.status[0] = w.status[1] = FACTS_STATUS_CRITICAL;
	consul_says(&w);
	assert_int_equal(count_up(&w), 0);
	stop(&w);
	/* all_down = last keeps them, and only for their health */
	start(&w, true, true);
	w.service.all_down = CONFIG_ALL_DOWN_LAST;
	healthy(&w, 2);
	everybody_says(&w);
	w.status[0] = w.status[1] = FACTS_STATUS_CRITICAL;
	consul_says(&w);
	assert_int_equal(count_up(&w), 2);
	assert_true(guarded(&w, "all-down"));
	w.listens[0] = false;
	kernel_says(&w);
	assert_int_equal(count_up(&w), 1);
	w.listens[0] = true;
	w.status[0] = FACTS_STATUS_PASSING;
	everybody_says(&w);
	assert_state(&w, 0, UP);
	assert_state(&w, 1, DOWN);
	stop(&w);
}

static void last_one_that_is_killed_serves_until_the_kernel_says_no(void **unused)
{
	struct world w;

	(void)unused;
	start(&w, true, true);
	healthy(&w, 1);
	everybody_says(&w);
	w.state[0] = FACTS_TASK_KILLING;
	marathon_says(&w);
	assert_state(&w, 0, UP);
	w.listens[0] = false;
	kernel_says(&w);
	assert_state(&w, 0, DRAINING);
	stop(&w);
}

/* --- the kernel --- */

static void no_listener_counts_only_after_one_was_seen(void **unused)
{
	struct world w;

	(void)unused;
	start(&w, true, true);
	healthy(&w, 2);
	w.listens[1] = false;
	everybody_says(&w);
	assert_int_equal(count_up(&w), 2);
	w.listens[0] = false;
	kernel_says(&w);
	assert_state(&w, 0, DOWN);
	assert_state(&w, 1, UP);
	assert_string_equal(find(&w, "t0")->source, "kernel");
	w.listens[0] = true;
	kernel_says(&w);
	assert_state(&w, 0, UP);
	stop(&w);
}

/* --- hints --- */

static void hint(struct world *w, const char *task, const char *uuid, const char *host)
{
	struct facts_hint h = { .kind = FACTS_HINT_REMOVAL };

	snprintf(h.task, sizeof(h.task), "%s", task);
	snprintf(h.uuid, sizeof(h.uuid), "%s", uuid);
	snprintf(h.host, sizeof(h.host), "%s", host);
	model_hint(w->model, &h, w->now);
	tick(w);
}

static void hint_drains_for_a_moment(void **unused)
{
	struct world w;

	(void)unused;
	start(&w, true, true);
	healthy(&w, 3);
	everybody_says(&w);
	hint(&w, "t0", "", "slave-2.example.com");
	assert_state(&w, 0, UP); /* somebody else's */
	hint(&w, "t0", "", text_name);
	assert_state(&w, 0, DRAINING);
	marathon_says(&w);
	pass(&w, MODEL_HINT_MS - 1);
	assert_state(&w, 0, DRAINING);
	pass(&w, 1);
	assert_state(&w, 0, UP);
	hint(&w, "t0", "", ""); /* a forger's second try */
	assert_state(&w, 0, UP);
	stop(&w);
}

static void hints_never_take_the_last(void **unused)
{
	struct world w;

	(void)unused;
	start(&w, true, true);
	healthy(&w, 2);
	everybody_says(&w);
	hint(&w, "t0", "", "");
	assert_int_equal(count_up(&w), 1);
	hint(&w, "t1", "", "");
	assert_state(&w, 1, UP);
	assert_true(count_up(&w) >= 1);
	stop(&w);
}

static void confirmed_hint_stays(void **unused)
{
	struct world w;

	(void)unused;
	start(&w, true, true);
	healthy(&w, 2);
	everybody_says(&w);
	hint(&w, "", "0", ""); /* stands for the uuid inside the id */
	assert_state(&w, 0, DRAINING);
	w.state[0] = FACTS_TASK_KILLING;
	marathon_says(&w);
	pass(&w, MODEL_HINT_MS + 1000);
	assert_state(&w, 0, DRAINING);
	stop(&w);
}

/* --- starting, stopping, reloading --- */

static void first_set_waits_for_knowledge(void **unused)
{
	struct world w;

	(void)unused;
	start(&w, true, true);
	tick(&w);
	assert_false(w.wanted->service[0].synced);
	consul_says(&w); /* nothing registered, Marathon has not spoken */
	assert_false(w.wanted->service[0].synced);
	marathon_says(&w);
	assert_true(w.wanted->service[0].synced);
	stop(&w);
	/* Marathon says nothing is there, Consul is away: wait a while before turning clients away */
	start(&w, true, true);
	source(&w, "consul", false);
	marathon_says(&w);
	assert_false(w.wanted->service[0].synced);
	pass(&w, 10000);
	assert_true(w.wanted->service[0].synced);
	stop(&w);
}

static void marathon_down_at_start(void **unused)
{
	struct world w;

	(void)unused;
	start(&w, true, true);
	source(&w, "marathon", false);
	healthy(&w, 2);
	consul_says(&w); /* our own registrations of this boot name the tasks */
	kernel_says(&w);
	assert_int_equal(count_up(&w), 2);
	assert_true(w.wanted->service[0].synced);
	source(&w, "marathon", true);
	marathon_says(&w);
	assert_int_equal(w.wanted->backend_count, 2);
	assert_int_equal(count_up(&w), 2);
	stop(&w);
}

static void adopt(struct world *w, const char *task, uint16_t port, enum sluice_backend_state state,
		  const char *by)
{
	struct model_adopted adopted = { .service = "web",
					 .task = task,
					 .app = "/web",
					 .source = by,
					 .reason = "was so",
					 .port = port,
					 .state = state,
					 .since_ms = w->now - 5000 };

	assert_int_equal(model_adopt(w->model, &adopted), 0);
}

static void restart_keeps_everything(void **unused)
{
	struct world w;

	(void)unused;
	start(&w, true, true);
	source(&w, "marathon", false);
	source(&w, "consul", false);
	model_adopt_synced(w.model, "web");
	adopt(&w, "t0", 31000, SLUICE_BACKEND_UP, "consul");
	adopt(&w, "t1", 31001, SLUICE_BACKEND_DOWN, "consul");
	adopt(&w, "t2", 31002, SLUICE_BACKEND_GONE, "marathon");
	adopt(&w, "t3", 31003, SLUICE_BACKEND_DOWN, "kernel");
	w.listens[0] = w.listens[1] = true;
	kernel_says(&w);
	assert_state(&w, 0, UP);
	assert_state(&w, 1, DOWN);
	assert_state(&w, 2, GONE);
	assert_state(&w, 3, DOWN);
	assert_true(w.wanted->service[0].synced);
	/* Marathon comes first, with tasks without checks: Consul's word on t1 is not overruled by its absence */
	healthy(&w, 2);
	w.health[0] = w.health[1] = FACTS_HEALTH_NO_CHECKS;
	w.status[1] = FACTS_STATUS_CRITICAL;
	source(&w, "marathon", true);
	marathon_says(&w);
	assert_state(&w, 0, UP);
	assert_state(&w, 1, DOWN);
	source(&w, "consul", true);
	consul_says(&w);
	assert_state(&w, 0, UP);
	assert_state(&w, 1, DOWN);
	stop(&w);
}

static void restart_into_empty_answers(void **unused)
{
	struct world w;

	(void)unused;
	start(&w, true, true);
	model_adopt_synced(w.model, "web");
	adopt(&w, "t0", 31000, SLUICE_BACKEND_UP, "consul");
	adopt(&w, "t1", 31001, SLUICE_BACKEND_UP, "consul");
	w.listens[0] = w.listens[1] = true;
	for (int i = 0; i < 300; i++, pass(&w, 1000)) {
		everybody_says(&w);
		assert_int_equal(count_up(&w), 2);
	}
	stop(&w);
}

static void reload_keeps_backends(void **unused)
{
	struct world w;
	struct config_service services[2];

	(void)unused;
	start(&w, true, true);
	healthy(&w, 2);
	everybody_says(&w);
	services[0] = w.service;
	snprintf(services[0].name, sizeof(services[0].name), "%s", "other");
	services[0].port = 8080;
	services[0].marathon_app = text_empty;
	services[0].consul_service = text_empty;
	services[1] = w.service;
	services[1].on_empty = SLUICE_EMPTY_PASS;
	w.config.service = services;
	w.config.service_count = 2;
	assert_int_equal(model_configure(w.model, &w.config), 0);
	tick(&w);
	assert_int_equal(count_up(&w), 2);
	assert_int_equal(w.wanted->backend[0].service, 1);
	assert_int_equal(w.wanted->service[1].on_empty, SLUICE_EMPTY_PASS);
	assert_false(w.wanted->service[0].synced);
	stop(&w);
}

/* --- the operator, weights --- */

static void operator_drains_and_weighs(void **unused)
{
	struct world w;
	struct sluice_override drain = { .drain = 1 }, weigh = { .has_weight = 1, .weight = 7 };

	(void)unused;
	start(&w, true, true);
	healthy(&w, 2);
	everybody_says(&w);
	model_override(w.model, "web", "t0", 0, &drain);
	model_override(w.model, "web", "t1", 0, &weigh);
	tick(&w);
	assert_state(&w, 0, DRAINING);
	assert_int_equal(find(&w, "t1")->weight, 7);
	everybody_says(&w); /* an update does not undo it */
	assert_state(&w, 0, DRAINING);
	model_override(w.model, "web", "t1", 0, &drain); /* a reboot drains all of them */
	tick(&w);
	assert_int_equal(count_up(&w), 0);
	model_overrides_clear(w.model);
	tick(&w);
	assert_int_equal(count_up(&w), 2);
	assert_int_equal(find(&w, "t1")->weight, MODEL_WEIGHT);
	stop(&w);
}

static void slowstart_ramps_the_newcomer(void **unused)
{
	struct world w;
	uint32_t last = 0;

	(void)unused;
	start(&w, true, true);
	w.service.slowstart_ms = 10000;
	healthy(&w, 2);
	everybody_says(&w);
	assert_int_equal(find(&w, "t0")->weight, MODEL_WEIGHT); /* nobody to be gentle for */
	healthy(&w, 3);
	everybody_says(&w);
	assert_int_equal(find(&w, "t2")->weight, MODEL_WEIGHT / 10);
	for (int i = 0; i < 10; i++, pass(&w, 1000)) {
		assert_true(find(&w, "t2")->weight > last);
		last = find(&w, "t2")->weight;
	}
	assert_int_equal(find(&w, "t2")->weight, MODEL_WEIGHT);
	stop(&w);
}

/* --- Consul's entries --- */

static struct facts_entry foreign(char *id, uint16_t port, enum facts_status status)
{
	return (struct facts_entry){ .id = id,
				     .service = text_consul,
				     .address = text_address,
				     .port = port,
				     .status = status,
				     .output = text_empty,
				     .task = text_empty,
				     .app = text_empty,
				     .boot_id = text_empty,
				     .definition = text_empty };
}

static void say(struct world *w, struct facts_entry *entries, size_t count)
{
	struct facts_consul answer = { count, entries };

	assert_int_equal(model_consul(w->model, &answer, w->now), 0);
	tick(w);
}

static void several_registrars_one_backend(void **unused)
{
	struct world w;
	char ruby[] = "ruby:t0", registrator[] = "host:rails:31000";
	struct facts_entry entries[2];

	(void)unused;
	start(&w, false, true);
	entries[0] = foreign(ruby, 31000, FACTS_STATUS_PASSING);
	entries[1] = foreign(registrator, 31000, FACTS_STATUS_CRITICAL);
	say(&w, entries, 2);
	assert_int_equal(w.wanted->backend_count, 1);
	assert_int_equal(w.wanted->backend[0].state, SLUICE_BACKEND_DOWN); /* the worst */
	entries[1].status = FACTS_STATUS_PASSING;
	say(&w, entries, 2);
	assert_int_equal(w.wanted->backend[0].state, SLUICE_BACKEND_UP);
	/* either of them goes away: it is still the same backend, not a new generation */
	assert_string_equal(w.wanted->backend[0].task, registrator);
	say(&w, entries, 1);
	assert_int_equal(w.wanted->backend_count, 1);
	assert_string_equal(w.wanted->backend[0].task, registrator);
	assert_int_equal(w.wanted->backend[0].state, SLUICE_BACKEND_UP);
	say(&w, entries, 1);
	assert_string_equal(w.wanted->backend[0].task, registrator);
	stop(&w);
}

static void our_entry_decides(void **unused)
{
	struct world w;
	char id[] = "sluice:t0:0", task[] = "t0", ruby[] = "ruby", old_id[] = "sluice:old:0",
	     old[] = "old", old_boot[] = "boot-0", loopback[] = "127.0.0.1";
	struct facts_entry entries[3];

	(void)unused;
	start(&w, true, true);
	healthy(&w, 1);
	marathon_says(&w);
	entries[0] = foreign(ruby, 31000, FACTS_STATUS_CRITICAL);
	entries[1] = foreign(id, 31000, FACTS_STATUS_PASSING);
	entries[1].ours = true;
	entries[1].task = task;
	entries[1].boot_id = text_boot;
	entries[2] = entries[1]; /* a ghost of the last boot, on the same port */
	entries[2].id = old_id;
	entries[2].task = old;
	entries[2].boot_id = old_boot;
	entries[2].status = FACTS_STATUS_CRITICAL;
	say(&w, entries, 3);
	assert_state(&w, 0, UP);
	assert_int_equal(w.wanted->backend_count, 1);
	entries[1].status = FACTS_STATUS_CRITICAL;
	entries[0].status = FACTS_STATUS_PASSING;
	say(&w, entries, 3);
	assert_state(&w, 0, DOWN);
	entries[1].address =
		loopback; /* an agent bound to loopback gives this to entries without an address */
	entries[1].status = FACTS_STATUS_PASSING;
	say(&w, entries, 2);
	assert_string_equal(find(&w, "t0")->source, "consul");
	stop(&w);
}

static const struct registrar_entry *registration(struct world *w, const char *task)
{
	const struct registrar_entry *entries;
	size_t count;

	assert_int_equal(model_registrations(w->model, &entries, &count), 0);
	for (size_t i = 0; i < count; i++)
		if (!strcmp(entries[i].task, task))
			return &entries[i];
	return NULL;
}

static void registrations_go_on_proof(void **unused)
{
	struct world w;

	(void)unused;
	start(&w, true, true);
	healthy(&w, 2);
	everybody_says(&w);
	assert_int_equal(registration(&w, "t0")->status, FACTS_STATUS_PASSING);
	assert_int_equal(registration(&w, "t0")->port, 31000);
	assert_false(registration(&w, "t0")->gone_proved);
	w.listed[1] = false;
	marathon_says(&w);
	assert_true(!registration(&w, "t1") ||
		    !registration(&w, "t1")->gone_proved); /* once is no proof */
	w.now += MODEL_SECOND_MS;
	marathon_says(&w);
	assert_true(registration(&w, "t1")->gone_proved);
	/* after its slot is free it is asked for until Consul has forgotten it */
	w.listens[1] = false;
	kernel_says(&w);
	pass(&w, DRAIN_MS);
	assert_state(&w, 1, FREE);
	assert_true(registration(&w, "t1")->gone_proved);
	w.registered[1] = false;
	consul_says(&w);
	assert_null(registration(&w, "t1"));
	/* the last one is absent, too, but held: it stays registered */
	forget(w.listed);
	for (int i = 0; i < 5; i++, pass(&w, 1000))
		marathon_says(&w);
	assert_state(&w, 0, UP);
	assert_true(!registration(&w, "t0") || !registration(&w, "t0")->gone_proved);
	stop(&w);
}

static void left_over_registration_is_removed(void **unused)
{
	struct world w;

	(void)unused;
	start(&w, true, true);
	healthy(&w, 2);
	w.listed[1] = false;
	w.listens[1] = false;
	marathon_says(&w);
	consul_says(&w); /* t1 is ours, of this boot, and Marathon does not know it */
	assert_state(&w, 1, FREE);
	w.now += MODEL_SECOND_MS;
	marathon_says(&w);
	assert_true(registration(&w, "t1")->gone_proved);
	stop(&w);
}

/* --- any sequence --- */

/* What was really said, kept by the test alone. */
struct record {
	bool known;
	unsigned m_absent, c_absent;
	int64_t m_absent_at, c_absent_at, m_absent_since;
	bool m_bad, m_ended, c_seen, c_none, c_bad, listening, listened;
};

static unsigned below(unsigned *seed, unsigned limit)
{
	*seed = *seed * 1103515245u + 12345u;
	return (*seed >> 16) % limit;
}

static void record_marathon(struct record *r, const struct world *w)
{
	for (int i = 0; i < PORTS; i++) {
		bool lost = w->listed[i] && w->state[i] == FACTS_TASK_LOST;
		bool absent = !w->listed[i] || w->state[i] == FACTS_TASK_GONE ||
			      (lost && r[i].m_ended);

		/* that it has ended stands until Marathon lists it in another state; lost is none */
		if (w->listed[i] && w->state[i] != FACTS_TASK_LOST)
			r[i].m_ended = w->state[i] == FACTS_TASK_GONE;
		/* a lost task's health is no news, an unknown one neither */
		if (!absent && w->state[i] != FACTS_TASK_LOST &&
		    w->health[i] != FACTS_HEALTH_UNKNOWN)
			r[i].m_bad = w->health[i] == FACTS_HEALTH_BAD;
		if (!absent)
			r[i].m_absent = 0;
		else if (!r[i].m_absent++)
			r[i].m_absent_since = w->now;
	}
}

static void record_consul(struct record *r, const struct world *w)
{
	for (int i = 0; i < PORTS; i++) {
		r[i].c_seen |= w->registered[i];
		r[i].c_none = w->registered[i] &&
			      w->status[i] == FACTS_STATUS_NONE; /* no check of its own has run */
		r[i].c_absent = w->registered[i] ? 0 : r[i].c_absent + 1;
		r[i].c_bad = w->registered[i] && (w->status[i] == FACTS_STATUS_CRITICAL ||
						  w->status[i] == FACTS_STATUS_MAINT);
	}
}

static bool proof(const struct record *r, bool marathon, bool consul, int64_t now)
{
	if (r->listened && !r->listening)
		return true;
	if (consul && r->c_bad)
		return true;
	if (marathon && r->m_bad && (!consul || r->c_absent || !r->c_seen || r->c_none))
		return true;
	if (consul && (r->m_absent >= 2 || r->m_ended) && r->c_absent >= 2 &&
	    (!r->listening || now - r->m_absent_since >= DRAIN_MS))
		return true;
	/* our own registration says nothing if it has no check */
	return r->m_absent >= 2 && (!r->c_seen || r->c_none) && !r->listening &&
	       now - r->m_absent_since >= DRAIN_MS;
}

static void random_facts(struct world *w, unsigned *seed)
{
	int i = (int)below(seed, 3); /* few, so that pools run empty often */

	switch (below(seed, 12)) {
	case 0:
		forget(w->listed);
		break;
	case 1:
		forget(w->registered);
		break;
	case 2:
		healthy(w, 3);
		break;
	case 3:
		w->listed[i] = !w->listed[i];
		break;
	case 4:
		w->registered[i] = !w->registered[i];
		break;
	case 5:
		w->listens[i] = !w->listens[i];
		break;
	case 6:
	case 7:
		w->state[i] = below(seed, 5);
		break;
	case 8:
	case 9:
		w->health[i] = below(seed, 3);
		break;
	default:
		w->status[i] = below(seed, 5);
	}
}

static void no_sequence_empties_a_pool_without_proof(void **unused)
{
	unsigned seed = 99, emptied = 0, held = 0;

	(void)unused;
	for (int sequence = 0; sequence < 300; sequence++) {
		struct record record[PORTS] = { 0 };
		bool marathon = true, consul = true, consul_spoke = false,
		     up_before[PORTS] = { false };
		struct world w;
		int before = 0;

		start(&w, true, true);
		healthy(&w, 3);
		for (int step = 0; step < 120; step++) {
			random_facts(&w, &seed);
			switch (below(&seed, 6)) {
			case 0:
			case 1:
				if (marathon)
					record_marathon(record, &w), marathon_says(&w);
				break;
			case 2:
			case 3:
				if (consul)
					consul_spoke = true, record_consul(record, &w),
					consul_says(&w);
				break;
			case 4:
				for (int i = 0; i < PORTS; i++) {
					record[i].listening = w.listens[i];
					record[i].listened |= w.listens[i];
				}
				kernel_says(&w);
				break;
			default:
				if (below(&seed, 2)) {
					marathon = !marathon;
					source(&w, "marathon", marathon);
				} else {
					consul = !consul;
					consul_spoke = false;
					source(&w, "consul", consul);
				}
				pass(&w, below(&seed, 20000));
			}
			if (before && !count_up(&w)) {
				emptied++;
				for (int i = 0; i < PORTS; i++)
					if (up_before[i] && !proof(&record[i], marathon,
								   consul && consul_spoke, w.now))
						fail_msg(
							"sequence %d step %d: task %d is %s without proof: %s; Marathon lacks it %u times, Consul %u",
							sequence, step, i,
							find(&w, task_id(&w, i))
								? state_name(state_of(&w, i))
								: "not there",
							find(&w, task_id(&w, i))
								? find(&w, task_id(&w, i))->reason
								: "",
							record[i].m_absent, record[i].c_absent);
			}
			held += guarded(&w, "last-backend");
			before = count_up(&w);
			for (int i = 0; i < PORTS; i++)
				up_before[i] = state_of(&w, i) == SLUICE_BACKEND_UP;
			w.now += 1 + below(&seed, 3000);
		}
		/* everybody says the truth again, for long enough: that is what there is */
		source(&w, "marathon", true);
		source(&w, "consul", true);
		healthy(&w, 3);
		for (int i = 0; i < 3; i++) {
			everybody_says(&w);
			pass(&w, DRAIN_MS);
		}
		assert_int_equal(count_up(&w), 3);
		assert_int_equal(w.wanted->backend_count, 3);
		assert_false(guarded(&w, "last-backend"));
		stop(&w);
	}
	assert_true(emptied > 20); /* the test saw both sides of the rule */
	assert_true(held > 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_agree),
		cmocka_unit_test(other_hosts_tasks_are_not_ours),
		cmocka_unit_test(foreign_addresses_are_not_ours),
		cmocka_unit_test(task_ends),
		cmocka_unit_test(flows_get_drain_timeout_and_no_more),
		cmocka_unit_test(new_task_on_an_old_port),
		cmocka_unit_test(one_port_never_stands_twice),
		cmocka_unit_test(marathon_answers_empty),
		cmocka_unit_test(marathon_loses_half_then_the_rest),
		cmocka_unit_test(consul_answers_empty),
		cmocka_unit_test(both_answer_empty),
		cmocka_unit_test(both_answer_empty_where_the_kernel_cannot_tell),
		cmocka_unit_test(empty_registries_and_then_silence),
		cmocka_unit_test(leader_change_with_empty_health),
		cmocka_unit_test(lost_tasks_keep_their_last_word),
		cmocka_unit_test(consul_only_answers_empty),
		cmocka_unit_test(consul_silence_changes_nothing),
		cmocka_unit_test(old_words_are_no_proof_after_a_silence),
		cmocka_unit_test(consul_only_silence_raises_nobody),
		cmocka_unit_test(last_goes_on_evidence_of_its_own_check),
		cmocka_unit_test(last_one_that_is_killed_serves_until_the_kernel_says_no),
		cmocka_unit_test(no_listener_counts_only_after_one_was_seen),
		cmocka_unit_test(hint_drains_for_a_moment),
		cmocka_unit_test(hints_never_take_the_last),
		cmocka_unit_test(confirmed_hint_stays),
		cmocka_unit_test(first_set_waits_for_knowledge),
		cmocka_unit_test(marathon_down_at_start),
		cmocka_unit_test(restart_keeps_everything),
		cmocka_unit_test(restart_into_empty_answers),
		cmocka_unit_test(reload_keeps_backends),
		cmocka_unit_test(operator_drains_and_weighs),
		cmocka_unit_test(slowstart_ramps_the_newcomer),
		cmocka_unit_test(several_registrars_one_backend),
		cmocka_unit_test(our_entry_decides),
		cmocka_unit_test(registrations_go_on_proof),
		cmocka_unit_test(left_over_registration_is_removed),
		cmocka_unit_test(no_sequence_empties_a_pool_without_proof),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
