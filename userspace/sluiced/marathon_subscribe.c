/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Marathon's HTTP callbacks (up to 1.4): runs the server that takes them, and sees to it that
 * Marathon lists our URL: asks, subscribes if it does not, asks again. Repeated as long as we live,
 * since a subscription can get lost; then events were missed, so everything is asked for. So it is,
 * a few times, after the server has opened: who did not answer is not called for a while. Marathon
 * forgets that of who is not subscribed, so after the daemon was held up our URL is taken out and
 * put in again.
 */
#include "marathon_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "callback.h"
#include "clock.h"
#include "log.h"

#define PATH "/v2/eventSubscriptions"
#define TOTAL_MS 15000
#define CHECK_MS 120000
#define MAX_ANSWER (1u << 20)

/*
 * From 0.13 on Marathon leaves out a subscriber that failed n times for 2^n s, which is about as long as
 * it was away, and lists it all the same. These are from the server's opening; the resync goes on.
 */
static const uint32_t skipped_ms[] = { 2000, 5000, 10000, 20000, 40000 };

static void on_event(void *ctx, const char *json, size_t len)
{
	marathon_event(ctx, json, len);
}

static void on_lost(void *ctx)
{
	marathon_lost(ctx);
}

static void fail(struct marathon *marathon, const char *why)
{
	uint32_t wait_ms = marathon_fails(marathon, &marathon->events, PATH, why);

	masters_rotate(&marathon->masters, marathon->events.master);
	marathon_schedule(marathon->subscription.timer, wait_ms);
}

static const char *refusal(struct marathon *marathon, const struct http_answer *answer)
{
	if (!answer->error[0] && (answer->status == 404 || answer->status == 405))
		return "this Marathon has no callbacks: use events = sse";
	return marathon_refusal(marathon, answer);
}

static void ask(struct marathon *marathon, const char *method, const char *path,
		void (*done)(void *, const struct http_answer *))
{
	struct http_request request = {
		.method = method,
		.headers = { "Accept: application/json", "Content-Type: application/json" },
		.max_bytes = MAX_ANSWER,
		.total_ms = TOTAL_MS,
		.ctx = marathon,
		.done = done,
	};
	char url[MARATHON_MAX_URL];
	int err;

	err = marathon_address(marathon, &marathon->events, path, url, sizeof(url), &request);
	if (!err) {
		marathon->subscription.call = http_start(marathon->http, &request);
		if (!marathon->subscription.call)
			err = -errno;
	}
	if (err)
		fail(marathon, strerror(-err));
}

static void on_list(void *ctx, const struct http_answer *answer);

static void on_posted(void *ctx, const struct http_answer *answer)
{
	struct marathon *marathon = ctx;
	const char *why = refusal(marathon, answer);

	marathon->subscription.call = NULL;
	if (why) {
		fail(marathon, why);
		return;
	}
	marathon->subscription.posted = true;
	ask(marathon, "GET", PATH, on_list);
}

/* POST or DELETE our URL. */
static void change_list(struct marathon *marathon, const char *method,
			void (*done)(void *, const struct http_answer *))
{
	char path[MARATHON_MAX_URL];
	char *escaped = http_escape(marathon->config->callback_url);

	if (!escaped) {
		fail(marathon, strerror(ENOMEM));
		return;
	}
	snprintf(path, sizeof(path), PATH "?callbackUrl=%s", escaped);
	free(escaped);
	ask(marathon, method, path, done);
}

static void subscribe(struct marathon *marathon)
{
	change_list(marathon, "POST", on_posted);
}

/* Whatever it says, the POST and the list that follow show what is. */
static void on_removed(void *ctx, const struct http_answer *answer)
{
	struct marathon *marathon = ctx;

	marathon->subscription.call = NULL;
	if (answer->error[0])
		fail(marathon, answer->error);
	else
		subscribe(marathon);
}

/*
 * Nothing that is told between the two reaches us: everything is asked for when we are listed
 * again.
 */
static void renew(struct marathon *marathon)
{
	log_event(LOG_NOTICE, "subscription-renewed", "url=%s", marathon->config->callback_url);
	change_list(marathon, "DELETE", on_removed);
}

