/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What waits, and that it is told: the first set of a service, which must not be an empty one for want of knowledge; a
 * check that has not run; a registration.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "model_world.h"
#include "registrar.h"

static void waits_for(const struct world *w, const char *word, int64_t since_ms)
{
	const struct model_guard *guard = world_guard(w, "first-set");

	assert_non_null(guard);
	assert_string_equal(guard->service, "web");
	assert_string_equal(guard->task, "");
	assert_int_equal(guard->port, 0);
	assert_non_null(strstr(guard->text, word));
	assert_int_equal(guard->since_ms, since_ms);
}

static void a_first_set_that_waits_is_told(void **unused)
{
	struct world w;
	int64_t since;

	(void)unused;
	world_start(&w, true, true);
	model_names_known(w.model, false);
	world_tick(&w);
	since = w.now;
	waits_for(&w, "names of this host", since);
	model_names_known(w.model, true);
	world_pass(&w, 1000);
	waits_for(&w, "Marathon has not answered", since);
	w.app_missing = true;
	world_marathon_says(&w);
	waits_for(&w, "no registry has named it", since);
	w.app_missing = false;
	world_marathon_says(&w);
	waits_for(&w, "Consul has not answered", since);
	assert_false(w.wanted->service[0].synced);
	world_consul_says(&w);
	assert_true(w.wanted->service[0].synced);
	assert_null(world_guard(&w, "first-set"));
	world_stop(&w);
	/* Consul alone, and a backend that waits for its first check: why tells of it too */
	world_start(&w, false, true);
	world_tick(&w);
	waits_for(&w, "Consul has not answered", w.now);
	world_stop(&w);
}

static void absence_alone_makes_no_first_set(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, true, true);
	w.app_missing = true;
	for (int i = 0; i < 60; i++, world_pass(&w, 1000))
		world_everybody_says(&w);
	assert_false(w.wanted->service[0].synced);
	w.app_missing = false; /* Marathon knows the app, and says that nothing runs here */
	world_marathon_says(&w);
	assert_true(w.wanted->service[0].synced);
	world_stop(&w);
	world_start(&w, false, true);
	w.ours = false;
	for (int i = 0; i < 60; i++, world_pass(&w, 1000))
		world_consul_says(&w);
	assert_false(w.wanted->service[0].synced);
	world_healthy(&w, 1);
	w.status[0] = FACTS_STATUS_CRITICAL;
	world_consul_says(&w);
	assert_true(w.wanted->service[0].synced);
	world_stop(&w);
}

static void no_empty_first_set_without_a_name(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, true, false);
	model_names_known(w.model, false); /* the resolver does not answer yet */
	world_healthy(&w, 2);
	w.host = "slave-1.not-known-yet.example.com";
	for (int i = 0; i < 60; i++, world_pass(&w, 1000))
		world_marathon_says(&w);
	assert_false(w.wanted->service[0].synced);
	model_names_known(w.model, true);
	world_tick(&w);
	assert_true(w.wanted->service[0].synced);
	world_stop(&w);
}

/* A name that is not known yet makes each of Marathon's answers look as if nothing of the app ran here. */
static void says_without_our_name(struct world *w)
{
	world_forget(w->listed); /* what the sieve by host leaves */
	for (int64_t until = w->now + 3 * DRAIN_MS; w->now < until; world_pass(w, 5000)) {
		world_marathon_says(w);
		world_kernel_says(w);
	}
}

static void without_a_name_nobody_is_missed(void **unused)
{
	struct world w;

	(void)unused;
	for (int consul = 0; consul < 2; consul++) {
		world_start(&w, true, consul);
		world_adopt(&w, "t0", FIRST, SLUICE_BACKEND_UP, "marathon");
		world_adopt(&w, "t1", FIRST + 1, SLUICE_BACKEND_UP, "marathon");
		model_adopt_synced(w.model, "web");
		model_names_known(w.model, false);
		world_healthy(&w, 2);
		says_without_our_name(&w);
		assert_int_equal(world_count_up(&w), 2);
		for (int i = 0; i < 2; i++)
			assert_false(world_registration(&w, i ? "t1" : "t0") &&
				     world_registration(&w, i ? "t1" : "t0")->gone_proved);
		world_healthy(&w, 1); /* by our name, and t1 is not there */
		for (int i = 0; i < 30; i++, world_pass(&w, 5000))
			world_marathon_says(&w);
		assert_int_equal(world_count_up(&w), 1);
		world_stop(&w);
	}
}

