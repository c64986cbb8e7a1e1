/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Services and backends: made, found, kept over a reload, freed. What comes in is model_facts.c's and model_consul.c's, what is decided
 * is model_tick.c's, what comes after the table is guard.c's, what goes to Consul is model_register.c's.
 */
#include "model_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* port 0: any */
struct model_backend *model_find_at(const struct model_service *service, const char *task,
				    unsigned port_index, uint16_t port)
{
	struct model_backend *backend, *retired = NULL;

	for (backend = service->backends; backend; backend = backend->next) {
		if (backend->port_index != port_index || (port && backend->port != port) ||
		    strcmp(backend->task, task) != 0)
			continue;
		if (!backend->retired)
			return backend;
		if (!retired)
			retired = backend;
	}
	return retired;
}

struct model_backend *model_find(const struct model_service *service, const char *task,
				 unsigned port_index)
{
	return model_find_at(service, task, port_index, 0);
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
	backend->listens = backend->listened = backend->watched =
		model->kernel_known && facts_listens(&model->listeners, port);
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
	backend->lost_usable = backend->lost_mass = false;
	backend->listens = backend->listened = backend->watched =
		model->kernel_known && facts_listens(&model->listeners, port);
}

void model_backend_free(struct model_backend *backend)
{
	if (!backend)
		return;
	free(backend->task);
	free(backend->app);
	free(backend->formerly);
	free(backend->beside);
	model_checks_release(&backend->checks);
	free(backend);
}

static void service_release(struct model_service *service)
{
	struct model_backend *next;

	for (; service->backends; service->backends = next) {
		next = service->backends->next;
		model_backend_free(service->backends);
	}
	model_problems_forget(service);
	model_checks_release(&service->checks);
}

struct model *model_new(const struct config *config, const char *boot_id, int64_t now_ms)
{
	struct model *model = calloc(1, sizeof(*model));

	if (!model)
		return NULL;
	model->config = config;
	model->consul_change_ms = now_ms;
	model->names_known = true;
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
	model_strays_forget(model);
	free_addresses(model->address, model->address_count);
	free(model->boot_id);
	free(model->wanted_service);
	free(model->wanted_backend);
	free(model->guard);
	free(model->entry);
	free(model->problem);
	free(model);
}

static bool same_text(const char *a, const char *b)
{
	return !strcmp(a ? a : "", b ? b : "");
}

/* Does it own a port? One that attach has not made beside the one that it renames owns none. */
static bool owns_a_port(const struct model_service *service)
{
	for (const struct model_backend *b = service->backends; b; b = b->next)
		if (!b->port_taken && !b->retired)
			return true;
	return false;
}

static bool is_named(const struct config *config, const char *name)
{
	for (unsigned i = 0; i < config->service_count; i++)
		if (!strcmp(config->service[i].name, name))
			return true;
	return false;
}

/* What a service of the new configuration has been so far: the one of its name, or the one that it was before it was renamed. */
static struct model_service *predecessor(const struct model *model, const struct config *config,
					 const struct config_service *service)
{
	struct model_service *named = model_find_service(model, service->name);

	if (named && owns_a_port(named))
		return named;
	for (size_t i = 0; i < model->service_count; i++) {
		struct model_service *old = &model->service[i];

		if (old->config->port == service->port && owns_a_port(old) &&
		    !is_named(config, old->config->name) &&
		    old->config->port_index == service->port_index &&
		    same_text(old->config->marathon_app, service->marathon_app) &&
		    same_text(old->config->consul_service, service->consul_service))
			return old;
	}
	return named;
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
		old = predecessor(model, config, &config->service[i]);
		if (old) {
			service[i] = *old;
			old->backends = NULL;
			old->unplaced_count = 0;
			old->checks = (struct model_checks){ 0 };
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
	/* what the last tick gave out names what was freed */
	model->wanted = (struct wanted){ .service = wanted };
	model->guard_count = 0;
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
