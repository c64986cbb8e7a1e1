/* SPDX-License-Identifier: GPL-2.0-only */
/* A thread a connection, for as long as the process lives: it ends with it. */
#include "master.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"

#define MAX_STREAMS 512
#define MAX_HEAD 8192

struct master {
	pthread_mutex_t lock;
	const char *host;
	unsigned apps;
	bool checks;
	int fd, stream[MAX_STREAMS];
	unsigned streams;
	uint64_t whole, single;
	struct master_task task[MASTER_MAX_TASKS];
	size_t count;
};

struct connection {
	struct master *master;
	int fd;
};

static int say(int fd, const char *bytes, size_t len)
{
	while (len) {
		ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return -errno;
		bytes += sent;
		len -= (size_t)sent;
	}
	return 0;
}

/* --- documents --- */

static void write_task(const struct master *master, const struct master_task *task, FILE *to)
{
	fprintf(to,
		"{\"id\":\"app%u.%u.%d\",\"appId\":\"/app%u\",\"host\":\"%s\",\"ports\":[%u],"
		"\"state\":\"TASK_RUNNING\",\"startedAt\":\"2026-11-22T12:00:00.000Z\","
		"\"version\":\"2026-11-22T12:00:00.000Z\"",
		task->app, task->number, (int)getpid(), task->app, master->host, task->port);
	if (master->checks)
		fprintf(to,
			",\"healthCheckResults\":[{\"alive\":%s,\"consecutiveFailures\":%d,"
			"\"firstSuccess\":\"2026-11-22T12:00:05.000Z\"}]",
			task->well ? "true" : "false", task->well ? 0 : 3);
	fputc('}', to);
}

static void write_app(const struct master *master, unsigned app, FILE *to)
{
	const char *comma = "";

	fprintf(to,
		"{\"id\":\"/app%u\",\"version\":\"2026-11-22T12:00:00.000Z\",\"instances\":16,"
		"\"ports\":[10000],\"healthChecks\":[%s],\"tasks\":[",
		app,
		master->checks ? "{\"protocol\":\"HTTP\",\"path\":\"/health\",\"portIndex\":0,"
				 "\"intervalSeconds\":10,\"timeoutSeconds\":5}"
			       : "");
	for (size_t i = 0; i < master->count; i++) {
		if (master->task[i].app != app)
			continue;
		fputs(comma, to);
		write_task(master, &master->task[i], to);
		comma = ",";
	}
	fputs("]}", to);
}

/* NULL: there is no such document. */
static char *document(struct master *master, const char *path, size_t *len)
{
	char *text = NULL;
	unsigned app;
	FILE *to;

	if (strncmp(path, "/v2/apps", 8) != 0)
		return NULL;
	to = open_memstream(&text, len);
	if (!to)
		return NULL;
	pthread_mutex_lock(&master->lock);
	if (sscanf(path, "/v2/apps/app%u", &app) == 1) {
		master->single++;
		fputs("{\"app\":", to);
		write_app(master, app, to);
		fputs("}", to);
	} else {
		master->whole++;
		fputs("{\"apps\":[", to);
		for (app = 0; app < master->apps; app++) {
			fputs(app ? "," : "", to);
			write_app(master, app, to);
		}
		fputs("]}", to);
	}
	pthread_mutex_unlock(&master->lock);
	fclose(to);
	return text;
}

/* --- connections --- */

static void begin_stream(struct master *master, int fd)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
				   "Connection: close\r\n\r\n"
				   "event: event_stream_attached\r\n"
				   "data: {\"eventType\":\"event_stream_attached\"}\r\n\r\n";

	if (say(fd, head, sizeof(head) - 1))
		return;
	pthread_mutex_lock(&master->lock);
	if (master->streams < MAX_STREAMS)
		master->stream[master->streams++] = fd;
	pthread_mutex_unlock(&master->lock);
}

/* 0: go on with this connection. */
static int answer(struct master *master, int fd, const char *path)
{
	char head[256], *text;
	size_t len = 0;
	int err;

	if (strncmp(path, "/v2/events", 10) == 0) {
		begin_stream(master, fd);
		return 1;
	}
	text = document(master, path, &len);
	snprintf(head, sizeof(head),
		 "HTTP/1.1 %s\r\nContent-Type: application/json\r\nX-Marathon-Leader: "
		 "http://127.0.0.1:1\r\nContent-Length: %zu\r\n\r\n",
		 text ? "200 OK" : "404 Not Found", len);
	err = say(fd, head, strlen(head));
	if (!err && text)
		err = say(fd, text, len);
	free(text);
	return err;
}