/* A backend that went before the reload is not gone for longer by the time in which nobody could tell. */
static void absence_before_and_after_do_not_add_up(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, true, false);
	world_healthy(&w, 1);
	world_everybody_says(&w);
	assert_int_equal(world_count_up(&w), 1);
	world_forget(w.listed);
	world_marathon_says(&w);
	model_names_known(w.model, false);
	says_without_our_name(&w);
	model_names_known(w.model, true);
	world_marathon_says(&w);
	assert_int_equal(world_count_up(&w), 1);
	world_stop(&w);
}

/* That there is no such app is said without any name. */
static void an_app_that_is_gone_is_gone_without_a_name(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, true, false);
	world_healthy(&w, 1);
	world_everybody_says(&w);
	model_names_known(w.model, false);
	w.app_missing = w.other_apps = true;
	for (int64_t until = w.now + 2 * DRAIN_MS; w.now < until; world_pass(&w, 5000))
		world_marathon_says(&w);
	assert_int_equal(world_count_up(&w), 0);
	world_stop(&w);
}

/* Our own registration is all that is left of a backend: it is somebody as long as the names cannot tell. */
static void without_a_name_no_registration_is_over(void **unused)
{
	const struct registrar_entry *entry;
	struct world w;

	(void)unused;
	world_start(&w, true, true);
	model_names_known(w.model, false);
	world_healthy(&w, 1);
	world_forget(w.listed);
	for (int64_t until = w.now + 3 * DRAIN_MS; w.now < until; world_pass(&w, 5000))
		world_everybody_says(&w);
	entry = world_registration(&w, "t0");
	assert_true(!entry || !entry->gone_proved);
	assert_non_null(world_find(&w, "t0"));
	world_stop(&w);
}

/* By which of this host's names Marathon calls it; of two the one that the configuration is surer of. */
static void the_name_that_marathon_uses_is_known(void **unused)
{
	char away[] = "10.80.0.9", stranger[] = "slave-2", both[][4] = { "x0", "x1" };
	struct facts_task tasks[] = { { .id = both[0], .host = away },
				      { .id = both[1], .host = text_address } };
	struct facts_app app = { .id = text_web, .task_count = 2, .tasks = tasks };
	struct facts_marathon answer = { .app_count = 1, .apps = &app };
	struct world w;

	(void)unused;
	world_start(&w, true, false);
	w.config.name[w.config.name_count++] = text_address;
	w.config.name[w.config.name_count++] = away;
	world_healthy(&w, 1);
	w.host = stranger;
	world_marathon_says(&w);
	assert_string_equal(model_called(w.model), "");
	w.host = away;
	world_marathon_says(&w);
	assert_string_equal(model_called(w.model), away);
	world_forget(w.listed);
	world_marathon_says(&w); /* nobody's name is no other name */
	assert_string_equal(model_called(w.model), away);
	assert_int_equal(model_marathon(w.model, &answer, w.now), 0);
	assert_string_equal(model_called(w.model), text_address);
	world_stop(&w);
}

static void no_empty_first_set_without_an_address(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, false, true);
	w.ours = false;
	world_healthy(&w, 2);
	assert_int_equal(model_addresses(w.model, NULL, 0), 0); /* the network is not up yet */
	world_everybody_says(&w);
	assert_false(w.wanted->service[0].synced);
	assert_int_equal(model_addresses(w.model, (const char *const[]){ text_address }, 1), 0);
	world_pass(&w, 1000); /* what was said before was judged without it */
	assert_false(w.wanted->service[0].synced);
	world_consul_says(&w);
	assert_true(w.wanted->service[0].synced);
	assert_int_equal(world_count_up(&w), 2);
	world_stop(&w);
}

