/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Services, backends and the tick that decides. What comes in is model_facts.c's, what comes after the table is guard.c's, what
 * goes to Consul is model_register.c's.
 */
#include "model_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "registrar.h"

#define RAMP_STEPS 10
#define FIRST_SET_MS 10000 /* how long a first, empty set waits for Consul */

bool model_by_marathon(const struct model *model, const struct model_service *service)
{
	return model->config->marathon_used && service->config->marathon_app &&
	       service->config->marathon_app[0];
}

bool model_by_consul(const struct model *model, const struct model_service *service)
{
	return model->config->consul_used && service->config->consul_service &&
	       service->config->consul_service[0];
}

struct model_service *model_find_service(const struct model *model, const char *name)
{
	for (size_t i = 0; i < model->service_count; i++)
		if (!strcmp(model->service[i].config->name, name))
			return &model->service[i];
	return NULL;
}

struct model_backend *model_find(const struct model_service *service, const char *task,
				 unsigned port_index)
{
	struct model_backend *backend;

	for (backend = service->backends; backend; backend = backend->next)
		if (backend->port_index == port_index && !strcmp(backend->task, task))
			return backend;
	return NULL;
}

/* The number of a task that is already known, in whatever service, or the next one. */
static uint64_t born(struct model *model, const char *task)
{
	for (size_t i = 0; i < model->service_count; i++)
		for (struct model_backend *b = model->service[i].backends; b; b = b->next)
			if (!strcmp(b->task, task))
				return b->born;
	return ++model->born;
}

struct model_backend *model_add(struct model *model, struct model_service *service,
				const char *task, const char *app, unsigned port_index,
				uint16_t port)
{
	struct model_backend *backend = calloc(1, sizeof(*backend));
	struct model_backend **end = &service->backends;

	if (!backend)
		return NULL;
	backend->task = strdup(task);
	backend->app = strdup(app);
	if (!backend->task || !backend->app) {
		model_backend_free(backend);
		return NULL;
	}
	backend->port_index = port_index;
	backend->port = port;
	backend->born = born(model, task);
	backend->listens = backend->listened = model->kernel_known &&
					       facts_listens(&model->listeners, port);
	backend->m_last = STATE_M_SILENT;
	backend->source = "";
	while (*end)
		end = &(*end)->next;
	*end = backend;
	return backend;
}

void model_set_port(const struct model *model, struct model_backend *backend, uint16_t port)
{
	if (backend->port == port)
		return;
	backend->port = port;
	backend->listens = backend->listened = model->kernel_known &&
					       facts_listens(&model->listeners, port);
}

void model_backend_free(struct model_backend *backend)
{
	if (!backend)
		return;
	free(backend->task);
	free(backend->app);
	free(backend->beside);
	free(backend);
}

static void free_checks(struct model_service *service)
{
	for (size_t i = 0; i < service->check_count; i++)
		free(service->checks[i].path);
	free(service->checks);
	service->checks = NULL;
	service->check_count = 0;
}

static void service_release(struct model_service *service)
{
	struct model_backend *next;

	for (; service->backends; service->backends = next) {
		next = service->backends->next;
		model_backend_free(service->backends);
	}
	free_checks(service);
}

struct model *model_new(const struct config *config, const char *boot_id, int64_t now_ms)
{
	struct model *model = calloc(1, sizeof(*model));

	if (!model)
		return NULL;
	model->config = config;
	model->start_ms = now_ms;
	model->consul_change_ms = now_ms;
	model->boot_id = strdup(boot_id);
	if (!model->boot_id || model_configure(model, config)) {
		model_free(model);
		errno = ENOMEM;
		return NULL;
	}
	return model;
}

static void free_addresses(char **address, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(address[i]);
	free(address);
}

void model_free(struct model *model)
{
	if (!model)
		return;
	for (size_t i = 0; i < model->service_count; i++)
		service_release(&model->service[i]);
	free(model->service);
	free_addresses(model->address, model->address_count);
	free(model->boot_id);
	free(model->wanted_service);
	free(model->wanted_backend);
	free(model->guard);
	free(model->entry);
	free(model);
}

