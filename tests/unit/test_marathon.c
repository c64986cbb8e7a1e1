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
	const char *leader;
	bool subscribed;
	int posts;    /* subscriptions */
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

	if (world->leader)
		evhttp_add_header(evhttp_request_get_output_headers(request), "X-Marathon-Leader",
				  world->leader);
	if (!strcmp(path, "/v2/eventSubscriptions")) {
		if (evhttp_request_get_command(request) == EVHTTP_REQ_POST) {
			world->subscribed = true;
			world->posts++;
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_odd_app_holds_up_nobody),
		cmocka_unit_test(apps_take_turns),
		cmocka_unit_test(an_app_does_not_wait_for_the_pace_of_whole_answers),
		cmocka_unit_test(a_broken_stream_is_no_silence),
		cmocka_unit_test(a_lost_subscription_is_renewed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