static void a_check_that_has_not_run_is_waited_for(void **unused)
{
	struct world w;

	(void)unused;
	world_start(&w, false, true);
	w.ours = false;
	world_healthy(&w, 1);
	w.status[0] = FACTS_STATUS_NONE;
	w.unchecked = true;
	world_everybody_says(&w);
	assert_state(&w, 0, WAITING);
	w.status[0] = FACTS_STATUS_PASSING;
	world_consul_says(&w);
	assert_state(&w, 0, UP);
	w.status[0] = FACTS_STATUS_NONE; /* registered anew: it was good a moment ago */
	world_consul_says(&w);
	assert_state(&w, 0, UP);
	world_stop(&w);
}

static void a_registration_that_waits_is_told(void **unused)
{
	struct registrar_told told = { .task = "t0", .checks_unrun = 2, .waits = true };
	struct model_unrun unrun;
	struct world w;
	int64_t since;

	(void)unused;
	world_start_up(&w, 2);
	assert_null(world_guard(&w, "registration-waits"));
	since = w.now;
	model_registrar_told(w.model, &told, w.now);
	world_pass(&w, 1000);
	model_registrar_told(w.model, &told, w.now);
	world_pass(&w, 1000);
	assert_non_null(world_guard(&w, "registration-waits"));
	assert_string_equal(world_guard(&w, "registration-waits")->task, "t0");
	assert_int_equal(world_guard(&w, "registration-waits")->port, FIRST);
	assert_int_equal(world_guard(&w, "registration-waits")->since_ms, since);
	assert_state(&w, 0, UP); /* it changes nothing else */
	assert_true(model_unrun_checks(w.model, 0, &unrun));
	assert_string_equal(unrun.service, "web");
	assert_int_equal(unrun.tasks, 1);
	assert_int_equal(unrun.checks, 2);
	assert_false(model_unrun_checks(w.model, 1, &unrun));
	told.waits = false;
	told.unlisted = true;
	told.checks_unrun = 0;
	model_registrar_told(w.model, &told, w.now);
	world_tick(&w);
	assert_null(world_guard(&w, "registration-waits"));
	assert_non_null(world_guard(&w, "registration-unlisted"));
	assert_non_null(strstr(world_guard(&w, "registration-unlisted")->text, "service_prefix"));
	assert_true(model_unrun_checks(w.model, 0, &unrun));
	assert_int_equal(unrun.tasks, 0);
	told.unlisted = false;
	model_registrar_told(w.model, &told, w.now);
	world_tick(&w);
	assert_null(world_guard(&w, "registration-unlisted"));
	world_stop(&w);
}

/* While any of these is so the daemon looks often; while none is, seldom. */
static void what_calls_for_frequent_looks(void **unused)
{
	struct world w;

	(void)unused;
	world_start_up(&w, 1);
	w.service.slowstart_ms = 10000;
	assert_false(model_lacks_listener(w.model));
	assert_false(model_is_ramping(w.model)); /* the first has nobody to leave its share to */
	world_healthy(&w, 2);
	world_everybody_says(&w);
	assert_true(model_is_ramping(w.model));
	world_pass(&w, 10000);
	assert_false(model_is_ramping(w.model));
	assert_false(model_is_draining(w.model));
	w.listens[1] = false;
	world_kernel_says(&w);
	assert_true(model_lacks_listener(w.model));
	world_stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_first_set_that_waits_is_told),
		cmocka_unit_test(absence_alone_makes_no_first_set),
		cmocka_unit_test(no_empty_first_set_without_a_name),
		cmocka_unit_test(the_name_that_marathon_uses_is_known),
		cmocka_unit_test(no_empty_first_set_without_an_address),
		cmocka_unit_test(without_a_name_nobody_is_missed),
		cmocka_unit_test(absence_before_and_after_do_not_add_up),
		cmocka_unit_test(an_app_that_is_gone_is_gone_without_a_name),
		cmocka_unit_test(without_a_name_no_registration_is_over),
		cmocka_unit_test(a_check_that_has_not_run_is_waited_for),
		cmocka_unit_test(a_registration_that_waits_is_told),
		cmocka_unit_test(what_calls_for_frequent_looks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
