/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The tick: each backend's facts go through the table and the guards, what has ended is retired, and the result is written as wanted state.
 * Nothing comes in here but time.
 */
#include "model_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RAMP_STEPS 10

bool model_consul_expired(const struct model *model)
{
	uint64_t expires_ms = model->config->guards.health_expires_ms;

	return expires_ms && model->consul_connected && model->consul_answer_ms &&
	       model->tick_ms - model->consul_answer_ms > (int64_t)expires_ms;
}

enum facts_health model_health(const struct model *model, const struct model_backend *backend)
{
	const struct config *config = model->config;
	uint64_t expires_ms = config->guards.health_expires_ms;

	if (backend->health != FACTS_HEALTH_GOOD && backend->health != FACTS_HEALTH_BAD)
		return backend->health;
	if (expires_ms && expires_ms < 3 * config->resync_ms)
		expires_ms = 3 * config->resync_ms; /* two answers may fail */
	if (expires_ms && model->tick_ms - backend->m_health_ms > (int64_t)expires_ms)
		return FACTS_HEALTH_UNKNOWN;
	return backend->health;
}

enum state_c model_c(const struct model *model, const struct model_service *service,
		     const struct model_backend *backend)
{
	if (!model_by_consul(model, service) || !model->consul_connected ||
	    !service->consul_answered || model_consul_expired(model))
		return STATE_C_SILENT;
	if (!backend->c_present && !model_c_is_kept(backend))
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

/* Down until yes: what is down for want of a listener does not come up because nobody can tell. */
enum state_k model_k(const struct model *model, const struct model_backend *backend)
{
	if (backend->listens)
		return model->kernel_known ? STATE_K_YES : STATE_K_UNKNOWN;
	return backend->listened ? STATE_K_NO : STATE_K_UNKNOWN;
}

enum state_m model_m(const struct model *model, const struct model_service *service,
		     const struct model_backend *backend)
{
	bool connected = model_by_marathon(model, service)
				 ? model->marathon_connected
				 : model->consul_connected && !model_consul_expired(model);

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

/*
 * The operator's drain ends with the task, or what is drained would never be gone; but only with proof: an answer that lacks it by
 * accident must not lose the drain.
 */
static bool operator_drains(const struct model *model, const struct model_service *service,
			    const struct model_backend *backend, int64_t now_ms)
{
	bool ended = backend->m_terminal || model_k(model, backend) == STATE_K_NO ||
		     (backend->m_lacks >= 2 && model_has_waited(service, backend, now_ms));

	return backend->op_drain && !(backend->m_last == STATE_M_GONE && ended);
}

static void decide(const struct model *model, const struct model_service *service,
		   struct model_backend *backend, int64_t now_ms)
{
	struct state_input in = {
		.operator_drain = operator_drains(model, service, backend, now_ms),
		.m = model_m(model, service, backend),
		.m_last = backend->m_last,
		.health = model_health(model, backend),
		.c = model_c(model, service, backend),
		.k = model_k(model, backend),
		.warning_is_up = model->config->warning_is_up,
		.previous = backend->evidence,
		.second_answer_lacks = backend->m_lacks >= 2,
	};

	in.drain_timeout_passed = model_has_waited(service, backend, now_ms);
	backend->out = state_decide(&in);
	if (!model_by_marathon(model, service))
		say_registry(&backend->out);
	backend->state = backend->out.state;
	backend->guard = NULL;
	if ((backend->out.row == 6 || backend->out.row == 7) && backend->c_output[0])
		model_set_reason(backend, backend->out.source, "%s: %s", backend->out.reason,
				 backend->c_output);
	else
		model_set_reason(backend, backend->out.source, "%s",
				 backend->out.row == 8 && backend->unready
					 ? "its readiness check has not passed yet"
					 : backend->out.reason);
	guard_silence(model, service, backend);
	guard_missing(backend);
	guard_expired(model, backend);
	if (backend->out.row >= 5)
		backend->evidence = backend->state;
	guard_flap_note(model, backend, now_ms);
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
		backend->listened = backend->watched =
			false; /* what listens there is somebody else */
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
	guard_mass_removal(model, service);
	guard_kernel_mass(model, service);
	guard_flap(model, service, now_ms);
	guard_last(model, service, now_ms);
	for (backend = service->backends; backend; backend = backend->next)
		settle(model, service, backend, others, now_ms);
}

uint32_t model_weight(const struct model_service *service, const struct model_backend *backend,
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
		model->wanted.backend = grown; /* what it was is asked for if the tick gives up */
		model->wanted_capacity = count;
	}
	count = 3 * count +
		model->service_count; /* what list_guards() and a first set can come to */
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

static void list_guards(struct model *model, const char *service, const struct model_backend *b)
{
	struct model_guard guard = {
		.service = service, .task = b->task, .port = b->port, .text = b->reason
	};

	if (b->retired)
		return;
	guard.guard = b->guard;
	guard.since_ms = b->guard_since_ms;
	if (b->guard)
		model->guard[model->guard_count++] = guard;
	guard.guard = "registration-waits";
	guard.text = "in maintenance: its registration is written anew when that ends";
	guard.since_ms = b->registration_waits_ms;
	if (b->registration_waits_ms)
		model->guard[model->guard_count++] = guard;
	guard.guard = "registration-unlisted";
	guard.text =
		"registered, and Consul does not list it: the token lacks service_prefix \"sluice:\" { policy = \"read\" }";
	guard.since_ms = b->unlisted_ms;
	if (b->unlisted_ms)
		model->guard[model->guard_count++] = guard;
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
	if (service->first_set_waits)
		model->guard[model->guard_count++] = (struct model_guard){
			.guard = "first-set",
			.service = config->name,
			.task = "",
			.text = service->first_set_waits,
			.since_ms = service->first_set_since_ms,
		};
	for (struct model_backend *b = service->backends; b; b = b->next) {
		list_guards(model, config->name, b);
		if (b->retired || b->port_taken)
			continue;
		model->wanted_backend[model->wanted.backend_count++] = (struct wanted_backend){
			.service = s,
			.task = b->task,
			.formerly = b->formerly,
			.app = b->app,
			.port_index = b->port_index,
			.port = b->port,
			.state = b->state,
			.weight = model_weight(service, b, now_ms),
			.reason = b->reason,
			.source = b->source,
		};
	}
}

/*
 * Its slot is free, and its registration waits for one more answer without it: is_proved_gone(),
 * once and no more.
 */
static bool is_half_proved(const struct model *model, const struct model_service *service,
			   const struct model_backend *b)
{
	return b->retired && b->m_last == STATE_M_GONE && !b->m_terminal && b->m_lacks < 2 &&
	       b->c_present && b->c_ours && model->config->consul_register &&
	       model_by_marathon(model, service) && model_by_consul(model, service);
}

/* May it be waited for that an answer says more of this backend? */
static bool wants_answer(const struct model *model, const struct model_service *service,
			 const struct model_backend *b)
{
	if (!b->retired && b->unready && b->m_last == STATE_M_STARTING)
		return true; /* no event tells when it is */
	if (is_half_proved(model, service, b))
		return true;
	if (b->retired || b->m_last != STATE_M_GONE)
		return false;
	if (b->m_lacks < 2 || b->mass_held)
		return true;
	return model_by_consul(model, service) && b->c_ever && !b->c_present && b->c_lacks < 2;
}

static void note_waits(struct model *model, const struct model_service *service, int64_t now_ms)
{
	int64_t length = (int64_t)service->config->slowstart_ms;

	for (const struct model_backend *b = service->backends; b; b = b->next) {
		model->wants_answer |= wants_answer(model, service, b);
		model->is_draining |= b->state == SLUICE_BACKEND_DRAINING ||
				      b->state == SLUICE_BACKEND_GONE;
		model->is_ramping |= b->state == SLUICE_BACKEND_UP && b->ramp_ms &&
				     now_ms - b->ramp_ms < length;
		model->lacks_listener |= !b->retired && !b->listens;
	}
}

const struct wanted *model_tick(struct model *model, int64_t now_ms)
{
	if (reserve(model)) {
		errno = ENOMEM;
		return NULL;
	}
	model->tick_ms = now_ms;
	model->guard_count = 0;
	model->wants_answer = model->is_draining = false;
	model->is_ramping = model->lacks_listener = false;
	model->wanted = (struct wanted){ .service = model->wanted_service,
					 .service_count = model->service_count };
	guard_ports(model);
	for (size_t s = 0; s < model->service_count; s++) {
		decide_service(model, &model->service[s], now_ms);
		retire(model, &model->service[s], now_ms);
		forget_retired(&model->service[s]);
		guard_first_set(model, &model->service[s], now_ms);
		write_service(model, s, now_ms);
		note_waits(model, &model->service[s], now_ms);
	}
	model->wanted.backend = model->wanted_backend;
	return &model->wanted;
}

const struct wanted *model_wanted(const struct model *model)
{
	return &model->wanted;
}

size_t model_guards(const struct model *model, const struct model_guard **guards)
{
	*guards = model->guard;
	return model->guard_count;
}

bool model_wants_answer(const struct model *model)
{
	return model->wants_answer;
}

bool model_is_draining(const struct model *model)
{
	return model->is_draining;
}

bool model_is_ramping(const struct model *model)
{
	return model->is_ramping;
}

bool model_lacks_listener(const struct model *model)
{
	return model->lacks_listener;
}
