/* SPDX-License-Identifier: GPL-2.0-only */
/* See model_oracle.h. The model is asked for nothing but its verdict; what was said is model_record.h's. */
#include "model_oracle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <sluice/abi.h>

#include "model_record.h"
#include "model_world.h"
#include "state.h"

enum { TASKS = 3 }; /* few, so that pools run empty often */

/* --- a sequence --- */

struct course {
	struct world w;
	struct record record[PORTS];
	const struct oracle_chance *chance;
	struct oracle_seen *seen;
	bool marathon, consul; /* connected */
	bool kernel;	       /* its last answer is believed */
	bool marathon_spoke, consul_spoke;
	int64_t consul_said_at;
	bool up_before[PORTS];
	int before; /* usable ones */
	unsigned step;
	bool forgot; /* a drain: the overrides are to be told again */
};

static unsigned below(const struct course *course, unsigned limit)
{
	return course->chance->below(course->chance->ctx, limit);
}

/* Something of what is true changes; nobody has said it yet. */
static void change_facts(struct course *course)
{
	struct world *w = &course->w;
	int i = (int)below(course, TASKS);

	switch (below(course, 12)) {
	case 0:
		w->app_missing = below(course, 2);
		world_forget(w->listed);
		break;
	case 1:
		world_forget(w->registered);
		break;
	case 2:
		world_healthy(w, TASKS);
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
		w->state[i] = below(course, 5);
		break;
	case 8:
	case 9:
		w->health[i] = below(course, 3);
		break;
	default:
		w->status[i] = below(course, 5);
	}
}

static void marathon_says(struct course *course)
{
	if (!course->marathon)
		return;
	course->marathon_spoke = true;
	record_marathon(course->record, &course->w);
	world_marathon_says(&course->w);
}

static void consul_says(struct course *course)
{
	if (!course->consul)
		return;
	course->consul_spoke = true;
	course->consul_said_at = course->w.now;
	record_consul(course->record, &course->w);
	record_maintenance(course->record, &course->w);
	world_consul_says(&course->w);
}

static void kernel_says(struct course *course)
{
	record_kernel(course->record, &course->w);
	course->kernel = true;
	world_kernel_says(&course->w);
}

static bool is_guarded(const struct world *w, const char *task);

/* Nobody whom it holds down comes up because of that. */
static void lose_the_kernel(struct course *course)
{
	struct world *w = &course->w;
	bool vetoed[TASKS];

	for (int i = 0; i < TASKS; i++) {
		const struct wanted_backend *b = world_find(w, world_task_id(w, i));

		vetoed[i] = b && b->state == SLUICE_BACKEND_DOWN && !strcmp(b->source, "kernel");
	}
	course->kernel = false;
	world_source(w, "kernel", false);
	world_tick(w);
	for (int i = 0; i < TASKS; i++) {
		course->seen->vetoed += vetoed[i];
		assert_false(vetoed[i] && world_state_of(w, i) == SLUICE_BACKEND_UP &&
			     !is_guarded(w, world_task_id(w, i)));
	}
}

static void connect_marathon(struct course *course, bool connected)
{
	course->marathon = connected;
	course->marathon_spoke = false;
	world_source(&course->w, "marathon", connected);
}

static void connect_consul(struct course *course, bool connected)
{
	course->consul = connected;
	course->consul_spoke = false;
	world_source(&course->w, "consul", connected);
}

static void tell_overrides(struct course *course)
{
	const struct sluice_override drain = { .drain = 1 };

	model_overrides_clear(course->w.model);
	for (int i = 0; i < TASKS; i++)
		if (course->record[i].drained)
			world_override(&course->w, i, &drain);
}

static void operator_says(struct course *course)
{
	struct record *r = &course->record[below(course, TASKS)];

	r->drained = !r->drained;
	tell_overrides(course);
	world_tick(&course->w);
}

static void an_event_hints(struct course *course)
{
	int i = (int)below(course, TASKS);

	world_hint(&course->w, world_task_id(&course->w, i), "", text_name);
}

