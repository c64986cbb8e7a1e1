/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A little HTTP/1.1 over libevent's buffers: requests with a length or without a body, answers with a length, streams that
 * run to their end. A blocking query waits until its list has changed, or for a moment.
 */
#include "registries.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <cmocka.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

#include "fast.h"

#define TASKS 8
#define TICK_US 1000
#define HOLD_MS 150 /* a blocking query */
#define BEAT_MS 100 /* of a stream */
#define MAX_REQUEST 16384
#define MAX_ANSWER 32768

struct client {
	LIST_ENTRY(client) link;
	struct bufferevent *stream;
	bool events;	  /* it is an event stream */
	const char *held; /* what a blocking query asks for; NULL: nothing */
	unsigned index;	  /* that it knows */
	int64_t since_ms;
};

/* The child's own. */
static struct {
	struct registries *shared;
	LIST_HEAD(, client) clients;
	char *entry[TASKS]; /* what was registered, as the catalog lists it */
	unsigned index, critical, ghost;
	unsigned event, cut;
	int64_t beat_ms;
} server;

#define GET(field) __atomic_load_n(&server.shared->field, __ATOMIC_ACQUIRE)
#define SET(field, value) __atomic_store_n(&server.shared->field, value, __ATOMIC_RELEASE)

/* --- what they say --- */

__attribute__((format(printf, 2, 3))) static void add(char *text, const char *format, ...)
{
	size_t len = strlen(text);
	va_list args;

	va_start(args, format);
	vsnprintf(text + len, MAX_ANSWER - len, format, args);
	va_end(args);
}

static void say_app(char *text)
{
	unsigned killing = GET(killing);

	add(text,
	    "{\"id\":\"/web\",\"version\":\"v1\",\"ports\":[10000],\"healthChecks\":[{\"protocol\":\"HTTP\","
	    "\"path\":\"/health\",\"portIndex\":0}],\"tasks\":[");
	for (unsigned i = 0; i < GET(tasks); i++)
		add(text,
		    "%s{\"id\":\"t%u\",\"host\":\"slave-1\",\"state\":\"TASK_%s\",\"version\":\"v1\","
		    "\"ports\":[%u],\"healthCheckResults\":[{\"alive\":true}]}",
		    i ? "," : "", i, killing >> i & 1 ? "KILLING" : "RUNNING", REGISTRIES_PORT + i);
	add(text, "]}");
}

static void say_services(char *text)
{
	bool more = false;

	add(text, "{\"Node\":{\"Node\":\"slave-1\"},\"Services\":{");
	for (unsigned i = 0; i < TASKS; i++) {
		if (!server.entry[i])
			continue;
		add(text, "%s\"sluice:t%u:0\":%s", more ? "," : "", i, server.entry[i]);
		more = true;
	}
	if (server.ghost)
		add(text,
		    "%s\"sluice:g:0\":{\"ID\":\"sluice:g:0\",\"Service\":\"web\",\"Port\":%u,\"Meta\":{"
		    "\"sluice_app\":\"/web\",\"sluice_task\":\"g\",\"sluice_index\":\"0\",\"sluice_boot\":\"other\"}}",
		    more ? "," : "", REGISTRIES_PORT + 99);
	add(text, "}}");
}

static void say_checks(char *text)
{
	bool more = false;

	add(text, "[");
	for (unsigned i = 0; i < TASKS; i++) {
		if (!server.entry[i])
			continue;
		add(text,
		    "%s{\"Node\":\"slave-1\",\"CheckID\":\"c%u\",\"ServiceID\":\"sluice:t%u:0\",\"Status\":\"%s\","
		    "\"Output\":\"said\",\"CreateIndex\":1,\"ModifyIndex\":2}",
		    more ? "," : "", i, i, server.critical >> i & 1 ? "critical" : "passing");
		more = true;
	}
	add(text, "]");
}

int registries_event(const struct registries *registries, char *text, size_t len)
{
	unsigned last = registries->tasks - 1;

	return snprintf(
		text, len,
		"{\"eventType\":\"status_update_event\",\"timestamp\":\"2026-01-01T00:00:00.000Z\","
		"\"slaveId\":\"s\",\"taskId\":\"t%u\",\"taskStatus\":\"TASK_RUNNING\",\"appId\":\"/web\","
		"\"host\":\"slave-1\",\"ports\":[%u],\"version\":\"v1\"}",
		last, REGISTRIES_PORT + last);
}

/* --- answering --- */

