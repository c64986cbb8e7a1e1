/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the model knows of the backends on one host-port, and what it made of it: for `sluicectl why`. A question; nothing changes.
 */
#ifndef SLUICED_MODEL_WHY_H
#define SLUICED_MODEL_WHY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "facts.h"
#include "state.h"

struct model;

/* Times are as of model.h, 0: never or none. Texts belong to the model and are valid until its next call. */
struct model_why {
	const char *service, *task, *app, *source, *reason;
	unsigned port_index;
	uint16_t port;
	enum sluice_backend_state state;
	int64_t since_ms;
	bool port_taken; /* somebody else has the port: it is in no map */
	bool retired;	 /* it has ended; only our registration in Consul is left of it */
	struct state_output table;

	bool by_marathon, by_consul; /* which registries tell this service's tasks */
	enum state_m m, m_last;
	bool unready;	  /* runs, and its readiness check has not passed */
	unsigned m_lacks; /* good answers in a row that lack it */
	int64_t gone_ms;
	enum facts_health health;
	int64_t health_ms;
	bool health_expired;
	enum state_c c;
	bool c_present, c_ours;
	const char *c_output;
	unsigned c_lacks;
	size_t checks_unrun; /* of Marathon's checks, by Consul */
	int64_t unlisted_ms; /* since when it is written and Consul does not list it; 0: not so */
	int64_t registration_waits_ms; /* since when, for the end of maintenance; 0: it does not */
	enum state_k k;
	int64_t lost_ms; /* when it last stopped listening */

	const char *guard; /* NULL: none overrules the table. first-set: its service has no set yet */
	const char *first_set_waits; /* for what; NULL: it does not */
	int64_t guard_ms, held_until_ms, hint_until_ms;
	unsigned flaps;
	bool op_drain, op_has_weight;
	uint32_t op_weight, weight, full_weight;
	int64_t ramp_ms, ramp_end_ms; /* slowstart; valid if weight has not reached full_weight */
	uint32_t flows;
	int64_t flows_ms;
};

/*
 * All that claim the port, those in force first; service NULL: of any service. How many there are; at most max are filled
 * in. As of the last tick.
 */
size_t model_why(const struct model *model, const char *service, uint16_t port,
		 struct model_why *list, size_t max);

#endif
