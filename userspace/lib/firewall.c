/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guess from text, on the side of silence about what is not understood: a rule with other conditions than a destination port is
 * skipped, sets by name and jumps are not followed.
 */
#include "firewall.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

/* --- iptables-save --- */

static bool has_word(const char *rule, const char *word)
{
	const char *found = strstr(rule, word);

	return found && (found == rule || found[-1] == ' ') &&
	       strchr(" \n", found[strlen(word)]) != NULL;
}

/* --dport 80, --dport 31000:32000, --dports 80,31000:32000: do they touch the range? */
static bool names_port(const char *rule, unsigned min, unsigned max, bool *any)
{
	const char *list = strstr(rule, " --dport");
	unsigned from, to;
	int used;

	*any = list;
	if (!list)
		return false;
	list += strlen(" --dport");
	list += *list == 's';
	while ((*list == ' ' || *list == ',') && sscanf(list + 1, "%u%n", &from, &used) == 1) {
		list += 1 + used;
		to = from;
		if (*list == ':' && sscanf(list + 1, "%u%n", &to, &used) == 1)
			list += 1 + used;
		if (from <= max && to >= min)
			return true;
	}
	return false;
}

/* Does the rule let in, or keep out, new TCP connections of anybody to the range? */
static bool lets_in(const char *rule, unsigned min, unsigned max)
{
	bool any, named = names_port(rule, min, max, &any);

	if (!has_word(rule, "-j ACCEPT") || has_word(rule, "-i lo") || has_word(rule, "-p udp") ||
	    has_word(rule, "-p icmp") || has_word(rule, "-p ipv6-icmp"))
		return false;
	return any ? named : !strstr(rule, "state ") || strstr(rule, "NEW");
}

static bool keeps_out(const char *rule, unsigned min, unsigned max)
{
	bool any, named = names_port(rule, min, max, &any);

	if (!has_word(rule, "-j DROP") && !has_word(rule, "-j REJECT"))
		return false;
	if (any)
		return named;
	/* without any condition: the end of the chain */
	return !strcmp(rule, "-A INPUT -j DROP") || !strncmp(rule, "-A INPUT -j REJECT", 18);
}

bool firewall_rules_drop(const char *rules, unsigned min, unsigned max, char *reason, size_t len)
{
	bool filter = false, policy_drops = false;
	char line[512];

	for (; *rules; rules += *rules == '\n') {
		size_t end = strcspn(rules, "\n");

		snprintf(line, sizeof(line), "%.*s", (int)(end < 500 ? end : 500), rules);
		rules += end;
		if (line[0] == '*')
			filter = !strcmp(line, "*filter");
		else if (filter && !strncmp(line, ":INPUT DROP", 11))
			policy_drops = true;
		if (!filter || strncmp(line, "-A INPUT ", 9) != 0)
			continue;
		if (lets_in(line, min, max))
			return false;
		if (keeps_out(line, min, max)) {
			snprintf(reason, len, "%s", line);
			return true;
		}
	}
	if (policy_drops)
		snprintf(reason, len, "policy of INPUT is DROP, and no rule accepts these ports");
	return policy_drops;
}

/* --- nft --- */

static const cJSON *get(const cJSON *object, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(object, key);
}

static bool value_touches(const cJSON *value, unsigned min, unsigned max)
{
	const cJSON *range = get(value, "range"), *set = get(value, "set"), *item;
	const cJSON *from = cJSON_GetArrayItem(range, 0), *to = cJSON_GetArrayItem(range, 1);

	if (cJSON_IsNumber(value))
		return value->valuedouble >= min && value->valuedouble <= max;
	if (cJSON_IsNumber(from) && cJSON_IsNumber(to))
		return from->valuedouble <= max && to->valuedouble >= min;
	cJSON_ArrayForEach(item, set)
	{
		if (value_touches(item, min, max))
			return true;
	}
	return false;
}

enum verdict { VERDICT_NONE, VERDICT_ACCEPT, VERDICT_DROP };

/* What the rule does with every new TCP connection to the range; NONE as well if it has conditions that are not understood. */
static enum verdict judge_rule(const cJSON *rule, unsigned min, unsigned max)
{
	enum verdict verdict = VERDICT_NONE;
	const cJSON *expression;

	cJSON_ArrayForEach(expression, get(rule, "expr"))
	{
		const cJSON *match = get(expression, "match");
		const cJSON *payload = get(get(match, "left"), "payload");
		const char *field = cJSON_GetStringValue(get(payload, "field"));
		const char *relation = cJSON_GetStringValue(get(match, "op"));

		if (match &&
		    !(field && relation && !strcmp(field, "dport") && !strcmp(relation, "==") &&
		      value_touches(get(match, "right"), min, max)))
			return VERDICT_NONE;
		if (get(expression, "accept"))
			verdict = VERDICT_ACCEPT;
		else if (get(expression, "drop") || get(expression, "reject"))
			verdict = VERDICT_DROP;
		else if (get(expression, "xt"))
			return VERDICT_NONE; /* iptables's: iptables-save tells */
	}
	return verdict;
}

static bool is_text(const cJSON *object, const char *key, const char *wanted)
{
	const char *text = cJSON_GetStringValue(get(object, key));

	return text && wanted && !strcmp(text, wanted);
}

static bool same_chain(const cJSON *chain, const cJSON *rule)
{
	return is_text(rule, "family", cJSON_GetStringValue(get(chain, "family"))) &&
	       is_text(rule, "table", cJSON_GetStringValue(get(chain, "table"))) &&
	       is_text(rule, "chain", cJSON_GetStringValue(get(chain, "name")));
}

/* iptables-nft's own tables have chains in capitals: they are iptables-save's business. */
static bool chain_drops(const cJSON *entries, const cJSON *chain, unsigned min, unsigned max)
{
	const cJSON *entry;

	if (!is_text(chain, "hook", "input") || is_text(chain, "name", "INPUT"))
		return false;
	cJSON_ArrayForEach(entry, entries)
	{
		const cJSON *rule = get(entry, "rule");
		enum verdict verdict;

		if (!rule || !same_chain(chain, rule))
			continue;
		verdict = judge_rule(rule, min, max);
		if (verdict != VERDICT_NONE)
			return verdict == VERDICT_DROP;
	}
	return is_text(chain, "policy", "drop");
}

bool firewall_ruleset_drops(const char *json, unsigned min, unsigned max, char *reason, size_t len,
			    bool *understood)
{
	cJSON *document = cJSON_Parse(json);
	const cJSON *entries = get(document, "nftables"), *entry;
	bool drops = false;

	*understood = cJSON_IsArray(entries);
	cJSON_ArrayForEach(entry, entries)
	{
		const cJSON *chain = get(entry, "chain");

		drops = chain && chain_drops(entries, chain, min, max);
		if (!drops)
			continue;
		snprintf(reason, len, "nft chain %.30s %.60s %.60s",
			 cJSON_GetStringValue(get(chain, "family")),
			 cJSON_GetStringValue(get(chain, "table")),
			 cJSON_GetStringValue(get(chain, "name")));
		break;
	}
	cJSON_Delete(document);
	return drops;
}