static void end_client(struct client *client)
{
	if (client->events)
		SET(streams, GET(streams) - 1);
	LIST_REMOVE(client, link);
	bufferevent_free(client->stream);
	free(client);
}

static void answer(struct client *client, const char *text)
{
	evbuffer_add_printf(
		bufferevent_get_output(client->stream),
		"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Consul-Index: %u\r\n"
		"X-Consul-Knownleader: true\r\nContent-Length: %zu\r\n\r\n%s",
		server.index, strlen(text), text);
}

static void answer_list(struct client *client, const char *path)
{
	char text[MAX_ANSWER] = "";

	client->held = NULL;
	if (!strncmp(path, "/v1/catalog/", 12))
		say_services(text);
	else
		say_checks(text);
	answer(client, text);
}

static void take_list(struct client *client, const char *path)
{
	const char *index = strstr(path, "?index=");

	client->index = index ? (unsigned)strtoul(index + 7, NULL, 10) : 0;
	if (client->index != server.index) {
		answer_list(client, path);
		return;
	}
	client->held = !strncmp(path, "/v1/catalog/", 12) ? "/v1/catalog/" : "/v1/health/";
	client->since_ms = fast_real_ms();
}

static void keep_entry(unsigned i, char *text)
{
	free(server.entry[i]);
	server.entry[i] = text;
}

/* The registration comes back as the catalog lists it: the name is called Service there. */
static void take_registration(const char *body)
{
	cJSON *document = cJSON_Parse(body);
	const char *id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(document, "ID"));
	cJSON *name = cJSON_DetachItemFromObjectCaseSensitive(document, "Name");
	unsigned i = id && !strncmp(id, "sluice:t", 8) ? (unsigned)(id[8] - '0') : TASKS;

	cJSON_DeleteItemFromObjectCaseSensitive(document, "Checks");
	cJSON_AddItemToObject(document, "Service", name);
	if (i < TASKS)
		keep_entry(i, cJSON_PrintUnformatted(document));
	cJSON_Delete(document);
	SET(registered, GET(registered) | (i < TASKS ? 1u << i : 0));
	server.index++;
}

static void take_deregistration(const char *path)
{
	const char *id = strrchr(path, '/') + 1;
	unsigned i = !strncmp(id, "sluice%3At", 10) ? (unsigned)(id[10] - '0') : TASKS;

	if (i < TASKS) {
		keep_entry(i, NULL);
		SET(registered, GET(registered) & ~(1u << i));
	} else {
		SET(ghost, 0u);
	}
	server.index++;
}

static void begin_stream(struct client *client)
{
	evbuffer_add_printf(bufferevent_get_output(client->stream),
			    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream;charset=utf-8\r\n"
			    "Connection: close\r\n\r\n");
	client->events = true;
	SET(streams, GET(streams) + 1);
}

static void say_apps(char *text)
{
	SET(whole, GET(whole) + 1);
	add(text, "{\"apps\":[");
	say_app(text);
	add(text, "]}");
}

static void answer_request(struct client *client, const char *path, const char *body)
{
	char text[MAX_ANSWER] = "";

	if (!strncmp(path, "/v1/catalog/", 12) || !strncmp(path, "/v1/health/", 11)) {
		take_list(client, path);
		return;
	}
	if (!strncmp(path, "/v2/events", 10)) {
		begin_stream(client);
		return;
	}
	if (!strncmp(path, "/v2/apps?", 9)) {
		say_apps(text);
	} else if (!strncmp(path, "/v2/apps/web", 12)) {
		add(text, "{\"app\":");
		say_app(text);
		add(text, "}");
	} else if (!strncmp(path, "/v2/eventSubscriptions", 22)) {
		add(text, "{\"callbackUrls\":[\"http://127.0.0.1:9/events\"]}");
	} else if (!strcmp(path, "/v1/agent/self")) {
		add(text,
		    "{\"Config\":{\"NodeName\":\"slave-1\"},\"Member\":{\"Addr\":\"127.0.0.1\"}}");
	} else if (!strncmp(path, "/v1/agent/service/register", 26)) {
		take_registration(body);
	} else if (!strncmp(path, "/v1/agent/service/deregister/", 29)) {
		take_deregistration(path);
	}
	answer(client, text);
}