int model_configure(struct model *model, const struct config *config)
{
	struct model_service *service, *old;
	struct wanted_service *wanted;

	service = calloc(config->service_count + 1, sizeof(*service));
	wanted = calloc(config->service_count + 1, sizeof(*wanted));
	if (!service || !wanted) {
		free(service);
		free(wanted);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < config->service_count; i++) {
		old = model_find_service(model, config->service[i].name);
		if (old) {
			service[i] = *old;
			old->backends = NULL;
			old->checks = NULL;
			old->check_count = 0;
		}
	}
	for (size_t i = 0; i < model->service_count; i++)
		service_release(&model->service[i]);
	for (unsigned i = 0; i < config->service_count; i++)
		service[i].config = &config->service[i];
	free(model->service);
	free(model->wanted_service);
	model->service = service;
	model->service_count = config->service_count;
	model->wanted_service = wanted;
	model->config = config;
	return 0;
}

int model_addresses(struct model *model, const char *const *address, size_t count)
{
	char **copy = calloc(count + 1, sizeof(*copy));

	if (!copy)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		copy[i] = strdup(address[i]);
		if (!copy[i]) {
			free_addresses(copy, i);
			return -ENOMEM;
		}
	}
	free_addresses(model->address, model->address_count);
	model->address = copy;
	model->address_count = count;
	return 0;
}

void model_set_on_change(struct model *model, model_on_change on_change, void *ctx)
{
	model->on_change = on_change;
	model->on_change_ctx = ctx;
}

void model_set_reason(struct model_backend *backend, const char *source, const char *format, ...)
{
	va_list args;

	backend->source = source;
	va_start(args, format);
	vsnprintf(backend->reason, sizeof(backend->reason), format, args);
	va_end(args);
}

/* --- the tick --- */

enum state_c model_c(const struct model *model, const struct model_service *service,
		     const struct model_backend *backend)
{
	if (!model_by_consul(model, service) || !model->consul_connected ||
	    !service->consul_answered)
		return STATE_C_SILENT;
	if (!backend->c_present)
		return STATE_C_NONE;
	switch (backend->c) {
	case FACTS_STATUS_PASSING:
		return STATE_C_PASSING;
	case FACTS_STATUS_WARNING:
		return STATE_C_WARNING;
	case FACTS_STATUS_CRITICAL:
		return STATE_C_CRITICAL;
	case FACTS_STATUS_MAINT:
		return STATE_C_MAINT;
	case FACTS_STATUS_NONE:
		break;
	}
	return STATE_C_NONE;
}

enum state_k model_k(const struct model *model, const struct model_backend *backend)
{
	if (!model->kernel_known || (!backend->listens && !backend->listened))
		return STATE_K_UNKNOWN;
	return backend->listens ? STATE_K_YES : STATE_K_NO;
}

static enum state_m now_m(const struct model *model, const struct model_service *service,
			  const struct model_backend *backend)
{
	bool connected = model_by_marathon(model, service) ? model->marathon_connected
							   : model->consul_connected;

	if (!connected)
		return STATE_M_SILENT;
	return backend->m_lost ? STATE_M_LOST : backend->m_last;
}

/* Where Consul alone knows the service, what the table says of Marathon was Consul's word. */
static void say_registry(struct state_output *out)
{
	if (strcmp(out->source, "marathon"))
		return;
	out->source = "consul";
	if (out->row == 3)
		out->reason = "Consul no longer lists it";
	else if (out->row == 10 && out->state == SLUICE_BACKEND_UP)
		out->reason = "registered, and no check of its own";
}

static void decide(const struct model *model, const struct model_service *service,
		   struct model_backend *backend, int64_t now_ms)
{
	struct state_input in = {
		.operator_drain = backend->op_drain,
		.m = now_m(model, service, backend),
		.m_last = backend->m_last,
		.health = backend->health,
		.c = model_c(model, service, backend),
		.k = model_k(model, backend),
		.warning_is_up = model->config->warning_is_up,
		.previous = backend->evidence,
		.second_answer_lacks = backend->m_lacks >= 2,
	};

	in.drain_timeout_passed = backend->gone_ms &&
				  now_ms - backend->gone_ms >=
					  (int64_t)service->config->drain_timeout_ms;
	backend->out = state_decide(&in);
	if (!model_by_marathon(model, service))
		say_registry(&backend->out);
	backend->state = backend->out.state;
	backend->guard = NULL;
	if ((backend->out.row == 6 || backend->out.row == 7) && backend->c_output[0])
		model_set_reason(backend, backend->out.source, "%s: %s", backend->out.reason,
				 backend->c_output);
	else
		model_set_reason(backend, backend->out.source, "%s", backend->out.reason);
	guard_silence(model, service, backend);
	if (backend->out.row >= 5)
		backend->evidence = backend->state;
	guard_hint(backend, now_ms);
}