static void on_list(void *ctx, const struct http_answer *answer)
{
	struct marathon *marathon = ctx;
	struct marathon_subscription *subscription = &marathon->subscription;
	const char *why = refusal(marathon, answer);
	struct json_error error;
	int listed;

	subscription->call = NULL;
	if (why) {
		fail(marathon, why);
		return;
	}
	json_error_init(&error, "answer");
	listed = marathon_json_subscribed(answer->body, answer->body_len,
					  marathon->config->callback_url, &error);
	if (listed < 0) {
		fail(marathon, error.text[0] ? error.text : strerror(-listed));
		return;
	}
	if (!listed && subscription->posted) {
		fail(marathon, "it took our subscription and does not list it");
		return;
	}
	if (!listed) {
		if (marathon->events.works)
			log_event(LOG_WARNING, "subscription-lost", "url=%s",
				  marathon->config->callback_url);
		marathon_without(marathon, &marathon->events, "not subscribed");
		subscribe(marathon);
		return;
	}
	marathon_stable(&marathon->events);
	if (subscription->renew && !subscription->posted) {
		renew(marathon);
		return;
	}
	if (subscription->renew) {
		subscription->renew = false;
		subscription->renewed_ms = clock_ms();
		marathon_fetch_all(marathon, true);
	}
	if (!marathon->events.works) {
		marathon_works(marathon, &marathon->events);
		marathon_fetch_all(marathon, true);
	}
	marathon_schedule(subscription->timer, backoff_between(CHECK_MS / 2, CHECK_MS));
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct marathon *marathon = arg;

	(void)fd;
	(void)what;
	marathon->subscription.posted = false;
	ask(marathon, "GET", PATH, on_list);
}

/* The next time at which to ask for what was skipped; a tenth sooner or later, as hosts may start together. */
static void await_skipped(struct marathon *marathon)
{
	struct marathon_subscription *subscription = &marathon->subscription;
	unsigned next = subscription->skipped_count;
	uint32_t wait_ms;

	if (next == sizeof(skipped_ms) / sizeof(skipped_ms[0]))
		return;
	wait_ms = skipped_ms[next] - (next ? skipped_ms[next - 1] : 0);
	marathon_schedule(subscription->skipped,
			  backoff_between(wait_ms - wait_ms / 10, wait_ms + wait_ms / 10));
}

static void on_skipped(evutil_socket_t fd, short what, void *arg)
{
	struct marathon *marathon = arg;

	(void)fd;
	(void)what;
	marathon_fetch_all(marathon, false);
	marathon->subscription.skipped_count++;
	await_skipped(marathon);
}

void marathon_subscription_check(struct marathon *marathon)
{
	struct marathon_subscription *subscription = &marathon->subscription;

	if (subscription->timer && !subscription->call && marathon->events.works)
		marathon_schedule(subscription->timer, 0);
}

void marathon_was_held_up(struct marathon *marathon)
{
	struct marathon_subscription *subscription = &marathon->subscription;
	int64_t resync_ms = (int64_t)marathon->config->resync_ms;

	if (!subscription->timer || subscription->renew ||
	    (subscription->renewed_ms && clock_ms() - subscription->renewed_ms < resync_ms))
		return;
	subscription->renew = true;
	marathon_subscription_check(marathon);
}

int marathon_subscription_init(struct marathon *marathon, struct event_base *base)
{
	struct marathon_subscription *subscription = &marathon->subscription;
	const struct callback_handler handler = { .ctx = marathon,
						  .event = on_event,
						  .lost = on_lost };
	int err;

	subscription->server = callback_new(base, marathon->config, &handler);
	if (!subscription->server) {
		err = -errno;
		log_event(LOG_ERR, "callback-listen-failed", "listen=%s error=\"%s\"",
			  marathon->config->callback_listen, strerror(-err));
		return err;
	}
	subscription->timer = evtimer_new(base, on_timer, marathon);
	subscription->skipped = evtimer_new(base, on_skipped, marathon);
	if (!subscription->timer || !subscription->skipped)
		return -ENOMEM;
	marathon_schedule(subscription->timer, 0);
	await_skipped(marathon);
	return 0;
}

void marathon_subscription_release(struct marathon *marathon)
{
	http_cancel(marathon->subscription.call);
	callback_free(marathon->subscription.server);
	if (marathon->subscription.timer)
		event_free(marathon->subscription.timer);
	if (marathon->subscription.skipped)
		event_free(marathon->subscription.skipped);
}
