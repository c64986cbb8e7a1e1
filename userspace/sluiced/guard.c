/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What comes after the table of states: a removal hint drains for a moment, the silence of a registry changes nothing, the last
 * usable backend of a service goes only on proof, a host-port has one owner. Each guard overrules by
 * setting state, reason and guard; none of them touches the facts or the table's own result.
 */
#include "model_internal.h"

#include <stdlib.h>
#include <string.h>

#define LEAST_PROOF_MS 10000

void guard_hint(struct model_backend *backend, int64_t now_ms)
{
	backend->hinted = false;
	if (now_ms >= backend->hint_until_ms || backend->state != SLUICE_BACKEND_UP)
		return;
	backend->hinted = true;
	backend->state = SLUICE_BACKEND_DRAINING;
	model_set_reason(backend, MODEL_HINT_SOURCE, MODEL_HINT_REASON);
}

/* What its last entry made of it, or would have, had another row not come first. */
static enum sluice_backend_state last_word(const struct model *model,
					   const struct model_backend *backend)
{
	switch (backend->c) {
	case FACTS_STATUS_MAINT:
		return SLUICE_BACKEND_DRAINING;
	case FACTS_STATUS_CRITICAL:
		return SLUICE_BACKEND_DOWN;
	case FACTS_STATUS_WARNING:
		return model->config->warning_is_up ? SLUICE_BACKEND_UP : SLUICE_BACKEND_DOWN;
	case FACTS_STATUS_PASSING:
	case FACTS_STATUS_NONE:
		break;
	}
	return backend->evidence;
}

/*
 * Row 10 reads "Consul is silent" like "Consul knows nothing", which is right for a backend that it never knew. One that
 * it did know keeps its state, unless Marathon's own check has spoken since Consul fell silent.
 */
void guard_silence(const struct model *model, const struct model_service *service,
		   struct model_backend *backend)
{
	enum sluice_backend_state last = last_word(model, backend);
	bool expired = model_consul_expired(model);
	int64_t silent_ms = expired ? model->consul_answer_ms : model->consul_change_ms;
	/* Maintenance is somebody's order: no check of anybody else's ends it. */
	bool spoken = backend->c != FACTS_STATUS_MAINT && backend->m_health_ms > silent_ms &&
		      (backend->health == FACTS_HEALTH_GOOD || backend->health == FACTS_HEALTH_BAD);

	if (!model_by_consul(model, service) ||
	    (model->consul_connected && service->consul_answered && !expired) ||
	    backend->out.row != 10)
		return;
	if (!backend->c_ever && !backend->adopted)
		return;
	if (spoken)
		last = backend->evidence; /* what came of that stands, even if Marathon is away by now */
	if (last != SLUICE_BACKEND_UP && last != SLUICE_BACKEND_DOWN &&
	    last != SLUICE_BACKEND_DRAINING)
		return;
	if (backend->state == last)
		return;
	if (spoken && model->marathon_connected)
		return;
	backend->state = last;
	backend->guard = expired ? "health-expired" : "consul-silent";
	model_set_reason(backend, "guard", "%s: keeps its state",
			 expired ? "Consul's last answer is too old" : "Consul is silent");
}

/* The table has seen the complaint of an entry that is no longer there. */
void guard_missing(struct model_backend *backend)
{
	if (backend->out.row < 5 || backend->out.row > 7 || !model_c_is_kept(backend))
		return;
	backend->guard = "entry-missing";
	model_set_reason(backend, "guard", "its entry has disappeared, its last word counts: %s",
			 backend->out.reason);
}

/* What Marathon last said of its health is too old: it holds nobody out, and brings nobody back. */
void guard_expired(const struct model *model, struct model_backend *backend)
{
	enum facts_health health = model_health(model, backend);

	if (backend->out.row != 10 || backend->guard || health == backend->health ||
	    backend->state == (backend->health == FACTS_HEALTH_GOOD ? SLUICE_BACKEND_UP
								    : SLUICE_BACKEND_DOWN))
		return;
	backend->guard = "health-expired";
	model_set_reason(backend, "guard", "its last health result is too old: %s",
			 backend->out.reason);
}

bool guard_both_lack(const struct model_backend *backend)
{
	return (backend->m_lacks >= 2 || backend->m_terminal) && backend->c_ever &&
	       !backend->c_present && backend->c_lacks >= 2;
}

/*
 * How long an absence must last to prove anything: as long as a drain may take. But a short one, or
 * none, is about connections, and says nothing of how long a registry may be wrong.
 */
static int64_t proof_ms(const struct model_service *service)
{
	int64_t drain_ms = (int64_t)service->config->drain_timeout_ms;

	return drain_ms > LEAST_PROOF_MS ? drain_ms : LEAST_PROOF_MS;
}

