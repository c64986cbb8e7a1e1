/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * As in status.c, a part that could not be made makes the printing fail as a whole, or is missing like one that is not known.
 */
#include "why.h"

#include <stdlib.h>

#include "json.h"
#include "model.h"
#include "model_why.h"

#define MAX_CLAIMS 16 /* tasks that name one host-port; more than two are a fault of somebody's */

static void add_age(cJSON *object, const char *name, int64_t at_ms, int64_t now_ms)
{
	if (at_ms)
		cJSON_AddNumberToObject(object, name, (double)(now_ms - at_ms));
	else
		cJSON_AddNullToObject(object, name);
}

static void add_left(cJSON *object, const char *name, int64_t until_ms, int64_t now_ms)
{
	if (until_ms > now_ms)
		cJSON_AddNumberToObject(object, name, (double)(until_ms - now_ms));
	else
		cJSON_AddNullToObject(object, name);
}

static void add_sources(cJSON *object, const struct model_why *why, int64_t now_ms)
{
	cJSON *marathon = cJSON_AddObjectToObject(object, "marathon");
	cJSON *consul = cJSON_AddObjectToObject(object, "consul");
	cJSON *kernel = cJSON_AddObjectToObject(object, "kernel");

	cJSON_AddBoolToObject(marathon, "used", why->by_marathon);
	cJSON_AddStringToObject(marathon, "state", state_m_name(why->m));
	cJSON_AddStringToObject(marathon, "counts",
				state_m_name(state_effective_m(why->m, why->m_last)));
	cJSON_AddBoolToObject(marathon, "ready", !why->unready);
	cJSON_AddStringToObject(marathon, "health", state_health_name(why->health));
	add_age(marathon, "health_ms", why->health_ms, now_ms);
	cJSON_AddBoolToObject(marathon, "health_expired", why->health_expired);
	cJSON_AddNumberToObject(marathon, "lacks", why->m_lacks);
	add_age(marathon, "gone_ms", why->gone_ms, now_ms);
	cJSON_AddBoolToObject(consul, "used", why->by_consul);
	cJSON_AddStringToObject(consul, "state", state_c_name(why->c));
	cJSON_AddBoolToObject(consul, "present", why->c_present);
	cJSON_AddBoolToObject(consul, "ours", why->c_ours);
	cJSON_AddStringToObject(consul, "output", why->c_output);
	cJSON_AddNumberToObject(consul, "lacks", why->c_lacks);
	cJSON_AddNumberToObject(consul, "checks_unrun", (double)why->checks_unrun);
	add_age(consul, "unlisted_ms", why->unlisted_ms, now_ms);
	add_age(consul, "registration_waits_ms", why->registration_waits_ms, now_ms);
	cJSON_AddStringToObject(kernel, "listens", state_k_name(why->k));
	add_age(kernel, "lost_ms", why->lost_ms, now_ms);
}

static void add_held(cJSON *object, const struct model_why *why, int64_t now_ms)
{
	cJSON *guard, *operator;

	if (why->guard) {
		guard = cJSON_AddObjectToObject(object, "guard");
		cJSON_AddStringToObject(guard, "name", why->guard);
		add_age(guard, "age_ms", why->guard_ms, now_ms);
		add_left(guard, "held_ms", why->held_until_ms, now_ms);
		if (why->first_set_waits)
			cJSON_AddStringToObject(guard, "reason", why->first_set_waits);
	} else {
		cJSON_AddNullToObject(object, "guard");
	}
	add_left(object, "hint_ms", why->hint_until_ms, now_ms);
	cJSON_AddNumberToObject(object, "flaps", why->flaps);
	operator= cJSON_AddObjectToObject(object, "operator");
	cJSON_AddBoolToObject(operator, "drain", why->op_drain);
	if (why->op_has_weight)
		cJSON_AddNumberToObject(operator, "weight", why->op_weight);
	else
		cJSON_AddNullToObject(operator, "weight");
	cJSON_AddNumberToObject(object, "weight", why->weight);
	cJSON_AddNumberToObject(object, "full_weight", why->full_weight);
	add_left(object, "slowstart_ms", why->ramp_ms ? why->ramp_end_ms : 0, now_ms);
}

