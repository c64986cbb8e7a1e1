/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who was asked what stands in the counters that the packet would move: a packet that is refused moves the one that says
 * why, and what comes after that was not asked.
 */
#include "explain_view.h"

#include <arpa/inet.h>
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attach.h"
#include "command.h"
#include "endpoint.h"
#include "explain.h"
#include "table.h"
#include "views.h"

static const char *verdict_word(enum explain_verdict verdict)
{
	static const char *const words[] = {
		[EXPLAIN_PASS] = "pass",
		[EXPLAIN_BACKEND] = "backend",
		[EXPLAIN_DROP] = "drop",
		[EXPLAIN_RESET] = "reset",
	};

	return words[verdict];
}

/* --- admission --- */

struct admission {
	const char *address, *allow, *rate;
};

/* Only a SYN without a flow that counts is asked; a refusal ends the questions. */
static void judge_admission(const struct explain_view *view, struct admission *admission)
{
	const struct sluice_service *service = &view->service;
	const bool *counted = view->answer->syn.counted;
	const bool ends = counted[SLUICE_REASON_NOT_LOCAL] || counted[SLUICE_REASON_DENIED];
	const bool leaves = counted[SLUICE_REASON_LEAVING];

	*admission = (struct admission){ "not asked", "not asked", "not asked" };
	if (counted[SLUICE_REASON_SYN_AGAIN] || counted[SLUICE_REASON_SYN_OTHER] ||
	    counted[SLUICE_REASON_SYN_MOVED])
		return;
	admission->address = counted[SLUICE_REASON_NOT_LOCAL] ? "refused" : "accepted";
	if (counted[SLUICE_REASON_NOT_LOCAL] || leaves)
		return;
	if (counted[SLUICE_REASON_DENIED])
		admission->allow = "refused";
	else
		admission->allow = service->flags & SLUICE_SERVICE_RESTRICTED ? "accepted"
									      : "everyone";
	if (ends)
		return;
	if (counted[SLUICE_REASON_RATE_LIMITED])
		admission->rate = "refused";
	else if (!service->rate)
		admission->rate = "no limit";
	else if (view->answer->syn.verdict == EXPLAIN_BACKEND)
		admission->rate = "accepted";
}

/* --- backends --- */

static bool is_chosen(const struct explain_view *view, unsigned slot)
{
	return view->answer->syn.verdict == EXPLAIN_BACKEND && view->answer->syn.slot == slot;
}

static const char *why_another(const struct explain_view *view)
{
	switch (explain_set(view->explain)->balance) {
	case SLUICE_BALANCE_ROUNDROBIN:
		return "its turn comes later";
	case SLUICE_BALANCE_LEASTCONN:
		return view->answer->by_chance ? "not among those that were looked at, or busier"
					       : "has as many connections for its weight, or more";
	case SLUICE_BALANCE_RANDOM:
		return "not drawn this time, or busier than the other one drawn";
	case SLUICE_BALANCE_SOURCE:
		return "the client's address leads to another";
	default:
		return "another was chosen";
	}
}

static const char *why_text(const struct explain_view *view, unsigned slot)
{
	const bool *counted = view->answer->syn.counted;

	if (is_chosen(view, slot))
		return counted[SLUICE_REASON_NEW] || counted[SLUICE_REASON_SYN_MOVED]
			       ? "chosen"
			       : "has the connection";
	switch (explain_why(view->explain, slot)) {
	case EXPLAIN_WHY_STATE:
		return "not up";
	case EXPLAIN_WHY_WEIGHT:
		return "weight 0";
	case EXPLAIN_WHY_NOT_IN_SET:
		return "not in the set that is published";
	case EXPLAIN_WHY_RANGE:
		return "its port lies outside [node] ports";
	case EXPLAIN_WHY_FULL:
		return "at maxconn";
	case EXPLAIN_WHY_SUSPECT:
		return "turned a connection away a moment ago: only if there is nobody else";
	case EXPLAIN_WHY_ELIGIBLE:
		break;
	}
	if (view->answer->syn.verdict == EXPLAIN_BACKEND)
		return counted[SLUICE_REASON_NEW] || counted[SLUICE_REASON_SYN_MOVED]
			       ? why_another(view)
			       : "another has the connection";
	return "nobody is chosen";
}

static bool is_of_service(const struct explain_view *view, unsigned slot)
{
	const struct sluice_backend *backend = &explain_backends(view->explain)[slot];

	return view->answer->service && backend->generation &&
	       backend->service == view->answer->service;
}

/* --- JSON --- */

