/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Asks Marathon for the truth: everything after each (re)connect, leader change and resync
 * interval, single apps after hints. One request at a time; hints that come close together are one
 * request, and what changes while a request is under way is asked for again afterwards. Only a
 * whole and well-formed answer reaches the sink.
 */
#include "marathon_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "hint.h"
#include "log.h"

#define TOTAL_MS 30000
/*
 * a hint waits so long for others of its kind; hosts that share an event spread their requests over
 * it
 */
#define GATHER_MIN_MS 100
#define GATHER_MAX_MS 200

static bool an_app_is_due(const struct marathon *marathon)
{
	for (size_t i = 0; i < marathon->app_count; i++)
		if (marathon->apps[i].due)
			return true;
	return false;
}

/*
 * least_ms 0: do not wait for anything but the pace, not even for the pause after a failure. A hint about one app never waits
 * for the pace of whole answers: its new tasks may be all that is left in a second.
 */
static void plan_next(struct marathon *marathon, uint32_t least_ms)
{
	struct marathon_fetcher *fetcher = &marathon->fetcher;
	int64_t now_ms = clock_ms(), wait = pace_wait_ms(&fetcher->pace, now_ms), full_wait = 0;
	bool app = an_app_is_due(marathon);

	if (fetcher->call)
		return; /* what is under way looks again when it is over */
	if (least_ms && evtimer_pending(fetcher->timer, NULL) && !(fetcher->waits_for_full && app))
		return; /* a pause after a failure is kept */
	if (fetcher->full_due)
		full_wait = pace_wait_ms(&fetcher->full_pace, now_ms);
	fetcher->waits_for_full = full_wait > wait && !app;
	if (fetcher->waits_for_full)
		wait = full_wait;
	marathon_schedule(fetcher->timer, wait > least_ms ? wait : least_ms);
}

void marathon_fetch_all(struct marathon *marathon, bool at_once)
{
	marathon->fetcher.full_due = true;
	plan_next(marathon, at_once ? 0 : backoff_between(GATHER_MIN_MS, GATHER_MAX_MS));
}

void marathon_fetch_app(struct marathon *marathon, struct marathon_app *app)
{
	app->due = true;
	plan_next(marathon, backoff_between(GATHER_MIN_MS, GATHER_MAX_MS));
}

void marathon_note_early(struct marathon *marathon, struct marathon_app *app, const char *key)
{
	struct marathon_fetcher *fetcher = &marathon->fetcher;
	struct marathon_early *early = &fetcher->early[fetcher->early_count];

	if (!fetcher->call || (!fetcher->full && fetcher->app != app))
		return;
	if (fetcher->early_count == MARATHON_MAX_EARLY) {
		app->due = true;
		return;
	}
	fetcher->early_count++;
	early->app = app;
	snprintf(early->key, sizeof(early->key), "%s", key);
}

static void start(struct marathon *marathon);

static void fail(struct marathon *marathon, const char *what, const char *why)
{
	struct marathon_fetcher *fetcher = &marathon->fetcher;
	uint32_t wait_ms;

	if (fetcher->full)
		fetcher->full_due = true;
	if (fetcher->app)
		fetcher->app->due = true;
	wait_ms = marathon_fails(marathon, &marathon->answers, what, why);
	/* an open stream says that its master lives; its answers will come back there */
	if (!marathon->stream.opened_ms)
		masters_rotate(&marathon->masters, marathon->answers.master);
	fetcher->waits_for_full = false;
	marathon_schedule(fetcher->timer, wait_ms);
}

/* --- the answer --- */

static void learn_tasks(struct marathon_app *app, const struct facts_app *facts)
{
	char(*known)[256] = NULL;
	size_t count = 0;

	app->seen = true;
	if (facts && facts->task_count) {
		known = calloc(facts->task_count, sizeof(*known));
		if (!known) {
			app->seen = false; /* then every event of the app concerns us */
			return;
		}
		for (size_t i = 0; i < facts->task_count; i++) {
			char uuid[40];

			hint_find_uuid(facts->tasks[i].id, uuid);
			snprintf(known[count++], sizeof(*known), "%s",
				 uuid[0] ? uuid : facts->tasks[i].id);
		}
	}
	free(app->known);
	app->known = known;
	app->known_count = count;
}

/* The app's tasks have just been learnt: has an event told of one before? */
static void look_at_early(struct marathon *marathon, struct marathon_app *app)
{
	const struct marathon_fetcher *fetcher = &marathon->fetcher;

	for (unsigned i = 0; i < fetcher->early_count; i++)
		for (size_t j = 0; j < app->known_count && fetcher->early[i].app == app; j++)
			app->due |= strcmp(fetcher->early[i].key, app->known[j]) == 0;
}

