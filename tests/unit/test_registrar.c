/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The registrar's thinking: what a registration looks like, what is written and what never is, and
 * that applying a plan ends it.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <cjson/cJSON.h>

#include "host_mark.h"
#include "registrar_plan.h"
#include "registrar_refusals.h"
#include "registrar_wants.h"

#define BOOT "87607701-1a9e-4b2b-acd2-0b4f18465e23"

static const struct registrar_host host = { .tag = "slave-1-example-com",
					    .boot_id = BOOT,
					    .address = "10.0.0.1" };

static struct facts_check http_check = {
	.protocol = FACTS_CHECK_HTTP, .path = (char[]){ "/health" }, .interval_s = 2, .timeout_s = 1
};

static struct registrar_entry entry_of(const char *task)
{
	return (struct registrar_entry){ .task = task,
					 .app = "/web/rails",
					 .address = "",
					 .port = 31005,
					 .service = "rails",
					 .status = FACTS_STATUS_PASSING,
					 .checks = &http_check,
					 .check_count = 1 };
}

static struct registration make(const struct registrar_entry *entry)
{
	struct registration registration;

	assert_int_equal(registration_make(entry, &host, &registration), 0);
	return registration;
}

static void body(void **state)
{
	const struct registrar_entry entry = entry_of("web_rails.1");
	struct registration registration = make(&entry);
	char want[1024];

	(void)state;
	snprintf(
		want, sizeof(want),
		"{\"ID\":\"sluice:web_rails.1:0\",\"Name\":\"rails\",\"Address\":\"10.0.0.1\",\"Port\":31005,"
		"\"Tags\":[\"slave-1-example-com\"],\"Meta\":{\"sluice_app\":\"/web/rails\","
		"\"sluice_task\":\"web_rails.1\",\"sluice_index\":\"0\",\"sluice_boot\":\"" BOOT
		"\","
		"\"sluice_def\":\"%s\"},\"Checks\":[{\"Name\":\"HTTP /health\","
		"\"HTTP\":\"http://10.0.0.1:31005/health\",\"Interval\":\"2s\",\"Timeout\":\"1s\","
		"\"Status\":\"passing\"}]}",
		registration.definition);
	assert_string_equal(registration.body, want);
	assert_int_equal(strlen(registration.definition), 16);
	registration_release(&registration);
	registration_release(&registration);
}

/* The check that the one-check entry is translated to, as text; "" if none. */
static void translated(const struct registrar_entry *entry, char *text, size_t size,
		       size_t *skipped)
{
	struct registration registration;
	cJSON *document, *checks;
	char *printed;

	assert_int_equal(registration_make(entry, &host, &registration), 0);
	*skipped = registration.told.checks_unrun;
	document = cJSON_Parse(registration.body);
	assert_non_null(document);
	checks = cJSON_GetObjectItem(document, "Checks");
	printed = cJSON_PrintUnformatted(cJSON_GetArrayItem(checks, 0));
	snprintf(text, size, "%s", printed ? printed : "");
	cJSON_free(printed);
	cJSON_Delete(document);
	registration_release(&registration);
}

