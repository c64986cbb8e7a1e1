/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Consul's services and checks of one node into facts: recorded answers, the sum of checks,
 * ownership, and what is refused.
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

#include "consul_json.h"
#include "payload.h"

#define NODE "mesos-slave-1"

static struct json_error service_error, check_error;

static struct consul_host host = { .node = NODE };

static int parse(const char *services, const char *checks, struct facts_consul *answer)
{
	struct consul_text service_text = { services, strlen(services), &service_error };
	struct consul_text check_text = { checks, strlen(checks), &check_error };

	json_error_init(&service_error, "s");
	json_error_init(&check_error, "c");
	return consul_json_node(&service_text, &check_text, &host, answer);
}

static const struct facts_entry *entry(const struct facts_consul *answer, const char *id)
{
	for (size_t i = 0; i < answer->entry_count; i++)
		if (strcmp(answer->entries[i].id, id) == 0)
			return &answer->entries[i];
	fail_msg("no entry %s", id);
	return NULL;
}

static void recorded(void **state)
{
	size_t len;
	char *services = payload_http("consul/103-catalog-node.http", &len);
	char *checks = payload_http("consul/100-health-node.http", &len);
	struct facts_consul answer;
	const struct facts_entry *found;

	(void)state;
	assert_int_equal(parse(services, checks, &answer), 0);
	/* five services, of which "doomed" has port 0 */
	assert_int_equal(answer.entry_count, 4);
	found = entry(&answer, "test_myapp.7a0a3d8e-1111-11e5-bdb6-e6cb6734eaf8_myapp_31315");
	assert_string_equal(found->service, "myapp");
	assert_string_equal(found->address, "127.0.0.1");
	assert_int_equal(found->port, 31315);
	assert_int_equal(found->status, FACTS_STATUS_PASSING);
	assert_false(found->ours);
	assert_string_equal(found->task, "");
	found = entry(&answer, "consul");
	assert_string_equal(found->address, ""); /* it has none of its own */
	assert_int_equal(found->status, FACTS_STATUS_NONE);
	facts_consul_release(&answer);
	facts_consul_release(&answer);
	free(services);
	free(checks);
}

static void unknown_node(void **state)
{
	size_t len;
	char *services = payload_http("consul/110-catalog-node-unknown.http", &len);
	char *checks = payload_http("consul/109-health-node-unknown.http", &len);
	struct facts_consul answer;

	(void)state;
	assert_int_equal(parse(services, checks, &answer), 0);
	assert_int_equal(answer.entry_count, 0);
	free(services);
	free(checks);
}

#define SERVICES(list) \
	"{\"Node\":{\"Node\":\"" NODE "\",\"Address\":\"10.0.0.1\"},\"Services\":{" list "}}"
#define SERVICE "\"a\":{\"ID\":\"a\",\"Service\":\"web\",\"Address\":\"\",\"Port\":31000}"
#define CHECK(id, service, status, output, made, changed)                        \
	"{\"Node\":\"" NODE "\",\"CheckID\":\"" id "\",\"ServiceID\":\"" service \
	"\",\"Status\":\"" status "\",\"Notes\":\"note\",\"Output\":\"" output   \
	"\",\"CreateIndex\":" made ",\"ModifyIndex\":" changed "}"
#define FRESH CHECK("service:a:1", "a", "critical", "", "7", "7")
#define PASSING CHECK("service:a:2", "a", "passing", "", "7", "7")
#define WARNING CHECK("service:a:3", "a", "warning", "w", "7", "9")
#define CRITICAL CHECK("service:a:4", "a", "critical", "refused", "7", "9")
#define SILENT CHECK("service:a:4", "a", "critical", "", "7", "9")
#define TYPED(type)                                                               \
	"{\"Node\":\"" NODE "\",\"CheckID\":\"service:a:5\",\"ServiceID\":\"a\"," \
	"\"Status\":\"critical\",\"Output\":\"\",\"Type\":\"" type                \
	"\",\"CreateIndex\":7,\"ModifyIndex\":9}"
#define SERF CHECK("serfHealth", "", "critical", "dead", "1", "9")
#define NODE_CHECK CHECK("disk", "", "critical", "full", "1", "9")
#define OTHER CHECK("service:b", "b", "critical", "x", "1", "9")
#define MAINT CHECK("_service_maintenance:a", "a", "critical", "", "8", "8")
#define NODE_MAINT CHECK("_node_maintenance", "", "critical", "", "8", "8")

