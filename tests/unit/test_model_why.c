/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What `why` is told: for each row, guard and word of the operator that can hold a backend the model says which; and asking changes nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "model_why.h"
#include "model_world.h"
#include "registrar.h"
#include "status.h"
#include "why.h"

static struct model_why ask(const struct world *w, uint16_t port)
{
	struct model_why why;

	assert_int_equal(model_why(w->model, "web", port, &why, 1), 1);
	assert_int_equal(why.port, port);
	assert_string_equal(why.service, "web");
	return why;
}

static void each_source_and_the_row(void **unused)
{
	struct model_why why;
	struct world w;

	(void)unused;
	world_start_up(&w, 3);
	why = ask(&w, 31000);
	assert_string_equal(why.task, "t0");
	assert_string_equal(why.app, "/web");
	assert_int_equal(why.table.row, 9);
	assert_int_equal(why.m, STATE_M_RUNNING);
	assert_int_equal(why.c, STATE_C_PASSING);
	assert_int_equal(why.k, STATE_K_YES);
	assert_true(why.by_marathon && why.by_consul && why.c_present && why.c_ours);
	assert_null(why.guard);
	w.status[0] = FACTS_STATUS_CRITICAL;
	world_consul_says(&w);
	assert_int_equal(ask(&w, 31000).table.row, 6);
	w.listens[0] = false;
	w.now += 500;
	world_kernel_says(&w);
	why = ask(&w, 31000);
	assert_int_equal(why.table.row, 4);
	assert_int_equal(why.k, STATE_K_NO);
	assert_int_equal(why.lost_ms, w.now);
	world_source(&w, "marathon", false);
	world_pass(&w, 1000);
	why = ask(&w, 31001);
	assert_int_equal(why.m, STATE_M_SILENT); /* and what counts is its last word */
	assert_int_equal(state_effective_m(why.m, why.m_last), STATE_M_RUNNING);
	world_stop(&w);
}

static void a_port_that_nobody_has(void **unused)
{
	struct model_why why;
	struct world w;

	(void)unused;
	world_start(&w, true, true);
	assert_int_equal(model_why(w.model, NULL, 31000, &why, 1), 0); /* before the first tick */
	world_healthy(&w, 1);
	world_everybody_says(&w);
	assert_int_equal(model_why(w.model, NULL, 31000, &why, 1), 1);
	assert_int_equal(model_why(w.model, NULL, 31001, &why, 1), 0);
	assert_int_equal(model_why(w.model, "rails", 31000, &why, 1), 0);
	world_stop(&w);
}

static void what_a_guard_holds_and_until_when(void **unused)
{
	struct model_why why;
	struct world w;

	(void)unused;
	world_start_up(&w, 3);
	for (int n = 0; n < 3; n++) {
		w.now += 1000;
		w.status[0] = FACTS_STATUS_CRITICAL;
		world_consul_says(&w);
		w.now += 1000;
		w.status[0] = FACTS_STATUS_PASSING;
		world_consul_says(&w);
	}
	why = ask(&w, 31000);
	assert_string_equal(why.guard, "flapping");
	assert_int_equal(why.flaps, 3);
	assert_int_equal(why.state, SLUICE_BACKEND_DOWN);
	assert_int_equal(why.table.state, SLUICE_BACKEND_UP);
	assert_int_equal(why.held_until_ms, w.now - 1000 + 10000); /* since it went down */
	world_pass(&w, 9000);
	why = ask(&w, 31000);
	assert_null(why.guard);
	assert_int_equal(why.held_until_ms, 0);
	world_hint(&w, "t0", "", text_name);
	world_tick(&w);
	why = ask(&w, 31000);
	assert_int_equal(why.state, SLUICE_BACKEND_DRAINING);
	assert_int_equal(why.hint_until_ms, w.now + MODEL_HINT_MS);
	world_stop(&w);
}

static void the_operator_and_slowstart(void **unused)
{
	const struct sluice_override drain = { .drain = 1, .has_weight = 1, .weight = 50 };
	struct model_why why;
	struct world w;

	(void)unused;
	world_start(&w, true, true);
	w.service.slowstart_ms = 10000;
	world_healthy(&w, 1);
	world_everybody_says(&w);
	world_healthy(&w, 2);
	world_everybody_says(&w);
	why = ask(&w, 31001);
	assert_int_equal(why.weight, 10);
	assert_int_equal(why.full_weight, MODEL_WEIGHT);
	assert_int_equal(why.ramp_end_ms, w.now + 10000);
	world_override(&w, 1, &drain);
	world_tick(&w);
	why = ask(&w, 31001);
	assert_true(why.op_drain && why.op_has_weight);
	assert_int_equal(why.full_weight, 50);
	assert_int_equal(why.table.row, 1);
	world_stop(&w);
}

static void two_tasks_that_claim_a_port(void **unused)
{
	struct model_why why[2];
	struct world w;

	(void)unused;
	world_start_up(&w, 2);
	w.generation = 1; /* another task has the port of each; Consul still lists the older ones */
	world_marathon_says(&w);
	assert_int_equal(model_why(w.model, "web", 31000, why, 2), 2);
	assert_string_equal(why[0].task, "u0");
	assert_false(why[0].port_taken || why[0].retired);
	assert_string_equal(why[1].task, "t0");
	assert_true(why[1].port_taken || why[1].retired);
	world_stop(&w);
}

