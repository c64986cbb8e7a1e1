/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Marathon as a source against a server on loopback that answers by path: what reaches the sink
 * when single apps cannot be read or do not answer, and what people then see of the source.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>

#include "config.h"
#include "facts.h"
#include "loop.h"
#include "marathon.h"
#include "marathon_internal.h"

#define WEB "{\"id\":\"/web\",\"tasks\":[{\"id\":\"web.1\",\"host\":\"h\",\"ports\":[31000]}]}"
#define OTHER "{\"id\":\"/other\",\"tasks\":[]}"
#define ODD "{\"id\":\"/other\",\"tasks\":[],\"networks\":[{\"mode\":1}]}"

struct world {
	struct event_base *base;
	struct evhttp *server;
	struct event *deadline;
	struct config *config;
	struct marathon *marathon;
	const char *apps; /* the answer to /v2/apps */
	bool broken;	  /* /v2/apps/a is an HTTP 500 */
	bool hold;	  /* the answer about /web alone waits in held */
	struct evhttp_request *held;
	const char *leader;
	bool subscribed;
	int posts;    /* subscriptions */
	int removals; /* of them */
	int all, web; /* answers of everything, and of /web alone, that reached the sink */
	size_t app_count;
	bool full, connected, answers, was_unsubscribed;
	char error[200];
};

static void on_request(struct evhttp_request *request, void *ctx)
{
	const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(request));
	struct evbuffer *out = evbuffer_new();
	struct world *world = ctx;

	if (world->hold && !strcmp(path, "/v2/apps/web")) {
		world->held = request;
		evbuffer_free(out);
		return;
	}
	if (world->leader)
		evhttp_add_header(evhttp_request_get_output_headers(request), "X-Marathon-Leader",
				  world->leader);
	if (!strcmp(path, "/v2/eventSubscriptions")) {
		if (evhttp_request_get_command(request) == EVHTTP_REQ_POST) {
			world->subscribed = true;
			world->posts++;
		}
		if (evhttp_request_get_command(request) == EVHTTP_REQ_DELETE) {
			world->subscribed = false;
			world->removals++;
		}
		evbuffer_add_printf(out, "{\"callbackUrls\":[%s]}",
				    world->subscribed ? "\"http://h/e\"" : "");
	} else if (!strcmp(path, "/v2/apps"))
		evbuffer_add_printf(out, "{\"apps\":[%s]}", world->apps);
	else if (!strcmp(path, "/v2/apps/web"))
		evbuffer_add_printf(out, "{\"app\":" WEB "}");
	else
		evbuffer_add_printf(out, "{\"app\":" ODD "}");
	if ((world->broken && !strcmp(path, "/v2/apps/other")) || !strcmp(path, "/v2/events"))
		evhttp_send_error(request, 500, "broken");
	else
		evhttp_send_reply(request, 200, "OK", out);
	evbuffer_free(out);
}

static void take_answer(void *ctx, const struct facts_marathon *answer, int64_t now_ms)
{
	struct world *world = ctx;

	(void)now_ms;
	world->full = answer->full;
	world->app_count = answer->app_count;
	if (answer->app_count == 1 && !answer->full)
		world->web += !strcmp(answer->apps[0].id, "/web");
	else
		world->all++;
	event_base_loopbreak(world->base);
}

static void take_source(void *ctx, const struct facts_source *source, int64_t now_ms)
{
	struct world *world = ctx;

	(void)now_ms;
	world->connected = source->connected;
	world->answers = source->answers;
	world->was_unsubscribed |= !source->connected && source->answers &&
				   strstr(source->error, ": not subscribed") != NULL;
	snprintf(world->error, sizeof(world->error), "%s", source->error);
	event_base_loopbreak(world->base);
}

