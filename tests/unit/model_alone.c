/* SPDX-License-Identifier: GPL-2.0-only */
/* See model_alone.h. No two ids are registered on one port at the same time; one may follow another there. */
#include "model_alone.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "model_oracle.h"
#include "model_world.h"
#include "state.h"

enum { IDS = 3, PLACES = 5, NOWHERE = PLACES };

/* What is known of an id on a port: of the backend that it is there. */
struct place {
	bool there; /* in the last result */
	enum sluice_backend_state state;
	const char *source; /* constant text */
	int64_t since_ms;
	int64_t listed_ms; /* when it was last listed there */
	int64_t used_ms;   /* when it last got new connections */
	int64_t scan_ms;   /* when a scan last began; 0: none */
	uint32_t flows;
	bool drained;
};

struct course {
	struct world w; /* for its model; listens is by port */
	const struct oracle_chance *chance;
	struct alone_seen *seen;
	unsigned step;
	/* the truth, by id */
	int at[IDS];
	enum facts_status status[IDS];
	/* what was last said, by port */
	int told[PLACES]; /* id, or -1 */
	enum facts_status told_status[PLACES];
	bool listening[PLACES], ever_listened[PLACES];
	bool consul;
	int up; /* backends that serve */
	struct place place[IDS][PLACES];
};

static char names[IDS][8] = { "s0", "s1", "s2" };

static unsigned below(const struct course *course, unsigned limit)
{
	return course->chance->below(course->chance->ctx, limit);
}

static bool is_free(const struct course *course, int port)
{
	for (int i = 0; i < IDS; i++)
		if (course->at[i] == port)
			return false;
	return true;
}

/* --- what happens --- */

static void register_anew(struct course *course, int i)
{
	int port = (int)below(course, PLACES), was = course->at[i];

	if (!is_free(course, port))
		return;
	course->seen->moved += was != NOWHERE && course->place[i][was].state == SLUICE_BACKEND_UP;
	course->at[i] = port;
	course->status[i] = below(course, 3) ? FACTS_STATUS_PASSING : below(course, 5);
	if (below(course, 4))
		course->w.listens[port] = true;
}

static void change_facts(struct course *course)
{
	int i = (int)below(course, IDS), port = (int)below(course, PLACES);

	switch (below(course, 8)) {
	case 0:
	case 1:
	case 2:
		register_anew(course, i);
		break;
	case 3:
		course->at[i] = NOWHERE;
		break;
	case 4:
		course->status[i] = below(course, 5);
		break;
	case 5:
		course->w.listens[port] = !course->w.listens[port];
		break;
	default:
		break;
	}
}

static void consul_says(struct course *course)
{
	struct facts_entry entries[IDS];
	size_t count = 0;

	if (!course->consul)
		return;
	for (int port = 0; port < PLACES; port++)
		course->told[port] = -1;
	for (int i = 0; i < IDS; i++) {
		int port = course->at[i];

		if (port == NOWHERE)
			continue;
		course->told[port] = i;
		course->told_status[port] = course->status[i];
		course->place[i][port].listed_ms = course->w.now;
		entries[count] =
			world_foreign(names[i], (uint16_t)(FIRST + port), course->status[i]);
		entries[count++].has_checks = true;
	}
	world_say(&course->w, entries, count);
}

static void kernel_says(struct course *course)
{
	for (int port = 0; port < PLACES; port++) {
		course->listening[port] = course->w.listens[port];
		course->ever_listened[port] |= course->w.listens[port];
	}
	world_kernel_says(&course->w);
}

static void connect_consul(struct course *course, bool connected)
{
	course->consul = connected;
	world_source(&course->w, "consul", connected);
	world_tick(&course->w);
}

static struct model_identity identity_of(int i, int port)
{
	return (struct model_identity){ "web", names[i], 0, (uint16_t)(FIRST + port) };
}

