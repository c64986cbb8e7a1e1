/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How `why` is shown. What sluiced says is taken from its JSON; what is missing there is not shown, so that an older or a younger one does no harm.
 */
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "change_view.h"
#include "command.h"
#include "views.h"
#include "why.h"

#define DURATION_LEN 24

static const cJSON *get(const cJSON *object, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(object, key);
}

static const char *text_of(const cJSON *object, const char *key)
{
	const char *text = cJSON_GetStringValue(get(object, key));

	return text ? text : "";
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* --- JSON --- */

static cJSON *copy_of(const cJSON *item)
{
	return item ? cJSON_Duplicate(item, true) : cJSON_CreateNull();
}

static cJSON *override_json(const struct sluice_override *override)
{
	cJSON *object;

	if (!override->drain && !override->has_weight)
		return cJSON_CreateNull();
	object = cJSON_CreateObject();
	cJSON_AddBoolToObject(object, "drain", override->drain);
	if (override->has_weight)
		cJSON_AddNumberToObject(object, "weight", override->weight);
	else
		cJSON_AddNullToObject(object, "weight");
	cJSON_AddNumberToObject(object, "age_ms",
				(double)(now_ms() - override->since_ns / 1000000));
	return object;
}

static cJSON *backend_json(const struct why *why, size_t i)
{
	const struct views_backend *backend = &why->backends[i];
	cJSON *object = cJSON_CreateObject();

	cJSON_AddStringToObject(object, "service", backend->service);
	cJSON_AddNumberToObject(object, "port", backend->port);
	cJSON_AddStringToObject(object, "task", backend->task);
	cJSON_AddStringToObject(object, "app", backend->app);
	cJSON_AddStringToObject(object, "state", views_backend_state(backend->state));
	cJSON_AddNumberToObject(object, "state_ms", (double)backend->state_since_ms);
	cJSON_AddNumberToObject(object, "weight", backend->weight);
	cJSON_AddNumberToObject(object, "slot", backend->slot);
	cJSON_AddNumberToObject(object, "generation", backend->generation);
	cJSON_AddNumberToObject(object, "active", backend->active);
	cJSON_AddNumberToObject(object, "half_open", backend->half_open);
	cJSON_AddNumberToObject(object, "connections", (double)backend->stats.connections);
	cJSON_AddStringToObject(object, "source", backend->source);
	cJSON_AddStringToObject(object, "reason", backend->reason);
	cJSON_AddItemToObject(object, "override", override_json(&why->overrides[i]));
	return object;
}

static cJSON *problems_json(const struct why *why)
{
	cJSON *list = cJSON_CreateArray();
	const cJSON *problem;

	cJSON_ArrayForEach(problem, get(why->status, "problems"))
	{
		if (!why->task || !strcmp(text_of(problem, "task"), why->task))
			cJSON_AddItemToArray(list, cJSON_Duplicate(problem, true));
	}
	return list;
}

int why_print_json(const struct why *why)
{
	cJSON *document = cJSON_CreateObject(), *list, *daemon;

	if (why->port)
		cJSON_AddNumberToObject(document, "port", why->port);
	else
		cJSON_AddNullToObject(document, "port");
	daemon = cJSON_AddObjectToObject(document, "daemon");
	cJSON_AddBoolToObject(daemon, "running", why->status != NULL);
	if (why->status)
		cJSON_AddNullToObject(daemon, "error");
	else
		cJSON_AddStringToObject(daemon, "error", why->no_daemon);
	list = cJSON_AddArrayToObject(document, "backends");
	for (size_t i = 0; i < why->backend_count; i++)
		cJSON_AddItemToArray(list, backend_json(why, i));
	cJSON_AddItemToObject(document, "facts", copy_of(why_claims(why)));
	cJSON_AddItemToObject(document, "sources", copy_of(get(why->status, "sources")));
	cJSON_AddItemToObject(document, "behind",
			      why->port ? behind_json(&why->behind) : cJSON_CreateNull());
	cJSON_AddItemToObject(document, "changes",
			      change_view_json(why->changes, why->change_count));
	cJSON_AddItemToObject(document, "problems", problems_json(why));
	return command_print_json(document);
}

/* --- for people --- */

/* "3s" of a number in milliseconds; "" if there is none. */
static const char *duration(const cJSON *object, const char *key, char text[DURATION_LEN])
{
	const cJSON *item = get(object, key);
	uint64_t ms = cJSON_IsNumber(item) && item->valuedouble > 0 ? (uint64_t)item->valuedouble
								    : 0;

	text[0] = '\0';
	if (!cJSON_IsNumber(item))
		return text;
	if (ms < 10000)
		snprintf(text, DURATION_LEN, "%" PRIu64 ".%" PRIu64 " s", ms / 1000,
			 ms % 1000 / 100);
	else
		snprintf(text, DURATION_LEN, "%" PRIu64 " s", ms / 1000);
	return text;
}

/* ", not reached for 12 s: ERROR" or ", its last answer is 0.3 s old" */
static void print_hearing(const struct why *why, const char *name)
{
	char age[DURATION_LEN];
	const cJSON *source;

	cJSON_ArrayForEach(source, get(why->status, "sources"))
	{
		if (strcmp(text_of(source, "name"), name) != 0)
			continue;
		if (cJSON_IsFalse(get(source, "used")))
			printf("; this source is not used");
		else if (cJSON_IsFalse(get(source, "connected")))
			printf("; not connected: %s", text_of(source, "error"));
		if (duration(source, "last_good_ms", age)[0])
			printf("; its last answer is %s old", age);
		if (duration(source, "last_event_ms", age)[0])
			printf(", its last event %s", age);
	}
	putchar('\n');
}

static void print_marathon(const struct why *why, const cJSON *claim)
{
	const cJSON *marathon = get(claim, "marathon");
	const char *state = text_of(marathon, "state"), *counts = text_of(marathon, "counts");
	char age[DURATION_LEN];

	if (cJSON_IsFalse(get(marathon, "used"))) {
		puts("  Marathon:  does not tell this service's tasks: Consul's list counts");
		return;
	}
	printf("  Marathon:  %s", state);
	if (strcmp(state, counts) != 0)
		printf(", what counts is the last word: %s", counts);
	if (cJSON_IsFalse(get(marathon, "ready")))
		printf(", its readiness check has not passed");
	printf("; health %s", text_of(marathon, "health"));
	if (duration(marathon, "health_ms", age)[0])
		printf(" %s ago%s", age,
		       cJSON_IsTrue(get(marathon, "health_expired")) ? ", too old to count" : "");
	print_hearing(why, "marathon");
}

static void print_consul(const struct why *why, const cJSON *claim)
{
	const cJSON *consul = get(claim, "consul");
	const char *output = text_of(consul, "output");
	char age[DURATION_LEN];

	if (cJSON_IsFalse(get(consul, "used"))) {
		puts("  Consul:    not asked for this service");
		return;
	}
	printf("  Consul:    %s, %s", text_of(consul, "state"),
	       cJSON_IsFalse(get(consul, "present")) ? "no entry for it"
	       : cJSON_IsTrue(get(consul, "ours"))   ? "our own entry"
						     : "somebody else's entry");
	if (output[0])
		printf(" (%.120s)", output);
	print_hearing(why, "consul");
	if (cJSON_GetNumberValue(get(consul, "checks_unrun")) > 0)
		printf("             it cannot run %.0f of Marathon's checks (a command, or a port that is not on the host)\n",
		       cJSON_GetNumberValue(get(consul, "checks_unrun")));
	if (duration(consul, "unlisted_ms", age)[0])
		printf("  guard:     registration-unlisted: registered, and Consul does not list it (the token lacks service_prefix \"sluice:\" { policy = \"read\" }), since %s\n",
		       age);
	if (duration(consul, "registration_waits_ms", age)[0])
		printf("  guard:     registration-waits: it has changed, and is written when the maintenance ends, since %s\n",
		       age);
}

static void print_kernel(const struct why *why, const cJSON *claim)
{
	const cJSON *kernel = get(claim, "kernel");
	const char *listens = text_of(kernel, "listens");
	char age[DURATION_LEN];

	if (!strcmp(listens, "yes"))
		printf("  kernel:    somebody listens on the port");
	else if (!strcmp(listens, "no"))
		printf("  kernel:    nobody listens any more, for %s",
		       duration(kernel, "lost_ms", age));
	else
		printf("  kernel:    nobody was ever seen listening: that proves nothing here");
	print_hearing(why, "kernel");
}

static void print_held(const cJSON *claim)
{
	const cJSON *guard = get(claim, "guard");
	char age[DURATION_LEN], left[DURATION_LEN];

	if (cJSON_IsObject(guard)) {
		if (text_of(guard, "reason")[0])
			printf("  guard:     %s: %s, since %s", text_of(guard, "name"),
			       text_of(guard, "reason"), duration(guard, "age_ms", age));
		else
			printf("  guard:     %s overrules the rule, since %s",
			       text_of(guard, "name"), duration(guard, "age_ms", age));
		if (duration(guard, "held_ms", left)[0])
			printf(", for %s more", left);
		putchar('\n');
	}
	if (duration(claim, "hint_ms", left)[0])
		printf("  guard:     an event said that it is being removed: believed for %s more\n",
		       left);
	if (duration(claim, "slowstart_ms", left)[0])
		printf("  slowstart: weight %.0f of %.0f, full in %s\n",
		       cJSON_GetNumberValue(get(claim, "weight")),
		       cJSON_GetNumberValue(get(claim, "full_weight")), left);
}

static void print_claim(const struct why *why, const cJSON *claim)
{
	const cJSON *row = get(claim, "row");

	printf("  rule:      row %.0f: %s\n", cJSON_GetNumberValue(get(row, "number")),
	       text_of(row, "text"));
	print_held(claim);
	print_marathon(why, claim);
	print_consul(why, claim);
	print_kernel(why, claim);
}

static void print_override(const struct sluice_override *override)
{
	uint64_t age_s = (now_ms() - override->since_ns / 1000000) / 1000;

	if (override->drain)
		printf("  operator:  drains it, said %" PRIu64
		       " s ago; ends with `undrain` or with "
		       "the task\n",
		       age_s);
	if (override->has_weight)
		printf("  operator:  gave it weight %u\n", override->weight);
}

static void print_backend(const struct why *why, size_t i)
{
	const struct views_backend *backend = &why->backends[i];
	const cJSON *claim = why_claim_of(why, backend->task);

	printf("%s/%u: %s for %" PRIu64 " s, weight %u\n",
	       backend->service[0] ? backend->service : "?", backend->port,
	       views_backend_state(backend->state), backend->state_since_ms / 1000,
	       backend->weight);
	printf("  because:   %s: %s\n", backend->source[0] ? backend->source : "?",
	       backend->reason[0] ? backend->reason : "not known");
	printf("  task:      %s of %s, generation %u in slot %u\n",
	       backend->task[0] ? backend->task : "not known",
	       backend->app[0] ? backend->app : "no app", backend->generation, backend->slot);
	printf("  traffic:   %u connections, %u handshakes under way; %" PRIu64 " so far\n",
	       backend->active, backend->half_open, (uint64_t)backend->stats.connections);
	print_override(&why->overrides[i]);
	if (claim)
		print_claim(why, claim);
	else if (why->status)
		puts("  sluiced:   does not know it (any more)");
}

/* What sluiced knows and no map has: its port is taken, or it is refused, or it has just ended. */
static void print_claims_left(const struct why *why)
{
	const cJSON *claim;

	cJSON_ArrayForEach(claim, why_claims(why))
	{
		bool shown = false;

		for (size_t i = 0; i < why->backend_count; i++)
			shown |= !strcmp(why->backends[i].task, text_of(claim, "task"));
		if (shown)
			continue;
		printf("%s/%u: no backend, task %s\n", text_of(claim, "service"), why->port,
		       text_of(claim, "task"));
		if (cJSON_IsTrue(get(claim, "ended")))
			puts("  because:   it has ended; its registration in Consul is being removed");
		else
			printf("  because:   %s: %s\n", text_of(claim, "source"),
			       text_of(claim, "reason"));
		print_claim(why, claim);
	}
}

/* What the task should be a backend of, and cannot. How many there are. */
static size_t print_problems(const struct why *why)
{
	const cJSON *problem;
	size_t count = 0;

	cJSON_ArrayForEach(problem, get(why->status, "problems"))
	{
		if (!why->task || strcmp(text_of(problem, "task"), why->task) != 0)
			continue;
		printf("%s: runs here and cannot be a backend of %s\n  because:   marathon: %s\n",
		       why->task, text_of(problem, "service"), text_of(problem, "reason"));
		count++;
	}
	return count;
}

int why_print_text(const struct why *why)
{
	if (!why->status)
		printf("sluiced: %s: this is what the maps and the record say, as it left them\n",
		       why->no_daemon);
	for (size_t i = 0; i < why->backend_count; i++)
		print_backend(why, i);
	print_claims_left(why);
	if (!print_problems(why) && !why->backend_count && !cJSON_GetArraySize(why_claims(why)))
		printf("%s: no backend now; the record knows one\n",
		       why->task ? why->task : "this host-port");
	if (why->port)
		behind_print(&why->behind);
	if (!why->change_count)
		return EXIT_SUCCESS;
	putchar('\n');
	if (!change_view_print(why->changes, why->change_count))
		return EXIT_SUCCESS;
	command_error("out of memory");
	return EXIT_FAILURE;
}