static void open_world_with(struct world *world, const char *apps, enum config_events events)
{
	uint16_t port;
	const struct facts_sink sink = { .ctx = world,
					 .marathon = take_answer,
					 .source = take_source };
	static struct config_service services[2];
	static struct facts_sink kept;
	static char host[] = "h", web[] = "/web", other[] = "/other", listen[32],
		    url[] = "http://h/e";

	memset(world, 0, sizeof(*world));
	kept = sink;
	world->apps = apps;
	world->base = event_base_new();
	world->deadline = loop_deadline(world->base);
	world->server = loop_serve(world->base, on_request, world, &port);
	world->config = calloc(1, sizeof(*world->config));
	world->config->service = services;
	assert_true(asprintf(&world->config->marathon_url[0], "http://127.0.0.1:%u", port) > 0);
	world->config->marathon_url_count = 1;
	world->config->marathon_used = true;
	world->config->events = events;
	snprintf(listen, sizeof(listen), "127.0.0.1:%u", loop_free_port());
	world->config->callback_listen = listen;
	world->config->callback_url = url;
	world->config->resync_ms = 3600000;
	world->config->name[0] = host;
	world->config->name_count = 1;
	/* /other comes first, and would be asked for first */
	services[0].marathon_app = other;
	services[1].marathon_app = web;
	world->config->service_count = 2;
	world->marathon = marathon_new(world->base, world->config, &kept);
	assert_non_null(world->marathon);
}

static void open_world(struct world *world, const char *apps)
{
	open_world_with(world, apps, CONFIG_EVENTS_OFF);
}

static void close_world(struct world *world)
{
	marathon_free(world->marathon);
	evhttp_free(world->server);
	event_free(world->deadline);
	event_base_free(world->base);
	free(world->config->marathon_url[0]);
	free(world->config);
}

static void an_odd_app_holds_up_nobody(void **state)
{
	struct world world;

	(void)state;
	open_world(&world, ODD "," WEB);
	while (!world.all && !world.web)
		event_base_dispatch(world.base);
	assert_int_equal(world.app_count, 1);
	assert_false(world.full);
	while (!world.error[0] || !world.connected)
		event_base_dispatch(world.base);
	assert_non_null(strstr(world.error, "/other cannot be read"));

	world.apps = OTHER "," WEB;
	marathon_resync(world.marathon);
	while (!world.all)
		event_base_dispatch(world.base);
	assert_true(world.full);
	assert_int_equal(world.app_count, 2);
	assert_true(world.connected);
	assert_string_equal(world.error, "");
	close_world(&world);
}

/* An app that Marathon fails to answer for is asked for again and again; the others get their turn. */
static void apps_take_turns(void **state)
{
	struct world world;

	(void)state;
	open_world(&world, OTHER "," WEB);
	world.broken = true;
	while (!world.all)
		event_base_dispatch(world.base);
	for (size_t i = 0; i < world.marathon->app_count; i++)
		marathon_fetch_app(world.marathon, &world.marathon->apps[i]);
	while (!world.web)
		event_base_dispatch(world.base);
	close_world(&world);
}

/* A deployment's many events use up the pace of whole answers: what concerns one app is asked for all the same. */
static void an_app_does_not_wait_for_the_pace_of_whole_answers(void **state)
{
	struct world world;

	(void)state;
	open_world(&world, OTHER "," WEB);
	while (!world.all)
		event_base_dispatch(world.base);
	world.marathon->fetcher.full_pace = (struct pace){ .interval_ms = 3600000, .burst = 1 };
	marathon_resync(world.marathon);
	while (world.all < 2)
		event_base_dispatch(world.base);
	marathon_resync(world.marathon);
	for (size_t i = 0; i < world.marathon->app_count; i++)
		marathon_fetch_app(world.marathon, &world.marathon->apps[i]);
	while (!world.web)
		event_base_dispatch(world.base);
	assert_int_equal(world.all, 2);
	assert_true(world.marathon->fetcher.full_due);
	close_world(&world);
}

