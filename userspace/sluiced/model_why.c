/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copies what a tick has left behind; asks the same questions of the facts as the tick does, at the time of the last one.
 */
#include "model_why.h"

#include <string.h>

#include "model_internal.h"

static void fill(struct model_why *why, const struct model *model,
		 const struct model_service *service, const struct model_backend *backend)
{
	int64_t now_ms = model->tick_ms;

	*why = (struct model_why){
		.service = service->config->name,
		.task = backend->task,
		.app = backend->app,
		.source = backend->source ? backend->source : "",
		.reason = backend->reason,
		.port_index = backend->port_index,
		.port = backend->port,
		.state = backend->state,
		.since_ms = backend->since_ms,
		.port_taken = backend->port_taken,
		.retired = backend->retired,
		.table = backend->out,
		.by_marathon = model_by_marathon(model, service),
		.by_consul = model_by_consul(model, service),
		.m = model_m(model, service, backend),
		.m_last = backend->m_last,
		.unready = backend->unready,
		.m_lacks = backend->m_lacks,
		.gone_ms = backend->gone_ms,
		.health = backend->health,
		.health_ms = backend->m_health_ms,
		.health_expired = model_health(model, backend) != backend->health,
		.c = model_c(model, service, backend),
		.c_present = backend->c_present,
		.c_ours = backend->c_ours,
		.c_output = backend->c_output,
		.c_lacks = backend->c_lacks,
		.checks_unrun = backend->checks_unrun,
		.unlisted_ms = backend->unlisted_ms,
		.registration_waits_ms = backend->registration_waits_ms,
		.k = model_k(model, backend),
		.lost_ms = backend->lost_ms,
		.guard = backend->guard,
		.guard_ms = backend->guard_since_ms,
		.first_set_waits = service->first_set_waits,
		.hint_until_ms = backend->hint_until_ms > now_ms ? backend->hint_until_ms : 0,
		.flaps = backend->flaps,
		.op_drain = backend->op_drain,
		.op_has_weight = backend->op_has_weight,
		.op_weight = backend->op_weight,
		.weight = model_weight(service, backend, now_ms),
		.full_weight = backend->op_has_weight ? backend->op_weight : MODEL_WEIGHT,
		.ramp_ms = backend->ramp_ms,
		.ramp_end_ms = backend->ramp_ms + (int64_t)service->config->slowstart_ms,
		.flows = backend->flows,
		.flows_ms = backend->flows_ms,
	};
	if (!backend->guard && service->first_set_waits) {
		why->guard = "first-set";
		why->guard_ms = service->first_set_since_ms;
	}
	if (backend->guard && !strcmp(backend->guard, "flapping"))
		why->held_until_ms = backend->table_down_ms + guard_flap_hold_ms(model, backend);
}

/* Who has the port; then who claims it; then what has ended. */
static unsigned rank(const struct model_backend *backend)
{
	return backend->retired ? 2 : backend->port_taken ? 1 : 0;
}

size_t model_why(const struct model *model, const char *service, uint16_t port,
		 struct model_why *list, size_t max)
{
	size_t count = 0;

	for (unsigned now = 0; now <= 2; now++) {
		for (size_t s = 0; s < model->service_count; s++) {
			const struct model_service *one = &model->service[s];

			if (service && strcmp(service, one->config->name) != 0)
				continue;
			for (const struct model_backend *b = one->backends; b; b = b->next) {
				if (b->port != port || rank(b) != now)
					continue;
				if (count < max)
					fill(&list[count], model, one, b);
				count++;
			}
		}
	}
	return count;
}
