/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * When many of a service's backends go at once, one fault of a source is likelier than many of theirs: dockerd takes all of its
 * proxies' listeners with it while its address translation still serves. What is held here goes when a second source says so.
 */
#include "model_internal.h"

#include <stdlib.h>

#define AGAIN_MS 5000	 /* after which an answer that says the same is another answer */
#define TOGETHER_MS 2000 /* listeners that vanish within this time are one event */

/*
 * Absence is all there is against it, and no check of its own complains: the kernel sees it listen, or, where addresses are translated
 * without a proxy, it cannot tell, and Consul does not lack it, too.
 */
static bool is_missing(const struct model *model, const struct model_service *service,
		       const struct model_backend *backend)
{
	enum state_c c = model_c(model, service, backend);
	enum state_k k = model_k(model, backend);

	if (!backend->was_usable || backend->retired || backend->port_taken ||
	    backend->out.row != 3 || backend->m_terminal || backend->m_killed)
		return false;
	if (backend->c_present && (c == STATE_C_CRITICAL || c == STATE_C_MAINT ||
				   (c == STATE_C_WARNING && !model->config->warning_is_up)))
		return false;
	if (k == STATE_K_UNKNOWN && c != STATE_C_SILENT && model_by_marathon(model, service) &&
	    model_by_consul(model, service))
		return !guard_both_lack(backend);
	return k != STATE_K_NO;
}

/*
 * Answers without anybody and answers that have somebody confirm each other in nothing: a registry that was wiped fills up again one by
 * one, and its first entry ends what holds the last backends.
 */
static bool is_confirmed(const struct model_service *service, const struct model_backend *backend)
{
	int64_t since = backend->gone_ms > service->m_turn_ms ? backend->gone_ms
							      : service->m_turn_ms;

	return backend->m_lately_ms - since >= AGAIN_MS;
}

/*
 * Those that went missing as a mass stay one for as long as another guard keeps them: when somebody
 * is back the rest is few enough to be none, and has yet to be seen missing by answers of that
 * kind.
 */
void guard_mass_removal(const struct model *model, struct model_service *service)
{
	const struct config_guards *guards = &model->config->guards;
	unsigned before = 0, missing = 0;
	struct model_backend *b;

	for (b = service->backends; b; b = b->next) {
		before += b->was_usable && !b->port_taken;
		b->missing_mass &= is_missing(model, service, b);
		b->mass_held = false;
		missing += is_missing(model, service, b) && !is_confirmed(service, b);
	}
	for (b = service->backends; b; b = b->next) {
		if (!is_missing(model, service, b) || is_confirmed(service, b))
			continue;
		b->missing_mass |= missing >= guards->mass_count &&
				   missing * 100 > before * guards->mass_share;
		if (!b->missing_mass)
			continue;
		b->mass_held = true;
		b->state = SLUICE_BACKEND_UP;
		b->guard = "mass-removal";
		model_set_reason(b, "guard", "most of the service is missing at once: %s",
				 b->out.reason);
	}
}

/* Does somebody other than the kernel say that it serves? */
static bool is_vouched_for(const struct model *model, const struct model_service *service,
			   const struct model_backend *backend)
{
	switch (model_c(model, service, backend)) {
	case STATE_C_PASSING:
		return true;
	case STATE_C_WARNING:
		return model->config->warning_is_up;
	case STATE_C_SILENT: /* its last word counts */
		if (backend->c_present && backend->c == FACTS_STATUS_PASSING)
			return true;
		if (backend->c == FACTS_STATUS_CRITICAL || backend->c == FACTS_STATUS_MAINT)
			return false;
		break;
	case STATE_C_NONE:
		break;
	case STATE_C_CRITICAL:
	case STATE_C_MAINT:
		return false;
	}
	return model_health(model, backend) == FACTS_HEALTH_GOOD;
}

static bool is_lost(const struct model *model, const struct model_service *service,
		    const struct model_backend *backend)
{
	return !backend->retired && !backend->port_taken && backend->out.row == 4 &&
	       backend->lost_usable && is_vouched_for(model, service, backend);
}

/* Mark those that lost their listeners together with backend. */
static void mark_together(const struct model *model, const struct model_service *service,
			  struct model_backend *backend)
{
	for (struct model_backend *b = service->backends; b; b = b->next)
		if (b != backend && is_lost(model, service, b) &&
		    llabs(b->lost_ms - backend->lost_ms) <= TOGETHER_MS)
			b->lost_mass = backend->lost_mass = true;
}

/*
 * If it is wrong to hold them, the data plane finds out by itself: a SYN that is refused goes to another backend, and in the end the
 * client gets the reset that it would have got.
 */
void guard_kernel_mass(const struct model *model, struct model_service *service)
{
	struct model_backend *b;

	for (b = service->backends; b; b = b->next)
		if (model_usable(b))
			return;
	for (b = service->backends; b; b = b->next)
		if (b->was_usable && !b->lost_mass && is_lost(model, service, b))
			mark_together(model, service, b);
	for (b = service->backends; b; b = b->next) {
		if (!b->lost_mass || !is_lost(model, service, b))
			continue;
		b->state = SLUICE_BACKEND_UP;
		b->guard = "kernel-mass";
		model_set_reason(b, "guard",
				 "the last listeners vanished together, and its checks still pass");
	}
}
