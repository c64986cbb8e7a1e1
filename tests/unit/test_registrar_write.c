/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The registrar's writes against an agent on loopback that refuses registrations: all of them, or so many with an answer of its choice.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>

#include "config.h"
#include "facts.h"
#include "loop.h"
#include "host_mark.h"
#include "registrar.h"
#include "registrar_plan.h"

struct world {
	struct event_base *base;
	struct evhttp *server;
	struct event *deadline;
	struct config *config;
	struct registrar *registrar;
	unsigned refused, removed;
	unsigned refusals; /* after so many it takes them; 0: never */
	uint32_t taken;	   /* a bit for each task web.N */
	int status;	   /* of a refusal; 0: 400 */
	int asked;	   /* who the agent is */
	const char *version;
};

/* N of the task web.N that is registered */
static unsigned task_of(struct evhttp_request *request)
{
	struct evbuffer *in = evhttp_request_get_input_buffer(request);
	char body[4096] = "";
	const char *id;
	unsigned task;

	evbuffer_copyout(in, body, sizeof(body) - 1);
	id = strstr(body, "sluice:web.");
	assert_non_null(id);
	assert_int_equal(sscanf(id, "sluice:web.%2u:0", &task), 1);
	assert_true(task < 32);
	return task;
}

static void on_request(struct evhttp_request *request, void *ctx)
{
	const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(request));
	struct evbuffer *out = evbuffer_new();
	struct world *world = ctx;
	int status = 200;

	if (!strcmp(path, "/v1/agent/self")) {
		world->asked++;
		evbuffer_add_printf(
			out,
			"{\"Config\":{\"NodeName\":\"n\",\"Version\":\"%s\"},\"Member\":{\"Addr\":\"10.0.0.1\"}}",
			world->version ? world->version : "1.8.0");
	} else if (!strcmp(path, "/v1/agent/service/register")) {
		if (world->refusals && world->refused == world->refusals) {
			world->taken |= UINT32_C(1) << task_of(request);
		} else {
			world->refused++;
			status = world->status ? world->status : 400;
		}
	} else {
		assert_string_equal(path, "/v1/agent/service/deregister/sluice%3Aweb.2%3A0");
		world->removed++;
	}
	evhttp_send_reply(request, status, "-", out);
	evbuffer_free(out);
}

static void open_world(struct world *world)
{
	uint16_t port;
	static char name[] = "n";

	memset(world, 0, sizeof(*world));
	world->base = event_base_new();
	world->deadline = loop_deadline(world->base);
	world->server = loop_serve(world->base, on_request, world, &port);
	world->config = calloc(1, sizeof(*world->config));
	assert_true(asprintf(&world->config->consul_url, "http://127.0.0.1:%u", port) > 0);
	world->config->consul_used = world->config->consul_register = true;
	world->config->name[0] = name;
	world->config->name_count = 1;
	world->registrar = registrar_new(world->base, world->config);
	assert_non_null(world->registrar);
}

static void close_world(struct world *world)
{
	registrar_free(world->registrar);
	evhttp_free(world->server);
	event_free(world->deadline);
	event_base_free(world->base);
	free(world->config->consul_url);
	free(world->config);
}

/* A registration that is always refused is tried again and again, and a removal is not its hostage. */
static void a_refused_id_waits_alone(void **state)
{
	static const struct registrar_entry entries[] = {
		{ .task = "web.1", .app = "/web", .address = "", .port = 31000, .service = "web" },
		{ .task = "web.2", .gone_proved = true },
	};
	struct facts_entry held = { .id = (char[]){ "sluice:web.2:0" }, .ours = true };
	const struct facts_consul nothing = {}, answer = { .entry_count = 1, .entries = &held };
	struct world world;

	(void)state;
	open_world(&world);
	held.boot_id = registrar_boot_id();
	assert_non_null(held.boot_id);
	assert_int_equal(registrar_want(world.registrar, entries, 1), 0);
	registrar_consul(world.registrar, &nothing);
	while (!world.refused)
		event_base_loop(world.base, EVLOOP_ONCE);
	assert_int_equal(registrar_want(world.registrar, entries, 2), 0);
	registrar_consul(world.registrar, &answer);
	while (!world.removed)
		event_base_loop(world.base, EVLOOP_ONCE);
	registrar_consul(world.registrar, &nothing);
	while (world.refused < 3)
		event_base_loop(world.base, EVLOOP_ONCE);
	assert_int_equal(world.removed, 1);
	close_world(&world);
	free(held.boot_id);
}

/* 10.0.0.1 is no address of ours, and n no name: not a word to that agent but the question who it is. */
static void nothing_is_written_to_another_hosts_agent(void **state)
{
	static const struct registrar_entry entry = {
		.task = "web.1", .app = "/web", .address = "", .port = 31000, .service = "web"
	};
	const struct facts_consul nothing = {};
	static char other[] = "slave-1";
	struct world world;

	(void)state;
	open_world(&world);
	world.config->name[0] = other;
	assert_int_equal(registrar_want(world.registrar, &entry, 1), 0);
	registrar_consul(world.registrar, &nothing);
	while (world.asked < 3)
		event_base_loop(world.base, EVLOOP_ONCE);
	assert_int_equal(world.refused + world.removed, 0);
	close_world(&world);
}

