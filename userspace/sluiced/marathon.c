/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Marathon as a source, see marathon.h: which apps and tasks are of interest, what an event leads
 * to, and whether the source as a whole works. An event that does not concern this host leads to no
 * request: the app must be wanted, and the host ours or, where the event names none, the task one
 * that we know or the app one that has tasks here.
 */
#include "marathon_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "clock.h"
#include "hint.h"
#include "log.h"
#include "source.h"

#define QUICK_MS 300 /* before the next master is tried */

void marathon_schedule(struct event *timer, uint64_t wait_ms)
{
	const struct timeval wait = { .tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000 };

	evtimer_add(timer, &wait);
}

/*
 * The parts fail independently; what people read is why the answers do not come, else why the
 * events do not.
 */
static void tell(struct marathon *marathon)
{
	const struct marathon_part *failed = marathon->answers.works ? &marathon->events
								     : &marathon->answers;
	const char *odd = "";

	for (size_t i = marathon->app_count; i--;)
		if (marathon->apps[i].odd[0])
			odd = marathon->apps[i].odd;
	if (failed->works) {
		source_up(&marathon->source, marathon->sink, clock_ms());
		source_note(&marathon->source, marathon->sink, clock_ms(), odd);
	} else if (marathon->answers.works) {
		source_answers(&marathon->source, marathon->sink, clock_ms(), "%s",
			       failed->error[0] ? failed->error : "no events yet");
	} else if (failed->error[0]) {
		source_down(&marathon->source, marathon->sink, clock_ms(), "%s", failed->error);
	}
}

void marathon_without(struct marathon *marathon, struct marathon_part *part, const char *why)
{
	part->works = false;
	snprintf(part->error, sizeof(part->error), "%s: %s",
		 masters_base(&marathon->masters, part->master), why);
	tell(marathon);
}

void marathon_works(struct marathon *marathon, struct marathon_part *part)
{
	part->works = true;
	part->error[0] = '\0';
	tell(marathon);
}

void marathon_stable(struct marathon_part *part)
{
	part->failures = 0;
	part->backoff.failures = 0;
}

uint32_t marathon_fails(struct marathon *marathon, struct marathon_part *part, const char *what,
			const char *why)
{
	part->works = false;
	snprintf(part->error, sizeof(part->error), "%s%s: %s",
		 masters_base(&marathon->masters, part->master), what, why);
	tell(marathon);
	/* each master is tried once before the pause grows */
	if (++part->failures % marathon->masters.count)
		return backoff_between(QUICK_MS / 2, QUICK_MS);
	return backoff_next_ms(&part->backoff);
}

int marathon_address(struct marathon *marathon, struct marathon_part *part, const char *path,
		     char *url, size_t len, struct http_request *request)
{
	part->master = marathon->masters.current;
	return masters_request(&marathon->masters, path, url, len, request);
}

const char *marathon_refusal(struct marathon *marathon, const struct http_answer *answer)
{
	static char why[160];
	size_t len;

	if (answer->error[0])
		return answer->error;
	if (answer->status == 200)
		return NULL;
	if (answer->status == 401 || answer->status == 403) {
		/* a corrected file counts from the next try on */
		if (masters_read_user(&marathon->masters))
			log_event(LOG_WARNING, "user-file-unreadable", "file=%s",
				  marathon->config->user_file);
		snprintf(why, sizeof(why), "HTTP %ld: %s", answer->status,
			 marathon->masters.user ? "user and password of user_file are refused"
						: "it wants a user, set user_file");
		return why;
	}
	len = strcspn(answer->body, "\r\n");
	if (answer->body[0] == '<') /* a page for people */
		len = 0;
	snprintf(why, sizeof(why), "HTTP %ld %.*s", answer->status, len < 120 ? (int)len : 120,
		 answer->body);
	return why;
}

bool marathon_redirected(struct marathon *marathon, const struct http_answer *answer, int *hops)
{
	const char *location;

	if (answer->status != 302 && answer->status != 301 && answer->status != 307 &&
	    answer->status != 308)
		return false;
	location = http_header(answer, "Location");
	if (!location || *hops >= MARATHON_MAX_HOPS)
		return false;
	++*hops;
	return masters_switch(&marathon->masters, location);
}

/* Is the task (key: UUID or id) one of ours? NULL if no. */
static struct marathon_app *owner_of(struct marathon *marathon, const char *key)
{
	for (size_t i = 0; i < marathon->app_count; i++)
		for (size_t j = 0; j < marathon->apps[i].known_count; j++)
			if (strcmp(marathon->apps[i].known[j], key) == 0)
				return &marathon->apps[i];
	return NULL;
}

/* An app's id, or a group's: that stands for all below it. */
static bool covers(const char *id, const char *app)
{
	size_t len = strlen(id);

	if (len && id[len - 1] == '/')
		len--;
	return strncmp(id, app, len) == 0 && (app[len] == '\0' || app[len] == '/');
}

static void removal(struct marathon *marathon, const struct facts_hint *hint)
{
	marathon->sink->hint(marathon->sink->ctx, hint, clock_ms());
}

