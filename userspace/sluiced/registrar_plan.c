/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Registrations and the difference to what Consul holds, see registrar_plan.h. Agents refuse keys
 * that they do not know, so only those that every version knows are written; durations are strings,
 * since numbers are nanoseconds; check ids are left to the agent, because they are unique in the
 * whole agent and would be stolen from each other.
 */
#include "registrar_plan.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "consul_json.h"

#define MAX_META 512 /* Consul's limit for a value */

char *registrar_tag(const char *name)
{
	char *tag = strdup(name);

	if (!tag)
		return NULL;
	for (char *c = tag; *c; c++)
		*c = isalnum((unsigned char)*c) ? tolower((unsigned char)*c) : '-';
	return tag;
}

/* Anything else in an id cannot be deregistered by its path. */
static bool is_id(const char *text)
{
	if (!*text || strlen(text) > 255)
		return false;
	for (; *text; text++)
		if (!isalnum((unsigned char)*text) && !strchr("._:-", *text))
			return false;
	return true;
}

/* The host-port that a check is for; 0: none that can be reached. */
static uint16_t check_port(const struct registrar_entry *entry, const struct facts_check *check)
{
	if (check->port)
		return check->port;
	if (check->port_index == entry->port_index)
		return entry->port;
	return entry->ports && check->port_index < entry->port_count
		       ? entry->ports[check->port_index]
		       : 0;
}

static bool add_text(cJSON *object, const char *key, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static bool add_text(cJSON *object, const char *key, const char *format, ...)
{
	char *text;
	va_list args;
	bool added;
	int len;

	va_start(args, format);
	len = vasprintf(&text, format, args);
	va_end(args);
	if (len < 0)
		return false;
	added = cJSON_AddStringToObject(object, key, text);
	free(text);
	return added;
}

/* Where the task is reached: its own address, or the node's as its agent tells it. */
static const char *address_of(const struct registrar_entry *entry,
			      const struct registrar_host *host)
{
	return entry->address && *entry->address ? entry->address : host->address;
}

static bool fill_check(cJSON *item, const struct facts_check *check, const char *address,
		       uint16_t port)
{
	const bool v6 = strchr(address, ':');
	const char *open = v6 ? "[" : "", *close = v6 ? "]" : "";
	const char *slash = check->path && check->path[0] == '/' ? "" : "/";
	const char *path = check->path ? check->path : "";
	bool secure = check->protocol == FACTS_CHECK_HTTPS;

	if (check->protocol == FACTS_CHECK_TCP) {
		if (!add_text(item, "Name", "TCP port %u", port) ||
		    !add_text(item, "TCP", "%s%s%s:%u", open, address, close, port))
			return false;
	} else {
		if (!add_text(item, "Name", "%s %s%s", secure ? "HTTPS" : "HTTP", slash, path) ||
		    !add_text(item, "HTTP", "http%s://%s%s%s:%u%s%s", secure ? "s" : "", open,
			      address, close, port, slash, path))
			return false;
		/* as Marathon's own check does: it asks a task, not a name */
		if (secure && !cJSON_AddTrueToObject(item, "TLSSkipVerify"))
			return false;
	}
	return add_text(item, "Interval", "%us", check->interval_s ? check->interval_s : 1) &&
	       add_text(item, "Timeout", "%us", check->timeout_s ? check->timeout_s : 1);
}

/* 0, 1 if Consul cannot run it, -ENOMEM. */
static int add_check(cJSON *list, const struct registrar_entry *entry,
		     const struct facts_check *check, const struct registrar_host *host)
{
	const char *address = address_of(entry, host);
	uint16_t port = check_port(entry, check);
	cJSON *item;

	if (check->protocol == FACTS_CHECK_COMMAND || !port)
		return 1;
	item = cJSON_CreateObject();
	if (!item || !cJSON_AddItemToArray(list, item)) {
		cJSON_Delete(item);
		return -ENOMEM;
	}
	return fill_check(item, check, address, port) ? 0 : -ENOMEM;
}

static int add_checks(cJSON *body, const struct registrar_entry *entry,
		      const struct registrar_host *host, size_t *skipped)
{
	cJSON *list = cJSON_AddArrayToObject(body, "Checks");

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < entry->check_count; i++) {
		int result = add_check(list, entry, &entry->checks[i], host);

		if (result < 0)
			return result;
		*skipped += result;
	}
	return 0;
}

/* All but what changes by itself: the digest, and the status that checks start with. */
static int describe(cJSON *body, const struct registrar_entry *entry,
		    const struct registrar_host *host, const char *id, size_t *skipped)
{
	cJSON *tags, *meta, *tag;

	if (!cJSON_AddStringToObject(body, "ID", id) ||
	    !cJSON_AddStringToObject(body, "Name", entry->service) ||
	    !cJSON_AddStringToObject(body, "Address", address_of(entry, host)) ||
	    !cJSON_AddNumberToObject(body, "Port", entry->port))
		return -ENOMEM;
	tags = cJSON_AddArrayToObject(body, "Tags");
	tag = cJSON_CreateString(host->tag);
	if (!tags || !tag || !cJSON_AddItemToArray(tags, tag)) {
		cJSON_Delete(tag);
		return -ENOMEM;
	}
	meta = cJSON_AddObjectToObject(body, "Meta");
	if (!meta || !cJSON_AddStringToObject(meta, CONSUL_META_APP, entry->app) ||
	    !cJSON_AddStringToObject(meta, CONSUL_META_TASK, entry->task) ||
	    !add_text(meta, CONSUL_META_INDEX, "%u", entry->port_index) ||
	    !cJSON_AddStringToObject(meta, CONSUL_META_BOOT, host->boot_id))
		return -ENOMEM;
	if (host->mark && *host->mark &&
	    !cJSON_AddStringToObject(meta, CONSUL_META_HOST, host->mark))
		return -ENOMEM;
	return add_checks(body, entry, host, skipped);
}