/* What the catalog holds is right. Only the agent itself may know nothing of it any more, and then it is told again. */
static void an_agent_that_was_away_is_told_again(void **state)
{
	static const struct registrar_entry entry = {
		.task = "web.1", .app = "/web", .address = "", .port = 31000, .service = "web"
	};
	const struct timeval moment = { .tv_usec = 300000 };
	struct facts_entry held = { .ours = true };
	const struct facts_consul answer = { .entry_count = 1, .entries = &held };
	struct registrar_host host = { .tag = "n", .address = "10.0.0.1" };
	char *mark = host_mark(NULL);
	struct registration registration;
	struct world world;

	(void)state;
	open_world(&world);
	host.boot_id = held.boot_id = registrar_boot_id();
	host.mark = mark;
	assert_non_null(held.boot_id);
	assert_int_equal(registration_make(&entry, &host, &registration), 0);
	held.id = registration.id;
	held.definition = registration.definition;
	assert_int_equal(registrar_want(world.registrar, &entry, 1), 0);
	registrar_consul(world.registrar, &answer);
	while (!world.asked)
		event_base_loop(world.base, EVLOOP_ONCE);
	event_base_loopexit(world.base, &moment);
	event_base_dispatch(world.base);
	assert_int_equal(world.refused, 0);
	registrar_agent_was_away(world.registrar);
	registrar_consul(world.registrar, &answer); /* says the same as ever */
	while (!world.refused)
		event_base_loop(world.base, EVLOOP_ONCE);
	close_world(&world);
	registration_release(&registration);
	free(mark);
	free(held.boot_id);
}

/*
 * Its registrations would come back without their meta, and be nobody's. Asked again, since agents
 * are replaced.
 */
static void an_agent_without_meta_is_left_alone(void **state)
{
	static const struct registrar_entry entry = {
		.task = "web.1", .app = "/web", .address = "", .port = 31000, .service = "web"
	};
	const struct facts_consul answer = { 0 };
	struct world world;

	(void)state;
	open_world(&world);
	world.version = "1.0.6";
	assert_int_equal(registrar_want(world.registrar, &entry, 1), 0);
	registrar_consul(world.registrar, &answer);
	while (world.asked < 2)
		event_base_loop(world.base, EVLOOP_ONCE);
	assert_int_equal(world.refused, 0);
	world.version = "1.0.7";
	while (!world.refused)
		event_base_loop(world.base, EVLOOP_ONCE);
	assert_int_equal(world.asked, 3);
	close_world(&world);
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

#define ENTRIES 30

static void want_many(struct world *world)
{
	static struct registrar_entry entries[ENTRIES];
	static const struct facts_consul nothing = {};
	static char tasks[ENTRIES][16];

	for (int i = 0; i < ENTRIES; i++) {
		snprintf(tasks[i], sizeof(tasks[i]), "web.%d", i);
		entries[i] = (struct registrar_entry){ .task = tasks[i],
						       .app = "/web",
						       .address = "",
						       .port = (uint16_t)(31000 + i),
						       .service = "web" };
	}
	assert_int_equal(registrar_want(world->registrar, entries, ENTRIES), 0);
	registrar_consul(world->registrar, &nothing);
}

/* Twenty at once, then one each 50 ms: never sooner, however fast the agent is. */
static void writes_are_rate_limited(void **state)
{
	const int64_t start_ms = now_ms();
	struct world world;

	(void)state;
	open_world(&world);
	want_many(&world);
	while (world.refused < ENTRIES)
		event_base_loop(world.base, EVLOOP_ONCE);
	assert_true(now_ms() - start_ms >= (ENTRIES - 20) * 50);
	close_world(&world);
}

/* Each write that an agent with a limit of its own refuses comes again, after a pause; all are taken in the end. */
static void an_agent_that_limits_gets_all_in_the_end(void **state)
{
	const int64_t start_ms = now_ms();
	struct world world;

	(void)state;
	open_world(&world);
	world.status = 429;
	world.refusals = ENTRIES;
	want_many(&world);
	while (!world.taken)
		event_base_loop(world.base, EVLOOP_ONCE);
	assert_true(now_ms() - start_ms >= (ENTRIES - 20) * 50);
	while (world.taken != (UINT32_C(1) << ENTRIES) - 1)
		event_base_loop(world.base, EVLOOP_ONCE);
	close_world(&world);
}

static void on_told(void *ctx, const struct registrar_told *told)
{
	*(bool *)ctx = told->unlisted;
}

/* An agent that takes a registration and never lists it: its token may write and not read. It is told, until it is listed. */
static void what_is_taken_and_not_listed_is_told(void **state)
{
	static const struct registrar_entry entry = {
		.task = "web.1", .app = "/web", .address = "", .port = 31000, .service = "web"
	};
	struct facts_entry held = { .id = (char[]){ "sluice:web.1:0" }, .ours = true };
	const struct facts_consul nothing = {}, answer = { .entry_count = 1, .entries = &held };
	bool unlisted = false;
	struct world world;

	(void)state;
	open_world(&world);
	world.status = 200; /* each is taken, and counted */
	registrar_on_compared(world.registrar, on_told, &unlisted);
	held.definition = (char[]){ "0" };
	held.boot_id = registrar_boot_id();
	assert_int_equal(registrar_want(world.registrar, &entry, 1), 0);
	while (!unlisted) {
		registrar_consul(world.registrar, &nothing);
		event_base_loop(world.base, EVLOOP_ONCE);
	}
	assert_true(world.refused >= 2); /* one answer may have been older than the write */
	registrar_consul(world.registrar, &answer);
	while (unlisted)
		event_base_loop(world.base, EVLOOP_ONCE);
	close_world(&world);
	free(held.boot_id);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_refused_id_waits_alone),
		cmocka_unit_test(an_agent_that_limits_gets_all_in_the_end),
		cmocka_unit_test(an_agent_that_was_away_is_told_again),
		cmocka_unit_test(nothing_is_written_to_another_hosts_agent),
		cmocka_unit_test(what_is_taken_and_not_listed_is_told),
		cmocka_unit_test(writes_are_rate_limited),
		cmocka_unit_test(an_agent_without_meta_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