static const struct facts_app *find(const struct facts_marathon *answer, const char *id)
{
	for (size_t i = 0; i < answer->app_count; i++)
		if (strcmp(answer->apps[i].id, id) == 0)
			return &answer->apps[i];
	return NULL;
}

/* An app that could not be read: all its events concern us, and its tasks stay as they are. */
static void note_unknown(struct marathon_app *app, const struct facts_marathon *answer,
			 const char *why)
{
	for (size_t i = 0; i < answer->unknown_count; i++) {
		if (strcmp(answer->unknown[i], app->id) != 0)
			continue;
		app->seen = false;
		snprintf(app->odd, sizeof(app->odd), "%.60s cannot be read and stays as it is%s%s",
			 app->id, i ? "" : ": ", i ? "" : why);
	}
}

/* why: what is wrong with the first of the unknown apps */
static void deliver(struct marathon *marathon, const struct facts_marathon *answer, const char *why)
{
	int64_t now_ms = clock_ms();

	for (size_t i = 0; i < marathon->app_count; i++) {
		struct marathon_app *app = &marathon->apps[i];
		const struct facts_app *facts = find(answer, app->id);

		if (answer->full || facts) {
			learn_tasks(app, facts);
			look_at_early(marathon, app);
			app->odd[0] = '\0';
		}
		note_unknown(app, answer, why);
	}
	if (answer->full || answer->app_count)
		marathon->source.last_good_ms = now_ms;
	if (!marathon->answers.works)
		marathon_subscription_check(marathon);
	marathon_works(marathon, &marathon->answers);
	if (answer->full || answer->app_count)
		marathon->sink->marathon(marathon->sink->ctx, answer, now_ms);
}

/*
 * Another leader than before may know another truth, and knows no health yet: look at everything.
 */
static void note_leader(struct marathon *marathon, const struct http_answer *answer)
{
	struct marathon_fetcher *fetcher = &marathon->fetcher;
	const char *leader = http_header(answer, "X-Marathon-Leader");

	if (!leader || strcmp(leader, fetcher->leader) == 0)
		return;
	if (fetcher->leader[0]) {
		log_event(LOG_NOTICE, "leader-changed", "from=%s to=%s", fetcher->leader, leader);
		marathon_subscription_check(marathon);
		if (!fetcher->full)
			fetcher->full_due = true;
	}
	snprintf(fetcher->leader, sizeof(fetcher->leader), "%s", leader);
}

/* 0 and parsed filled, or negative errno with error filled if it is the answer's fault. */
static int parse(struct marathon *marathon, const struct http_answer *answer,
		 struct facts_marathon *parsed, struct json_error *error)
{
	const struct marathon_fetcher *fetcher = &marathon->fetcher;
	const struct marathon_filter filter = { .apps = marathon->app_ids,
						.app_count = marathon->app_count,
						.hosts = marathon->hosts,
						.host_count = marathon->host_count };

	if (fetcher->full) {
		int err = marathon_json_apps(fetcher->sieve.text ? fetcher->sieve.text : "",
					     fetcher->sieve.len, &filter, parsed, error);

		if (!err)
			parsed->others |= fetcher->sieve.dropped > 0;
		return err;
	}
	if (answer->status == 404)
		return marathon_json_app_gone(answer->body, answer->body_len, fetcher->app->id,
					      parsed)
			       ? 0
			       : json_fail(error, "a 404 that is not Marathon's");
	return marathon_json_app(answer->body, answer->body_len, fetcher->app->id, &filter, parsed,
				 error);
}

/* A piece of a whole answer. What is wrong with it is said when it is over, or at once if no more of it can be used. */
static void on_piece(void *ctx, const char *bytes, size_t len)
{
	struct marathon *marathon = ctx;
	struct marathon_fetcher *fetcher = &marathon->fetcher;
	struct json_error error;
	int err;

	json_error_init(&error, "answer");
	err = marathon_sieve_feed(&fetcher->sieve, bytes, len, &error);
	if (!err)
		return;
	http_cancel(fetcher->call);
	fetcher->call = NULL;
	marathon_sieve_release(&fetcher->sieve);
	fail(marathon, "/v2/apps", error.text[0] ? error.text : strerror(-err));
}

static void on_answer(void *ctx, const struct http_answer *answer)
{
	struct marathon *marathon = ctx;
	struct marathon_fetcher *fetcher = &marathon->fetcher;
	const char *why;
	char what[300];
	struct facts_marathon parsed;
	struct json_error error;
	int err;

	fetcher->call = NULL;
	snprintf(what, sizeof(what), "/v2/apps%s", fetcher->full ? "" : fetcher->app->id);
	if (marathon_redirected(marathon, answer, &fetcher->hops)) {
		start(marathon);
		return;
	}
	why = marathon_refusal(marathon, answer);
	if (why && !(fetcher->app && answer->status == 404 && !answer->error[0])) {
		fail(marathon, what, why);
		return;
	}
	json_error_init(&error, "answer");
	err = parse(marathon, answer, &parsed, &error);
	marathon_sieve_release(&fetcher->sieve);
	if (err) {
		fail(marathon, what, error.text[0] ? error.text : strerror(-err));
		return;
	}
	marathon_stable(&marathon->answers);
	note_leader(marathon, answer);
	deliver(marathon, &parsed, error.text);
	facts_marathon_release(&parsed);
	if (fetcher->full_due || an_app_is_due(marathon))
		plan_next(marathon, 0);
}

