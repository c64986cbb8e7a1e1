/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Consul's services and checks, see consul_json.h. The status of an entry is the worst of its own
 * checks; a check that has not run yet says nothing (Consul calls it critical, with no output and
 * untouched since it was made). serfHealth is about the agent, not about the service, and does not
 * count; maintenance of the service or the node does.
 */
#include "consul_json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ENTRIES 8192
#define MAX_OUTPUT 200

static char *copy(const char *text)
{
	return strdup(text ? text : "");
}

static int read_ours(const cJSON *service, const struct consul_host *host, const char *place,
		     struct facts_entry *entry, struct json_error *error)
{
	const char *task = NULL, *app = NULL, *index = NULL, *boot = NULL, *definition = NULL,
		   *mark = NULL;
	const cJSON *meta;
	unsigned long number;
	char *end;
	int err;

	err = json_object(service, "Meta", false, place, &meta, error);
	if (err)
		return err;
	if (meta && strncmp(entry->id, CONSUL_PREFIX, strlen(CONSUL_PREFIX)) == 0 &&
	    (json_string(meta, CONSUL_META_TASK, false, place, &task, error) ||
	     json_string(meta, CONSUL_META_APP, false, place, &app, error) ||
	     json_string(meta, CONSUL_META_INDEX, false, place, &index, error) ||
	     json_string(meta, CONSUL_META_BOOT, false, place, &boot, error) ||
	     json_string(meta, CONSUL_META_HOST, false, place, &mark, error) ||
	     json_string(meta, CONSUL_META_DEFINITION, false, place, &definition, error)))
		return -EINVAL;
	entry->ours = task && *task;
	entry->marked = entry->ours && mark && host->mark && *mark && !strcmp(mark, host->mark);
	entry->task = copy(entry->ours ? task : "");
	entry->app = copy(entry->ours ? app : "");
	entry->boot_id = copy(entry->ours ? boot : "");
	entry->definition = copy(entry->ours ? definition : "");
	if (!entry->task || !entry->app || !entry->boot_id || !entry->definition)
		return -ENOMEM;
	if (entry->ours && index) {
		number = strtoul(index, &end, 10);
		if (*end || end == index || number >= FACTS_MAX_PORTS)
			return json_fail(error, "%s.Meta.%s is \"%.20s\", not a port index", place,
					 CONSUL_META_INDEX, index);
		entry->port_index = number;
	}
	return 0;
}

/* Does the entry carry tags, and none of them is this host's? */
static int has_other_tags(const cJSON *service, const char *tag, const char *place, bool *other,
			  struct json_error *error)
{
	const cJSON *tags, *item;
	int err;

	err = json_array(service, "Tags", false, place, &tags, error);
	if (err)
		return err;
	*other = tags && cJSON_GetArraySize(tags);
	cJSON_ArrayForEach(item, tags) if (cJSON_IsString(item) &&
					   strcmp(item->valuestring, tag) == 0) *other = false;
	return 0;
}

static int is_foreign(const cJSON *service, const struct facts_entry *entry,
		      const struct consul_host *host, const char *place, bool *foreign,
		      struct json_error *error)
{
	*foreign = false;
	if (!entry->ours || !host->tag || entry->marked ||
	    (host->boot_id && strcmp(entry->boot_id, host->boot_id) == 0))
		return 0;
	return has_other_tags(service, host->tag, place, foreign, error);
}

/*
 * 1: read, 0: another host's, or has no port that a packet can be sent to. Consul lets one register port 0 and even
 * negative ones.
 */
static int read_service(const cJSON *item, const char *place, const struct consul_host *host,
			struct facts_entry *entry, struct json_error *error)
{
	const char *id, *name, *address;
	bool foreign;
	int64_t port;
	int err;

	if (!cJSON_IsObject(item))
		return json_fail(error, "%s is not an object", place);
	if (json_string(item, "ID", true, place, &id, error) ||
	    json_string(item, "Service", true, place, &name, error) ||
	    json_string(item, "Address", false, place, &address, error) ||
	    json_number(item, "Port", INT32_MIN, INT32_MAX, 0, place, &port, error))
		return -EINVAL;
	if (port < 1 || port > 65535)
		return 0;
	entry->port = port;
	entry->id = copy(id);
	entry->service = copy(name);
	entry->address = copy(address);
	entry->output = copy("");
	if (!entry->id || !entry->service || !entry->address || !entry->output)
		return -ENOMEM;
	err = read_ours(item, host, place, entry, error);
	if (!err)
		err = is_foreign(item, entry, host, place, &foreign, error);
	if (err)
		return err;
	if (foreign)
		facts_entry_release(entry);
	return !foreign;
}

static int read_services(const cJSON *document, const struct consul_host *host,
			 struct facts_consul *answer, struct json_error *error)
{
	const cJSON *about, *services, *item;
	size_t index = 0;
	const char *name;

