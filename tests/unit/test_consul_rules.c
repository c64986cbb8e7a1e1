/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Consul as a source against an agent that misbehaves by the book: indexes that go backwards or are zero, no leader, answers that a token cut
 * short, an agent of another host, one behind a Unix socket, one that sends our token back.
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
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "config.h"
#include "consul.h"
#include "facts.h"
#include "loop.h"

#define MAX_ASKED 64
#define TOKEN "11111111-2222-3333-4444-555555555555"

struct world {
	struct event_base *base;
	struct evhttp *server;
	struct event *deadline;
	struct config config;
	struct facts_sink sink;
	struct consul *consul;
	char folder[32], socket[64], url[80], token_file[64];
	/* what the agent says */
	const char *address, *leader, *filtered;
	const unsigned *indexes; /* of the list of services, one after the other; the last goes on */
	size_t index_count;
	bool echo; /* 403 with the token that came */
	/* what was seen */
	char asked[MAX_ASKED][64]; /* queries for the list of services */
	size_t asked_count;
	unsigned answers;
	bool connected;
	char error[200];
};

static void on_services(struct world *world, const char *query, struct evkeyvalq *headers,
			struct evbuffer *out)
{
	size_t turn = world->asked_count < world->index_count ? world->asked_count
							      : world->index_count - 1;
	char index[16];

	if (world->asked_count < MAX_ASKED)
		snprintf(world->asked[world->asked_count++], sizeof(world->asked[0]), "%s",
			 query ? query : "");
	snprintf(index, sizeof(index), "%u", world->index_count ? world->indexes[turn] : 7);
	evhttp_add_header(headers, "X-Consul-Index", index);
	evbuffer_add_printf(out, "{\"Node\":{\"Node\":\"n\"},\"Services\":{}}");
}

static void on_request(struct evhttp_request *request, void *ctx)
{
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
	struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
	const char *path = evhttp_uri_get_path(uri);
	struct evbuffer *out = evbuffer_new();
	struct world *world = ctx;
	const char *token =
		evhttp_find_header(evhttp_request_get_input_headers(request), "X-Consul-Token");

	if (world->leader)
		evhttp_add_header(headers, "x-consul-knownleader", world->leader);
	if (world->filtered)
		evhttp_add_header(headers, "X-Consul-Results-Filtered-By-ACLs", world->filtered);
	if (!strcmp(path, "/v1/agent/self")) {
		evbuffer_add_printf(
			out, "{\"Config\":{\"NodeName\":\"n\"},\"Member\":{\"Addr\":\"%s\"}}",
			world->address);
	} else if (!strcmp(path, "/v1/catalog/node/n")) {
		on_services(world, evhttp_uri_get_query(uri), headers, out);
	} else {
		evhttp_add_header(headers, "X-Consul-Index", "7");
		evbuffer_add_printf(out, "[]");
	}
	if (world->echo) {
		evbuffer_drain(out, evbuffer_get_length(out));
		evbuffer_add_printf(out, "no rights for %s here", token ? token : "nobody");
	}
	evhttp_send_reply(request, world->echo ? 403 : 200, "-", out);
	evbuffer_free(out);
}

static void take_answer(void *ctx, const struct facts_consul *answer, int64_t now_ms)
{
	struct world *world = ctx;

	(void)answer;
	(void)now_ms;
	world->answers++;
}

static void take_source(void *ctx, const struct facts_source *source, int64_t now_ms)
{
	struct world *world = ctx;

	(void)now_ms;
	world->connected = source->connected;
	snprintf(world->error, sizeof(world->error), "%s", source->error);
}

/* The agent's socket is a Unix one, so every test here goes over such a socket. */
static void open_world(struct world *world)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct evconnlistener *listener;

	memset(world, 0, sizeof(*world));
	world->address = "127.0.0.1";
	snprintf(world->folder, sizeof(world->folder), "/tmp/sluice-consul-XXXXXX");
	assert_non_null(mkdtemp(world->folder));
	snprintf(world->socket, sizeof(world->socket), "%s/s", world->folder);
	snprintf(world->url, sizeof(world->url), "unix://%s", world->socket);
	memcpy(address.sun_path, world->socket, strlen(world->socket) + 1);
	world->base = event_base_new();
	world->deadline = loop_deadline(world->base);
	world->server = evhttp_new(world->base);
	listener = evconnlistener_new_bind(world->base, NULL, NULL,
					   LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, -1,
					   (struct sockaddr *)&address, sizeof(address));
	assert_non_null(listener);
	assert_non_null(evhttp_bind_listener(world->server, listener));
	evhttp_set_gencb(world->server, on_request, world);
	world->sink =
		(struct facts_sink){ .ctx = world, .consul = take_answer, .source = take_source };
	world->config.consul_url = world->url;
	world->config.consul_used = true;
}