/* Events do not come, answers do: that is not a silent Marathon. */
static void a_broken_stream_is_no_silence(void **state)
{
	struct world world;

	(void)state;
	open_world_with(&world, OTHER "," WEB, CONFIG_EVENTS_SSE);
	while (!world.answers || !strstr(world.error, "/v2/events: HTTP 500"))
		event_base_dispatch(world.base);
	assert_false(world.connected);
	assert_true(world.all > 0);
	close_world(&world);
}

/* A Marathon that starts anew, or another leader, may have lost us: found at once, seen, and mended. */
static void a_lost_subscription_is_renewed(void **state)
{
	struct world world;

	(void)state;
	open_world_with(&world, OTHER "," WEB, CONFIG_EVENTS_CALLBACK);
	world.leader = "h:1";
	while (!world.connected)
		event_base_dispatch(world.base);
	assert_int_equal(world.posts, 1);
	while (!world.all)
		event_base_dispatch(world.base);
	world.subscribed = world.was_unsubscribed = false;
	world.leader = "h:2";
	world.all = 0;
	marathon_resync(world.marathon);
	while (!world.was_unsubscribed || !world.connected)
		event_base_dispatch(world.base);
	assert_int_equal(world.posts, 2);
	close_world(&world);
}

/*
 * Held up for seconds, it failed to take callbacks, and Marathon skips it though it is listed: out
 * and in again, once a resync.
 */
static void held_up_the_subscription_is_renewed(void **state)
{
	struct world world;

	(void)state;
	open_world_with(&world, OTHER "," WEB, CONFIG_EVENTS_CALLBACK);
	world.config->resync_ms = 600000;
	while (!world.connected || !world.all)
		event_base_dispatch(world.base);
	assert_int_equal(world.posts, 1);
	assert_int_equal(world.removals, 0);
	world.all = 0;
	marathon_was_held_up(world.marathon);
	while (world.posts < 2)
		event_base_loop(world.base, EVLOOP_ONCE);
	assert_int_equal(world.removals, 1);
	while (!world.all) /* what was told between the two */
		event_base_dispatch(world.base);
	assert_true(world.connected && world.subscribed);
	world.all = 0;
	marathon_was_held_up(world.marathon); /* not again so soon */
	marathon_resync(world.marathon);
	while (!world.all)
		event_base_dispatch(world.base);
	assert_int_equal(world.removals, 1);
	assert_int_equal(world.posts, 2);
	close_world(&world);
}

/* After our own absence Marathon lists us and does not call us for a while: what it skips is asked for, and then no more. */
static void what_callbacks_skip_is_asked_for(void **state)
{
	struct marathon_subscription *subscription;
	struct world world;
	unsigned count;
	int before;

	(void)state;
	open_world_with(&world, OTHER "," WEB, CONFIG_EVENTS_CALLBACK);
	subscription = &world.marathon->subscription;
	world.marathon->fetcher.full_pace.interval_ms = 0; /* one after the other, at once */
	while (!world.connected || world.all < 2) /* at the start, and when it is subscribed */
		event_base_dispatch(world.base);
	while (evtimer_pending(subscription->skipped, NULL)) {
		before = world.all;
		count = subscription->skipped_count;
		event_active(subscription->skipped, EV_TIMEOUT, 1);
		while (subscription->skipped_count == count || world.all == before)
			event_base_dispatch(world.base);
		assert_true(world.full);
	}
	assert_int_equal(subscription->skipped_count, 5);
	close_world(&world);
	/* a stream skips nothing */
	open_world_with(&world, OTHER "," WEB, CONFIG_EVENTS_SSE);
	assert_null(world.marathon->subscription.skipped);
	close_world(&world);
}