static void add_backend(cJSON *list, const struct model_why *why, int64_t now_ms)
{
	cJSON *object = json_item(list), *row;

	cJSON_AddStringToObject(object, "service", why->service);
	cJSON_AddStringToObject(object, "task", why->task);
	cJSON_AddStringToObject(object, "app", why->app ? why->app : "");
	cJSON_AddNumberToObject(object, "port_index", why->port_index);
	cJSON_AddNumberToObject(object, "port", why->port);
	cJSON_AddStringToObject(object, "state", state_name(why->state));
	add_age(object, "state_ms", why->since_ms, now_ms);
	cJSON_AddStringToObject(object, "source", why->source);
	cJSON_AddStringToObject(object, "reason", why->reason);
	cJSON_AddBoolToObject(object, "port_taken", why->port_taken);
	cJSON_AddBoolToObject(object, "ended", why->retired);
	row = cJSON_AddObjectToObject(object, "row");
	cJSON_AddNumberToObject(row, "number", why->table.row);
	cJSON_AddStringToObject(row, "state", state_name(why->table.state));
	cJSON_AddStringToObject(row, "source", why->table.source ? why->table.source : "");
	cJSON_AddStringToObject(row, "reason", why->table.reason ? why->table.reason : "");
	cJSON_AddStringToObject(row, "text", state_row_text(why->table.row));
	add_sources(object, why, now_ms);
	add_held(object, why, now_ms);
	cJSON_AddNumberToObject(object, "flows", why->flows);
	add_age(object, "flows_ms", why->flows_ms, now_ms);
}

char *why_json(const struct model *model, const char *service, uint16_t port, int64_t now_ms)
{
	struct model_why *list = calloc(MAX_CLAIMS, sizeof(*list));
	size_t count = list ? model_why(model, service, port, list, MAX_CLAIMS) : 0;
	cJSON *root, *backends;

	if (!list)
		return NULL;
	root = json_begin();
	backends = cJSON_AddArrayToObject(root, "backends");
	for (size_t i = 0; i < count && i < MAX_CLAIMS; i++)
		add_backend(backends, &list[i], now_ms);
	free(list);
	return json_end(root);
}

static void add_wanted_service(cJSON *list, const struct wanted_service *service)
{
	cJSON *object = json_item(list);

	cJSON_AddStringToObject(object, "name", service->name);
	cJSON_AddBoolToObject(object, "synced", service->synced);
	cJSON_AddNumberToObject(object, "balance", service->balance);
	cJSON_AddNumberToObject(object, "on_empty", service->on_empty);
	cJSON_AddNumberToObject(object, "on_full", service->on_full);
	cJSON_AddNumberToObject(object, "maxconn", service->maxconn);
}

static void add_wanted_backend(cJSON *list, const struct wanted *wanted,
			       const struct wanted_backend *backend)
{
	cJSON *object = json_item(list);

	cJSON_AddStringToObject(object, "service", wanted->service[backend->service].name);
	cJSON_AddStringToObject(object, "task", backend->task);
	cJSON_AddNumberToObject(object, "port_index", backend->port_index);
	cJSON_AddNumberToObject(object, "port", backend->port);
	cJSON_AddNumberToObject(object, "state", backend->state);
	cJSON_AddNumberToObject(object, "weight", backend->weight);
}

char *why_wanted_json(const struct model *model)
{
	const struct wanted *wanted = model_wanted(model);
	cJSON *root = json_begin();
	cJSON *services = cJSON_AddArrayToObject(root, "services");
	cJSON *backends = cJSON_AddArrayToObject(root, "backends");

	for (size_t i = 0; i < wanted->service_count; i++)
		if (wanted->service[i].name)
			add_wanted_service(services, &wanted->service[i]);
	for (size_t i = 0; i < wanted->backend_count; i++)
		add_wanted_backend(backends, wanted, &wanted->backend[i]);
	return json_end(root);
}
