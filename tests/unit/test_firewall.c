/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rule sets as administrators write them, and whether a packet for a host-port would get through: by policy, by rule, by order, in
 * both tools' words; and what is not understood is not held against anybody.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "firewall.h"

static bool rules_drop(const char *input)
{
	char rules[1024], reason[160] = "";
	bool drops;

	snprintf(rules, sizeof(rules),
		 "# made by hand\n*nat\n:INPUT DROP [0:0]\nCOMMIT\n*filter\n%s\nCOMMIT\n", input);
	drops = firewall_rules_drop(rules, 31000, 32000, reason, sizeof(reason));
	assert_int_equal(drops, reason[0] != '\0');
	return drops;
}

static void test_iptables_policy(void **state)
{
	(void)state;
	assert_false(rules_drop(":INPUT ACCEPT [0:0]"));
	assert_true(rules_drop(":INPUT DROP [0:0]"));
	assert_true(rules_drop(":INPUT DROP [0:0]\n-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT"));
	assert_true(rules_drop(
		":INPUT DROP [0:0]\n-A INPUT -i lo -j ACCEPT\n"
		"-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT\n-A INPUT -p icmp -j ACCEPT"));
	assert_false(rules_drop(
		":INPUT DROP [0:0]\n-A INPUT -p tcp -m tcp --dport 31000:32000 -j ACCEPT"));
	assert_false(rules_drop(
		":INPUT DROP [0:0]\n-A INPUT -p tcp -m multiport --dports 22,80,31000:32000 -j ACCEPT"));
	assert_true(rules_drop(
		":INPUT DROP [0:0]\n-A INPUT -p tcp -m multiport --dports 22,80,443:8443 -j ACCEPT"));
	assert_false(rules_drop(":FORWARD DROP [0:0]\n:INPUT ACCEPT [0:0]"));
}

static void test_iptables_rules(void **state)
{
	(void)state;
	assert_true(
		rules_drop(":INPUT ACCEPT [0:0]\n-A INPUT -p tcp -m tcp --dport 31005 -j DROP"));
	assert_true(rules_drop(
		":INPUT ACCEPT [0:0]\n-A INPUT -p tcp --dport 1024:65535 -j REJECT --reject-with tcp-reset"));
	assert_false(rules_drop(":INPUT ACCEPT [0:0]\n-A INPUT -p tcp -m tcp --dport 22 -j DROP"));
	assert_true(rules_drop(
		":INPUT ACCEPT [0:0]\n-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT\n-A INPUT -j DROP"));
	assert_true(rules_drop(
		":INPUT ACCEPT [0:0]\n-A INPUT -j REJECT --reject-with icmp-host-prohibited"));
	/* the first that fits decides */
	assert_false(rules_drop(
		":INPUT ACCEPT [0:0]\n-A INPUT -p tcp --dport 31000:32000 -j ACCEPT\n-A INPUT -j DROP"));
	assert_false(rules_drop(":INPUT ACCEPT [0:0]\n-A FORWARD -j DROP\n-A OTHER -j DROP"));
}

static bool ruleset_drops(const char *policy, const char *rules)
{
	char json[2048], reason[160] = "";
	bool understood = false, drops;

	snprintf(
		json, sizeof(json),
		"{\"nftables\":[{\"metainfo\":{\"version\":\"1.0.6\"}},"
		"{\"table\":{\"family\":\"inet\",\"name\":\"f\",\"handle\":1}},"
		"{\"chain\":{\"family\":\"inet\",\"table\":\"f\",\"name\":\"in\",\"handle\":2,\"type\":\"filter\","
		"\"hook\":\"input\",\"prio\":0,\"policy\":\"%s\"}}%s]}",
		policy, rules);
	drops = firewall_ruleset_drops(json, 31000, 32000, reason, sizeof(reason), &understood);
	assert_true(understood);
	assert_string_equal(reason, drops ? "nft chain inet f in" : "");
	return drops;
}

#define RULE(chain, expr)                                                    \
	",{\"rule\":{\"family\":\"inet\",\"table\":\"f\",\"chain\":\"" chain \
	"\",\"handle\":3,\"expr\":[" expr "]}}"
#define DPORT(right)                                                                                   \
	"{\"match\":{\"op\":\"==\",\"left\":{\"payload\":{\"protocol\":\"tcp\",\"field\":\"dport\"}}," \
	"\"right\":" right "}}"
#define FROM                                                                                          \
	"{\"match\":{\"op\":\"==\",\"left\":{\"payload\":{\"protocol\":\"ip\",\"field\":\"saddr\"}}," \
	"\"right\":\"10.0.0.1\"}}"

static void test_nft(void **state)
{
	(void)state;
	assert_false(ruleset_drops("accept", ""));
	assert_true(ruleset_drops("drop", ""));
	assert_true(ruleset_drops("drop", RULE("in", DPORT("80") ",{\"accept\":null}")));
	assert_false(ruleset_drops(
		"drop", RULE("in", DPORT("{\"range\":[31000,32000]}") ",{\"accept\":null}")));
	assert_false(ruleset_drops(
		"drop",
		RULE("in",
		     DPORT("{\"set\":[22,{\"range\":[31000,32000]}]}") ",{\"accept\":null}")));
	assert_true(
		ruleset_drops("drop", RULE("in", DPORT("{\"set\":[22,80]}") ",{\"accept\":null}")));
	assert_true(ruleset_drops(
		"accept", RULE("in", DPORT("31005") ",{\"counter\":null},{\"drop\":null}")));
	assert_true(ruleset_drops("accept", RULE("in", "{\"reject\":{\"type\":\"tcp reset\"}}")));
	/* conditions that are not understood decide nothing, nor do other chains */
	assert_false(ruleset_drops("accept", RULE("in", FROM ",{\"drop\":null}")));
	assert_true(ruleset_drops("drop", RULE("in", FROM ",{\"accept\":null}")));
	assert_false(ruleset_drops("accept", RULE("else", "{\"drop\":null}")));
	assert_false(
		ruleset_drops("accept", RULE("in", DPORT("{\"prefix\":{}}") ",{\"drop\":null}")));
	assert_false(
		ruleset_drops("accept", RULE("in", DPORT("{\"range\":[1]}") ",{\"drop\":null}")));
}

static void test_not_a_ruleset(void **state)
{
	static const char *const texts[] = { "", "{", "[]", "{\"nftables\":1}", "null" };
	char reason[160];
	bool understood;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		understood = true;
		assert_false(firewall_ruleset_drops(texts[i], 31000, 32000, reason, sizeof(reason),
						    &understood));
		assert_false(understood);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_iptables_policy),
		cmocka_unit_test(test_iptables_rules),
		cmocka_unit_test(test_nft),
		cmocka_unit_test(test_not_a_ruleset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