/* Its flows have ended, or were given drain_timeout to end: they belong to nobody from here on. */
static bool may_retire(const struct model_service *service, const struct model_backend *backend,
		       int64_t now_ms)
{
	int64_t from = backend->gone_ms;

	if (backend->state != SLUICE_BACKEND_GONE)
		return false;
	if (backend->unusable_ms > from)
		from = backend->unusable_ms;
	if (!backend->flows && backend->flows_ms > from && backend->flows_ms > backend->since_ms)
		return true;
	return now_ms - from >= (int64_t)service->config->drain_timeout_ms;
}

static void report(const struct model *model, const struct model_service *service,
		   const struct model_backend *backend, enum sluice_backend_state from,
		   enum sluice_backend_state to)
{
	struct model_change change = {
		.service = service->config->name,
		.task = backend->task,
		.source = backend->source,
		.reason = backend->reason,
		.port = backend->port,
		.from = from,
		.to = to,
	};

	if (model->on_change)
		model->on_change(model->on_change_ctx, &change);
}

/* What changed against the last tick, and what hangs on the change. */
static void settle(const struct model *model, const struct model_service *service,
		   struct model_backend *backend, bool others, int64_t now_ms)
{
	if (backend->guard &&
	    (!backend->guard_before || strcmp(backend->guard, backend->guard_before)))
		backend->guard_since_ms = now_ms;
	if (backend->port_taken && !backend->retired) {
		backend->state = SLUICE_BACKEND_FREE;
		backend->listened = false; /* what listens there is somebody else */
	}
	if (backend->state == backend->state_before)
		return;
	backend->since_ms = now_ms;
	if (backend->state_before == SLUICE_BACKEND_UP)
		backend->unusable_ms = now_ms;
	if (backend->state == SLUICE_BACKEND_UP && !backend->was_up) {
		backend->was_up = true;
		backend->ramp_ms = others ? now_ms : 0;
	}
	report(model, service, backend, backend->state_before, backend->state);
}

static void decide_service(const struct model *model, struct model_service *service, int64_t now_ms)
{
	struct model_backend *backend;
	bool others = false;

	for (backend = service->backends; backend; backend = backend->next) {
		backend->state_before = backend->state;
		backend->guard_before = backend->port_taken ? backend->guard_before
							    : backend->guard;
		backend->was_usable = backend->state == SLUICE_BACKEND_UP && !backend->retired;
		others |= backend->was_usable;
		if (!backend->retired && !backend->port_taken)
			decide(model, service, backend, now_ms);
	}
	guard_last(model, service, now_ms);
	for (backend = service->backends; backend; backend = backend->next)
		settle(model, service, backend, others, now_ms);
}

static uint32_t weight(const struct model_service *service, const struct model_backend *backend,
		       int64_t now_ms)
{
	uint32_t full = backend->op_has_weight ? backend->op_weight : MODEL_WEIGHT;
	int64_t length = (int64_t)service->config->slowstart_ms;
	int64_t passed = now_ms - backend->ramp_ms;
	uint32_t step;

	if (full > 256)
		full = 256;
	if (!full || !length || !backend->ramp_ms || passed >= length)
		return full;
	step = (uint32_t)(passed * RAMP_STEPS / length) + 1;
	return full * step / RAMP_STEPS ? full * step / RAMP_STEPS : 1;
}

static int reserve(struct model *model)
{
	size_t count = 0;
	void *grown;

	for (size_t i = 0; i < model->service_count; i++)
		for (struct model_backend *b = model->service[i].backends; b; b = b->next)
			count++;
	if (count > model->wanted_capacity) {
		grown = realloc(model->wanted_backend, count * sizeof(*model->wanted_backend));
		if (!grown)
			return -ENOMEM;
		model->wanted_backend = grown;
		model->wanted_capacity = count;
	}
	if (count > model->guard_capacity) {
		grown = realloc(model->guard, count * sizeof(*model->guard));
		if (!grown)
			return -ENOMEM;
		model->guard = grown;
		model->guard_capacity = count;
	}
	return 0;
}