static void checks(void **state)
{
	static char path[] = "ping?a=\"b\"";
	static const uint16_t ports[] = { 31005, 31006, 0 };
	static const struct {
		struct facts_check check;
		const char *address, *want;
	} rows[] = {
		{ { .protocol = FACTS_CHECK_TCP, .interval_s = 10, .timeout_s = 5 },
		  "",
		  "{\"Name\":\"TCP port 31005\",\"TCP\":\"10.0.0.1:31005\",\"Interval\":\"10s\",\"Timeout\":\"5s\"}" },
		{ { .protocol = FACTS_CHECK_TCP, .port_index = 1, .interval_s = 1, .timeout_s = 1 },
		  "10.0.0.2",
		  "{\"Name\":\"TCP port 31006\",\"TCP\":\"10.0.0.2:31006\",\"Interval\":\"1s\",\"Timeout\":\"1s\"}" },
		{ { .protocol = FACTS_CHECK_TCP, .port = 9000 },
		  "fe80::1",
		  "{\"Name\":\"TCP port 9000\",\"TCP\":\"[fe80::1]:9000\",\"Interval\":\"1s\",\"Timeout\":\"1s\"}" },
		{ { .protocol = FACTS_CHECK_HTTPS, .path = path, .interval_s = 3, .timeout_s = 2 },
		  "",
		  "{\"Name\":\"HTTPS /ping?a=\\\"b\\\"\",\"HTTP\":\"https://10.0.0.1:31005/ping?a=\\\"b\\\"\","
		  "\"TLSSkipVerify\":true,\"Interval\":\"3s\",\"Timeout\":\"2s\"}" },
		{ { .protocol = FACTS_CHECK_COMMAND }, "", "" },
		{ { .protocol = FACTS_CHECK_TCP, .port_index = 2 }, "", "" }, /* not on the host */
		{ { .protocol = FACTS_CHECK_TCP, .port_index = 7 }, "", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct registrar_entry entry = entry_of("t");
		char text[512];
		size_t skipped;

		entry.checks = &rows[i].check;
		entry.address = rows[i].address;
		entry.ports = ports;
		entry.port_count = 3;
		entry.status = FACTS_STATUS_NONE;
		translated(&entry, text, sizeof(text), &skipped);
		assert_string_equal(text, rows[i].want);
		assert_int_equal(skipped, !*rows[i].want);
	}
}

static void status_is_no_part_of_the_definition(void **state)
{
	static const struct {
		enum facts_status status;
		const char *word;
	} rows[] = {
		{ FACTS_STATUS_PASSING, "\"Status\":\"passing\"" },
		{ FACTS_STATUS_WARNING, "\"Status\":\"warning\"" },
		{ FACTS_STATUS_CRITICAL, "\"Status\":\"critical\"" },
		{ FACTS_STATUS_NONE, NULL },
	};
	char first[17] = "";

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct registrar_entry entry = entry_of("t");
		struct registration registration;

		entry.status = rows[i].status;
		registration = make(&entry);
		if (rows[i].word)
			assert_non_null(strstr(registration.body, rows[i].word));
		else
			assert_null(strstr(registration.body, "\"Status\""));
		if (!first[0])
			memcpy(first, registration.definition, sizeof(first));
		assert_string_equal(registration.definition, first);
		registration_release(&registration);
	}
}

static void definition_follows_the_rest(void **state)
{
	struct registrar_entry entries[5];
	struct registration first, other;

	(void)state;
	for (size_t i = 0; i < 5; i++)
		entries[i] = entry_of("t");
	entries[1].port = 31006;
	entries[2].service = "other";
	entries[3].check_count = 0;
	entries[4].app = "/other";
	first = make(&entries[0]);
	for (size_t i = 1; i < 5; i++) {
		other = make(&entries[i]);
		assert_string_not_equal(first.definition, other.definition);
		registration_release(&other);
	}
	registration_release(&first);
}

static void impossible(void **state)
{
	static const char *const ids[] = { "", "a/b", "a//b", "a b", "a?b", "a%2f", "\xc3\xa9" };
	struct registration registration;
	struct registrar_entry entry;

	(void)state;
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		entry = entry_of(ids[i]);
		assert_int_equal(registration_make(&entry, &host, &registration), -EINVAL);
		assert_null(registration.id);
	}
	entry = entry_of("t");
	entry.port = 0;
	assert_int_equal(registration_make(&entry, &host, &registration), -EINVAL);
	entry = entry_of("t");
	entry.service = "";
	assert_int_equal(registration_make(&entry, &host, &registration), -EINVAL);
	entry.gone_proved = true; /* its id is all that is needed to remove it */
	assert_int_equal(registration_make(&entry, &host, &registration), 0);
	assert_true(registration.gone);
	registration_release(&registration);
}

