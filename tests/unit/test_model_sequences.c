/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Random sequences of what the sources may say, against a record of what they have said: no pool runs empty without proof, nothing goes in
 * masses on absence alone, and when all tell the truth again that is what there is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "model_world.h"
#include "registrar.h"
#include "state.h"

/* What was really said, kept by the test alone. */
struct record {
	bool known;
	unsigned m_absent, c_absent;
	int64_t m_absent_at, c_absent_at, m_absent_since;
	bool m_bad, m_ended, c_seen, c_none, c_bad, listening, listened;
	int64_t m_named_since, m_named_at; /* absent from answers that name the app; 0: not so */
	bool m_running, m_killed;
	bool c_pass, c_maint;
	unsigned maint_lacks;
	int64_t maint_lack_at;
	int64_t lost_at; /* when its listener vanished last */
};

static void record_marathon(struct record *r, const struct world *w)
{
	for (int i = 0; i < PORTS; i++) {
		bool lost = w->listed[i] && w->state[i] == FACTS_TASK_LOST;
		bool listed = w->listed[i] && !w->app_missing;
		bool absent = !listed || w->state[i] == FACTS_TASK_GONE || (lost && r[i].m_ended);

		/* that it has ended stands until Marathon lists it in another state; lost is none */
		if (listed && w->state[i] != FACTS_TASK_LOST)
			r[i].m_ended = w->state[i] == FACTS_TASK_GONE;
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
		if (!absent)
			r[i].m_absent = 0;
		else if (!r[i].m_absent++)
			r[i].m_absent_since = w->now;
		if (absent)
			r[i].m_absent_at = w->now;
	}
}

/* Maintenance ends when the entry says something else, or when two answers list others and not it. */
static void record_maintenance(struct record *r, const struct world *w)
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

static void record_consul(struct record *r, const struct world *w)
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

static bool proof(const struct record *r, bool marathon, bool consul, int64_t now)
{
	if (r->listened && !r->listening)
		return true;
	if (consul && r->c_bad)
		return true;
	if (marathon && r->m_bad && (!consul || r->c_absent || !r->c_seen || r->c_none))
		return true;
	if (consul && (r->m_absent >= 2 || r->m_ended) && r->c_absent >= 2 &&
	    (!r->listening || now - r->m_absent_since >= DRAIN_MS))
		return true;
	/* Marathon's word alone, for as long as a drain may take */
	if (marathon && consul && r->m_ended && now - r->m_absent_since >= DRAIN_MS)
		return true;
	if (marathon && consul && r->m_named_since && r->m_named_at - r->m_named_since >= DRAIN_MS)
		return true;
	/* our own registration says nothing if it has no check */
	return r->m_absent >= 2 && (!r->c_seen || r->c_none) && !r->listening &&
	       now - r->m_absent_since >= DRAIN_MS;
}

static void random_facts(struct world *w, unsigned *seed)
{
	int i = (int)world_below(seed, 3); /* few, so that pools run empty often */

	switch (world_below(seed, 12)) {
	case 0:
		w->app_missing = world_below(seed, 2);
		world_forget(w->listed);
		break;
	case 1:
		world_forget(w->registered);
		break;
	case 2:
		world_healthy(w, 3);
		w->app_missing = false;
		break;
	case 3:
		w->listed[i] = !w->listed[i];
		break;
	case 4:
		w->registered[i] = !w->registered[i];
		break;
	case 5:
		w->listens[i] = !w->listens[i];
		break;
	case 6:
	case 7:
		w->state[i] = world_below(seed, 5);
		break;
	case 8:
	case 9:
		w->health[i] = world_below(seed, 3);
		break;
	default:
		w->status[i] = world_below(seed, 5);
	}
}

/* Most of those that listen and were up went in one answer, on absence alone. */
static bool is_mass_removal(const struct world *w, const struct record *r, const bool *up_before,
			    int up, bool consul)
{
	int missing = 0;

	for (int i = 0; i < PORTS; i++)
		missing += up_before[i] && world_state_of(w, i) != SLUICE_BACKEND_UP &&
			   r[i].m_absent && !r[i].m_ended && !r[i].m_killed && r[i].listening &&
			   !(consul && r[i].c_bad) && r[i].m_absent_at - r[i].m_absent_since < 5000;
	return missing >= 2 && missing * 2 > up;
}

