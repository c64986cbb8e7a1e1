/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where Consul alone knows a service: an id that is registered again on another port. What it leaves behind drains like any backend that
 * is no longer listed, and what is new there is a backend of its own; both have the same name for a while.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "model_world.h"

enum { OLD = FIRST, NEW = FIRST + 1 };

static char id[] = "rails-1", other_id[] = "rails-2";

/* NULL: it is not there */
static const struct wanted_backend *at(const struct world *w, const char *task, uint16_t port)
{
	const struct wanted_backend *found = NULL;

	for (size_t i = 0; i < w->wanted->backend_count; i++) {
		const struct wanted_backend *b = &w->wanted->backend[i];

		if (b->port != port || strcmp(b->task, task) != 0)
			continue;
		assert_null(found);
		found = b;
	}
	return found;
}

static bool serves(const struct world *w, uint16_t port)
{
	const struct wanted_backend *b = at(w, id, port);

	return b && b->state == SLUICE_BACKEND_UP;
}

/* It gets no new connections, and those that it has go on. */
static bool leaves(const struct world *w, uint16_t port)
{
	const struct wanted_backend *b = at(w, id, port);

	return b && (b->state == SLUICE_BACKEND_DRAINING || b->state == SLUICE_BACKEND_GONE);
}

static void register_at(struct world *w, uint16_t port, enum facts_status status)
{
	struct facts_entry entry = world_foreign(id, port, status);

	world_say(w, &entry, 1);
}

static void scan(struct world *w, uint16_t port, uint32_t flows)
{
	const struct model_identity of = { "web", id, 0, port };

	model_flows(w->model, &of, flows, w->now);
	world_pass(w, 1);
}

/* It serves on OLD; somebody listens on NEW as well. */
static void begin(struct world *w)
{
	world_start(w, false, true);
	w->listens[0] = w->listens[1] = true;
	world_kernel_says(w);
	register_at(w, OLD, FACTS_STATUS_PASSING);
	assert_true(serves(w, OLD));
	w->now += 1000;
}

static void its_connections_outlive_the_move(void **unused)
{
	struct world w;

	(void)unused;
	for (int listens = 0; listens < 2; listens++) {
		begin(&w);
		register_at(&w, NEW, FACTS_STATUS_PASSING);
		assert_true(serves(&w, NEW) && leaves(&w, OLD));
		w.listens[0] =
			listens; /* it may have closed its listener, and finish what it has */
		world_kernel_says(&w);
		world_pass(&w, 1000);
		scan(&w, OLD, 3);
		scan(&w, NEW, 0); /* what the one lacks is not said of the other */
		register_at(&w, NEW, FACTS_STATUS_PASSING);
		assert_true(serves(&w, NEW) && leaves(&w, OLD));
		scan(&w, NEW, 5);
		scan(&w, OLD, 0);
		assert_null(at(&w, id, OLD));
		assert_true(serves(&w, NEW));
		world_stop(&w);
	}
}

static void its_connections_get_drain_timeout_and_no_more(void **unused)
{
	struct world w;

	(void)unused;
	begin(&w);
	register_at(&w, NEW, FACTS_STATUS_PASSING);
	scan(&w, OLD, 3);
	world_pass(&w, DRAIN_MS - 2);
	assert_true(leaves(&w, OLD));
	world_pass(&w, 1);
	assert_null(at(&w, id, OLD));
	assert_true(serves(&w, NEW));
	world_stop(&w);
}

/* The old port is the last that serves until the new one does. */
static void it_does_not_leave_before_somebody_serves(void **unused)
{
	struct world w;

	(void)unused;
	begin(&w);
	register_at(&w, NEW, FACTS_STATUS_CRITICAL);
	assert_true(serves(&w, OLD) && !serves(&w, NEW));
	assert_true(world_guarded(&w, "last-backend"));
	for (int i = 0; i < 200; i++, world_pass(&w, 1000)) {
		register_at(&w, NEW, FACTS_STATUS_CRITICAL);
		assert_true(serves(&w, OLD));
	}
	register_at(&w, NEW, FACTS_STATUS_PASSING);
	assert_true(leaves(&w, OLD) && serves(&w, NEW));
	world_stop(&w);
}

static void most_of_a_service_does_not_move_on_one_answer(void **unused)
{
	struct facts_entry entries[2];
	struct world w;

	(void)unused;
	world_start(&w, false, true);
	for (int i = 0; i < 4; i++)
		w.listens[i] = true;
	world_kernel_says(&w);
	for (int moved = 0; moved < 2; moved++, world_pass(&w, 1000)) {
		entries[0] = world_foreign(id, FIRST + 2 * moved, FACTS_STATUS_PASSING);
		entries[1] = world_foreign(other_id, FIRST + 2 * moved + 1, FACTS_STATUS_PASSING);
		world_say(&w, entries, 2);
	}
	assert_int_equal(world_count_up(&w), 4);
	assert_true(world_guarded(&w, "mass-removal"));
	world_pass(&w, 5000);
	world_say(&w, entries, 2);
	assert_int_equal(world_count_up(&w), 2);
	assert_true(serves(&w, FIRST + 2) && leaves(&w, FIRST));
	world_stop(&w);
}

/* While the old port drains: the backend that it was serves again, and the one that was new leaves. */
static void it_may_come_back(void **unused)
{
	struct world w;

	(void)unused;
	begin(&w);
	register_at(&w, NEW, FACTS_STATUS_PASSING);
	scan(&w, OLD, 3);
	register_at(&w, OLD, FACTS_STATUS_PASSING);
	assert_true(serves(&w, OLD) && leaves(&w, NEW));
	world_stop(&w);
}

