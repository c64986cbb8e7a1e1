/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DESIGN's table of backend states, row by row: the order of the ifs in state_decide() is the order of the table,
 * and nothing else decides precedence. Knows no time and no other backend.
 */
#include "state.h"

#define WORD(words, value) \
	((size_t)(value) < sizeof(words) / sizeof((words)[0]) ? (words)[value] : "unknown")

static struct state_output decide(unsigned row, enum sluice_backend_state state, const char *source,
				  const char *reason)
{
	return (struct state_output){
		.state = state, .row = row, .source = source, .reason = reason
	};
}

enum state_m state_effective_m(enum state_m m, enum state_m m_last)
{
	if (m != STATE_M_LOST && m != STATE_M_SILENT)
		return m;
	if (m_last == STATE_M_LOST)
		return STATE_M_SILENT;
	return m_last;
}

/* Row 3: a task that is gone drains, and is gone for good once somebody else confirms it. */
static struct state_output gone(const struct state_input *in)
{
	if (in->k == STATE_K_NO)
		return decide(3, SLUICE_BACKEND_GONE, "kernel", "task is gone and nobody listens");
	if (in->c != STATE_C_PASSING)
		return decide(3, SLUICE_BACKEND_GONE, "marathon",
			      "task is gone and not passing in Consul");
	if (in->drain_timeout_passed && in->second_answer_lacks)
		return decide(3, SLUICE_BACKEND_GONE, "marathon",
			      "task is gone, a second answer lacks it, drain_timeout has passed");
	return decide(3, SLUICE_BACKEND_DRAINING, "marathon",
		      "task is gone, Consul still passes it");
}

/* Row 10: Consul has nothing to say about it. */
static struct state_output without_consul(const struct state_input *in, enum state_m m)
{
	switch (in->health) {
	case FACTS_HEALTH_GOOD:
		return decide(10, SLUICE_BACKEND_UP, "marathon", "Marathon's health checks pass");
	case FACTS_HEALTH_BAD:
		return decide(10, SLUICE_BACKEND_DOWN, "marathon",
			      "a health check of Marathon's fails");
	case FACTS_HEALTH_NO_CHECKS:
		if (m == STATE_M_RUNNING)
			return decide(10, SLUICE_BACKEND_UP, "marathon",
				      "running, and no checks are defined");
		break;
	case FACTS_HEALTH_UNKNOWN:
		break;
	}
	switch (in->previous) {
	case SLUICE_BACKEND_UP:
	case SLUICE_BACKEND_DOWN:
	case SLUICE_BACKEND_DRAINING:
		return decide(10, in->previous, "marathon", "health is unknown: keeps its state");
	case SLUICE_BACKEND_FREE:
	case SLUICE_BACKEND_WAITING:
	case SLUICE_BACKEND_GONE:
		break;
	}
	return decide(10, SLUICE_BACKEND_WAITING, "marathon",
		      "new, waits for its first health result");
}

struct state_output state_decide(const struct state_input *in)
{
	enum state_m m = state_effective_m(in->m, in->m_last);

	if (in->operator_drain)
		return decide(1, SLUICE_BACKEND_DRAINING, "operator", "drained by the operator");
	if (m == STATE_M_KILLING)
		return decide(2, SLUICE_BACKEND_DRAINING, "marathon", "task is being killed");
	if (m == STATE_M_GONE)
		return gone(in);
	if (in->k == STATE_K_NO)
		return decide(4, SLUICE_BACKEND_DOWN, "kernel",
			      "nobody listens on its port any more");
	if (in->c == STATE_C_MAINT)
		return decide(5, SLUICE_BACKEND_DRAINING, "consul", "in maintenance");
	if (in->c == STATE_C_CRITICAL)
		return decide(6, SLUICE_BACKEND_DOWN, "consul", "a check is critical");
	if (in->c == STATE_C_WARNING && in->warning_is_up)
		return decide(7, SLUICE_BACKEND_UP, "consul", "a check warns, which counts as up");
	if (in->c == STATE_C_WARNING)
		return decide(7, SLUICE_BACKEND_DOWN, "consul",
			      "a check warns, which counts as down");
	if (m == STATE_M_STARTING)
		return decide(8, SLUICE_BACKEND_WAITING, "marathon", "task is starting");
	if (in->c == STATE_C_PASSING)
		return decide(9, SLUICE_BACKEND_UP, "consul", "all checks pass");
	return without_consul(in, m);
}

const char *state_name(enum sluice_backend_state state)
{
	switch (state) {
	case SLUICE_BACKEND_FREE:
		return "free";
	case SLUICE_BACKEND_WAITING:
		return "waiting";
	case SLUICE_BACKEND_UP:
		return "up";
	case SLUICE_BACKEND_DOWN:
		return "down";
	case SLUICE_BACKEND_DRAINING:
		return "draining";
	case SLUICE_BACKEND_GONE:
		return "gone";
	}
	return "unknown";
}

const char *state_row_text(unsigned row)
{
	static const char *const texts[] = {
		"",
		"the operator drains it: draining",
		"Marathon is killing it: draining",
		"Marathon no longer has it: draining, then gone once somebody else confirms it",
		"nobody listens on its port: down",
		"Consul has it in maintenance: draining",
		"a check in Consul is critical: down",
		"a check in Consul warns: as [consul] warning says",
		"Marathon is starting it: not yet",
		"all its checks in Consul pass: up",
		"Consul says nothing of it: Marathon's health decides, and unknown health keeps its state",
	};

	return row < sizeof(texts) / sizeof(texts[0]) ? texts[row] : "";
}

const char *state_m_name(enum state_m m)
{
	static const char *const words[] = { "starting", "running", "killing",
					     "lost",	 "gone",    "silent" };

	return WORD(words, m);
}

const char *state_c_name(enum state_c c)
{
	static const char *const words[] = { "passing", "warning", "critical",
					     "maint",	"none",	   "silent" };

	return WORD(words, c);
}

const char *state_k_name(enum state_k k)
{
	static const char *const words[] = { "yes", "no", "unknown" };

	return WORD(words, k);
}

const char *state_health_name(enum facts_health health)
{
	static const char *const words[] = { "unknown", "good", "bad", "no checks" };

	return WORD(words, health);
}