static void tags(void **state)
{
	static const char *const rows[][2] = {
		{ "slave-1.example.com", "slave-1-example-com" },
		{ "Slave1", "slave1" },
		{ "10.80.0.2", "10-80-0-2" },
		{ "a_b:c", "a-b-c" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *tag = registrar_tag(rows[i][0]);

		assert_string_equal(tag, rows[i][1]);
		free(tag);
	}
}

/* --- plans --- */

struct held {
	const char *id;
	bool ours;
	const char *boot, *definition;
};

static struct facts_consul hold(const struct held *rows, size_t count)
{
	struct facts_consul held = { .entries = calloc(count + 1, sizeof(struct facts_entry)) };

	assert_non_null(held.entries);
	for (size_t i = 0; i < count; i++)
		held.entries[held.entry_count++] = (struct facts_entry){
			.id = strdup(rows[i].id),
			.ours = rows[i].ours,
			.boot_id = strdup(rows[i].boot),
			.definition = strdup(rows[i].definition),
		};
	return held;
}

static struct registration wanted(const char *task, const char *definition, bool gone)
{
	struct registration registration = { .gone = gone };

	assert_true(asprintf(&registration.id, "sluice:%s:0", task) > 0);
	if (!gone) {
		registration.definition = strdup(definition);
		registration.body = strdup("{}");
	}
	return registration;
}

static void plan(void **state)
{
	static const struct held rows[] = {
		{ "sluice:same:0", true, BOOT, "d1" },
		{ "sluice:changed:0", true, BOOT, "d1" },
		{ "sluice:ended:0", true, BOOT, "d1" },
		{ "sluice:unknown:0", true, BOOT, "d1" }, /* nobody wants it, nothing is proved */
		{ "sluice:ghost:0", true, "old boot", "d1" },
		{ "sluice:back:0", true, "old boot", "d1" }, /* of the old boot, but wanted */
		{ "sluice:foreign:0", false, "", "" },	     /* our id without our meta */
		{ "sluice:foreign-gone:0", false, "", "" },
		{ "other", false, "", "" },
	};
	struct registration want[] = {
		wanted("same", "d1", false),	 wanted("changed", "d2", false),
		wanted("new", "d1", false),	 wanted("ended", "", true),
		wanted("back", "d2", false),	 wanted("foreign", "d1", false),
		wanted("never-there", "", true), wanted("foreign-gone", "", true),
	};
	const size_t count = sizeof(want) / sizeof(want[0]),
		     held_count = sizeof(rows) / sizeof(rows[0]);
	struct facts_consul held = hold(rows, held_count);
	struct registrar_step steps[32];

	(void)state;
	assert_int_equal(registrar_plan(want, count, &held, BOOT, steps), 5);
	assert_int_equal(steps[0].verb, REGISTRAR_DEREGISTER);
	assert_string_equal(steps[0].id, "sluice:ended:0");
	assert_int_equal(steps[1].verb, REGISTRAR_DEREGISTER);
	assert_string_equal(steps[1].id, "sluice:ghost:0");
	assert_int_equal(steps[2].verb, REGISTRAR_REGISTER);
	assert_string_equal(steps[2].id, "sluice:changed:0");
	assert_string_equal(steps[3].id, "sluice:new:0");
	assert_string_equal(steps[4].id, "sluice:back:0");
	/* nothing is wanted and Consul is well: only the ghosts go */
	assert_int_equal(registrar_plan(NULL, 0, &held, BOOT, steps), 2);
	assert_string_equal(steps[0].id, "sluice:ghost:0");
	assert_string_equal(steps[1].id, "sluice:back:0");
	for (size_t i = 0; i < count; i++)
		registration_release(&want[i]);
	facts_consul_release(&held);
}

/* Registering again would end the maintenance that an operator asked for. */
static void maintenance_is_left_alone(void **state)
{
	static const struct held rows[] = {
		{ "sluice:changed:0", true, BOOT, "d1" },
		{ "sluice:ended:0", true, BOOT, "d1" },
	};
	struct registration want[] = { wanted("changed", "d2", false), wanted("ended", "", true) };
	struct facts_consul held = hold(rows, 2), copy = {};
	struct registrar_step steps[8];

	(void)state;
	held.entries[0].status = held.entries[1].status = FACTS_STATUS_MAINT;
	assert_int_equal(registrar_copy_held(&copy, &held), 0);
	assert_int_equal(registrar_plan(want, 2, &copy, BOOT, steps), 1);
	assert_string_equal(steps[0].id, "sluice:ended:0");
	assert_true(want[0].told.waits); /* and that is told */
	assert_false(want[1].told.waits);
	copy.entries[0].status = FACTS_STATUS_CRITICAL;
	assert_int_equal(registrar_plan(want, 2, &copy, BOOT, steps), 2);
	assert_string_equal(steps[1].id, "sluice:changed:0");
	assert_false(want[0].told.waits);
	for (size_t i = 0; i < 2; i++)
		registration_release(&want[i]);
	facts_consul_release(&held);
	facts_consul_release(&copy);
}

static size_t left(struct registrar_refusals *refusals, const struct registrar_step *from,
		   size_t count, int64_t now_ms, struct registrar_step *steps)
{
	memcpy(steps, from, count * sizeof(*steps));
	return registrar_refusals_filter(refusals, steps, count, now_ms);
}

/* What is refused waits alone, and longer each time. */
static void refusals(void **state)
{
	static const struct registrar_step planned[] = {
		{ REGISTRAR_DEREGISTER, "a", NULL },
		{ REGISTRAR_REGISTER, "a", "{}" },
		{ REGISTRAR_REGISTER, "b", "{}" },
	};
	struct registrar_refusals refused = {};
	struct registrar_step steps[3];
	int64_t first_ms, second_ms;

	(void)state;
	assert_int_equal(registrar_refusals_next_ms(&refused), -1);
	assert_int_equal(left(&refused, planned, 3, 0, steps), 3);
	assert_int_equal(registrar_refusals_add(&refused, &planned[1], 1000), 0);
	assert_int_equal(left(&refused, planned, 3, 1000, steps), 2);
	assert_int_equal(steps[0].verb, REGISTRAR_DEREGISTER);
	assert_string_equal(steps[1].id, "b");
	first_ms = registrar_refusals_next_ms(&refused);
	assert_true(first_ms > 1000 && first_ms <= 2000);
	assert_int_equal(left(&refused, planned, 3, first_ms, steps), 3);

	assert_int_equal(registrar_refusals_add(&refused, &planned[2], 1000), 0);
	for (int i = 0; i < 20; i++)
		assert_int_equal(registrar_refusals_add(&refused, &planned[1], 1000), 0);
	assert_true(registrar_refusals_next_ms(&refused) <= 2000); /* of b */
	registrar_refusals_clear(&refused, &planned[2]);
	second_ms = registrar_refusals_next_ms(&refused);
	assert_true(second_ms >= 16000 && second_ms <= 31000);
	assert_int_equal(left(&refused, planned, 3, 15000, steps), 2);
	/* nobody wants it any more: it is forgotten */
	assert_int_equal(left(&refused, planned, 1, 15000, steps), 1);
	assert_int_equal(registrar_refusals_next_ms(&refused), -1);
	assert_int_equal(registrar_refusals_add(&refused, &planned[0], 1000), 0);
	registrar_refusals_release(&refused);
	assert_int_equal(refused.count, 0);
}

static void empty_agent_gets_everything(void **state)
{
	struct registration want[] = { wanted("a", "d", false), wanted("b", "d", false),
				       wanted("c", "", true) };
	struct facts_consul held = {};
	struct registrar_step steps[3];

	(void)state;
	assert_int_equal(registrar_plan(want, 3, &held, BOOT, steps), 2);
	assert_string_equal(steps[0].id, "sluice:a:0");
	assert_string_equal(steps[1].id, "sluice:b:0");
	for (size_t i = 0; i < 3; i++)
		registration_release(&want[i]);
}

/*
 * What Consul holds after the plan's steps needs no further step; nothing that is not ours has
 * gone.
 */
static void plans_end(void **state)
{
	unsigned seed = 1;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		struct held rows[12], after[24];
		struct registration want[6];
		struct registrar_step steps[18];
		struct facts_consul held;
		char ids[12][32];
		size_t held_count = 0, after_count = 0, n;

		for (int i = 0; i < 12; i++) {
			snprintf(ids[i], sizeof(ids[i]), "sluice:t%d:0", i);
			if (rand_r(&seed) % 2)
				continue;
			rows[held_count].id = ids[i];
			rows[held_count].ours = rand_r(&seed) % 4;
			rows[held_count].boot = rand_r(&seed) % 3 ? BOOT : "old";
			rows[held_count++].definition = rand_r(&seed) % 2 ? "d1" : "d2";
		}
		for (int i = 0; i < 6; i++) {
			char task[16];

			snprintf(task, sizeof(task), "t%d", i);
			want[i] = wanted(task, rand_r(&seed) % 2 ? "d1" : "d2",
					 rand_r(&seed) % 4 == 0);
		}
		held = hold(rows, held_count);
		n = registrar_plan(want, 6, &held, BOOT, steps);
		for (size_t i = 0; i < held_count; i++) {
			bool written = false;

			for (size_t s = 0; s < n; s++)
				written |= strcmp(steps[s].id, rows[i].id) == 0;
			assert_true(rows[i].ours || !written);
			if (!written)
				after[after_count++] = rows[i];
		}
		for (size_t s = 0; s < n; s++)
			for (int i = 0; i < 6 && steps[s].verb == REGISTRAR_REGISTER; i++)
				if (strcmp(want[i].id, steps[s].id) == 0)
					after[after_count++] = (struct held){ want[i].id, true,
									      BOOT,
									      want[i].definition };
		facts_consul_release(&held);
		held = hold(after, after_count);
		assert_int_equal(registrar_plan(want, 6, &held, BOOT, steps), 0);
		facts_consul_release(&held);
		for (int i = 0; i < 6; i++)
			registration_release(&want[i]);
	}
}

