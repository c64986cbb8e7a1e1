/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Consul as a source against a server on loopback whose index moves with every answer, as in a busy
 * cluster: which pairs of lists reach the sink, and when.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
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
#include "consul.h"
#include "facts.h"
#include "loop.h"

#define SERVICE "\"a\":{\"ID\":\"a\",\"Service\":\"web\",\"Port\":31000}"
#define CHECK                                                                                    \
	"{\"Node\":\"n\",\"CheckID\":\"service:a\",\"ServiceID\":\"a\",\"Status\":\"critical\"," \
	"\"Output\":\"refused\",\"CreateIndex\":1,\"ModifyIndex\":2}"

struct world {
	struct event_base *base;
	struct evhttp *server;
	struct event *deadline;
	struct config *config;
	struct facts_sink sink;
	struct consul *consul;
	unsigned index;
	bool registered;   /* the service is there */
	bool checks_known; /* to those who ask without an index; after one has, to all */
	unsigned lists, answers, selves;
	unsigned refuse; /* bit n: the list's call n, from 0, is one too many. If any is, nothing else changes */
	size_t entries;
};

static void on_request(struct evhttp_request *request, void *ctx)
{
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
	const char *path = evhttp_uri_get_path(uri), *query = evhttp_uri_get_query(uri);
	struct evbuffer *out = evbuffer_new();
	struct world *world = ctx;
	bool list = strcmp(path, "/v1/agent/self") != 0;
	char index[16];

	if (list && world->refuse >> world->lists & 1) {
		world->lists++;
		evhttp_send_reply(request, 429, "Too Many Requests", out);
		evbuffer_free(out);
		return;
	}
	if (list && world->refuse && query) { /* it waits for news */
		world->lists++;
		evbuffer_free(out);
		return;
	}
	world->selves += !list;
	snprintf(index, sizeof(index), "%u", ++world->index);
	evhttp_add_header(evhttp_request_get_output_headers(request), "X-Consul-Index", index);
	if (!list) {
		evbuffer_add_printf(
			out,
			"{\"Config\":{\"NodeName\":\"n\"},\"Member\":{\"Addr\":\"10.0.0.1\"}}");
	} else if (!strcmp(path, "/v1/catalog/node/n")) {
		evbuffer_add_printf(out, "{\"Node\":{\"Node\":\"n\"},\"Services\":{%s}}",
				    world->registered ? SERVICE : "");
		world->lists++;
	} else {
		world->checks_known |= world->registered && !query;
		evbuffer_add_printf(out, "[%s]", world->checks_known ? CHECK : "");
		world->lists++;
	}
	evhttp_send_reply(request, 200, "OK", out);
	evbuffer_free(out);
}

static void take_answer(void *ctx, const struct facts_consul *answer, int64_t now_ms)
{
	struct world *world = ctx;

	(void)now_ms;
	world->answers++;
	world->entries = answer->entry_count;
	/* a service without its check looks like one that has none */
	for (size_t i = 0; i < answer->entry_count; i++) {
		assert_true(answer->entries[i].has_checks);
		assert_int_equal(answer->entries[i].status, FACTS_STATUS_CRITICAL);
	}
}

static void take_source(void *ctx, const struct facts_source *source, int64_t now_ms)
{
	const struct world *world = ctx;

	(void)now_ms;
	assert_true(source->connected || world->refuse);
}

static void open_world(struct world *world)
{
	uint16_t port;
	static char name[] = "n";

	memset(world, 0, sizeof(*world));
	world->sink =
		(struct facts_sink){ .ctx = world, .consul = take_answer, .source = take_source };
	world->base = event_base_new();
	world->deadline = loop_deadline(world->base);
	world->server = loop_serve(world->base, on_request, world, &port);
	world->config = calloc(1, sizeof(*world->config));
	assert_true(asprintf(&world->config->consul_url, "http://127.0.0.1:%u", port) > 0);
	world->config->consul_used = true;
	world->config->name[0] = name;
	world->config->name_count = 1;
	world->consul = consul_new(world->base, world->config, &world->sink);
	assert_non_null(world->consul);
}

static void close_world(struct world *world)
{
	consul_free(world->consul);
	evhttp_free(world->server);
	event_free(world->deadline);
	event_base_free(world->base);
	free(world->config->consul_url);
	free(world->config);
}

static void turn(struct world *world)
{
	event_base_loop(world->base, EVLOOP_ONCE);
}

static void services_wait_for_their_checks(void **state)
{
	struct world world;

	(void)state;
	open_world(&world);
	while (!world.answers)
		turn(&world);
	assert_int_equal(world.entries, 0);
	world.registered = true;
	while (!world.entries)
		turn(&world);
	close_world(&world);
}

/* The same once more is a good answer, though nobody needs to hear it each time. */
static void same_answers(void **state)
{
	struct world world;
	unsigned lists;
	int64_t good_ms;

	(void)state;
	open_world(&world);
	while (!world.answers)
		turn(&world);
	good_ms = consul_source(world.consul)->last_good_ms;
	lists = world.lists;
	while (world.lists < lists + 4 || consul_source(world.consul)->last_good_ms == good_ms)
		turn(&world);
	assert_int_equal(world.answers, 1);
	/* somebody wants to hear it */
	consul_resync(world.consul);
	while (world.answers < 2)
		turn(&world);
	close_world(&world);
}

/*
 * An agent with room for one call at a time: to begin with both lists again would be to begin for
 * ever.
 */
static void a_refused_list_is_asked_for_alone(void **state)
{
	/* to wait for other services; the checks; both of these; the services, and both */
	static const unsigned refused[] = { 0x2, 0x4, 0x6, 0xd };
	struct world world;

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		open_world(&world);
		world.refuse = refused[i];
		world.registered = true;
		while (!world.answers)
			turn(&world);
		assert_int_equal(world.entries, 1);
		assert_true(consul_source(world.consul)->connected);
		assert_int_equal(world.selves, 1);
		close_world(&world);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(services_wait_for_their_checks),
		cmocka_unit_test(same_answers),
		cmocka_unit_test(a_refused_list_is_asked_for_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