static void a_restart_adopts_both(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, false, true);
	w.listens[0] = w.listens[1] = true;
	world_adopt(&w, id, OLD, SLUICE_BACKEND_GONE, "consul");
	world_adopt(&w, id, NEW, SLUICE_BACKEND_UP, "consul");
	world_kernel_says(&w);
	assert_true(serves(&w, NEW) && leaves(&w, OLD));
	register_at(&w, NEW, FACTS_STATUS_PASSING);
	scan(&w, OLD, 3);
	scan(&w, NEW, 0);
	assert_true(serves(&w, NEW) && leaves(&w, OLD));
	world_pass(&w, DRAIN_MS);
	assert_null(at(&w, id, OLD));
	assert_true(serves(&w, NEW));
	world_stop(&w);
}

/* Another id that is registered on the old port meanwhile, has no result yet, and is away with the next answer: it has owned nothing. */
static void a_claim_that_came_to_nothing_cuts_no_connections(void **unused)
{
	struct facts_entry entries[2];
	struct world w;

	(void)unused;
	begin(&w);
	entries[0] = world_foreign(id, NEW, FACTS_STATUS_CRITICAL);
	entries[1] = world_foreign(other_id, OLD, FACTS_STATUS_NONE);
	entries[1].has_checks = true;
	world_say(&w, entries, 2);
	assert_true(serves(&w, OLD)); /* the last, and behind it somebody listens */
	assert_true(world_guarded(&w, "port-taken"));
	scan(&w, OLD, 3);
	entries[0].status = FACTS_STATUS_PASSING;
	w.now += 1000;
	world_say(&w, entries, 2);
	assert_true(serves(&w, NEW) && leaves(&w, OLD));
	world_say(&w, entries, 1);
	assert_true(leaves(&w, OLD));
	assert_null(at(&w, other_id, OLD));
	world_stop(&w);
}

/*
 * Two ids that swap ports are, by what can be known, two new tasks: a name on a port is a process,
 * and the kernel tells which ports are listened on, not by whom, nor of an end and a beginning
 * between two dumps. What the old ones had ends at once, or their connections would be handed to
 * whoever took the port; neither port misses a turn.
 */
static void two_ids_that_swap_ports_are_new_tasks(void **unused)
{
	struct facts_entry entries[2];
	struct world w;

	(void)unused;
	begin(&w);
	entries[0] = world_foreign(id, OLD, FACTS_STATUS_PASSING);
	entries[1] = world_foreign(other_id, NEW, FACTS_STATUS_PASSING);
	world_say(&w, entries, 2);
	scan(&w, OLD, 3); /* connections that live */
	assert_int_equal(world_count_up(&w), 2);
	entries[0] = world_foreign(id, NEW, FACTS_STATUS_PASSING);
	entries[1] = world_foreign(other_id, OLD, FACTS_STATUS_PASSING);
	world_say(&w, entries, 2);
	assert_int_equal(world_count_up(&w), 2);
	assert_true(serves(&w, NEW));
	assert_int_equal(at(&w, other_id, OLD)->state, SLUICE_BACKEND_UP);
	assert_null(at(&w, id, OLD));
	assert_null(at(&w, other_id, NEW));
	assert_int_equal(w.wanted->backend_count, 2);
	/* until one can serve, the port is the one's that does: nothing is cut for a name alone */
	entries[0] = world_foreign(id, OLD, FACTS_STATUS_NONE);
	entries[1] = world_foreign(other_id, NEW, FACTS_STATUS_NONE);
	entries[0].has_checks = entries[1].has_checks = true;
	world_say(&w, entries, 2);
	assert_true(serves(&w, NEW));
	assert_int_equal(at(&w, other_id, OLD)->state, SLUICE_BACKEND_UP);
	world_stop(&w);
}

/* SERVICE/PORT names one of the two. */
static void the_operators_word_is_of_one_port(void **unused)
{
	const struct model_identity old = { "web", id, 0, OLD }, new = { "web", id, 0, NEW };
	const struct sluice_override drain = { .drain = 1 },
				     weigh = { .has_weight = 1, .weight = 7 };
	struct world w;

	(void)unused;
	begin(&w);
	register_at(&w, NEW, FACTS_STATUS_PASSING);
	model_override(w.model, &old, &drain);
	model_override(w.model, &new, &weigh);
	world_tick(&w);
	assert_true(serves(&w, NEW));
	assert_int_equal(at(&w, id, NEW)->weight, 7);
	assert_int_equal(at(&w, id, OLD)->weight, MODEL_WEIGHT);
	model_overrides_clear(w.model);
	model_override(w.model, &new, &drain);
	world_tick(&w);
	assert_string_equal(at(&w, id, NEW)->source, "operator");
	assert_string_not_equal(at(&w, id, OLD)->source, "operator");
	world_stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(its_connections_outlive_the_move),
		cmocka_unit_test(its_connections_get_drain_timeout_and_no_more),
		cmocka_unit_test(it_does_not_leave_before_somebody_serves),
		cmocka_unit_test(most_of_a_service_does_not_move_on_one_answer),
		cmocka_unit_test(it_may_come_back),
		cmocka_unit_test(a_restart_adopts_both),
		cmocka_unit_test(a_claim_that_came_to_nothing_cuts_no_connections),
		cmocka_unit_test(two_ids_that_swap_ports_are_new_tasks),
		cmocka_unit_test(the_operators_word_is_of_one_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