/* Drop what nobody asks for any more: retired, and Consul no longer lists our registration of it. */
static void forget_retired(struct model_service *service)
{
	struct model_backend **link = &service->backends, *backend;

	while ((backend = *link)) {
		if (backend->retired && !(backend->c_present && backend->c_ours)) {
			*link = backend->next;
			model_backend_free(backend);
		} else {
			link = &backend->next;
		}
	}
}

static void retire(struct model *model, struct model_service *service, int64_t now_ms)
{
	for (struct model_backend *b = service->backends; b; b = b->next) {
		if (b->retired || !(may_retire(service, b, now_ms) ||
				    (b->port_taken && b->m_last == STATE_M_GONE)))
			continue;
		if (b->state != SLUICE_BACKEND_FREE)
			report(model, service, b, b->state, SLUICE_BACKEND_FREE);
		b->retired = true;
		b->state = SLUICE_BACKEND_FREE;
	}
}

/*
 * A first set is published as soon as it has somebody in it; an empty one turns clients away that somebody else may still serve,
 * so it needs every registry that is in use, or a while without the missing one.
 */
static void sync_service(const struct model *model, struct model_service *service, int64_t now_ms)
{
	bool by_marathon = model_by_marathon(model, service),
	     by_consul = model_by_consul(model, service);
	bool identity = by_marathon ? service->marathon_answered : service->consul_answered;

	if (service->synced)
		return;
	for (struct model_backend *b = service->backends; b; b = b->next)
		service->synced |= model_usable(b);
	if (!identity)
		return;
	if (!by_consul || service->consul_answered ||
	    now_ms - service->first_answer_ms >= FIRST_SET_MS)
		service->synced = true;
}

static void write_service(struct model *model, size_t s, int64_t now_ms)
{
	struct model_service *service = &model->service[s];
	const struct config_service *config = service->config;

	model->wanted_service[s] = (struct wanted_service){
		.name = config->name,
		.balance = (uint8_t)config->balance,
		.on_empty = (uint8_t)config->on_empty,
		.on_full = (uint8_t)config->on_full,
		.maxconn = config->maxconn,
		.synced = service->synced,
	};
	for (struct model_backend *b = service->backends; b; b = b->next) {
		if (b->guard && !b->retired)
			model->guard[model->guard_count++] = (struct model_guard){
				.guard = b->guard,
				.service = config->name,
				.task = b->task,
				.text = b->reason,
				.port = b->port,
				.since_ms = b->guard_since_ms,
			};
		if (b->retired || b->port_taken)
			continue;
		model->wanted_backend[model->wanted.backend_count++] = (struct wanted_backend){
			.service = s,
			.task = b->task,
			.app = b->app,
			.port_index = b->port_index,
			.port = b->port,
			.state = b->state,
			.weight = weight(service, b, now_ms),
			.reason = b->reason,
			.source = b->source,
		};
	}
}

const struct wanted *model_tick(struct model *model, int64_t now_ms)
{
	if (reserve(model)) {
		errno = ENOMEM;
		return NULL;
	}
	model->guard_count = 0;
	model->wanted = (struct wanted){ .service = model->wanted_service,
					 .service_count = model->service_count };
	guard_ports(model);
	for (size_t s = 0; s < model->service_count; s++) {
		decide_service(model, &model->service[s], now_ms);
		retire(model, &model->service[s], now_ms);
		forget_retired(&model->service[s]);
		sync_service(model, &model->service[s], now_ms);
		write_service(model, s, now_ms);
	}
	model->wanted.backend = model->wanted_backend;
	return &model->wanted;
}

size_t model_guards(const struct model *model, const struct model_guard **guards)
{
	*guards = model->guard;
	return model->guard_count;
}

bool model_wants_answer(const struct model *model)
{
	for (size_t s = 0; s < model->service_count; s++) {
		const struct model_service *service = &model->service[s];

		for (const struct model_backend *b = service->backends; b; b = b->next) {
			if (b->retired || b->m_last != STATE_M_GONE)
				continue;
			if (b->m_lacks < 2)
				return true;
			if (model_by_consul(model, service) && b->c_ever && !b->c_present &&
			    b->c_lacks < 2)
				return true;
		}
	}
	return false;
}

bool model_is_draining(const struct model *model)
{
	for (size_t s = 0; s < model->service_count; s++)
		for (const struct model_backend *b = model->service[s].backends; b; b = b->next)
			if (b->state == SLUICE_BACKEND_DRAINING || b->state == SLUICE_BACKEND_GONE)
				return true;
	return false;
}