static void tell_overrides(struct course *course)
{
	const struct sluice_override drain = { .drain = 1 };

	model_overrides_clear(course->w.model);
	for (int i = 0; i < IDS; i++) {
		for (int port = 0; port < PLACES; port++) {
			const struct model_identity of = identity_of(i, port);

			if (course->place[i][port].drained)
				model_override(course->w.model, &of, &drain);
		}
	}
}

static void operator_says(struct course *course, int i, int port)
{
	struct place *place = &course->place[i][port];

	place->drained = place->there && !place->drained;
	tell_overrides(course);
	world_tick(&course->w);
}

static void scan(struct course *course, int i, int port)
{
	const struct model_identity of = identity_of(i, port);
	struct place *place = &course->place[i][port];

	if (!place->there)
		return;
	place->scan_ms = course->w.now;
	place->flows = below(course, 3);
	model_flows(course->w.model, &of, place->flows, course->w.now);
	world_tick(&course->w);
}

/* The daemon ends and starts: what the maps hold is all that it knows. */
static void restart(struct course *course)
{
	struct world *w = &course->w;

	model_free(w->model);
	w->model = model_new(&w->config, text_boot, w->now);
	assert_non_null(w->model);
	assert_int_equal(model_addresses(w->model, (const char *const[]){ text_address }, 1), 0);
	for (int i = 0; i < IDS; i++) {
		for (int port = 0; port < PLACES; port++) {
			struct place *place = &course->place[i][port];
			const struct model_adopted adopted = { .service = "web",
							       .task = names[i],
							       .app = "",
							       .source = place->source,
							       .reason = "was so",
							       .port = (uint16_t)(FIRST + port),
							       .state = place->state,
							       .since_ms = place->since_ms };

			place->scan_ms = 0;
			if (place->there)
				assert_int_equal(model_adopt(w->model, &adopted), 0);
		}
	}
	model_adopt_synced(w->model, "web");
	memset(course->ever_listened, 0, sizeof(course->ever_listened));
	memset(course->listening, 0, sizeof(course->listening));
	tell_overrides(course);
	connect_consul(course, course->consul);
	course->seen->restarts++;
}

/* --- what must hold --- */

/* No other claims its port, its flows have not ended, and they were not given their time. */
static bool is_owed(const struct course *course, int i, int port)
{
	const struct place *place = &course->place[i][port];
	int64_t from = place->used_ms > place->listed_ms ? place->used_ms : place->listed_ms;

	if (course->told[port] >= 0 && course->told[port] != i)
		return false;
	if (!place->flows && place->scan_ms > from)
		return false;
	return course->w.now - from < DRAIN_MS;
}

/* May it cease to be the last? The kernel, its own check, the operator, its port's next owner, or absence for a long time. */
static bool is_proved(const struct course *course, int i, int port)
{
	const struct place *place = &course->place[i][port];

	if (place->drained || (course->ever_listened[port] && !course->listening[port]))
		return true;
	if (course->told[port] >= 0 && course->told[port] != i)
		return true;
	if (course->told[port] == i)
		return course->told_status[port] == FACTS_STATUS_CRITICAL ||
		       course->told_status[port] == FACTS_STATUS_MAINT;
	return !course->listening[port] && course->w.now - place->listed_ms >= DRAIN_MS;
}

/* Where the result has it; NULL: nowhere. */
static const struct wanted_backend *find(const struct course *course, int i, int port)
{
	const struct wanted *wanted = course->w.wanted;
	const struct wanted_backend *found = NULL;

	for (size_t k = 0; k < wanted->backend_count; k++) {
		if (wanted->backend[k].port != FIRST + port)
			continue;
		assert_null(found); /* a port has one owner */
		found = &wanted->backend[k];
	}
	return found && !strcmp(found->task, names[i]) ? found : NULL;
}

static void note(struct course *course, struct place *place, const struct wanted_backend *is)
{
	if (!is) {
		*place = (struct place){ .listed_ms = place->listed_ms };
		return;
	}
	if (!place->there || place->state != is->state)
		place->since_ms = course->w.now;
	place->there = true;
	place->state = is->state;
	place->source = is->source;
	if (is->state == SLUICE_BACKEND_UP)
		place->used_ms = course->w.now;
}

