/* SPDX-License-Identifier: GPL-2.0-only */
/* See model_world.h. Time is a number here, and all of it is one task for each port. */
#include "model_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "registrar.h"

char text_web[] = "/web", text_consul[] = "web", text_name[] = "slave-1.example.com",
     text_empty[] = "", text_address[] = "10.80.0.2", text_boot[] = "boot-1";

const char *world_task_id(const struct world *w, int i)
{
	static char ids[4][PORTS][8];

	snprintf(ids[w->generation % 4][i], sizeof(ids[0][0]), "%c%d", 't' + (int)w->generation, i);
	return ids[w->generation % 4][i];
}

void world_source(struct world *w, const char *name, bool connected)
{
	struct facts_source facts = {
		.name = name, .used = true, .connected = connected, .answers = connected
	};

	model_source(w->model, &facts, w->now);
}

void world_configure(struct config *config, struct config_service *service)
{
	*service = (struct config_service){ .name = "web",
					    .port = 80,
					    .marathon_app = text_web,
					    .consul_service = text_consul,
					    .balance = SLUICE_BALANCE_ROUNDROBIN,
					    .drain_timeout_ms = DRAIN_MS };
	*config = (struct config){ .name = { text_name },
				   .name_count = 1,
				   .service = service,
				   .service_count = 1,
				   .marathon_used = true,
				   .consul_used = true,
				   .consul_register = true,
				   .warning_is_up = true,
				   .resync_ms = 60000,
				   .guards = { .mass_share = 50,
					       .mass_count = 2,
					       .flap_count = 3,
					       .flap_hold_ms = 10000,
					       .flap_hold_max_ms = 300000,
					       .health_expires_ms = 180000 } };
}

void world_start(struct world *w, bool marathon, bool consul)
{
	memset(w, 0, sizeof(*w));
	w->now = 1000000;
	w->host = text_name;
	w->ours = true;
	world_configure(&w->config, &w->service);
	w->config.marathon_used = marathon;
	w->config.consul_used = consul;
	w->model = model_new(&w->config, text_boot, w->now);
	assert_non_null(w->model);
	assert_int_equal(model_addresses(w->model, (const char *const[]){ text_address }, 1), 0);
	world_source(w, "marathon", marathon);
	world_source(w, "consul", consul);
}

void world_stop(struct world *w)
{
	model_free(w->model);
}

void world_tick(struct world *w)
{
	w->wanted = model_tick(w->model, w->now);
	assert_non_null(w->wanted);
}

void world_pass(struct world *w, int64_t ms)
{
	w->now += ms;
	world_tick(w);
}

void world_marathon_says(struct world *w)
{
	struct facts_task tasks[PORTS];
	struct facts_app app = { .id = text_web,
				 .version = w->app_version,
				 .config_version = w->config_version,
				 .check_count = w->check.path != NULL,
				 .checks = &w->check,
				 .tasks = tasks };
	struct facts_marathon answer = {
		.full = true, .others = w->other_apps, .app_count = !w->app_missing, .apps = &app
	};
	char ids[PORTS][8], host[64], own[] = "the task has an address of its own only";

	snprintf(host, sizeof(host), "%s", w->host);
	for (int i = 0; i < PORTS; i++) {
		if (!w->listed[i])
			continue;
		snprintf(ids[i], sizeof(ids[i]), "%s", world_task_id(w, i));
		tasks[app.task_count++] =
			(struct facts_task){ .id = ids[i],
					     .host = host,
					     .state = w->state[i],
					     .health = w->health[i],
					     .started_ms = w->started[i],
					     .version = w->version[i],
					     .readiness = w->readiness[i],
					     .problem = w->portless[i] ? own : NULL,
					     .port_count = !w->portless[i],
					     .ports = { (uint16_t)(FIRST + i) } };
	}
	assert_int_equal(model_marathon(w->model, &answer, w->now), 0);
	world_tick(w);
}

void world_consul_says(struct world *w)
{
	struct facts_entry entries[PORTS + 1];
	struct facts_consul answer = { .entries = entries };
	char neighbour[] = "neighbour";
	char ids[PORTS][32], tasks[PORTS][8];

	for (int i = 0; i < PORTS; i++) {
		if (!w->registered[i])
			continue;
		snprintf(tasks[i], sizeof(tasks[i]), "%s", w->ours ? world_task_id(w, i) : "");
		snprintf(ids[i], sizeof(ids[i]), w->ours ? "sluice:%s:0" : "%s",
			 world_task_id(w, i));
		entries[answer.entry_count++] =
			(struct facts_entry){ .id = ids[i],
					      .service = text_consul,
					      .address = text_address,
					      .port = (uint16_t)(FIRST + i),
					      .status = w->status[i],
					      .has_checks = w->unchecked ||
							    w->status[i] != FACTS_STATUS_NONE,
					      .output = text_empty,
					      .ours = w->ours,
					      .task = tasks[i],
					      .app = w->ours ? text_web : text_empty,
					      .boot_id = w->ours ? text_boot : text_empty,
					      .definition = text_empty };
	}
	if (w->neighbour) {
		entries[answer.entry_count] = world_foreign(neighbour, 31900, FACTS_STATUS_PASSING);
		entries[answer.entry_count++].service = neighbour;
	}
	assert_int_equal(model_consul(w->model, &answer, w->now), 0);
	world_tick(w);
}

