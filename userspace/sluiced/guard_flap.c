/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Flap damping: a backend that goes down again and again is let up only after a hold time that doubles with each time. Going down is never
 * held, and what serves is never taken away here. At most the share of a service that the mass guard names is held, and never the last of it:
 * where all go up and down they all serve.
 */
#include "model_internal.h"

#define REST_MS 60000 /* up for so long, and as long as its hold: what was before is forgotten */
#define MAX_FLAPS 64

int64_t guard_flap_hold_ms(const struct model *model, const struct model_backend *backend)
{
	const struct config_guards *guards = &model->config->guards;
	uint64_t hold = guards->flap_hold_ms;

	if (backend->flaps < guards->flap_count)
		return 0;
	for (unsigned i = guards->flap_count; i < backend->flaps && hold < guards->flap_hold_max_ms;
	     i++)
		hold *= 2;
	return (int64_t)(hold < guards->flap_hold_max_ms ? hold : guards->flap_hold_max_ms);
}

/* The table's verdict counts, not what the guards make of it: one that is held flaps on. */
void guard_flap_note(const struct model *model, struct model_backend *backend, int64_t now_ms)
{
	if (backend->out.state == SLUICE_BACKEND_UP && !backend->table_up) {
		backend->table_up = true;
		backend->table_up_ms = now_ms;
	} else if (backend->out.state == SLUICE_BACKEND_DOWN && backend->table_up) {
		backend->table_up = false;
		if (now_ms - backend->table_up_ms >= REST_MS + guard_flap_hold_ms(model, backend))
			backend->flaps = 0;
		backend->flaps += backend->flaps < MAX_FLAPS;
		backend->table_down_ms = now_ms;
	}
}

void guard_flap(const struct model *model, struct model_service *service, int64_t now_ms)
{
	unsigned usable = 0, held = 0;
	struct model_backend *b;

	for (b = service->backends; b; b = b->next)
		usable += model_usable(b);
	for (b = service->backends; b; b = b->next) {
		int64_t hold = guard_flap_hold_ms(model, b);

		if (!model_usable(b) || b->state_before != SLUICE_BACKEND_DOWN ||
		    now_ms - b->table_down_ms >= hold)
			continue;
		held++;
		if (held == usable || held * 100 > usable * model->config->guards.mass_share)
			return;
		b->state = SLUICE_BACKEND_DOWN;
		b->guard = "flapping";
		model_set_reason(b, "guard", "has gone down %u times: held for %lld s: %.40s",
				 b->flaps, (long long)hold / 1000, b->out.reason);
	}
}
