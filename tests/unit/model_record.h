/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What was really said of each task, kept from the world's words alone, and what follows from it by DESIGN's rules. The model's own
 * memory is never asked, so that an oracle (model_oracle.h) can judge it by this.
 */
#ifndef TESTS_MODEL_RECORD_H
#define TESTS_MODEL_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include <sluice/abi.h>

#include "model_world.h"

/* Of one task; the functions take PORTS of them. */
struct record {
	unsigned m_absent, c_absent;
	int64_t m_absent_at, c_absent_at, m_absent_since;
	bool m_others;		 /* the last answer that lacked it had others */
	int64_t m_missing_since; /* all answers since then lack it, and are of that kind */
	bool m_bad, m_ended, c_seen, c_none, c_bad, listening, listened;
	int64_t m_named_since, m_named_at; /* absent from answers that name the app; 0: not so */
	bool m_running, m_killed;
	bool m_heard; /* in a state other than lost, since the daemon's start */
	bool c_pass, c_maint;
	unsigned maint_lacks;
	int64_t maint_lack_at;
	int64_t lost_at; /* when its listener vanished last */
	bool drained;	 /* by the operator */
};

/* Take down what each source has just said. */
void record_marathon(struct record *r, const struct world *w);
void record_consul(struct record *r, const struct world *w);
void record_kernel(struct record *r, const struct world *w);
/* Of Consul: maintenance ends when the entry says something else, or when two answers list others and not it. */
void record_maintenance(struct record *r, const struct world *w);

/* May this task be taken out, even if it is the last? marathon, consul: has spoken; kernel: its last answer is believed. */
bool record_proves(const struct record *r, bool marathon, bool consul, bool kernel, int64_t now);
/* Most of the up that were up went in one answer, on absence alone, and the kernel has lost no listener of theirs. */
bool record_is_mass_removal(const struct world *w, const struct record *r, const bool *up_before,
			    int up, bool consul, bool kernel);
/* Two or more listeners vanished together, which Consul and Marathon both speak for. */
bool record_is_kernel_mass(const struct world *w, const struct record *r, const bool *up_before,
			   bool consul);
/* DESIGN's table once more, for task i and what all have just said. false: what was before counts, too. */
bool record_table(const struct world *w, const struct record *r, int i,
		  enum sluice_backend_state *state);

#endif