static void wants_are_kept(void **state)
{
	static const uint16_t ports[] = { 31005, 31006 };
	struct registrar_entry entries[2] = { entry_of("a"), entry_of("b") };
	struct registrar_wants wants = {};
	struct facts_check other = http_check;

	(void)state;
	entries[1].ports = ports;
	entries[1].port_count = 2;
	assert_int_equal(registrar_wants_set(&wants, entries, 2), 1);
	assert_int_equal(registrar_wants_set(&wants, entries, 2), 0);
	assert_string_equal(wants.entries[1].task, "b");
	assert_ptr_not_equal(wants.entries[1].task, entries[1].task);
	assert_int_equal(wants.entries[1].ports[1], 31006);
	assert_string_equal(wants.entries[0].checks[0].path, "/health");
	entries[0].status = FACTS_STATUS_CRITICAL;
	assert_int_equal(registrar_wants_set(&wants, entries, 2), 1);
	other.path = (char[]){ "/other" };
	entries[0].checks = &other;
	assert_int_equal(registrar_wants_set(&wants, entries, 2), 1);
	entries[1].gone_proved = true;
	assert_int_equal(registrar_wants_set(&wants, entries, 2), 1);
	assert_int_equal(registrar_wants_set(&wants, entries, 1), 1);
	assert_int_equal(registrar_wants_set(&wants, entries, 0), 1);
	assert_int_equal(registrar_wants_set(&wants, entries, 0), 0);
	registrar_wants_release(&wants);
}