static void on_read(struct bufferevent *stream, void *arg)
{
	struct evbuffer *input = bufferevent_get_input(stream);
	char text[MAX_REQUEST + 1], *body, *path, *length;
	ssize_t len = evbuffer_copyout(input, text, MAX_REQUEST);
	size_t more;

	text[len > 0 ? len : 0] = '\0';
	body = strstr(text, "\r\n\r\n");
	if (!body)
		return;
	*body = '\0';
	body += 4;
	length = strcasestr(text, "\r\nContent-Length:");
	more = length ? strtoul(length + 17, NULL, 10) : 0;
	if (strlen(body) < more)
		return;
	body[more] = '\0';
	evbuffer_drain(input, (size_t)(body - text) + more);
	path = strchr(text, ' ');
	path = path ? path + 1 : text;
	path[strcspn(path, " \r")] = '\0';
	answer_request(arg, path, body);
}

static void on_event(struct bufferevent *stream, short what, void *arg)
{
	(void)stream;
	(void)what;
	end_client(arg);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *from,
		      int len, void *arg)
{
	struct client *client = calloc(1, sizeof(*client));

	(void)from;
	(void)len;
	(void)arg;
	if (!client)
		_exit(1);
	client->stream = bufferevent_socket_new(evconnlistener_get_base(listener), fd,
						BEV_OPT_CLOSE_ON_FREE);
	LIST_INSERT_HEAD(&server.clients, client, link);
	bufferevent_setcb(client->stream, on_read, NULL, on_event, client);
	bufferevent_enable(client->stream, EV_READ | EV_WRITE);
}

/* --- what happens --- */

static void to_streams(const char *before, const char *text, const char *after)
{
	struct client *client;

	LIST_FOREACH(client, &server.clients, link)
	if (client->events)
		evbuffer_add_printf(bufferevent_get_output(client->stream), "%s%s%s", before, text,
				    after);
}

static void look_at_streams(void)
{
	struct client *client, *next;
	char text[512];

	if (server.cut != GET(cut)) {
		server.cut = GET(cut);
		for (client = LIST_FIRST(&server.clients); client; client = next) {
			next = LIST_NEXT(client, link);
			if (client->events)
				end_client(client);
		}
	}
	if (server.event != GET(event)) {
		server.event = GET(event);
		registries_event(server.shared, text, sizeof(text));
		to_streams("event: status_update_event\r\ndata: ", text, "\r\n\r\n");
	}
	if (fast_real_ms() - server.beat_ms < BEAT_MS)
		return;
	server.beat_ms = fast_real_ms();
	to_streams("\r\n", "", "");
}

static void look_at_lists(void)
{
	unsigned forget = GET(forget);
	struct client *client;

	for (unsigned i = 0; i < TASKS; i++)
		if (forget >> i & 1)
			keep_entry(i, NULL);
	if (forget) {
		SET(registered, GET(registered) & ~forget);
		SET(forget, 0u);
		server.index++;
	}
	if (server.critical != GET(critical) || server.ghost != GET(ghost))
		server.index++;
	server.critical = GET(critical);
	server.ghost = GET(ghost);
	LIST_FOREACH(client, &server.clients, link)
	if (client->held &&
	    (client->index != server.index || fast_real_ms() - client->since_ms > HOLD_MS))
		answer_list(client, client->held);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	look_at_lists();
	look_at_streams();
}

static void serve(struct registries *shared)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const struct timeval tick = { .tv_usec = TICK_US };
	struct event_base *base = event_base_new();
	struct event *timer = event_new(base, -1, EV_PERSIST, on_tick, NULL);
	struct evconnlistener *listener;
	socklen_t len = sizeof(address);

	server.shared = shared;
	server.index = 10;
	listener = evconnlistener_new_bind(base, on_accept, NULL, LEV_OPT_CLOSE_ON_FREE, 64,
					   (struct sockaddr *)&address, len);
	if (!listener || event_add(timer, &tick) ||
	    getsockname(evconnlistener_get_fd(listener), (struct sockaddr *)&address, &len))
		_exit(1);
	SET(port, ntohs(address.sin_port));
	event_base_dispatch(base);
}

struct registries *registries_start(pid_t *child)
{
	struct registries *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
					 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(shared, MAP_FAILED);
	*child = fork();
	assert_true(*child >= 0);
	if (!*child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fast_begin(1);
		serve(shared);
		_exit(1);
	}
	while (!__atomic_load_n(&shared->port, __ATOMIC_ACQUIRE)) {
		assert_int_equal(waitpid(*child, NULL, WNOHANG), 0);
		usleep(1000);
	}
	return shared;
}

void registries_stop(struct registries *registries, pid_t child)
{
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	munmap(registries, sizeof(*registries));
}