static void sum_of_checks(void **state)
{
	static const struct {
		const char *checks;
		enum facts_status status;
		const char *output;
	} rows[] = {
		{ "[]", FACTS_STATUS_NONE, "" },
		{ "[" SERF "," NODE_CHECK "," OTHER "]", FACTS_STATUS_NONE, "" },
		{ "[" MAINT "," NODE_MAINT "]", FACTS_STATUS_MAINT, "note" },
		{ "[" FRESH "]", FACTS_STATUS_NONE, "" },
		{ "[" PASSING "]", FACTS_STATUS_PASSING, "" },
		{ "[" WARNING "," PASSING "]", FACTS_STATUS_WARNING, "w" },
		{ "[" PASSING "," CRITICAL "," WARNING "]", FACTS_STATUS_CRITICAL, "refused" },
		{ "[" SILENT "]", FACTS_STATUS_CRITICAL, "" },
		/* an agent that has restarted and not run it yet */
		{ "[" TYPED("http") "]", FACTS_STATUS_NONE, "" },
		{ "[" TYPED("tcp") "]", FACTS_STATUS_NONE, "" },
		{ "[" TYPED("ttl") "]", FACTS_STATUS_CRITICAL, "" },
		{ "[" TYPED("script") "]", FACTS_STATUS_CRITICAL, "" },
		{ "[" FRESH "," PASSING "]", FACTS_STATUS_NONE, "" },
		{ "[" CRITICAL "," FRESH "]", FACTS_STATUS_CRITICAL, "refused" },
		{ "[" FRESH "," WARNING "]", FACTS_STATUS_WARNING, "w" },
		{ "[" SERF "," PASSING "]", FACTS_STATUS_PASSING, "" },
		{ "[" NODE_CHECK "," PASSING "]", FACTS_STATUS_PASSING, "" },
		{ "[" OTHER "," PASSING "]", FACTS_STATUS_PASSING, "" },
		{ "[" MAINT "," PASSING "]", FACTS_STATUS_MAINT, "note" },
		{ "[" CRITICAL "," MAINT "]", FACTS_STATUS_MAINT, "note" },
		{ "[" NODE_MAINT "," PASSING "]", FACTS_STATUS_MAINT, "note" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct facts_consul answer;

		assert_int_equal(parse(SERVICES(SERVICE), rows[i].checks, &answer), 0);
		assert_int_equal(answer.entry_count, 1);
		assert_string_equal(answer.entries[0].address, "");
		if (answer.entries[0].status != rows[i].status)
			fail_msg("row %zu: status %d", i, answer.entries[0].status);
		assert_string_equal(answer.entries[0].output, rows[i].output);
		if (answer.entries[0].has_checks != !!strstr(rows[i].checks, "service:a:"))
			fail_msg("row %zu: has_checks %d", i, answer.entries[0].has_checks);
		facts_consul_release(&answer);
	}
}

static void output_is_cut(void **state)
{
	struct facts_consul answer;
	char checks[1024], output[301];

	(void)state;
	memset(output, 'x', 300);
	output[300] = '\0';
	memcpy(output + 199, "\xc3\xa9", 2); /* a two-byte character across the limit */
	snprintf(checks, sizeof(checks), "[" CHECK("c", "a", "critical", "%s", "1", "2") "]",
		 output);
	assert_int_equal(parse(SERVICES(SERVICE), checks, &answer), 0);
	assert_int_equal(strlen(answer.entries[0].output), 199);
	facts_consul_release(&answer);
}

static void ownership(void **state)
{
	static const char services[] = SERVICES(
		"\"x\":{\"ID\":\"sluice:a.1:2\",\"Service\":\"a\",\"Port\":31000,\"Meta\":{\"sluice_app\":\"/a\","
		"\"sluice_task\":\"a.1\",\"sluice_index\":\"2\",\"sluice_boot\":\"b\",\"sluice_def\":\"d\"}},"
		"\"y\":{\"ID\":\"sluice:a.2:0\",\"Service\":\"a\",\"Port\":31001,\"Meta\":null},"
		"\"z\":{\"ID\":\"other\",\"Service\":\"a\",\"Port\":31002,\"Meta\":{\"sluice_task\":\"a.3\"}}");
	struct facts_consul answer;

	(void)state;
	assert_int_equal(parse(services, "[]", &answer), 0);
	assert_int_equal(answer.entry_count, 3);
	assert_string_equal(answer.entries[0].id, "other");
	assert_false(answer.entries[0].ours);
	assert_string_equal(answer.entries[0].task, "");
	assert_true(answer.entries[1].ours);
	assert_string_equal(answer.entries[1].task, "a.1");
	assert_string_equal(answer.entries[1].app, "/a");
	assert_int_equal(answer.entries[1].port_index, 2);
	assert_string_equal(answer.entries[1].boot_id, "b");
	assert_string_equal(answer.entries[1].definition, "d");
	/* our prefix without our meta is somebody else's */
	assert_false(answer.entries[2].ours);
	facts_consul_release(&answer);
}

#define OURS(key, tags, boot)                                                                      \
	"\"" key "\":{\"ID\":\"sluice:" key ":0\",\"Service\":\"a\",\"Port\":31000,\"Tags\":" tags \
	",\"Meta\":{\"sluice_app\":\"/a\",\"sluice_task\":\"" key "\",\"sluice_boot\":\"" boot     \
	"\"}}"

#define OUR_CHECK(output) \
	"[" CHECK("service:sluice:a:0", "sluice:a:0", "critical", output, "7", "9") "]"

/*
 * Old agents (1.5.3 is one) tell no check's type, and call all critical after a restart or reload.
 * Those that we have registered never end without a word.
 */
static void our_checks_have_no_type(void **state)
{
	static const char services[] = SERVICES(OURS("a", "[]", "now"));
	struct facts_consul answer;

	(void)state;
	assert_int_equal(parse(services, OUR_CHECK(""), &answer), 0);
	assert_true(answer.entries[0].ours && answer.entries[0].has_checks);
	assert_int_equal(answer.entries[0].status, FACTS_STATUS_NONE);
	facts_consul_release(&answer);
	assert_int_equal(parse(services, OUR_CHECK("refused"), &answer), 0);
	assert_int_equal(answer.entries[0].status, FACTS_STATUS_CRITICAL);
	facts_consul_release(&answer);
}

/* Another host that shares the agent has entries like ours, and they are neither ours nor local. */
static void other_hosts_entries(void **state)
{
	static const char services[] = SERVICES(OURS("a", "[\"v\",\"own-host\"]", "old") "," OURS(
		"b", "[\"other-host\"]", "old") "," OURS("c", "[\"former-name\"]",
							 "now") "," OURS("d", "[]", "old"));
	struct facts_consul answer;

	(void)state;
	host.tag = "own-host";
	host.boot_id = "now";
	assert_int_equal(parse(services, "[]", &answer), 0);
	host.tag = host.boot_id = NULL;
	assert_int_equal(answer.entry_count, 3);
	assert_string_equal(answer.entries[0].task, "a");
	assert_string_equal(answer.entries[1].task, "c");
	assert_string_equal(answer.entries[2].task, "d");
	for (size_t i = 0; i < 3; i++)
		assert_true(answer.entries[i].ours);
	facts_consul_release(&answer);
}

#define MARKED(key, mark)                                                             \
	"\"" key "\":{\"ID\":\"sluice:" key                                           \
	":0\",\"Service\":\"a\",\"Port\":31000,\"Tags\":[\"former-name\"],\"Meta\":{" \
	"\"sluice_task\":\"" key "\",\"sluice_boot\":\"old\",\"sluice_host\":\"" mark "\"}}"

/* Renamed and booted: neither name nor boot tells its old entries any more, and its mark does. */
static void a_renamed_host_knows_its_entries(void **state)
{
	static const char services[] =
		SERVICES(MARKED("a", "here") "," MARKED("b", "elsewhere") "," MARKED("c", ""));
	struct facts_consul answer;

	(void)state;
	host = (struct consul_host){
		.node = NODE, .tag = "own-host", .boot_id = "now", .mark = "here"
	};
	assert_int_equal(parse(services, "[]", &answer), 0);
	assert_int_equal(answer.entry_count, 1);
	assert_string_equal(answer.entries[0].task, "a");
	assert_true(answer.entries[0].ours && answer.entries[0].marked);
	facts_consul_release(&answer);
	host.mark = ""; /* a host without an id knows nobody by it */
	assert_int_equal(parse(services, "[]", &answer), 0);
	host = (struct consul_host){ .node = NODE };
	assert_int_equal(answer.entry_count, 0);
	facts_consul_release(&answer);
}

static void refusals(void **state)
{
	static const struct {
		const char *services, *checks, *why;
	} rows[] = {
		{ "", "[]", "s: empty body" },
		{ "{", "[]", "s: byte" },
		{ "[]", "[]", "s: neither an object nor null" },
		{ "{\"Services\":{}}", "[]", "s: Node is missing" },
		{ "{\"Node\":{\"Node\":\"other\"},\"Services\":{}}", "[]",
		  "s: Node.Node is \"other\"" },
		{ SERVICES("\"a\":7"), "[]", "s: Services[0] is not an object" },
		{ SERVICES("\"a\":{\"Service\":\"w\",\"Port\":1}"), "[]",
		  "s: Services[0].ID is missing" },
		{ SERVICES(SERVICE ",\"b\":{\"ID\":\"b\",\"Service\":\"w\",\"Port\":\"80\"}"), "[]",
		  "s: Services[1].Port is not a whole number" },
		{ SERVICES("\"a\":{\"ID\":\"a\",\"Service\":\"w\",\"Port\":1,\"Meta\":[]}"), "[]",
		  "s: Services[0].Meta is not an object" },
		{ SERVICES("\"a\":{\"ID\":\"sluice:a\",\"Service\":\"w\",\"Port\":1,"
			   "\"Meta\":{\"sluice_task\":\"a\",\"sluice_index\":\"x\"}}"),
		  "[]", "s: Services[0].Meta.sluice_index is \"x\"" },
		{ SERVICES(SERVICE), "No cluster leader", "c: byte 0" },
		{ SERVICES(SERVICE), "{}", "c: neither an array nor null" },
		{ SERVICES(SERVICE), "[7]", "c: [0] is not an object" },
		{ SERVICES(SERVICE), "[" PASSING ",{\"Node\":\"" NODE "\",\"CheckID\":\"x\"}]",
		  "c: [1].Status is missing" },
		{ SERVICES(SERVICE), "[" CHECK("x", "a", "fine", "", "1", "1") "]",
		  "c: [0].Status is \"fine\"" },
		{ SERVICES(SERVICE),
		  "[{\"Node\":\"other\",\"CheckID\":\"x\",\"Status\":\"passing\"}]",
		  "c: [0].Node is \"other\"" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct facts_consul answer;
		const char *said;

		assert_int_equal(parse(rows[i].services, rows[i].checks, &answer), -EINVAL);
		said = service_error.text[0] ? service_error.text : check_error.text;
		if (strncmp(said, rows[i].why, strlen(rows[i].why)) != 0)
			fail_msg("\"%s\" does not begin with \"%s\"", said, rows[i].why);
		assert_int_equal(answer.entry_count, 0);
		assert_null(answer.entries);
	}
}

static void odd_ports(void **state)
{
	static const char *const ports[] = { "0", "-1", "65536", "-2147483648", "null" };

	(void)state;
	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
		struct facts_consul answer;
		char services[256];

		snprintf(services, sizeof(services),
			 SERVICES("\"a\":{\"ID\":\"a\",\"Service\":\"w\",\"Port\":%s}"), ports[i]);
		assert_int_equal(parse(services, "[]", &answer), 0);
		assert_int_equal(answer.entry_count, 0);
		facts_consul_release(&answer);
	}
}

static void self(void **state)
{
	size_t len;
	char *text = payload_file("consul/agent-self.json", &len), *node, *address;
	struct json_error error;

	(void)state;
	json_error_init(&error, "self");
	assert_int_equal(consul_json_self(text, len, &node, &address, &error), 0);
	assert_string_equal(node, NODE);
	assert_string_equal(address, "127.0.0.1");
	free(node);
	free(address);
	assert_int_equal(consul_json_self("{}", 2, &node, &address, &error), -EINVAL);
	assert_null(node);
	assert_null(address);
	assert_string_equal(error.text, "self: Config is missing");
	free(text);
}

static void meta_is_kept_since_1_0_7(void **state)
{
	static const struct {
		const char *text;
		bool keeps;
	} rows[] = {
		{ "{\"Config\":{\"Version\":\"0.9.3\"}}", false },
		{ "{\"Config\":{\"Version\":\"1.0.6\"}}", false },
		{ "{\"Config\":{\"Version\":\"1.0.6-beta1\"}}", false },
		{ "{\"Config\":{\"Version\":\"1.0.7\"}}", true },
		{ "{\"Config\":{\"Version\":\"1.5.3\"}}", true },
		{ "{\"Config\":{\"Version\":\"2.0.0+ent\"}}", true },
		{ "{\"Config\":{\"Version\":\"new\"}}", true },
		{ "{\"Config\":{}}", true },
		{ "[", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(consul_json_keeps_meta(rows[i].text, strlen(rows[i].text)),
				 rows[i].keeps);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recorded),
		cmocka_unit_test(unknown_node),
		cmocka_unit_test(sum_of_checks),
		cmocka_unit_test(output_is_cut),
		cmocka_unit_test(ownership),
		cmocka_unit_test(other_hosts_entries),
		cmocka_unit_test(a_renamed_host_knows_its_entries),
		cmocka_unit_test(meta_is_kept_since_1_0_7),
		cmocka_unit_test(refusals),
		cmocka_unit_test(odd_ports),
		cmocka_unit_test(self),
		cmocka_unit_test(our_checks_have_no_type),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