static void start(struct world *world)
{
	world->consul = consul_new(world->base, &world->config, &world->sink);
	assert_non_null(world->consul);
}

static void close_world(struct world *world)
{
	consul_free(world->consul);
	evhttp_free(world->server);
	event_free(world->deadline);
	event_base_free(world->base);
	unlink(world->socket);
	if (world->token_file[0])
		unlink(world->token_file);
	assert_int_equal(rmdir(world->folder), 0);
}

static void turn(struct world *world)
{
	event_base_loop(world->base, EVLOOP_ONCE);
}

/* An answer of an older state is none; the next question is asked without an index. */
static void an_index_that_goes_backwards(void **state)
{
	static const unsigned indexes[] = { 100, 40, 41 };
	struct world world;

	(void)state;
	open_world(&world);
	world.indexes = indexes;
	world.index_count = 3;
	start(&world);
	while (world.asked_count < 4)
		turn(&world);
	assert_string_equal(world.asked[0], "");
	assert_string_equal(world.asked[1], "index=100&wait=45s");
	assert_string_equal(world.asked[2], "");
	assert_string_equal(world.asked[3], "index=41&wait=45s");
	close_world(&world);
}

/* Zero would not wait: the loop would run hot. */
static void an_index_of_zero(void **state)
{
	static const unsigned indexes[] = { 0 };
	struct world world;

	(void)state;
	open_world(&world);
	world.indexes = indexes;
	world.index_count = 1;
	start(&world);
	while (world.asked_count < 4)
		turn(&world);
	assert_string_equal(world.asked[1], "index=1&wait=45s");
	assert_string_equal(world.asked[2], ""); /* 0 again, after 1: backwards */
	assert_string_equal(world.asked[3], "index=1&wait=45s");
	close_world(&world);
}

/* The same index again: nothing has changed, nothing is delivered, and asking is paced. */
static void an_index_that_stays(void **state)
{
	struct world world;

	(void)state;
	open_world(&world);
	start(&world);
	while (world.asked_count < 6)
		turn(&world);
	assert_int_equal(world.answers, 1);
	assert_true(world.connected);
	close_world(&world);
}

/* What must be refused whatever the lists say. */
static void refused(void (*spoil)(struct world *), const char *said)
{
	struct world world;

	open_world(&world);
	spoil(&world);
	start(&world);
	while (!strstr(world.error, said))
		turn(&world);
	assert_int_equal(world.answers, 0);
	assert_false(world.connected);
	close_world(&world);
}

static void no_leader(struct world *world)
{
	world->leader = "false";
}

static void cut_by_acl(struct world *world)
{
	world->filtered = "true";
}

static void other_host(struct world *world)
{
	world->address = "203.0.113.9";
}

static void answers_without_a_leader_are_none(void **state)
{
	(void)state;
	refused(no_leader, "the servers have no leader");
}

static void answers_that_a_token_cut_short_are_none(void **state)
{
	(void)state;
	refused(cut_by_acl, "the token may not read everything");
}

static void another_hosts_agent_is_refused(void **state)
{
	(void)state;
	refused(other_host, "its agent is n at 203.0.113.9, not this host");
}

/* It may advertise an address that the host does not have, behind a translation: then its name says so. */
static void an_agent_by_name_is_our_own(void **state)
{
	static char name[] = "N";
	struct world world;

	(void)state;
	open_world(&world);
	other_host(&world);
	world.config.name[0] = name;
	world.config.name_count = 1;
	start(&world);
	while (!world.answers)
		turn(&world);
	assert_true(world.connected);
	close_world(&world);
}

static void a_token_that_comes_back_is_not_told(void **state)
{
	struct world world;
	int fd;

	(void)state;
	open_world(&world);
	snprintf(world.token_file, sizeof(world.token_file), "%s/t", world.folder);
	fd = open(world.token_file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, TOKEN "\n", strlen(TOKEN) + 1), strlen(TOKEN) + 1);
	close(fd);
	world.config.token_file = world.token_file;
	world.echo = true;
	start(&world);
	while (!strstr(world.error, "no rights for"))
		turn(&world);
	assert_null(strstr(world.error, TOKEN));
	assert_non_null(strstr(world.error, "no rights for ****"));
	close_world(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_index_that_goes_backwards),
		cmocka_unit_test(an_index_of_zero),
		cmocka_unit_test(an_index_that_stays),
		cmocka_unit_test(answers_without_a_leader_are_none),
		cmocka_unit_test(answers_that_a_token_cut_short_are_none),
		cmocka_unit_test(another_hosts_agent_is_refused),
		cmocka_unit_test(an_agent_by_name_is_our_own),
		cmocka_unit_test(a_token_that_comes_back_is_not_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