/* The daemon ends and starts: what the maps hold is all that it knows. */
static void restart(struct course *course)
{
	enum sluice_backend_state state[PORTS];
	const char *source[PORTS];
	struct world *w = &course->w;

	for (int i = 0; i < PORTS; i++) {
		const struct wanted_backend *found = world_find(w, world_task_id(w, i));

		state[i] = found ? found->state : SLUICE_BACKEND_FREE;
		source[i] = found ? found->source : ""; /* constant text: the model may go */
	}
	model_free(w->model);
	w->model = model_new(&w->config, text_boot, w->now);
	assert_non_null(w->model);
	assert_int_equal(model_addresses(w->model, (const char *const[]){ text_address }, 1), 0);
	for (int i = 0; i < PORTS; i++)
		if (state[i] != SLUICE_BACKEND_FREE)
			world_adopt_since(w, world_task_id(w, i), (uint16_t)(FIRST + i), state[i],
					  source[i], w->now - below(course, 2 * MODEL_HINT_MS));
	if (course->before)
		model_adopt_synced(w->model, "web");
	/* what they said before is not known */
	for (int i = 0; i < PORTS; i++)
		course->record[i].m_heard = course->record[i].c_maint = course->record[i].c_seen =
			course->record[i].listened = course->record[i].listening = false;
	course->kernel = false;
	connect_marathon(course, course->marathon);
	connect_consul(course, course->consul);
	tell_overrides(course);
	world_tick(w);
	course->seen->restarts++;
}

/* --- what must hold --- */

static bool is_guarded(const struct world *w, const char *task)
{
	const struct model_guard *guards;
	size_t count = model_guards(w->model, &guards);

	for (size_t i = 0; i < count; i++)
		if (!strcmp(guards[i].task, task))
			return true;
	return false;
}

static void check_table(struct course *course)
{
	struct world *w = &course->w;
	enum sluice_backend_state want, is;

	for (int i = 0; i < TASKS; i++) {
		const char *task = world_task_id(w, i);

		if (!world_find(w, task) || is_guarded(w, task) ||
		    !record_table(w, &course->record[i], i, &want))
			continue;
		is = world_state_of(w, i);
		course->seen->by_the_table++;
		if (is != want)
			fail_msg("step %u: all have said it, and task %d is %s, not %s: %s",
				 course->step, i, state_name(is), state_name(want),
				 world_find(w, task)->reason);
	}
}

static void check_emptied(struct course *course)
{
	struct world *w = &course->w;

	assert_false(
		record_is_kernel_mass(w, course->record, course->up_before, course->consul_spoke));
	course->seen->emptied++;
	for (int i = 0; i < PORTS; i++) {
		const struct wanted_backend *found = world_find(w, world_task_id(w, i));
		const struct record *r = &course->record[i];

		if (course->up_before[i] &&
		    !record_proves(r, course->marathon_spoke, course->consul_spoke, course->kernel,
				   w->now))
			fail_msg(
				"step %u: task %d is %s without proof: %s; Marathon lacks it %u times, Consul %u",
				course->step, i, found ? state_name(found->state) : "not there",
				found ? found->reason : "", r->m_absent, r->c_absent);
	}
}

/* Whom Marathon, Consul and the kernel have all just called well serves when nobody else does, whatever an event hints. */
static void check_nobody_serves(const struct course *course)
{
	const struct world *w = &course->w;

	if (!course->marathon_spoke || !course->consul_spoke ||
	    w->now - course->consul_said_at > (int64_t)w->config.guards.health_expires_ms)
		return;
	for (int i = 0; i < TASKS; i++) {
		const struct record *r = &course->record[i];

		if (r->m_heard && r->m_running && r->c_pass && r->listening && !r->drained)
			fail_msg("step %u: nobody serves, and all call task %d well", course->step,
				 i);
	}
}

