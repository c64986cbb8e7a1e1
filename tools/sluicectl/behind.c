/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Everything here is for people to read: what could not be found out is left out, or said.
 */
#include "behind.h"

#include <arpa/inet.h>
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "program.h"

/* --- rules --- */

void behind_rules_read(struct behind_rules *rules)
{
	static char iptables[] = "iptables-save", ip6tables[] = "ip6tables-save", nft[] = "nft",
		    json[] = "-j", list[] = "list", ruleset[] = "ruleset";
	char *const commands[BEHIND_RULES][5] = { { iptables },
						  { ip6tables },
						  { nft, json, list, ruleset } };

	for (size_t i = 0; i < BEHIND_RULES; i++) {
		rules->list[i].tool = i == 0 ? "iptables" : i == 1 ? "ip6tables" : "nft";
		rules->list[i].text = program_output(commands[i]);
	}
}

void behind_rules_release(struct behind_rules *rules)
{
	for (size_t i = 0; i < BEHIND_RULES; i++)
		free(rules->list[i].text);
	*rules = (struct behind_rules){ 0 };
}

size_t behind_rules_known(const struct behind_rules *rules)
{
	size_t known = 0;

	for (size_t i = 0; i < BEHIND_RULES; i++)
		known += rules->list[i].text != NULL;
	return known;
}

bool behind_rules_send(const struct behind_rules *rules, size_t i, uint16_t port,
		       char to[DNAT_TO_LEN])
{
	const char *text = rules->list[i].text;

	if (!text)
		return false;
	return !strcmp(rules->list[i].tool, "nft") ? dnat_in_ruleset(text, port, to)
						   : dnat_in_rules(text, port, to);
}

/* --- looking --- */

static void look_at_sockets(struct behind *behind, uint16_t port)
{
	struct sock_diag_socket *list;
	size_t count;

	behind->sockets_err = listening_read(&list, &count);
	for (size_t i = 0; i < count && behind->socket_count < BEHIND_SOCKETS; i++) {
		if (list[i].port != port)
			continue;
		behind->socket[behind->socket_count].at = list[i];
		listening_find_owner(&list[i], &behind->socket[behind->socket_count].owner);
		behind->socket_count++;
	}
	free(list);
}

void behind_look(struct behind *behind, uint16_t port)
{
	struct behind_rules rules = { 0 };

	*behind = (struct behind){ 0 };
	look_at_sockets(behind, port);
	behind_rules_read(&rules);
	behind->tools = behind_rules_known(&rules);
	for (size_t i = 0; i < BEHIND_RULES; i++) {
		if (!behind_rules_send(&rules, i, port, behind->rule[behind->rule_count].to))
			continue;
		behind->rule[behind->rule_count++].tool = rules.list[i].tool;
	}
	behind_rules_release(&rules);
}

/* --- telling --- */

static void address_text(const struct sock_diag_socket *socket, char *text, size_t len)
{
	char address[INET6_ADDRSTRLEN] = "?";
	bool six = socket->family == AF_INET6;

	inet_ntop(socket->family, socket->address, address, sizeof(address));
	snprintf(text, len, "%s%s%s:%u", six ? "[" : "", address, six ? "]" : "", socket->port);
}

struct cJSON *behind_json(const struct behind *behind)
{
	cJSON *document = cJSON_CreateObject(), *list, *object;
	char text[80];

	list = cJSON_AddArrayToObject(document, "sockets");
	for (size_t i = 0; i < behind->socket_count; i++) {
		const struct listening_owner *owner = &behind->socket[i].owner;

		object = cJSON_CreateObject();
		address_text(&behind->socket[i].at, text, sizeof(text));
		cJSON_AddStringToObject(object, "address", text);
		if (owner->pid)
			cJSON_AddNumberToObject(object, "pid", owner->pid);
		else
			cJSON_AddNullToObject(object, "pid");
		cJSON_AddStringToObject(object, "process", owner->comm);
		cJSON_AddNumberToObject(object, "uid", behind->socket[i].at.uid);
		if (owner->forwards[0])
			cJSON_AddStringToObject(object, "forwards", owner->forwards);
		else
			cJSON_AddNullToObject(object, "forwards");
		cJSON_AddItemToArray(list, object);
	}
	list = cJSON_AddArrayToObject(document, "dnat");
	for (size_t i = 0; i < behind->rule_count; i++) {
		object = cJSON_CreateObject();
		cJSON_AddStringToObject(object, "tool", behind->rule[i].tool);
		cJSON_AddStringToObject(object, "to", behind->rule[i].to);
		cJSON_AddItemToArray(list, object);
	}
	cJSON_AddBoolToObject(document, "sockets_known", !behind->sockets_err);
	cJSON_AddBoolToObject(document, "rules_known", behind->tools > 0);
	return document;
}

void behind_print(const struct behind *behind)
{
	char text[80];

	for (size_t i = 0; i < behind->rule_count; i++)
		printf("  behind:    %s sends it to %s (DNAT)\n", behind->rule[i].tool,
		       behind->rule[i].to);
	for (size_t i = 0; i < behind->socket_count; i++) {
		const struct listening_owner *owner = &behind->socket[i].owner;

		address_text(&behind->socket[i].at, text, sizeof(text));
		if (owner->pid)
			printf("  behind:    %s listens on %s, pid %d%s%s\n", owner->comm, text,
			       owner->pid, owner->forwards[0] ? ", and forwards to " : "",
			       owner->forwards);
		else
			printf("  behind:    a process of user %u listens on %s (only root sees which)\n",
			       behind->socket[i].at.uid, text);
	}
	if (behind->sockets_err)
		printf("  behind:    sockets cannot be looked at: %s\n",
		       strerror(-behind->sockets_err));
	else if (!behind->socket_count && !behind->rule_count)
		printf("  behind:    nobody listens on it in this network namespace%s\n",
		       behind->tools ? ", and no rule sends it to a container"
				     : " (the packet filter's rules cannot be read)");
}