static void on_hint(void *ctx, const struct facts_hint *hint)
{
	struct marathon *marathon = ctx;
	const char *key = hint->uuid[0] ? hint->uuid : hint->task;
	struct marathon_app *owner = key[0] ? owner_of(marathon, key) : NULL;
	bool concerned = false;

	if (hint->kind == FACTS_HINT_NONE)
		return;
	if (hint->kind == FACTS_HINT_EVERYTHING) {
		marathon_fetch_all(marathon, false);
		return;
	}
	for (size_t i = 0; i < marathon->app_count; i++) {
		struct marathon_app *app = &marathon->apps[i];

		if (hint->app[0] && !covers(hint->app, app->id))
			continue;
		if (!hint->host[0] && app->seen && (key[0] ? owner != app : !app->known_count)) {
			if (key[0] && !owner)
				marathon_note_early(marathon, app, key);
			continue;
		}
		if (!hint->app[0] && owner != app)
			continue;
		concerned = true;
		marathon_fetch_app(marathon, app);
	}
	if (concerned && hint->kind == FACTS_HINT_REMOVAL)
		removal(marathon, hint);
}

void marathon_event(struct marathon *marathon, const char *text, size_t len)
{
	struct json_error error;
	int err;

	marathon->source.last_event_ms = clock_ms();
	json_error_init(&error, "event");
	err = hint_parse(text, len, marathon->hosts, marathon->host_count, on_hint, marathon,
			 &error);
	if (!err)
		return;
	log_event(LOG_WARNING, "event-refused", "source=marathon error=\"%s\"",
		  error.text[0] ? error.text : strerror(-err));
	marathon_fetch_all(marathon, false);
}

void marathon_lost(struct marathon *marathon)
{
	log_event(LOG_WARNING, "events-lost", "source=marathon");
	marathon_fetch_all(marathon, false);
}

/* --- life --- */

static int list_apps(struct marathon *marathon)
{
	const struct config *config = marathon->config;

	marathon->apps = calloc(config->service_count + 1, sizeof(*marathon->apps));
	marathon->app_ids = calloc(config->service_count + 1, sizeof(*marathon->app_ids));
	if (!marathon->apps || !marathon->app_ids)
		return -ENOMEM;
	for (unsigned i = 0; i < config->service_count; i++) {
		const char *id = config->service[i].marathon_app;
		size_t at = 0;

		if (!id || !*id)
			continue;
		while (at < marathon->app_count && strcmp(marathon->app_ids[at], id) != 0)
			at++;
		if (at < marathon->app_count)
			continue;
		marathon->app_ids[at] = id;
		marathon->apps[at].id = id;
		marathon->app_count++;
	}
	return 0;
}

static int set_up(struct marathon *marathon, struct event_base *base)
{
	int err;

	err = masters_init(&marathon->masters, marathon->config);
	if (err)
		return err;
	err = masters_read_user(&marathon->masters);
	if (err) /* Marathon will refuse; the file is read again then */
		log_event(LOG_ERR, "user-file-unreadable", "file=%s error=\"%s\"",
			  marathon->config->user_file, strerror(-err));
	marathon->http = http_new(base);
	if (!marathon->http)
		return -errno;
	err = marathon_fetcher_init(marathon, base);
	if (err)
		return err;
	switch (marathon->config->events) {
	case CONFIG_EVENTS_SSE:
		return marathon_stream_init(marathon, base);
	case CONFIG_EVENTS_CALLBACK:
		return marathon_subscription_init(marathon, base);
	case CONFIG_EVENTS_OFF:
		marathon->events.works = true;
		break;
	}
	return 0;
}

struct marathon *marathon_new(struct event_base *base, const struct config *config,
			      const struct facts_sink *sink)
{
	struct marathon *marathon = calloc(1, sizeof(*marathon));
	int err;

	if (!marathon)
		return NULL;
	marathon->config = config;
	marathon->sink = sink;
	marathon->hosts = (const char *const *)config->name;
	marathon->host_count = config->name_count;
	err = list_apps(marathon);
	source_init(&marathon->source, "marathon",
		    config->marathon_used && config->marathon_url_count && marathon->app_count,
		    clock_ms());
	if (!err && marathon->source.used)
		err = set_up(marathon, base);
	if (err) {
		marathon_free(marathon);
		errno = -err;
		return NULL;
	}
	return marathon;
}

void marathon_free(struct marathon *marathon)
{
	if (!marathon)
		return;
	marathon_subscription_release(marathon);
	marathon_stream_release(marathon);
	marathon_fetcher_release(marathon);
	http_free(marathon->http);
	masters_release(&marathon->masters);
	for (size_t i = 0; i < marathon->app_count; i++)
		free(marathon->apps[i].known);
	free(marathon->apps);
	free(marathon->app_ids);
	free(marathon);
}

void marathon_resync(struct marathon *marathon)
{
	if (marathon->source.used)
		marathon_fetch_all(marathon, true);
}

const struct facts_source *marathon_source(const struct marathon *marathon)
{
	return &marathon->source;
}