static void asking_changes_nothing(void **unused)
{
	struct world asked, other;
	char *text;

	(void)unused;
	world_start(&asked, true, true);
	world_start(&other, true, true);
	for (int n = 1; n < 6; n++) {
		for (struct world *w = &asked; w; w = w == &asked ? &other : NULL) {
			world_healthy(w, n);
			w->status[0] = n % 2 ? FACTS_STATUS_PASSING : FACTS_STATUS_CRITICAL;
			world_everybody_says(w);
		}
		for (uint16_t port = FIRST; port < FIRST + PORTS; port++) {
			text = why_json(asked.model, NULL, port, asked.now);
			assert_non_null(text);
			free(text);
		}
		text = why_wanted_json(asked.model);
		assert_non_null(text);
		free(text);
		world_pass(&asked, 1000);
		world_pass(&other, 1000);
		for (int i = 0; i < n; i++)
			assert_int_equal(world_state_of(&asked, i), world_state_of(&other, i));
	}
	world_stop(&asked);
	world_stop(&other);
}

static double number(const cJSON *object, const char *key)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

	assert_true(cJSON_IsNumber(item));
	return item->valuedouble;
}

static cJSON *parsed(char *text)
{
	cJSON *root = cJSON_Parse(text);

	free(text);
	assert_non_null(root);
	return root;
}

/* The one thing in a list. */
static const cJSON *only(const cJSON *root, const char *list)
{
	const cJSON *items = cJSON_GetObjectItemCaseSensitive(root, list);

	assert_int_equal(cJSON_GetArraySize(items), 1);
	return cJSON_GetArrayItem(items, 0);
}

static const char *guard_of(const cJSON *object)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, "guard"));
}

static void as_json(void **unused)
{
	const cJSON *one;
	cJSON *root, *list;
	struct world w;
	char *text;

	(void)unused;
	world_start(&w, true, true);
	text = why_wanted_json(w.model); /* nothing was decided yet */
	assert_non_null(text);
	free(text);
	world_healthy(&w, 2);
	world_everybody_says(&w);
	root = parsed(why_json(w.model, "web", 31001, w.now + 250));
	one = only(root, "backends");
	assert_int_equal(number(cJSON_GetObjectItemCaseSensitive(one, "row"), "number"), 9);
	assert_int_equal(number(one, "state_ms"), 250);
	assert_true(cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(one, "guard")));
	cJSON_Delete(root);
	root = parsed(why_wanted_json(w.model));
	list = cJSON_GetObjectItemCaseSensitive(root, "backends");
	assert_int_equal(cJSON_GetArraySize(list), 2);
	assert_int_equal(number(cJSON_GetArrayItem(list, 1), "port"), 31001);
	assert_int_equal(number(cJSON_GetArrayItem(list, 1), "state"), SLUICE_BACKEND_UP);
	cJSON_Delete(root);
	world_stop(&w);
}

/* What holds back, what cannot be a backend and what nobody checks stand in the answer to `status` as they do in the model. */
static void status_has_all_guards(void **unused)
{
	struct registrar_told told = { .task = "t1", .checks_unrun = 3, .waits = true };
	const struct facts_source source = { .name = "marathon", .used = true, .answers = true };
	const struct facts_source *const sources[] = { &source };
	struct status_input input = {
		.config_file = "f", .needs_attach = "", .source = sources, .source_count = 1
	};
	const cJSON *one;
	struct world w;
	cJSON *root;

	(void)unused;
	world_start(&w, true, true);
	world_tick(&w);
	input.model = w.model;
	input.now_ms = w.now + 70;
	root = parsed(status_json(&input));
	one = only(root, "guards");
	assert_string_equal(guard_of(one), "first-set");
	assert_int_equal(number(one, "age_ms"), 70);
	one = only(root, "sources");
	assert_true(cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(one, "answers")));
	cJSON_Delete(root);
	world_healthy(&w, 2);
	world_everybody_says(&w);
	model_registrar_told(w.model, &told, w.now);
	world_tick(&w);
	root = parsed(status_json(&input));
	one = only(root, "guards");
	assert_string_equal(guard_of(one), "registration-waits");
	assert_int_equal(number(one, "port"), 31001);
	one = only(root, "unrun_checks");
	assert_int_equal(number(one, "tasks"), 1);
	assert_int_equal(number(one, "checks"), 3);
	cJSON_Delete(root);
	assert_int_equal(ask(&w, 31001).checks_unrun, 3);
	assert_true(ask(&w, 31001).registration_waits_ms > 0);
	world_stop(&w);
}

/* A backend that waits in a service without a set: both are told. */
static void a_first_set_that_waits(void **unused)
{
	struct model_why why;
	struct world w;

	(void)unused;
	world_start(&w, true, true);
	model_names_known(w.model, false);
	world_healthy(&w, 1);
	w.health[0] = FACTS_HEALTH_UNKNOWN;
	world_marathon_says(&w);
	why = ask(&w, 31000);
	assert_int_equal(why.state, SLUICE_BACKEND_WAITING);
	assert_string_equal(why.guard, "first-set");
	/* the answer called this host by its name, so that is known by now */
	assert_non_null(strstr(why.first_set_waits, "Consul has not answered"));
	world_stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_source_and_the_row),
		cmocka_unit_test(a_port_that_nobody_has),
		cmocka_unit_test(what_a_guard_holds_and_until_when),
		cmocka_unit_test(the_operator_and_slowstart),
		cmocka_unit_test(two_tasks_that_claim_a_port),
		cmocka_unit_test(asking_changes_nothing),
		cmocka_unit_test(as_json),
		cmocka_unit_test(status_has_all_guards),
		cmocka_unit_test(a_first_set_that_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