static cJSON *outcome_json(const struct explain_view *view, const struct explain_outcome *outcome)
{
	cJSON *object = cJSON_CreateObject(), *reasons = cJSON_AddArrayToObject(object, "reasons");
	char name[SLUICE_NAME_LEN + 8];
	unsigned i;

	cJSON_AddStringToObject(object, "verdict", verdict_word(outcome->verdict));
	for (i = 0; i < SLUICE_REASON_COUNT; i++) {
		if (outcome->counted[i])
			cJSON_AddItemToArray(reasons, cJSON_CreateString(views_reason_name(i)));
	}
	if (outcome->verdict == EXPLAIN_BACKEND) {
		snprintf(name, sizeof(name), "%s/%u", view->service.name, outcome->port);
		cJSON_AddStringToObject(object, "backend", name);
		cJSON_AddNumberToObject(object, "port", outcome->port);
		cJSON_AddNumberToObject(object, "slot", outcome->slot);
		cJSON_AddNumberToObject(object, "generation", outcome->generation);
	} else {
		cJSON_AddNullToObject(object, "backend");
		cJSON_AddNullToObject(object, "port");
		cJSON_AddNullToObject(object, "slot");
		cJSON_AddNullToObject(object, "generation");
	}
	return object;
}

static cJSON *flow_json(const struct explain_view *view)
{
	const struct explain_answer *answer = view->answer;
	cJSON *object;

	if (!answer->has_flow)
		return cJSON_CreateNull();
	object = cJSON_CreateObject();
	cJSON_AddStringToObject(object, "state", views_flow_state(answer->flow_state));
	cJSON_AddNumberToObject(object, "port", ntohs(answer->flow.port));
	cJSON_AddNumberToObject(object, "slot", answer->flow.slot);
	cJSON_AddNumberToObject(object, "generation", answer->flow.generation);
	cJSON_AddBoolToObject(object, "retired", answer->retired);
	return object;
}

static cJSON *backends_json(const struct explain_view *view)
{
	const struct sluice_backend *backends = explain_backends(view->explain);
	cJSON *array = cJSON_CreateArray(), *object;
	unsigned slot;

	for (slot = 1; slot <= SLUICE_MAX_BACKENDS; slot++) {
		if (!is_of_service(view, slot))
			continue;
		object = cJSON_CreateObject();
		cJSON_AddNumberToObject(object, "port", ntohs(backends[slot].port));
		cJSON_AddNumberToObject(object, "slot", slot);
		cJSON_AddNumberToObject(object, "generation", backends[slot].generation);
		cJSON_AddStringToObject(object, "state", views_backend_state(backends[slot].state));
		cJSON_AddNumberToObject(object, "weight", backends[slot].weight);
		cJSON_AddNumberToObject(object, "active", explain_active(view->explain, slot));
		cJSON_AddNumberToObject(object, "half_open",
					explain_half_open(view->explain, slot));
		cJSON_AddBoolToObject(object, "eligible",
				      explain_why(view->explain, slot) == EXPLAIN_WHY_ELIGIBLE);
		cJSON_AddBoolToObject(object, "chosen", is_chosen(view, slot));
		cJSON_AddStringToObject(object, "why", why_text(view, slot));
		cJSON_AddItemToArray(array, object);
	}
	return array;
}

static void add_connection(cJSON *object, const struct explain_connection *connection)
{
	char address[INET6_ADDRSTRLEN];

	cJSON_AddStringToObject(object, "client",
				inet_ntop(connection->family, connection->client, address,
					  sizeof(address)));
	cJSON_AddNumberToObject(object, "client_port", connection->client_port);
	cJSON_AddStringToObject(object, "local",
				inet_ntop(connection->family, connection->local, address,
					  sizeof(address)));
	cJSON_AddNumberToObject(object, "local_port", connection->port);
}

int explain_view_json(const struct explain_view *view)
{
	const struct sluice_set *set = explain_set(view->explain);
	const struct explain_answer *answer = view->answer;
	cJSON *object = cJSON_CreateObject(), *asked;
	struct admission admission;

	add_connection(object, view->connection);
	cJSON_AddStringToObject(object, "mode", attach_mode_name(view->mode));
	cJSON_AddBoolToObject(object, "same_program", view->same_program);
	if (!answer->service) {
		cJSON_AddNullToObject(object, "service");
		cJSON_AddNullToObject(object, "balance");
		cJSON_AddNullToObject(object, "admission");
	} else {
		judge_admission(view, &admission);
		cJSON_AddStringToObject(object, "service", view->service.name);
		if (set->version)
			cJSON_AddStringToObject(object, "balance", views_balance(set->balance));
		else
			cJSON_AddNullToObject(object, "balance");
		asked = cJSON_AddObjectToObject(object, "admission");
		cJSON_AddStringToObject(asked, "address", admission.address);
		cJSON_AddStringToObject(asked, "allow", admission.allow);
		cJSON_AddStringToObject(asked, "rate", admission.rate);
	}
	cJSON_AddBoolToObject(object, "by_chance", answer->by_chance);
	cJSON_AddItemToObject(object, "flow", flow_json(view));
	cJSON_AddItemToObject(object, "segment",
			      answer->has_flow && answer->flow_state != SLUICE_FLOW_CLOSED &&
					      answer->service
				      ? outcome_json(view, &answer->segment)
				      : cJSON_CreateNull());
	cJSON_AddItemToObject(object, "syn", outcome_json(view, &answer->syn));
	cJSON_AddItemToObject(object, "backends", backends_json(view));
	return command_print_json(object);
}