static void *serve(void *arg)
{
	struct connection *connection = arg;
	struct master *master = connection->master;
	char head[MAX_HEAD + 1], path[1024];
	size_t len = 0;
	int fd = connection->fd, over = 0;

	free(connection);
	while (!over && len < MAX_HEAD) {
		ssize_t got = recv(fd, head + len, MAX_HEAD - len, 0);

		if (got <= 0)
			break;
		len += (size_t)got;
		head[len] = '\0';
		if (!strstr(head, "\r\n\r\n"))
			continue;
		over = sscanf(head, "GET %1023s", path) != 1 || answer(master, fd, path);
		len = 0;
	}
	if (!over)
		close(fd);
	return NULL;
}

static void *accept_all(void *arg)
{
	struct master *master = arg;
	const int one = 1;

	for (;;) {
		struct connection *connection = calloc(1, sizeof(*connection));
		pthread_t thread;

		if (!connection)
			return NULL;
		connection->master = master;
		connection->fd = accept(master->fd, NULL, NULL);
		if (connection->fd < 0) {
			free(connection);
			return NULL;
		}
		setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if (pthread_create(&thread, NULL, serve, connection))
			return NULL;
		pthread_detach(thread);
	}
}

struct master *master_new(uint16_t port, const char *host, unsigned apps, bool checks)
{
	const struct sockaddr_in address = { .sin_family = AF_INET,
					     .sin_port = htons(port),
					     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct master *master = calloc(1, sizeof(*master));
	const int one = 1;
	pthread_t thread;

	if (!master)
		return NULL;
	pthread_mutex_init(&master->lock, NULL);
	master->host = host;
	master->apps = apps;
	master->checks = checks;
	master->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (master->fd < 0 || setsockopt(master->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(master->fd, (const struct sockaddr *)&address, sizeof(address)) ||
	    listen(master->fd, 512) || pthread_create(&thread, NULL, accept_all, master)) {
		free(master);
		return NULL;
	}
	return master;
}

void master_set(struct master *master, const struct master_task *tasks, size_t count)
{
	pthread_mutex_lock(&master->lock);
	memcpy(master->task, tasks, count * sizeof(*tasks));
	master->count = count;
	pthread_mutex_unlock(&master->lock);
}

unsigned master_streams(struct master *master)
{
	unsigned streams;

	pthread_mutex_lock(&master->lock);
	streams = master->streams;
	pthread_mutex_unlock(&master->lock);
	return streams;
}

uint64_t master_answers(struct master *master, uint64_t *single)
{
	uint64_t whole;

	pthread_mutex_lock(&master->lock);
	whole = master->whole;
	*single = master->single;
	pthread_mutex_unlock(&master->lock);
	return whole;
}

static uint64_t send_status(struct master *master, const struct master_task *task,
			    const char *status)
{
	char event[1024];
	uint64_t before;
	int len;

	len = snprintf(event, sizeof(event),
		       "event: status_update_event\r\n"
		       "data: {\"slaveId\":\"S0\",\"taskId\":\"app%u.%u.%d\",\"taskStatus\":\"%s\","
		       "\"message\":\"\",\"appId\":\"/app%u\",\"host\":\"%s\",\"ipAddresses\":[],"
		       "\"ports\":[%u],\"version\":\"2026-11-22T12:00:00.000Z\","
		       "\"eventType\":\"status_update_event\","
		       "\"timestamp\":\"2026-11-22T12:00:00.000Z\"}\r\n\r\n",
		       task->app, task->number, (int)getpid(), status, task->app, master->host,
		       task->port);
	pthread_mutex_lock(&master->lock);
	before = clock_now_ns();
	for (unsigned i = 0; i < master->streams; i++) {
		if (say(master->stream[i], event, (size_t)len)) {
			close(master->stream[i]);
			master->stream[i--] = master->stream[--master->streams];
		}
	}
	pthread_mutex_unlock(&master->lock);
	return before;
}

uint64_t master_kill(struct master *master, const struct master_task *task)
{
	return send_status(master, task, "TASK_KILLING");
}

void master_started(struct master *master, const struct master_task *task)
{
	send_status(master, task, "TASK_RUNNING");
}