	if (cJSON_IsNull(document)) /* no such node */
		return 0;
	if (!cJSON_IsObject(document))
		return json_fail(error, "neither an object nor null");
	if (json_object(document, "Node", true, "", &about, error) ||
	    json_string(about, "Node", true, "Node", &name, error) ||
	    json_object(document, "Services", false, "", &services, error))
		return -EINVAL;
	if (strcmp(name, host->node) != 0)
		return json_fail(error, "Node.Node is \"%.60s\", \"%.60s\" was asked for", name,
				 host->node);
	if (!services || !cJSON_GetArraySize(services))
		return 0;
	if (cJSON_GetArraySize(services) > MAX_ENTRIES)
		return json_fail(error, "more than %d services on one node", MAX_ENTRIES);
	answer->entries = calloc(cJSON_GetArraySize(services), sizeof(*answer->entries));
	if (!answer->entries)
		return -ENOMEM;
	cJSON_ArrayForEach(item, services)
	{
		char place[40];
		int used;

		snprintf(place, sizeof(place), "Services[%zu]", index++);
		used = read_service(item, place, host, &answer->entries[answer->entry_count],
				    error);
		if (used)
			answer->entry_count++; /* also after a failure: the answer's release frees it */
		if (used < 0)
			return used;
	}
	return 0;
}

static int by_id(const void *a, const void *b)
{
	const struct facts_entry *x = a, *y = b;

	return strcmp(x->id, y->id);
}

/* What the checks of one entry say together, while they are read. */
struct verdict {
	enum facts_status worst; /* of those that have run */
	bool one_has_not_run;
};

static int parse_status(const char *word, const char *place, enum facts_status *status,
			struct json_error *error)
{
	if (strcmp(word, "passing") == 0)
		*status = FACTS_STATUS_PASSING;
	else if (strcmp(word, "warning") == 0)
		*status = FACTS_STATUS_WARNING;
	else if (strcmp(word, "critical") == 0)
		*status = FACTS_STATUS_CRITICAL;
	else
		return json_fail(error, "%s.Status is \"%.40s\"", place, word);
	return 0;
}

static int set_output(struct facts_entry *entry, const char *output)
{
	size_t len = strlen(output);
	char *text;

	if (len > MAX_OUTPUT) {
		len = MAX_OUTPUT;
		while (len &&
		       (output[len] & 0xc0) == 0x80) /* not in the middle of a UTF-8 character */
			len--;
	}
	text = strndup(output, len);
	if (!text)
		return -ENOMEM;
	free(entry->output);
	entry->output = text;
	return 0;
}

static int apply(struct facts_entry *entry, struct verdict *verdict, enum facts_status status,
		 const char *output)
{
	if (status == FACTS_STATUS_NONE) {
		verdict->one_has_not_run = true;
		return 0;
	}
	if (status <= verdict->worst)
		return 0;
	verdict->worst = status;
	return set_output(entry, output);
}

struct check {
	const char *id, *service, *output;
	enum facts_status status;
};

/*
 * Critical without output: the status that a check has before its first run. A check of these types never
 * ends without one, so for them that holds also after an agent's restart, which makes an old check new
 * without making it anew. A script or a TTL check may fail without a word, and then only its indexes tell.
 */
static bool has_not_run(const struct check *check, const char *type, bool unchanged)
{
	if (check->status != FACTS_STATUS_CRITICAL || *check->output)
		return false;
	return unchanged || !strcmp(type, "http") || !strcmp(type, "tcp") || !strcmp(type, "grpc");
}

static int read_check(const cJSON *item, const char *node, const char *place, struct check *check,
		      struct json_error *error)
{
	const cJSON *output = cJSON_GetObjectItemCaseSensitive(item, "Output");
	const cJSON *notes = cJSON_GetObjectItemCaseSensitive(item, "Notes");
	const char *word, *owner, *type;
	int64_t made, changed;
	int err;

	if (!cJSON_IsObject(item))
		return json_fail(error, "%s is not an object", place);
	if (json_string(item, "Node", true, place, &owner, error) ||
	    json_string(item, "CheckID", true, place, &check->id, error) ||
	    json_string(item, "Status", true, place, &word, error) ||
	    json_string(item, "ServiceID", false, place, &check->service, error) ||
	    json_string(item, "Type", false, place, &type, error) ||
	    json_number(item, "CreateIndex", 0, INT64_C(1) << 53, 0, place, &made, error) ||
	    json_number(item, "ModifyIndex", 0, INT64_C(1) << 53, 0, place, &changed, error))
		return -EINVAL;
	if (strcmp(owner, node) != 0)
		return json_fail(error, "%s.Node is \"%.60s\", \"%.60s\" was asked for", place,
				 owner, node);
	err = parse_status(word, place, &check->status, error);
	if (err)
		return err;
	/* up to 4 KiB, so not json_string() */
	check->output = cJSON_IsString(output) ? output->valuestring : "";
	if (has_not_run(check, type ? type : "", made == changed))
		check->status = FACTS_STATUS_NONE;
	if (strcmp(check->id, "_node_maintenance") == 0 ||
	    strncmp(check->id, "_service_maintenance:", 21) == 0) {
		check->status = FACTS_STATUS_MAINT;
		check->output = cJSON_IsString(notes) ? notes->valuestring : "";
	}
	return 0;
}