/* FNV-1a: tells one definition from another, guards against nothing. */
static uint64_t digest(const char *text)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	return hash;
}

static const char *start_status(enum facts_status status)
{
	switch (status) {
	case FACTS_STATUS_PASSING:
		return "passing";
	case FACTS_STATUS_WARNING:
		return "warning";
	case FACTS_STATUS_CRITICAL:
	case FACTS_STATUS_MAINT:
		return "critical";
	case FACTS_STATUS_NONE:
		break;
	}
	return NULL;
}

static int finish(cJSON *body, enum facts_status status, struct registration *out)
{
	const char *word = start_status(status);
	cJSON *meta = cJSON_GetObjectItemCaseSensitive(body, "Meta"), *check;
	char *text = cJSON_PrintUnformatted(body);
	int len;

	if (!text)
		return -ENOMEM;
	len = asprintf(&out->definition, "%016" PRIx64, digest(text));
	free(text);
	if (len < 0) {
		out->definition = NULL;
		return -ENOMEM;
	}
	if (!cJSON_AddStringToObject(meta, CONSUL_META_DEFINITION, out->definition))
		return -ENOMEM;
	cJSON_ArrayForEach(
		check,
		cJSON_GetObjectItemCaseSensitive(
			body, "Checks")) if (word && !cJSON_AddStringToObject(check, "Status",
									      word)) return -ENOMEM;
	out->body = cJSON_PrintUnformatted(body);
	return out->body ? 0 : -ENOMEM;
}

int registration_make(const struct registrar_entry *entry, const struct registrar_host *host,
		      struct registration *out)
{
	cJSON *body = NULL;
	int err;

	*out = (struct registration){
		.told = { .task = entry->task, .port_index = entry->port_index },
	};
	if (!is_id(entry->task))
		return -EINVAL;
	if (!entry->gone_proved &&
	    (!entry->port || !*entry->service || strlen(entry->app) > MAX_META))
		return -EINVAL;
	if (asprintf(&out->id, CONSUL_PREFIX "%s:%u", entry->task, entry->port_index) < 0) {
		out->id = NULL;
		return -ENOMEM;
	}
	out->gone = entry->gone_proved;
	if (out->gone)
		return 0;
	body = cJSON_CreateObject();
	err = body ? describe(body, entry, host, out->id, &out->told.checks_unrun) : -ENOMEM;
	if (!err)
		err = finish(body, entry->status, out);
	cJSON_Delete(body);
	if (err)
		registration_release(out);
	return err;
}

void registration_release(struct registration *registration)
{
	free(registration->id);
	free(registration->definition);
	free(registration->body);
	memset(registration, 0, sizeof(*registration));
}

static const struct registration *find_wanted(const struct registration *wanted, size_t count,
					      const char *id)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(wanted[i].id, id) == 0)
			return &wanted[i];
	return NULL;
}

static const struct facts_entry *find_held(const struct facts_consul *held, const char *id)
{
	for (size_t i = 0; i < held->entry_count; i++)
		if (strcmp(held->entries[i].id, id) == 0)
			return &held->entries[i];
	return NULL;
}

size_t registrar_plan(struct registration *wanted, size_t count, const struct facts_consul *held,
		      const char *boot_id, struct registrar_step *steps)
{
	size_t n = 0;

	for (size_t i = 0; i < held->entry_count; i++) {
		const struct facts_entry *entry = &held->entries[i];
		const struct registration *own = find_wanted(wanted, count, entry->id);
		bool ghost = strcmp(entry->boot_id, boot_id) != 0;

		if (entry->ours && (own ? own->gone : ghost))
			steps[n++] =
				(struct registrar_step){ REGISTRAR_DEREGISTER, entry->id, NULL };
	}
	for (size_t i = 0; i < count; i++) {
		const struct facts_entry *entry = find_held(held, wanted[i].id);

		wanted[i].told.waits = false;
		wanted[i].told.unlisted = !entry && !wanted[i].gone;
		if (wanted[i].gone)
			continue;
		/* somebody else's under our id: never touched */
		if (entry && (!entry->ours || strcmp(entry->definition, wanted[i].definition) == 0))
			continue;
		/* a new definition would end the maintenance that an operator asked for: it waits */
		wanted[i].told.waits = entry && entry->status == FACTS_STATUS_MAINT;
		if (wanted[i].told.waits)
			continue;
		steps[n++] =
			(struct registrar_step){ REGISTRAR_REGISTER, wanted[i].id, wanted[i].body };
	}
	return n;
}