/* --- the question --- */

/* Ask what fetcher->full and fetcher->app say, of the current master. */
static void start(struct marathon *marathon)
{
	struct marathon_fetcher *fetcher = &marathon->fetcher;
	struct http_request request = { .method = "GET",
					.headers = { "Accept: application/json" },
					.max_bytes = MARATHON_JSON_MAX_BYTES,
					.total_ms = TOTAL_MS,
					.ctx = marathon,
					.data = fetcher->full ? on_piece : NULL,
					.done = on_answer };
	char path[1024], url[MARATHON_MAX_URL];
	int err;

	fetcher->filter = (struct marathon_filter){ .apps = marathon->app_ids,
						    .app_count = marathon->app_count };
	marathon_sieve_release(&fetcher->sieve);
	marathon_sieve_init(&fetcher->sieve, &fetcher->filter, MARATHON_JSON_MAX_BYTES);
	/* an id is of letters, digits, dots, dashes and slashes: the config saw to that */
	if (fetcher->full)
		snprintf(path, sizeof(path), "/v2/apps?embed=apps.tasks&embed=apps.readiness");
	else
		snprintf(path, sizeof(path), "/v2/apps%s?embed=app.tasks&embed=app.readiness",
			 fetcher->app->id);
	err = marathon_address(marathon, &marathon->answers, path, url, sizeof(url), &request);
	if (!err) {
		fetcher->call = http_start(marathon->http, &request);
		if (!fetcher->call)
			err = -errno;
	}
	if (err)
		fail(marathon, path, strerror(-err));
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct marathon *marathon = arg;
	struct marathon_fetcher *fetcher = &marathon->fetcher;
	int64_t now_ms = clock_ms();
	size_t next = fetcher->turn;

	(void)fd;
	(void)what;
	fetcher->full = fetcher->full_due && !pace_wait_ms(&fetcher->full_pace, now_ms);
	fetcher->app = NULL;
	fetcher->hops = 0;
	fetcher->early_count = 0;
	if (fetcher->full)
		fetcher->full_due = false;
	/* in turns, so that an app that always fails does not keep the others waiting */
	for (size_t i = 0; i < marathon->app_count; i++) {
		size_t at = (fetcher->turn + i) % marathon->app_count;
		struct marathon_app *app = &marathon->apps[at];

		if (app->due && !fetcher->full && !fetcher->app) {
			fetcher->app = app;
			next = at + 1;
		}
		if (fetcher->full || fetcher->app == app)
			app->due = false;
	}
	fetcher->turn = next;
	if (!fetcher->full && !fetcher->app) {
		if (fetcher->full_due)
			plan_next(marathon, 0);
		return;
	}
	pace_take(&fetcher->pace, now_ms);
	if (fetcher->full)
		pace_take(&fetcher->full_pace, now_ms);
	start(marathon);
}

static void on_resync(evutil_socket_t fd, short what, void *arg)
{
	struct marathon *marathon = arg;
	uint64_t interval = marathon->config->resync_ms;

	(void)fd;
	(void)what;
	marathon_fetch_all(marathon, true);
	/* hosts that were started together drift apart */
	marathon_schedule(marathon->fetcher.resync,
			  interval - interval / 10 + arc4random_uniform(interval / 5 + 1));
}

int marathon_fetcher_init(struct marathon *marathon, struct event_base *base)
{
	struct marathon_fetcher *fetcher = &marathon->fetcher;

	fetcher->pace = (struct pace){ .interval_ms = 200, .burst = 10 };
	fetcher->full_pace = (struct pace){ .interval_ms = 2000, .burst = 3 };
	fetcher->timer = evtimer_new(base, on_timer, marathon);
	fetcher->resync = evtimer_new(base, on_resync, marathon);
	if (!fetcher->timer || !fetcher->resync)
		return -ENOMEM;
	/*
	 * the answer does not wait for a stream that may be slow to come; the stream asks again
	 * when it is there
	 */
	marathon_schedule(fetcher->resync, 0);
	return 0;
}

void marathon_fetcher_release(struct marathon *marathon)
{
	struct marathon_fetcher *fetcher = &marathon->fetcher;

	http_cancel(fetcher->call);
	marathon_sieve_release(&fetcher->sieve);
	if (fetcher->timer)
		event_free(fetcher->timer);
	if (fetcher->resync)
		event_free(fetcher->resync);
}