/*
 * By its mark a host that was renamed knows its registrations again; two daemons on one host have
 * two.
 */
static void the_hosts_mark(void **state)
{
	struct registrar_host marked = host;
	struct registration without, with;
	struct registrar_entry entry = { .task = "a.1", .app = "/a", .service = "a", .port = 31000 };
	char *mark = host_mark("/sys/fs/bpf/sluice"), *same = host_mark("/sys/fs/bpf/sluice"),
	     *other = host_mark("/sys/fs/bpf/sluice2");

	(void)state;
	assert_true(mark && same && other);
	assert_string_equal(mark, same);
	assert_true(!*mark || strcmp(mark, other) != 0); /* "": this host has no id */
	marked.mark = "0123456789abcdef";
	assert_int_equal(registration_make(&entry, &host, &without), 0);
	assert_int_equal(registration_make(&entry, &marked, &with), 0);
	assert_null(strstr(without.body, "sluice_host"));
	assert_non_null(strstr(with.body, "\"sluice_host\":\"0123456789abcdef\""));
	assert_string_not_equal(with.definition,
				without.definition); /* so it is written to old ones */
	registration_release(&without);
	registration_release(&with);
	free(mark);
	free(same);
	free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(body),
		cmocka_unit_test(checks),
		cmocka_unit_test(status_is_no_part_of_the_definition),
		cmocka_unit_test(definition_follows_the_rest),
		cmocka_unit_test(impossible),
		cmocka_unit_test(tags),
		cmocka_unit_test(plan),
		cmocka_unit_test(maintenance_is_left_alone),
		cmocka_unit_test(refusals),
		cmocka_unit_test(empty_agent_gets_everything),
		cmocka_unit_test(plans_end),
		cmocka_unit_test(wants_are_kept),
		cmocka_unit_test(the_hosts_mark),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