/* Another leader than the last answer's may know another truth: all is asked for, whoever it was that told. */
static void another_leader_is_asked_for_everything(void **state)
{
	struct world world;

	(void)state;
	open_world(&world, OTHER "," WEB);
	world.leader = "h:1";
	while (!world.all)
		event_base_dispatch(world.base);
	world.leader = "h:2";
	world.all = 0;
	for (size_t i = 0; i < world.marathon->app_count; i++)
		marathon_fetch_app(world.marathon, &world.marathon->apps[i]);
	while (!world.all)
		event_base_dispatch(world.base);
	assert_true(world.full);
	close_world(&world);
}

/* Of a task that the answer under way lists, an event is news; of anybody else's it is not. */
static void an_event_before_its_tasks_answer(void **state)
{
	static const char *const events[] = {
		"{\"eventType\":\"health_status_changed_event\",\"appId\":\"/web\",\"taskId\":\"web.9\"}",
		"{\"eventType\":\"health_status_changed_event\",\"appId\":\"/web\",\"taskId\":\"web.1\"}"
	};
	struct marathon_app *web;
	struct world world;

	(void)state;
	for (int known = 0; known < 2; known++) {
		open_world(&world, OTHER ",{\"id\":\"/web\",\"tasks\":[]}");
		while (!world.all)
			event_base_dispatch(world.base);
		web = &world.marathon->apps[1];
		world.hold = true;
		marathon_fetch_app(world.marathon, web);
		while (!world.held)
			event_base_loop(world.base, EVLOOP_ONCE);
		marathon_event(world.marathon, events[known], strlen(events[known]));
		assert_false(web->due);
		world.hold = false;
		on_request(world.held, &world);
		while (!world.web)
			event_base_loop(world.base, EVLOOP_ONCE);
		assert_int_equal(web->due, known);
		assert_false(world.marathon->fetcher.full_due);
		while (known && world.web < 2)
			event_base_loop(world.base, EVLOOP_ONCE);
		assert_false(web->due);
		close_world(&world);
	}
}

/* --- streams: a standby that sends on, and a leader that ends them --- */

struct streams {
	struct world world;
	struct evhttp *standby;
	char location[64];
	int to_standby, opened;
	bool end; /* the leader ends each stream after its first event */
};

static void on_standby_request(struct evhttp_request *request, void *ctx)
{
	struct streams *streams = ctx;

	streams->to_standby++;
	evhttp_add_header(evhttp_request_get_output_headers(request), "Location",
			  streams->location);
	evhttp_send_reply(request, 302, "Found", NULL);
}

static void on_leader_request(struct evhttp_request *request, void *ctx)
{
	const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(request));
	struct streams *streams = ctx;
	struct evbuffer *out;

	if (strcmp(path, "/v2/events") != 0) {
		on_request(request, &streams->world);
		return;
	}
	streams->opened++;
	out = evbuffer_new();
	evbuffer_add_printf(out, "event: event_stream_attached\r\ndata: "
				 "{\"eventType\":\"event_stream_attached\"}\r\n\r\n");
	evhttp_send_reply_start(request, 200, "OK");
	evhttp_send_reply_chunk(request, out);
	evbuffer_free(out);
	if (streams->end)
		evhttp_send_reply_end(request);
}

/* The standby is the first master, the leader the second; where the standby sends to is the caller's. */
static void open_streams(struct streams *streams, uint16_t *leader_port)
{
	uint16_t standby_port;
	char *base;

	memset(streams, 0, sizeof(*streams));
	open_world_with(&streams->world, OTHER "," WEB, CONFIG_EVENTS_SSE);
	marathon_free(streams->world.marathon);
	evhttp_free(streams->world.server);
	streams->world.server =
		loop_serve(streams->world.base, on_leader_request, streams, leader_port);
	streams->standby =
		loop_serve(streams->world.base, on_standby_request, streams, &standby_port);
	free(streams->world.config->marathon_url[0]);
	assert_true(asprintf(&base, "http://127.0.0.1:%u", standby_port) > 0);
	streams->world.config->marathon_url[0] = base;
	assert_true(asprintf(&base, "http://127.0.0.1:%u", *leader_port) > 0);
	streams->world.config->marathon_url[1] = base;
	streams->world.config->marathon_url_count = 2;
}