/* --- text --- */

static void print_outcome(const struct explain_view *view, const char *title,
			  const struct explain_outcome *outcome)
{
	unsigned i;

	printf("%-11s ", title);
	switch (outcome->verdict) {
	case EXPLAIN_BACKEND:
		printf("goes to %s/%u", view->service.name, outcome->port);
		break;
	case EXPLAIN_PASS:
		printf("passes untouched to the host");
		break;
	case EXPLAIN_DROP:
		printf("is dropped");
		break;
	case EXPLAIN_RESET:
		printf("is reset");
		break;
	}
	for (i = 0; i < SLUICE_REASON_COUNT; i++) {
		if (outcome->counted[i])
			printf("; %s (%s)", views_reason_name(i), views_reason_help(i));
	}
	printf("%s\n", view->answer->by_chance && outcome == &view->answer->syn
			       ? "; by chance, another SYN may go elsewhere"
			       : "");
}

static void print_flow(const struct explain_view *view)
{
	const struct explain_answer *answer = view->answer;

	if (!answer->has_flow) {
		printf("%-11s none\n", "flow");
		return;
	}
	printf("%-11s %s, %s/%u%s\n", "flow", views_flow_state(answer->flow_state),
	       view->service.name[0] ? view->service.name : "?", ntohs(answer->flow.port),
	       answer->retired ? ", whose backend has ended" : "");
	if (answer->service && answer->flow_state != SLUICE_FLOW_CLOSED)
		print_outcome(view, "segment", &answer->segment);
}

static int print_backends(const struct explain_view *view)
{
	static const char *const titles[] = { ">PORT",	    "STATE", ">WEIGHT", ">ACTIVE",
					      ">HALF-OPEN", "WHY",   NULL };
	const struct sluice_backend *backends = explain_backends(view->explain);
	struct table *table = table_new(titles);
	unsigned slot;
	int err = -1;

	for (slot = 1; table && slot <= SLUICE_MAX_BACKENDS; slot++) {
		const struct sluice_backend *backend = &backends[slot];

		if (!is_of_service(view, slot))
			continue;
		table_number(table, ntohs(backend->port));
		table_text(table, views_backend_state(backend->state));
		table_number(table, backend->weight);
		table_number(table, explain_active(view->explain, slot));
		table_number(table, explain_half_open(view->explain, slot));
		table_text(table, why_text(view, slot));
	}
	if (table)
		err = table_print(table);
	table_free(table);
	if (!err)
		return EXIT_SUCCESS;
	command_error("out of memory");
	return EXIT_FAILURE;
}

int explain_view_text(const struct explain_view *view)
{
	const struct explain_connection *connection = view->connection;
	const struct sluice_set *set = explain_set(view->explain);
	char client[ENDPOINT_LEN], local[ENDPOINT_LEN];
	struct admission admission;

	endpoint_format(connection->family, connection->client, connection->client_port, client);
	endpoint_format(connection->family, connection->local, connection->port, local);
	printf("%-11s %s -> %s\n", "connection", client, local);
	printf("%-11s %s%s\n", "mode", attach_mode_name(view->mode),
	       view->same_program
		       ? ""
		       : " (what is attached is another version of the programs than the one asked here)");
	if (!view->answer->service) {
		printf("%-11s none has port %u\n", "service", connection->port);
		print_outcome(view, "SYN", &view->answer->syn);
		return EXIT_SUCCESS;
	}
	judge_admission(view, &admission);
	printf("%-11s %s (%s)\n", "service", view->service.name,
	       set->version ? views_balance(set->balance) : "unsynced: it never had a set");
	printf("%-11s address: %s, allow: %s, rate: %s\n", "admission", admission.address,
	       admission.allow, admission.rate);
	print_flow(view);
	print_outcome(view, view->answer->has_flow ? "another SYN" : "SYN", &view->answer->syn);
	return print_backends(view);
}