static bool is_gone_for_long(const struct model_service *service,
			     const struct model_backend *backend, int64_t now_ms)
{
	return backend->gone_ms && now_ms - backend->gone_ms >= proof_ms(service);
}

/*
 * Marathon has said for as long as a drain may take that it has ended, or has named its app without it. A stranger on its port may well pass
 * our own check of it: without this, that keeps it for ever.
 */
static bool is_long_ended(const struct model *model, const struct model_service *service,
			  const struct model_backend *backend, int64_t now_ms)
{
	if (!model_by_marathon(model, service) || !model->marathon_connected ||
	    !service->marathon_fresh)
		return false;
	if (backend->m_terminal)
		return is_gone_for_long(service, backend, now_ms);
	return backend->m_named_ms &&
	       backend->m_lately_ms - backend->m_named_ms >= proof_ms(service);
}

/*
 * May the last usable backend go for what the table says now? Absence is never proof alone: Consul answers [] without a token,
 * Marathon after an election. While the kernel sees a listener, even both of them must have lacked it for drain_timeout; and
 * where the kernel cannot tell, one registry alone, if it is the only one in use, must too.
 */
static bool proved(const struct model *model, const struct model_service *service,
		   const struct model_backend *backend, int64_t now_ms)
{
	enum state_k k = model_k(model, backend);
	enum state_c c = model_c(model, service, backend);
	bool two = model_by_marathon(model, service) && model_by_consul(model, service);

	/* the table calls it up, a warning that counts so included: a hint took it, and a hint is no proof */
	if (backend->out.state == SLUICE_BACKEND_UP)
		return false;
	if (c != STATE_C_SILENT && model_c_is_kept(backend))
		c = STATE_C_NONE;
	switch (backend->out.row) {
	case 1: /* the operator's word */
	case 4: /* the kernel's */
		return true;
	case 5: /* its own checks; Consul speaks, else c would be silent */
	case 6:
	case 7:
		return backend->c_present;
	case 2:
	case 3:
		if (k == STATE_K_NO || c == STATE_C_CRITICAL || c == STATE_C_MAINT)
			return true;
		if (backend->m_last == STATE_M_GONE && c == STATE_C_WARNING &&
		    !model->config->warning_is_up)
			return true;
		if (is_long_ended(model, service, backend, now_ms) &&
		    (c == STATE_C_NONE || (c != STATE_C_SILENT && backend->c_ours) ||
		     !model_by_consul(model, service)))
			return true;
		if (c == STATE_C_PASSING || c == STATE_C_WARNING)
			return false;
		if (two && c != STATE_C_SILENT && guard_both_lack(backend))
			return k != STATE_K_YES || is_gone_for_long(service, backend, now_ms);
		/* our own registration without a check proves nothing, and it stays until this backend is gone */
		if (two && (c == STATE_C_SILENT ||
			    (backend->c_ever && !(backend->c_present && backend->c_ours))))
			return false;
		return k == STATE_K_UNKNOWN && backend->m_lacks >= 2 &&
		       is_gone_for_long(service, backend, now_ms);
	case 10:
		return model_health(model, backend) == FACTS_HEALTH_BAD &&
		       model->marathon_connected && service->marathon_fresh;
	default:
		return false;
	}
}

/* all_down = last keeps those that only their health takes away. */
static bool only_unhealthy(const struct model_backend *backend)
{
	return backend->out.row == 6 || backend->out.row == 7 ||
	       (backend->out.row == 10 && backend->health == FACTS_HEALTH_BAD);
}

/* Does a hint alone stand against one of those that served just now? Then it was the last, and those hinted at before it stay out. */
static bool hint_took_last(const struct model_service *service)
{
	for (const struct model_backend *b = service->backends; b; b = b->next)
		if (b->was_usable && b->hinted && !b->port_taken && !b->retired)
			return true;
	return false;
}

void guard_last(const struct model *model, struct model_service *service, int64_t now_ms)
{
	struct model_backend *backend;
	bool took_last = hint_took_last(service);

	for (backend = service->backends; backend; backend = backend->next)
		if (model_usable(backend))
			return;
	for (backend = service->backends; backend; backend = backend->next) {
		bool given_back = backend->hinted && !took_last;

		if ((!backend->was_usable && !given_back) || backend->port_taken ||
		    backend->retired || backend->state == SLUICE_BACKEND_UP)
			continue;
		if (backend->hinted || !proved(model, service, backend, now_ms)) {
			backend->state = SLUICE_BACKEND_UP;
			backend->guard = "last-backend";
			model_set_reason(backend, "guard",
					 "last usable, and no proof that it is gone: %s",
					 backend->out.reason);
		} else if (service->config->all_down == CONFIG_ALL_DOWN_LAST &&
			   only_unhealthy(backend)) {
			backend->state = SLUICE_BACKEND_UP;
			backend->guard = "all-down";
			model_set_reason(backend, "guard", "all are down, all_down = last: %s",
					 backend->out.reason);
		}
	}
}

