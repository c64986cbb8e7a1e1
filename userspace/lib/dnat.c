/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rules are matched word by word; one with words that are not understood still counts, since it is only shown to people.
 */
#include "dnat.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_LEN 512

/* The word behind NAME in the line; false: there is none. */
static bool word_after(const char *line, const char *name, char *word, size_t len)
{
	const char *found = strstr(line, name);
	size_t end;

	if (!found)
		return false;
	found += strlen(name);
	end = strcspn(found, " ");
	if (!end || end >= len)
		return false;
	memcpy(word, found, end);
	word[end] = '\0';
	return true;
}

/* "31005" or "31000:31010" */
static bool spans(const char *ports, uint16_t port)
{
	char *rest;
	unsigned long from = strtoul(ports, &rest, 10), to = from;

	if (*rest == ':')
		to = strtoul(rest + 1, &rest, 10);
	return !*rest && port >= from && port <= to;
}

bool dnat_in_rules(const char *rules, uint16_t port, char to[DNAT_TO_LEN])
{
	char line[LINE_LEN], ports[32], protocol[16];
	bool nat = false;

	for (; *rules; rules += *rules == '\n') {
		size_t end = strcspn(rules, "\n");

		snprintf(line, sizeof(line), "%.*s", (int)(end < LINE_LEN ? end : LINE_LEN - 1),
			 rules);
		rules += end;
		if (line[0] == '*')
			nat = !strcmp(line, "*nat");
		if (!nat || strncmp(line, "-A ", 3) != 0 || !strstr(line, " -j DNAT "))
			continue;
		if (!word_after(line, " -p ", protocol, sizeof(protocol)) ||
		    strcmp(protocol, "tcp") != 0 ||
		    !word_after(line, " --dport ", ports, sizeof(ports)) || !spans(ports, port))
			continue;
		if (word_after(line, " --to-destination ", to, DNAT_TO_LEN))
			return true;
	}
	return false;
}

/* --- nft --- */

static const cJSON *get(const cJSON *object, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(object, key);
}

static bool value_is(const cJSON *value, uint16_t port)
{
	const cJSON *range = get(value, "range"), *set = get(value, "set"), *item;
	const cJSON *from = cJSON_GetArrayItem(range, 0), *to = cJSON_GetArrayItem(range, 1);

	if (cJSON_IsNumber(value))
		return value->valuedouble == port;
	if (cJSON_IsNumber(from) && cJSON_IsNumber(to))
		return from->valuedouble <= port && to->valuedouble >= port;
	cJSON_ArrayForEach(item, set)
	{
		if (value_is(item, port))
			return true;
	}
	return false;
}

static bool matches_port(const cJSON *match, uint16_t port)
{
	const cJSON *payload = get(get(match, "left"), "payload");
	const char *protocol = cJSON_GetStringValue(get(payload, "protocol"));
	const char *field = cJSON_GetStringValue(get(payload, "field"));

	return protocol && field && (!strcmp(protocol, "tcp") || !strcmp(protocol, "th")) &&
	       !strcmp(field, "dport") && value_is(get(match, "right"), port);
}

/* {"addr": "172.17.0.2", "port": 80}; without an address it is this host's. */
static bool write_target(const cJSON *dnat, char to[DNAT_TO_LEN])
{
	const char *address = cJSON_GetStringValue(get(dnat, "addr"));
	const cJSON *port = get(dnat, "port");
	double number = cJSON_IsNumber(port) ? port->valuedouble : 0;
	bool six = address && strchr(address, ':');

	if (!address)
		return false;
	if (number >= 1 && number <= UINT16_MAX)
		snprintf(to, DNAT_TO_LEN, "%s%.45s%s:%u", six ? "[" : "", address, six ? "]" : "",
			 (unsigned)number);
	else
		snprintf(to, DNAT_TO_LEN, "%.45s", address);
	return true;
}

static bool rule_sends(const cJSON *rule, uint16_t port, char to[DNAT_TO_LEN])
{
	const cJSON *expression;
	bool matched = false;

	cJSON_ArrayForEach(expression, get(rule, "expr"))
	{
		const cJSON *match = get(expression, "match"), *dnat = get(expression, "dnat");

		matched |= match && matches_port(match, port);
		if (dnat && matched)
			return write_target(dnat, to);
	}
	return false;
}

bool dnat_in_ruleset(const char *json, uint16_t port, char to[DNAT_TO_LEN])
{
	cJSON *document = cJSON_Parse(json);
	const cJSON *entry;
	bool found = false;

	cJSON_ArrayForEach(entry, get(document, "nftables"))
	{
		found = get(entry, "rule") && rule_sends(get(entry, "rule"), port, to);
		if (found)
			break;
	}
	cJSON_Delete(document);
	return found;
}