/* The pool ran empty because two or more listeners vanished together, which Consul and Marathon both speak for. */
static bool is_kernel_mass(const struct world *w, const struct record *r, const bool *up_before,
			   bool consul)
{
	int lost = 0;

	for (int i = 0; i < PORTS; i++)
		lost += up_before[i] && r[i].lost_at == w->now && r[i].m_running && consul &&
			r[i].c_pass;
	return lost >= 2;
}

static void no_sequence_empties_a_pool_without_proof(void **unused)
{
	unsigned seed = 99, emptied = 0, held = 0, mass = 0, kernel = 0, kept = 0;

	(void)unused;
	for (int sequence = 0; sequence < 300; sequence++) {
		struct record record[PORTS] = { 0 };
		bool marathon = true, consul = true, consul_spoke = false, marathon_spoke = false,
		     up_before[PORTS] = { false };
		struct world w;
		int before = 0;

		world_start(&w, true, true);
		world_healthy(&w, 3);
		for (int step = 0; step < 120; step++) {
			random_facts(&w, &seed);
			switch (world_below(&seed, 6)) {
			case 0:
			case 1:
				if (marathon)
					marathon_spoke = true, record_marathon(record, &w),
					world_marathon_says(&w);
				break;
			case 2:
			case 3:
				if (consul)
					consul_spoke = true, record_consul(record, &w),
					record_maintenance(record, &w), world_consul_says(&w);
				break;
			case 4:
				for (int i = 0; i < PORTS; i++) {
					if (record[i].listening && !w.listens[i])
						record[i].lost_at = w.now;
					record[i].listening = w.listens[i];
					record[i].listened |= w.listens[i];
				}
				world_kernel_says(&w);
				break;
			default:
				if (world_below(&seed, 2)) {
					marathon = !marathon;
					marathon_spoke = false;
					world_source(&w, "marathon", marathon);
				} else {
					consul = !consul;
					consul_spoke = false;
					world_source(&w, "consul", consul);
				}
				world_pass(&w, world_below(&seed, 20000));
			}
			assert_false(is_mass_removal(&w, record, up_before, before,
						     consul && consul_spoke));
			for (int i = 0; i < PORTS; i++) {
				if (!world_find(&w, world_task_id(&w, i)))
					record[i].c_maint = false; /* it is forgotten */
				assert_false(record[i].c_maint &&
					     world_state_of(&w, i) == SLUICE_BACKEND_UP);
			}
			mass += world_guarded(&w, "mass-removal");
			kernel += world_guarded(&w, "kernel-mass");
			kept += world_guarded(&w, "entry-missing");
			if (before && !world_count_up(&w)) {
				assert_false(is_kernel_mass(&w, record, up_before,
							    consul && consul_spoke));
				emptied++;
				for (int i = 0; i < PORTS; i++)
					if (up_before[i] &&
					    !proof(&record[i], marathon && marathon_spoke,
						   consul && consul_spoke, w.now))
						fail_msg(
							"sequence %d step %d: task %d is %s without proof: %s; Marathon lacks it %u times, Consul %u",
							sequence, step, i,
							world_find(&w, world_task_id(&w, i))
								? state_name(world_state_of(&w, i))
								: "not there",
							world_find(&w, world_task_id(&w, i))
								? world_find(&w,
									     world_task_id(&w, i))
									  ->reason
								: "",
							record[i].m_absent, record[i].c_absent);
			}
			held += world_guarded(&w, "last-backend");
			before = world_count_up(&w);
			for (int i = 0; i < PORTS; i++)
				up_before[i] = world_state_of(&w, i) == SLUICE_BACKEND_UP;
			w.now += 1 + world_below(&seed, 3000);
		}
		/* everybody says the truth again, for long enough: that is what there is */
		world_source(&w, "marathon", true);
		world_source(&w, "consul", true);
		world_healthy(&w, 3);
		w.app_missing = false;
		for (int i = 0; i < 3; i++) {
			world_everybody_says(&w);
			world_pass(&w, DRAIN_MS);
		}
		assert_int_equal(world_count_up(&w), 3);
		assert_int_equal(w.wanted->backend_count, 3);
		assert_false(world_guarded(&w, "last-backend"));
		world_stop(&w);
	}
	assert_true(emptied > 20); /* the test saw both sides of the rule */
	assert_true(held > 20);
	assert_true(mass > 20);
	assert_true(kernel > 20);
	assert_true(kept > 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_sequence_empties_a_pool_without_proof),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
