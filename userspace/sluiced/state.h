/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The state of one backend, as a total function of what is known about it: DESIGN's table, first match wins.
 * Pure: no time, no memory, no other backend. What needs those (the last usable backend, silence that must
 * not change anything, removal hints) is the model's, and comes after the table.
 */
#ifndef SLUICED_STATE_H
#define SLUICED_STATE_H

#include <stdbool.h>

#include <sluice/abi.h>

#include "facts.h"

/* What Marathon says, or, where only Consul knows the service, whether the registry lists it. */
enum state_m {
	STATE_M_STARTING,
	STATE_M_RUNNING,
	STATE_M_KILLING,
	STATE_M_LOST,
	STATE_M_GONE,
	STATE_M_SILENT, /* not reachable, not used, or it never spoke of this task */
};

enum state_c {
	STATE_C_PASSING,
	STATE_C_WARNING,
	STATE_C_CRITICAL,
	STATE_C_MAINT,
	STATE_C_NONE, /* not registered, or no check of its own has run */
	STATE_C_SILENT,
};

enum state_k {
	STATE_K_YES,
	STATE_K_NO, /* nobody listened at the last dump, and this generation has listened before */
	STATE_K_UNKNOWN,
};

struct state_input {
	bool operator_drain;
	enum state_m m;
	enum state_m m_last; /* counts where m is lost or silent; lost or silent here: never known */
	enum facts_health health;
	enum state_c c;
	enum state_k k;
	bool warning_is_up;
	/*
	 * The last state that rows 5 to 10 gave: a veto or a drain that ends must not leave its own state behind.
	 * SLUICE_BACKEND_FREE: none, the backend is new.
	 */
	enum sluice_backend_state previous;
	bool drain_timeout_passed; /* since M became gone */
	bool second_answer_lacks;  /* a second good answer of M does not have it either */
};

struct state_output {
	enum sluice_backend_state state;
	unsigned row;	    /* 1..10 of DESIGN's table */
	const char *source; /* operator, marathon, consul, kernel: who decided */
	const char *reason; /* constant text */
};

struct state_output state_decide(const struct state_input *in);

/* M after "lost or silent: the last known M counts"; SILENT if nothing was ever known. */
enum state_m state_effective_m(enum state_m m, enum state_m m_last);

/* What row 1..10 of the table says, in words, or "". */
const char *state_row_text(unsigned row);

/* The words in which sources are told of: running, passing, yes, good, ... */
const char *state_m_name(enum state_m m);
const char *state_c_name(enum state_c c);
const char *state_k_name(enum state_k k);
const char *state_health_name(enum facts_health health);

/* "up", "waiting" and so on: the words of the command line's contract. */
const char *state_name(enum sluice_backend_state state);

#endif