static int apply_check(const struct check *check, struct facts_consul *answer,
		       struct verdict *verdicts)
{
	for (size_t i = 0; i < answer->entry_count; i++) {
		struct facts_entry *entry = &answer->entries[i];
		enum facts_status status = check->status;
		bool own = check->service && strcmp(check->service, entry->id) == 0;
		bool node = check->status == FACTS_STATUS_MAINT &&
			    (!check->service || !*check->service);
		int err;

		if (!own && !node)
			continue;
		entry->has_checks |= status != FACTS_STATUS_MAINT;
		/*
		 * ours are all HTTP or TCP, see has_not_run(), also where an old agent does not say
		 * so
		 */
		if (entry->ours && status == FACTS_STATUS_CRITICAL && !*check->output)
			status = FACTS_STATUS_NONE;
		err = apply(entry, &verdicts[i], status, check->output);
		if (err)
			return err;
	}
	return 0;
}

static int read_checks(const cJSON *document, const char *node, struct facts_consul *answer,
		       struct verdict *verdicts, struct json_error *error)
{
	const cJSON *item;
	size_t index = 0;
	int err;

	if (cJSON_IsNull(document))
		return 0;
	if (!cJSON_IsArray(document))
		return json_fail(error, "neither an array nor null");
	cJSON_ArrayForEach(item, document)
	{
		struct check check;
		char place[32];

		snprintf(place, sizeof(place), "[%zu]", index++);
		err = read_check(item, node, place, &check, error);
		if (err)
			return err;
		err = apply_check(&check, answer, verdicts);
		if (err)
			return err;
	}
	for (size_t i = 0; i < answer->entry_count; i++) {
		answer->entries[i].status = verdicts[i].worst;
		/*
		 * passing is said when all have run; until then the others may only make it worse
		 */
		if (verdicts[i].worst == FACTS_STATUS_PASSING && verdicts[i].one_has_not_run)
			answer->entries[i].status = FACTS_STATUS_NONE;
	}
	return 0;
}

int consul_json_node(const struct consul_text *services, const struct consul_text *checks,
		     const struct consul_host *host, struct facts_consul *answer)
{
	cJSON *service_list = NULL, *check_list = NULL;
	struct verdict *verdicts = NULL;
	int err;

	memset(answer, 0, sizeof(*answer));
	service_list =
		json_parse(services->text, services->len, CONSUL_JSON_MAX_BYTES, services->error);
	if (!service_list)
		return -errno;
	check_list = json_parse(checks->text, checks->len, CONSUL_JSON_MAX_BYTES, checks->error);
	if (!check_list) {
		err = -errno;
		goto out;
	}
	err = read_services(service_list, host, answer, services->error);
	if (err)
		goto out;
	if (answer->entry_count)
		qsort(answer->entries, answer->entry_count, sizeof(*answer->entries), by_id);
	verdicts = calloc(answer->entry_count + 1, sizeof(*verdicts));
	if (!verdicts) {
		err = -ENOMEM;
		goto out;
	}
	err = read_checks(check_list, host->node, answer, verdicts, checks->error);
out:
	free(verdicts);
	cJSON_Delete(check_list);
	cJSON_Delete(service_list);
	if (err)
		facts_consul_release(answer);
	return err;
}

int consul_json_self(const char *text, size_t len, char **node, char **address,
		     struct json_error *error)
{
	const cJSON *config, *member;
	const char *name, *ip;
	cJSON *document;
	int err = 0;

	*node = *address = NULL;
	document = json_parse(text, len, CONSUL_JSON_MAX_BYTES, error);
	if (!document)
		return -errno;
	if (json_object(document, "Config", true, "", &config, error) ||
	    json_string(config, "NodeName", true, "Config", &name, error) ||
	    json_object(document, "Member", true, "", &member, error) ||
	    json_string(member, "Addr", true, "Member", &ip, error)) {
		err = -EINVAL;
		goto out;
	}
	*node = strdup(name);
	*address = strdup(ip);
	if (!*node || !*address) {
		free(*node);
		free(*address);
		*node = *address = NULL;
		err = -ENOMEM;
	}
out:
	cJSON_Delete(document);
	return err;
}

bool consul_json_keeps_meta(const char *text, size_t len)
{
	const cJSON *config, *version;
	struct json_error error;
	unsigned major, minor, patch;
	cJSON *document;
	bool keeps = true;

	json_error_init(&error, "/v1/agent/self");
	document = json_parse(text, len, CONSUL_JSON_MAX_BYTES, &error);
	config = cJSON_GetObjectItemCaseSensitive(document, "Config");
	version = cJSON_GetObjectItemCaseSensitive(config, "Version");
	if (cJSON_IsString(version) &&
	    sscanf(version->valuestring, "%3u.%3u.%3u", &major, &minor, &patch) == 3)
		keeps = major * 1000000 + minor * 1000 + patch >= 1000007;
	cJSON_Delete(document);
	return keeps;
}

int consul_json_index(const char *text, uint64_t *index)
{
	uint64_t number = 0;

	if (!*text)
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9' || __builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, (uint64_t)(*text - '0'), &number))
			return -EINVAL;
	}
	*index = number;
	return 0;
}