static void check_place(struct course *course, int i, int port, int up)
{
	const struct wanted_backend *is = find(course, i, port);
	struct place *place = &course->place[i][port];
	bool drained = place->drained;

	if (place->there && !is) {
		course->seen->forgotten++;
		if (is_owed(course, i, port))
			fail_msg("step %u: %s on port %d was forgotten, and may have connections",
				 course->step, names[i], port);
	}
	if (course->up && !up && place->there && place->state == SLUICE_BACKEND_UP) {
		course->seen->emptied++;
		if (!is_proved(course, i, port))
			fail_msg("step %u: %s on port %d was the last, and is %s: %s", course->step,
				 names[i], port, is ? state_name(is->state) : "not there",
				 is ? is->reason : "");
	}
	note(course, place, is);
	if (!is && drained)
		tell_overrides(course); /* they end with it */
	if (!is)
		return;
	assert_false(drained && course->told[port] == i && is->state == SLUICE_BACKEND_UP);
	assert_true(drained || strcmp(is->source, "operator") != 0);
}

static void check_step(struct course *course)
{
	int up = world_count_up(&course->w);

	for (int i = 0; i < IDS; i++) {
		unsigned there = 0;

		for (int port = 0; port < PLACES; port++) {
			check_place(course, i, port, up);
			there += course->place[i][port].there;
		}
		course->seen->both += there > 1;
	}
	course->seen->held += world_guarded(&course->w, "last-backend");
	course->up = up;
}

static void take_step(struct course *course)
{
	int i = (int)below(course, IDS), port = (int)below(course, PLACES);

	switch (below(course, 12)) {
	case 0:
	case 1:
	case 2:
	case 3:
		kernel_says(course);
		break;
	case 4:
		operator_says(course, i, port);
		break;
	case 5:
	case 6:
		scan(course, i, port);
		break;
	case 7:
		if (!below(course, 3))
			restart(course);
		break;
	case 8:
		if (!below(course, 3))
			connect_consul(course, !course->consul);
		break;
	default:
		consul_says(course);
	}
}

/* Everybody says the truth for long enough: that is what there is. */
static void check_the_end(struct course *course)
{
	struct world *w = &course->w;

	for (int i = 0; i < IDS; i++)
		for (int port = 0; port < PLACES; port++)
			course->place[i][port].drained = false;
	tell_overrides(course);
	connect_consul(course, true);
	world_forget(w->listens);
	for (int i = 0; i < IDS; i++) {
		course->at[i] = i;
		course->status[i] = FACTS_STATUS_PASSING;
		w->listens[i] = true;
	}
	for (int round = 0; round < 4 || (world_guarded(w, "flapping") && round < 16); round++) {
		consul_says(course);
		kernel_says(course);
		world_pass(w, DRAIN_MS);
	}
	assert_int_equal(world_count_up(w), IDS);
	assert_int_equal(w->wanted->backend_count, IDS);
	for (int i = 0; i < IDS; i++)
		assert_non_null(find(course, i, i));
}

void alone_sequence(const struct oracle_chance *chance, unsigned steps, struct alone_seen *seen)
{
	struct course course = { .chance = chance, .seen = seen, .consul = true };

	world_start(&course.w, false, true);
	for (int i = 0; i < IDS; i++) {
		course.at[i] = i;
		course.status[i] = FACTS_STATUS_PASSING;
		course.w.listens[i] = true;
	}
	consul_says(&course);
	kernel_says(&course);
	check_step(&course);
	for (; course.step < steps; course.step++) {
		if (chance->ended && chance->ended(chance->ctx))
			break;
		course.w.now += 1 + below(&course, 250) * 12;
		change_facts(&course);
		take_step(&course);
		check_step(&course);
	}
	check_the_end(&course);
	world_stop(&course.w);
}