void world_kernel_says(struct world *w)
{
	struct facts_listeners listeners = { 0 };

	for (int i = 0; i < PORTS; i++)
		if (w->listens[i])
			facts_set_listens(&listeners, (uint16_t)(FIRST + i));
	model_listeners(w->model, &listeners, w->now);
	world_tick(w);
}

const struct wanted_backend *world_find(const struct world *w, const char *task)
{
	for (size_t i = 0; i < w->wanted->backend_count; i++)
		if (!strcmp(w->wanted->backend[i].task, task))
			return &w->wanted->backend[i];
	return NULL;
}

/* FREE: not there */
enum sluice_backend_state world_state_of(const struct world *w, int i)
{
	char consul_id[32];
	const struct wanted_backend *backend = world_find(w, world_task_id(w, i));

	snprintf(consul_id, sizeof(consul_id), "sluice:%s:0", world_task_id(w, i));
	if (!backend)
		backend = world_find(w, consul_id);
	return backend ? backend->state : SLUICE_BACKEND_FREE;
}

int world_up_of(const struct wanted *wanted)
{
	int up = 0;

	for (size_t i = 0; i < wanted->backend_count; i++)
		up += wanted->backend[i].state == SLUICE_BACKEND_UP && wanted->backend[i].weight;
	return up;
}

int world_count_up(const struct world *w)
{
	return world_up_of(w->wanted);
}

const struct model_guard *world_guard(const struct world *w, const char *name)
{
	const struct model_guard *guards;
	size_t count = model_guards(w->model, &guards);

	for (size_t i = 0; i < count; i++)
		if (!strcmp(guards[i].guard, name))
			return &guards[i];
	return NULL;
}

bool world_guarded(const struct world *w, const char *guard)
{
	return world_guard(w, guard) != NULL;
}

/* n healthy tasks that everybody agrees on. */
void world_healthy(struct world *w, int n)
{
	for (int i = 0; i < n; i++) {
		w->listed[i] = w->registered[i] = w->listens[i] = true;
		w->state[i] = FACTS_TASK_RUNNING;
		w->health[i] = FACTS_HEALTH_GOOD;
		w->status[i] = FACTS_STATUS_PASSING;
		w->started[i] = 1600000000000 + i;
	}
}

void world_everybody_says(struct world *w)
{
	if (w->config.marathon_used)
		world_marathon_says(w);
	if (w->config.consul_used)
		world_consul_says(w);
	world_kernel_says(w);
}

void world_forget(bool *what)
{
	memset(what, 0, PORTS * sizeof(*what));
}

/* --- the ordinary way --- */

void world_adopt_since(struct world *w, const char *task, uint16_t port,
		       enum sluice_backend_state state, const char *by, int64_t since_ms)
{
	struct model_adopted adopted = { .service = "web",
					 .task = task,
					 .app = "/web",
					 .source = by,
					 .reason = "was so",
					 .port = port,
					 .state = state,
					 .since_ms = since_ms };

	assert_int_equal(model_adopt(w->model, &adopted), 0);
}

void world_adopt(struct world *w, const char *task, uint16_t port, enum sluice_backend_state state,
		 const char *by)
{
	world_adopt_since(w, task, port, state, by, w->now - 5000);
}

static struct model_identity identity_of(const struct world *w, int i)
{
	return (struct model_identity){ "web", world_task_id(w, i), 0, (uint16_t)(FIRST + i) };
}

void world_override(struct world *w, int i, const struct sluice_override *override)
{
	const struct model_identity of = identity_of(w, i);

	model_override(w->model, &of, override);
}

void world_flows(struct world *w, int i, uint32_t flows, int64_t started_ms)
{
	const struct model_identity of = identity_of(w, i);

	model_flows(w->model, &of, flows, started_ms);
}

struct facts_entry world_foreign(char *id, uint16_t port, enum facts_status status)
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

void world_say(struct world *w, struct facts_entry *entries, size_t count)
{
	struct facts_consul answer = { count, entries };

	assert_int_equal(model_consul(w->model, &answer, w->now), 0);
	world_tick(w);
}

const struct registrar_entry *world_registration(struct world *w, const char *task)
{
	const struct registrar_entry *entries;
	size_t count;

	assert_int_equal(model_registrations(w->model, &entries, &count), 0);
	for (size_t i = 0; i < count; i++)
		if (!strcmp(entries[i].task, task))
			return &entries[i];
	return NULL;
}

void world_hint(struct world *w, const char *task, const char *uuid, const char *host)
{
	struct facts_hint h = { .kind = FACTS_HINT_REMOVAL };

	snprintf(h.task, sizeof(h.task), "%s", task);
	snprintf(h.uuid, sizeof(h.uuid), "%s", uuid);
	snprintf(h.host, sizeof(h.host), "%s", host);
	model_hint(w->model, &h, w->now);
	world_tick(w);
}

unsigned world_below(unsigned *seed, unsigned limit)
{
	*seed = *seed * 1103515245u + 12345u;
	return (*seed >> 16) % limit;
}

void world_start_up(struct world *w, int n)
{
	world_start(w, true, true);
	world_healthy(w, n);
	world_everybody_says(w);
}

void world_two_services(struct world *w, struct config_service services[2])
{
	services[0] = services[1] = w->service;
	snprintf(services[1].name, sizeof(services[1].name), "%s", "www");
	services[1].port = 8080;
	w->config.service = services;
	w->config.service_count = 2;
	assert_int_equal(model_configure(w->model, &w->config), 0);
}