static void start_streams(struct streams *streams)
{
	static struct facts_sink sink;

	sink = (struct facts_sink){ .ctx = &streams->world,
				    .marathon = take_answer,
				    .source = take_source };
	streams->world.marathon = marathon_new(streams->world.base, streams->world.config, &sink);
	assert_non_null(streams->world.marathon);
}

static void close_streams(struct streams *streams)
{
	marathon_free(streams->world.marathon);
	streams->world.marathon = NULL;
	evhttp_free(streams->standby);
	free(streams->world.config->marathon_url[1]);
	close_world(&streams->world);
}

static void a_standby_sends_to_the_leader(void **state)
{
	struct streams streams;
	uint16_t port;

	(void)state;
	open_streams(&streams, &port);
	snprintf(streams.location, sizeof(streams.location), "http://127.0.0.1:%u/v2/events", port);
	start_streams(&streams);
	while (!streams.world.connected || !streams.world.all)
		event_base_dispatch(streams.world.base);
	assert_true(streams.to_standby > 0);
	assert_int_equal(streams.opened, 1);
	close_streams(&streams);
}

/* Nobody but a configured master is followed to; the next one is tried in its turn. */
static void a_standby_that_sends_to_a_stranger_is_not_followed(void **state)
{
	struct streams streams;
	uint16_t port, stranger_port;
	struct evhttp *stranger;
	struct streams other = {};

	(void)state;
	open_streams(&streams, &port);
	stranger = loop_serve(streams.world.base, on_standby_request, &other, &stranger_port);
	snprintf(streams.location, sizeof(streams.location), "http://127.0.0.1:%u/v2/events",
		 stranger_port);
	start_streams(&streams);
	while (!strstr(streams.world.error, "not among the configured masters") &&
	       !(streams.world.connected && streams.world.all))
		event_base_dispatch(streams.world.base);
	while (!streams.world.connected || !streams.world.all)
		event_base_dispatch(streams.world.base);
	assert_true(streams.to_standby > 0);
	assert_int_equal(other.to_standby, 0);
	evhttp_free(stranger);
	close_streams(&streams);
}

/* A leader that steps down, or that finds us too slow, ends the stream: it is opened again, and what was missed is asked for. */
static void a_stream_that_ends_is_opened_again_and_all_is_asked(void **state)
{
	struct streams streams;
	uint16_t port;
	int all;

	(void)state;
	open_streams(&streams, &port);
	snprintf(streams.location, sizeof(streams.location), "http://127.0.0.1:%u/v2/events", port);
	streams.end = true;
	start_streams(&streams);
	while (streams.opened < 2)
		event_base_loop(streams.world.base, EVLOOP_ONCE);
	streams.end = false;
	all = streams.world.all;
	while (streams.opened < 3 || streams.world.all == all || !streams.world.connected)
		event_base_loop(streams.world.base, EVLOOP_ONCE);
	assert_true(streams.world.full);
	close_streams(&streams);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_odd_app_holds_up_nobody),
		cmocka_unit_test(apps_take_turns),
		cmocka_unit_test(an_app_does_not_wait_for_the_pace_of_whole_answers),
		cmocka_unit_test(a_broken_stream_is_no_silence),
		cmocka_unit_test(a_lost_subscription_is_renewed),
		cmocka_unit_test(held_up_the_subscription_is_renewed),
		cmocka_unit_test(what_callbacks_skip_is_asked_for),
		cmocka_unit_test(another_leader_is_asked_for_everything),
		cmocka_unit_test(an_event_before_its_tasks_answer),
		cmocka_unit_test(a_standby_sends_to_the_leader),
		cmocka_unit_test(a_standby_that_sends_to_a_stranger_is_not_followed),
		cmocka_unit_test(a_stream_that_ends_is_opened_again_and_all_is_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
