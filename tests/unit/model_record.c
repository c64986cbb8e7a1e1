/* SPDX-License-Identifier: GPL-2.0-only */
/* See model_record.h. Nothing here asks the model for its reasons. */
#include "model_record.h"

#include <sluice/abi.h>

#include "state.h"

/* An answer without anybody is another one than an answer without this one. */
static void record_missing(struct record *r, bool others, int64_t now)
{
	if (!r->m_absent || r->m_others != others)
		r->m_missing_since = now;
	r->m_others = others;
}

void record_marathon(struct record *r, const struct world *w)
{
	bool anybody = false;

	for (int i = 0; i < PORTS; i++)
		anybody |= w->listed[i] && !w->app_missing && w->state[i] != FACTS_TASK_GONE;
	for (int i = 0; i < PORTS; i++) {
		bool lost = w->listed[i] && w->state[i] == FACTS_TASK_LOST;
		bool listed = w->listed[i] && !w->app_missing;
		bool absent = !listed || w->state[i] == FACTS_TASK_GONE || (lost && r[i].m_ended);

		/* that it has ended stands until Marathon lists it in another state; lost is none */
		if (listed && w->state[i] != FACTS_TASK_LOST)
			r[i].m_ended = w->state[i] == FACTS_TASK_GONE;
		r[i].m_heard |= listed && !lost;
		if (listed && !lost)
			r[i].m_killed = w->state[i] == FACTS_TASK_KILLING;
		if (!lost || absent)
			r[i].m_running = !absent && w->state[i] == FACTS_TASK_RUNNING;
		if (!absent || w->app_missing)
			r[i].m_named_since = 0;
		else if (!r[i].m_named_since)
			r[i].m_named_since = w->now;
		r[i].m_named_at = w->now;
		/* a lost task's health is no news, an unknown one neither */
		if (!absent && w->state[i] != FACTS_TASK_LOST &&
		    w->health[i] != FACTS_HEALTH_UNKNOWN)
			r[i].m_bad = w->health[i] == FACTS_HEALTH_BAD;
		if (absent)
			record_missing(&r[i], anybody, w->now);
		if (!absent)
			r[i].m_absent = 0;
		else if (!r[i].m_absent++)
			r[i].m_absent_since = w->now;
		if (absent)
			r[i].m_absent_at = w->now;
	}
}

void record_maintenance(struct record *r, const struct world *w)
{
	bool empty = true;

	for (int i = 0; i < PORTS; i++)
		empty &= !w->registered[i];
	for (int i = 0; i < PORTS; i++) {
		if (w->registered[i]) {
			r[i].c_maint = w->status[i] == FACTS_STATUS_MAINT;
			r[i].maint_lacks = 0;
		} else if (!empty &&
			   (!r[i].maint_lacks || w->now - r[i].maint_lack_at >= MODEL_SECOND_MS)) {
			r[i].maint_lack_at = w->now;
			r[i].c_maint &= ++r[i].maint_lacks < 2;
		}
	}
}

void record_consul(struct record *r, const struct world *w)
{
	for (int i = 0; i < PORTS; i++) {
		r[i].c_seen |= w->registered[i];
		r[i].c_pass = w->registered[i] && w->status[i] == FACTS_STATUS_PASSING;
		r[i].c_none = w->registered[i] &&
			      w->status[i] == FACTS_STATUS_NONE; /* no check of its own has run */
		r[i].c_absent = w->registered[i] ? 0 : r[i].c_absent + 1;
		r[i].c_bad = w->registered[i] && (w->status[i] == FACTS_STATUS_CRITICAL ||
						  w->status[i] == FACTS_STATUS_MAINT);
	}
}

void record_kernel(struct record *r, const struct world *w)
{
	for (int i = 0; i < PORTS; i++) {
		if (r[i].listening && !w->listens[i])
			r[i].lost_at = w->now;
		r[i].listening = w->listens[i];
		r[i].listened |= w->listens[i];
	}
}

bool record_proves(const struct record *r, bool marathon, bool consul, bool kernel, int64_t now)
{
	bool listening = r->listening && kernel;

	if (r->drained || (r->listened && !r->listening))
		return true;
	if (consul && r->c_bad)
		return true;
	if (marathon && r->m_bad && (!consul || r->c_absent || !r->c_seen || r->c_none))
		return true;
	if (consul && (r->m_absent >= 2 || r->m_ended) && r->c_absent >= 2 &&
	    (!listening || now - r->m_absent_since >= DRAIN_MS))
		return true;
	/* Marathon's word alone, for as long as a drain may take */
	if (marathon && consul && r->m_ended && now - r->m_absent_since >= DRAIN_MS)
		return true;
	if (marathon && consul && r->m_named_since && r->m_named_at - r->m_named_since >= DRAIN_MS)
		return true;
	/* our own registration says nothing if it has no check */
	return r->m_absent >= 2 && (!r->c_seen || r->c_none) && !listening &&
	       now - r->m_absent_since >= DRAIN_MS;
}

/* Marathon and Consul have each answered without it twice, after Consul had known it. */
static bool both_lack(const struct record *r, bool consul)
{
	return consul && r->c_seen && r->c_absent >= 2 && r->m_absent >= 2;
}

bool record_is_mass_removal(const struct world *w, const struct record *r, const bool *up_before,
			    int up, bool consul, bool kernel)
{
	int missing = 0;

	for (int i = 0; i < PORTS; i++)
		missing += up_before[i] && world_state_of(w, i) != SLUICE_BACKEND_UP &&
			   r[i].m_absent && !r[i].m_ended && !r[i].m_killed &&
			   ((r[i].listening && kernel) ||
			    ((r[i].listening || !r[i].listened) && !both_lack(&r[i], consul))) &&
			   !r[i].drained && !(consul && r[i].c_bad) &&
			   r[i].m_absent_at - r[i].m_missing_since < 5000;
	return missing >= 2 && missing * 2 > up;
}

bool record_is_kernel_mass(const struct world *w, const struct record *r, const bool *up_before,
			   bool consul)
{
	int lost = 0;

	for (int i = 0; i < PORTS; i++)
		lost += up_before[i] && r[i].lost_at == w->now && r[i].m_running && consul &&
			r[i].c_pass;
	return lost >= 2;
}

bool record_table(const struct world *w, const struct record *r, int i,
		  enum sluice_backend_state *state)
{
	bool listed = w->listed[i] && !w->app_missing;
	enum facts_status c = w->registered[i] ? w->status[i] : FACTS_STATUS_NONE;

	*state = SLUICE_BACKEND_DRAINING;
	/* the operator's drain ends with the task */
	if (!listed || w->state[i] == FACTS_TASK_GONE || w->state[i] == FACTS_TASK_LOST)
		return false;
	if (r->drained || w->state[i] == FACTS_TASK_KILLING)
		return true;
	/* whether it is down hangs on whether this very generation has listened */
	if (!r->listening)
		return false;
	if (c == FACTS_STATUS_MAINT)
		return true;
	*state = SLUICE_BACKEND_DOWN;
	if (c == FACTS_STATUS_CRITICAL)
		return true;
	*state = SLUICE_BACKEND_UP;
	if (c == FACTS_STATUS_WARNING)
		return true;
	*state = SLUICE_BACKEND_WAITING;
	if (w->state[i] == FACTS_TASK_STARTING)
		return true;
	*state = SLUICE_BACKEND_UP;
	if (c == FACTS_STATUS_PASSING || w->health[i] == FACTS_HEALTH_GOOD)
		return true;
	*state = SLUICE_BACKEND_DOWN;
	return w->health[i] == FACTS_HEALTH_BAD;
}