/* --- one owner for each port --- */

struct claim {
	struct model_backend *backend;
	size_t service;
};

static bool is_gone(const struct model_backend *backend)
{
	return backend->m_last == STATE_M_GONE;
}

/* A task that has not started yet is newer than any that has. */
static int64_t start_order(const struct model_backend *backend)
{
	return backend->m_last == STATE_M_STARTING ? INT64_MAX : backend->started_ms;
}

/* What it was registered for may have left long ago: a check that complains is no claim. */
static bool is_complained_of(const struct model_backend *backend)
{
	return backend->c == FACTS_STATUS_CRITICAL || backend->c == FACTS_STATUS_MAINT;
}

/* By port; of one port the owner first. */
static int compare_claims(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;

	if (x->backend->port != y->backend->port)
		return x->backend->port < y->backend->port ? -1 : 1;
	if (is_gone(x->backend) != is_gone(y->backend))
		return is_gone(x->backend) ? 1 : -1;
	/* who has gone without having had the port takes it from nobody whose connections are still there */
	if (is_gone(x->backend) && x->backend->port_taken != y->backend->port_taken)
		return x->backend->port_taken ? 1 : -1;
	if (start_order(x->backend) != start_order(y->backend))
		return start_order(x->backend) > start_order(y->backend) ? -1 : 1;
	if (is_complained_of(x->backend) != is_complained_of(y->backend))
		return is_complained_of(x->backend) ? 1 : -1;
	if (x->backend->adopted != y->backend->adopted)
		return x->backend->adopted ? -1 : 1;
	if (x->backend->born != y->backend->born)
		return x->backend->born > y->backend->born ? -1 : 1;
	/* one task in two services: the first in the file */
	return x->service < y->service ? -1 : x->service > y->service;
}

/* It serves, nobody has said that it has ended, and the kernel has never lost the listener behind it. */
static bool is_serving(const struct claim *claim)
{
	const struct model_backend *backend = claim->backend;

	return backend->state == SLUICE_BACKEND_UP && !backend->port_taken && backend->listens &&
	       !backend->m_terminal && !backend->m_killed;
}

/* It would wait: nothing says yet that it can serve. */
static bool is_unproven(const struct claim *claim)
{
	const struct model_backend *backend = claim->backend;

	if (backend->m_last == STATE_M_STARTING)
		return true;
	if (backend->evidence != SLUICE_BACKEND_FREE && backend->evidence != SLUICE_BACKEND_WAITING)
		return false;
	return backend->health == FACTS_HEALTH_UNKNOWN &&
	       !(backend->c_present && backend->c != FACTS_STATUS_NONE);
}

/*
 * Whose port is it, of these that claim one? A new name in an answer alone takes no port from one that serves on it: where the old
 * task has really ended its listener has, too, or the table takes it out of service, and the next tick sees that.
 */
static const struct claim *owner_of(const struct claim *claims, size_t count)
{
	if (!is_unproven(&claims[0]))
		return &claims[0];
	for (size_t i = 1; i < count; i++)
		if (is_serving(&claims[i]) &&
		    strcmp(claims[i].backend->task, claims[0].backend->task) != 0)
			return &claims[i];
	return &claims[0];
}

static void give_port(const struct claim *claims, size_t count)
{
	const struct claim *owner = owner_of(claims, count);

	for (size_t i = 0; i < count; i++) {
		struct model_backend *backend = claims[i].backend;
		bool taken = &claims[i] != owner;

		if (taken && !backend->port_taken)
			backend->guard_before = backend->guard;
		backend->port_taken = taken;
		if (!taken)
			continue;
		backend->guard = "port-taken";
		model_set_reason(backend, "guard", "%s",
				 owner == &claims[0]
					 ? "its port belongs to a newer task or another service"
					 : "another task still serves on its port");
	}
}

void guard_ports(struct model *model)
{
	struct claim *claims = NULL;
	size_t count = 0, capacity = 0, same;

	for (size_t s = 0; s < model->service_count; s++)
		for (struct model_backend *b = model->service[s].backends; b; b = b->next)
			capacity += !b->retired;
	if (capacity)
		claims = calloc(capacity, sizeof(*claims));
	if (!claims)
		return; /* no memory: the marks of the last tick stay */
	for (size_t s = 0; s < model->service_count; s++) {
		for (struct model_backend *b = model->service[s].backends; b; b = b->next) {
			if (!b->retired)
				claims[count++] = (struct claim){ .backend = b, .service = s };
		}
	}
	qsort(claims, count, sizeof(*claims), compare_claims);
	for (size_t i = 0; i < count; i += same) {
		for (same = 1; i + same < count; same++)
			if (claims[i + same].backend->port != claims[i].backend->port)
				break;
		give_port(&claims[i], same);
	}
	free(claims);
}