static void check_step(struct course *course)
{
	struct world *w = &course->w;

	assert_false(record_is_mass_removal(w, course->record, course->up_before, course->before,
					    course->consul_spoke, course->kernel));
	for (int i = 0; i < PORTS; i++) {
		struct record *r = &course->record[i];
		bool there = world_find(w, world_task_id(w, i)) != NULL;

		if (!there) { /* it is forgotten, and what was said of it ends */
			course->forgot |= r->drained;
			r->c_maint = r->listened = r->drained = false;
		}
		r->listened |= there && r->listening;
		assert_false(r->c_maint && world_state_of(w, i) == SLUICE_BACKEND_UP);
		assert_false(r->drained && !r->m_absent && there &&
			     world_state_of(w, i) == SLUICE_BACKEND_UP);
	}
	course->seen->mass += world_guarded(w, "mass-removal");
	course->seen->kernel += world_guarded(w, "kernel-mass");
	course->seen->kept += world_guarded(w, "entry-missing");
	course->seen->held += world_guarded(w, "last-backend");
	if (course->before && !world_count_up(w))
		check_emptied(course);
	if (!world_count_up(w))
		check_nobody_serves(course);
	course->before = world_count_up(w);
	for (int i = 0; i < PORTS; i++)
		course->up_before[i] = world_state_of(w, i) == SLUICE_BACKEND_UP;
}

/* All say what is true, twice, and no hint is believed any more: then the table alone decides. */
static void settle(struct course *course)
{
	bool any = false;

	for (int i = 0; i < PORTS; i++)
		any |= course->w.registered[i];
	if (!course->marathon)
		connect_marathon(course, true);
	if (!course->consul)
		connect_consul(course, true);
	tell_overrides(course);
	for (int i = 0; i < 3; i++) {
		course->w.now += MODEL_HINT_MS;
		marathon_says(course);
		check_step(course);
		consul_says(course);
		check_step(course);
		kernel_says(course);
		check_step(course);
		if (course->forgot)
			return;
	}
	/* an empty answer of Consul's is believed by nobody */
	if (any)
		check_table(course);
}

static void take_step(struct course *course)
{
	switch (below(course, 13)) {
	case 0:
	case 1:
	case 2:
	case 3:
		marathon_says(course);
		break;
	case 4:
	case 5:
	case 6:
	case 7:
		consul_says(course);
		break;
	case 8:
		kernel_says(course);
		break;
	case 9:
		if (below(course, 4))
			kernel_says(course);
		else
			lose_the_kernel(course);
		break;
	case 10:
		if (below(course, 2))
			connect_marathon(course, !course->marathon);
		else
			connect_consul(course, !course->consul);
		world_pass(&course->w, below(course, 20) * 1000);
		break;
	case 11:
		an_event_hints(course);
		break;
	default:
		switch (below(course, 4)) {
		case 0:
			restart(course);
			break;
		case 1:
			settle(course);
			break;
		default:
			operator_says(course);
		}
	}
}

/* Everybody says the truth again, for long enough: that is what there is. */
static void check_the_end(struct course *course)
{
	struct world *w = &course->w;

	for (int i = 0; i < PORTS; i++)
		course->record[i].drained = false;
	tell_overrides(course);
	connect_marathon(course, true);
	connect_consul(course, true);
	world_forget(w->listed);
	world_forget(w->registered);
	world_forget(w->listens);
	world_healthy(w, TASKS);
	w->app_missing = false;
	for (int i = 0; i < 3; i++) {
		world_everybody_says(w);
		world_pass(w, DRAIN_MS);
	}
	/* one that flapped is held for a few minutes at most */
	for (int i = 0; i < 12 && world_guarded(w, "flapping"); i++) {
		world_everybody_says(w);
		world_pass(w, DRAIN_MS);
	}
	assert_int_equal(world_count_up(w), TASKS);
	assert_int_equal(w->wanted->backend_count, TASKS);
	assert_false(world_guarded(w, "last-backend"));
}

void oracle_sequence(const struct oracle_chance *chance, unsigned steps, struct oracle_seen *seen)
{
	struct course course = { .chance = chance, .seen = seen, .marathon = true, .consul = true };

	world_start(&course.w, true, true);
	world_healthy(&course.w, TASKS);
	world_everybody_says(&course.w);
	record_marathon(course.record, &course.w);
	record_consul(course.record, &course.w);
	kernel_says(&course);
	course.marathon_spoke = course.consul_spoke = true;
	course.consul_said_at = course.w.now;
	check_step(&course);
	for (; course.step < steps; course.step++) {
		if (chance->ended && chance->ended(chance->ctx))
			break;
		change_facts(&course);
		if (course.forgot)
			tell_overrides(&course);
		course.forgot = false;
		take_step(&course);
		check_step(&course);
		course.w.now += 1 + below(&course, 250) * 12;
	}
	check_the_end(&course);
	world_stop(&course.w);
}
