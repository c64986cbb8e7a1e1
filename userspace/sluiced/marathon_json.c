/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Marathon's documents as wholes, see marathon_json.h: which of their apps are wanted, and what is
 * known if some of them cannot be read. What is in an app is marathon_app.c's.
 */
#include "marathon_json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "marathon_app.h"

/* The app that was read last could not be read: id is all that is known of it. */
static int set_aside(struct facts_marathon *answer, const char *id)
{
	char **unknown;

	facts_app_release(&answer->apps[--answer->app_count]);
	unknown = realloc(answer->unknown, (answer->unknown_count + 1) * sizeof(*unknown));
	if (!unknown)
		return -ENOMEM;
	answer->unknown = unknown;
	unknown[answer->unknown_count] = strdup(id);
	if (!unknown[answer->unknown_count])
		return -ENOMEM;
	answer->unknown_count++;
	return 0;
}

static bool is_told(const struct facts_marathon *answer, const char *id)
{
	for (size_t i = 0; i < answer->app_count; i++)
		if (strcasecmp(answer->apps[i].id, id) == 0)
			return true;
	for (size_t i = 0; i < answer->unknown_count; i++)
		if (strcasecmp(answer->unknown[i], id) == 0)
			return true;
	return false;
}

/*
 * An answer with unknown apps is not full, so that nobody takes them for missing; then the wanted
 * apps that are missing are told one by one.
 */
static int tell_missing(struct facts_marathon *answer, const struct marathon_filter *filter)
{
	struct facts_app *apps;

	answer->full = false;
	apps = realloc(answer->apps, (answer->app_count + filter->app_count) * sizeof(*apps));
	if (!apps)
		return -ENOMEM;
	answer->apps = apps;
	for (size_t i = 0; i < filter->app_count; i++) {
		if (is_told(answer, filter->apps[i]))
			continue;
		apps[answer->app_count] = (struct facts_app){ .id = strdup(filter->apps[i]) };
		if (!apps[answer->app_count].id)
			return -ENOMEM;
		answer->app_count++;
	}
	return 0;
}

static int read_apps(const cJSON *list, const struct marathon_filter *filter,
		     struct facts_marathon *answer, struct json_error *error)
{
	size_t wanted = 0, index = 0;
	const cJSON *item;
	int err;

	/* first the ids alone: most of a cluster's apps are none of ours */
	cJSON_ArrayForEach(item, list)
	{
		char place[PLACE_LEN];
		const char *id;

		snprintf(place, sizeof(place), "apps[%zu]", index++);
		if (!cJSON_IsObject(item))
			return json_fail(error, "%s is not an object", place);
		err = json_string(item, "id", true, place, &id, error);
		if (err)
			return err;
		wanted += marathon_app_listed(filter->apps, filter->app_count, id);
	}
	answer->others = index > wanted;
	if (!wanted)
		return 0;
	answer->apps = calloc(wanted, sizeof(*answer->apps));
	if (!answer->apps)
		return -ENOMEM;
	index = 0;
	cJSON_ArrayForEach(item, list)
	{
		const char *id = cJSON_GetObjectItemCaseSensitive(item, "id")->valuestring;
		char place[PLACE_LEN];

		snprintf(place, sizeof(place), "apps[%zu]", index++);
		if (!marathon_app_listed(filter->apps, filter->app_count, id))
			continue;
		err = marathon_app_read(item, place, filter, &answer->apps[answer->app_count++],
					error);
		if (err == -EINVAL)
			err = set_aside(answer, id);
		if (err)
			return err;
	}
	if (!answer->unknown_count)
		return 0;
	return answer->app_count ? tell_missing(answer, filter) : -EINVAL;
}

int marathon_json_apps(const char *text, size_t len, const struct marathon_filter *filter,
		       struct facts_marathon *answer, struct json_error *error)
{
	const cJSON *list;
	cJSON *document;
	int err;

	memset(answer, 0, sizeof(*answer));
	document = json_parse(text, len, MARATHON_JSON_MAX_BYTES, error);
	if (!document)
		return -errno;
	answer->full = true;
	err = json_array(document, "apps", true, "", &list, error);
	if (!err)
		err = read_apps(list, filter, answer, error);
	cJSON_Delete(document);
	if (err)
		facts_marathon_release(answer);
	return err;
}

static int single_app(struct facts_marathon *answer)
{
	answer->apps = calloc(1, sizeof(*answer->apps));
	if (!answer->apps)
		return -ENOMEM;
	answer->app_count = 1;
	return 0;
}

int marathon_json_app(const char *text, size_t len, const char *app,
		      const struct marathon_filter *filter, struct facts_marathon *answer,
		      struct json_error *error)
{
	const cJSON *item;
	cJSON *document;
	const char *id;
	int err;

	memset(answer, 0, sizeof(*answer));
	document = json_parse(text, len, MARATHON_JSON_MAX_BYTES, error);
	if (!document)
		return -errno;
	err = json_object(document, "app", true, "", &item, error);
	if (err)
		goto out;
	err = json_string(item, "id", true, "app", &id, error);
	if (!err && strcmp(id, app) != 0)
		err = json_fail(error, "app.id is \"%.100s\", \"%.100s\" was asked for", id, app);
	if (!err)
		err = single_app(answer);
	if (err)
		goto out;
	err = marathon_app_read(item, "app", filter, &answer->apps[0], error);
	if (err == -EINVAL)
		err = set_aside(answer, id);
out:
	cJSON_Delete(document);
	if (err)
		facts_marathon_release(answer);
	return err;
}

bool marathon_json_app_gone(const char *text, size_t len, const char *app,
			    struct facts_marathon *answer)
{
	struct json_error ignored;
	cJSON *document;
	const char *message;
	bool gone;

	memset(answer, 0, sizeof(*answer));
	json_error_init(&ignored, "");
	document = json_parse(text, len, MARATHON_JSON_MAX_BYTES, &ignored);
	gone = document && json_string(document, "message", true, "", &message, &ignored) == 0 &&
	       strstr(message, app) && strstr(message, "does not exist");
	cJSON_Delete(document);
	if (!gone)
		return false;
	answer->gone = true;
	if (single_app(answer) == 0)
		answer->apps[0].id = strdup(app);
	if (answer->app_count && answer->apps[0].id)
		return true;
	facts_marathon_release(answer);
	return false;
}

int marathon_json_subscribed(const char *text, size_t len, const char *url,
			     struct json_error *error)
{
	const cJSON *list, *item;
	cJSON *document;
	int found;

	document = json_parse(text, len, MARATHON_JSON_MAX_BYTES, error);
	if (!document)
		return -errno;
	found = json_array(document, "callbackUrls", true, "", &list, error);
	if (found == 0)
		cJSON_ArrayForEach(item, list) if (cJSON_IsString(item) &&
						   strcmp(item->valuestring, url) == 0) found = 1;
	cJSON_Delete(document);
	return found;
}
