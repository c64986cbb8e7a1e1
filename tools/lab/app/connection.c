/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The state machine behind connection.h. A connection is never freed while events of the same batch may name it: closing
 * moves it to the server's list of dead ones. An answer that ends the connection is followed by a half-close and by
 * reading until the client's end, because close() with unread bytes would send a reset that overtakes the answer.
 */
#define _GNU_SOURCE
#include "connection.h"

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "pattern.h"
#include "request.h"
#include "respond.h"

#define IN_MAX (16u << 20)
#define LINGER_MS 2000

enum state { READING, SINKING, SLEEPING, WRITING, LINGERING, DEAD };

/* A body that is looked at as it comes and not kept: POST /sink. */
struct sink {
	struct request request;
	uint64_t got, wrong;
	uint64_t last_ms, gap_ms; /* when bytes came last, and the longest wait for some */
};

struct connection {
	struct server *server;
	struct connection *prev, *next;
	int fd, timer_fd; /* timer_fd is -1 until it is needed */
	enum state state;
	bool end_of_input, continue_sent, is_client, served;

	char *in;
	size_t in_len, in_cap;

	struct response response; /* valid while SLEEPING and WRITING */
	struct sink sink;	  /* valid while SINKING */
};

static int watch(struct server *server, int fd, uint32_t events, uintptr_t data)
{
	struct epoll_event event = { .events = events, .data.ptr = (void *)data };

	return epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

struct connection *connection_new(struct server *server, int fd)
{
	struct connection *conn = calloc(1, sizeof(*conn));
	int err;

	if (!conn) {
		close(fd);
		errno = ENOMEM;
		return NULL;
	}
	err = watch(server, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, (uintptr_t)conn);
	if (err) {
		close(fd);
		free(conn);
		errno = -err;
		return NULL;
	}
	conn->server = server;
	conn->fd = fd;
	conn->timer_fd = -1;
	conn->next = server->connections;
	if (conn->next)
		conn->next->prev = conn;
	server->connections = conn;
	server->open++;
	return conn;
}

void connection_close(struct connection *conn)
{
	struct server *server = conn->server;

	if (conn->state == DEAD)
		return;
	conn->state = DEAD;
	close(conn->fd);
	if (conn->timer_fd >= 0)
		close(conn->timer_fd);
	if (conn->prev)
		conn->prev->next = conn->next;
	else
		server->connections = conn->next;
	if (conn->next)
		conn->next->prev = conn->prev;
	conn->next = server->dead;
	server->dead = conn;
	server->open--;
}

void connection_free_dead(struct server *server)
{
	while (server->dead) {
		struct connection *conn = server->dead;

		server->dead = conn->next;
		response_release(&conn->response);
		free(conn->in);
		free(conn);
	}
}

bool connection_is_idle(const struct connection *conn, bool *served_before)
{
	*served_before = conn->served;
	return conn->state == READING && !conn->in_len;
}

struct connection *connection_next(const struct connection *conn)
{
	return conn->next;
}

static int arm(struct connection *conn, unsigned ms)
{
	struct itimerspec spec = { .it_value = { .tv_sec = ms / 1000,
						 .tv_nsec = ms % 1000 * 1000000L } };
	int err;

	if (conn->timer_fd < 0) {
		conn->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
		if (conn->timer_fd < 0)
			return -errno;
		err = watch(conn->server, conn->timer_fd, EPOLLIN | EPOLLET, (uintptr_t)conn | 1);
		if (err)
			return err;
	}
	return timerfd_settime(conn->timer_fd, 0, &spec, NULL) ? -errno : 0;
}

/* 1: read something; 0: would block or at the end of input; negative errno: the connection is lost. */
static int fill(struct connection *conn, size_t wanted)
{
	ssize_t n;

	if (conn->end_of_input)
		return 0;
	if (wanted < 4096)
		wanted = 4096;
	if (conn->in_cap < wanted) {
		char *bigger = realloc(conn->in, wanted);

		if (!bigger)
			return -ENOMEM;
		conn->in = bigger;
		conn->in_cap = wanted;
	}
	n = recv(conn->fd, conn->in + conn->in_len, conn->in_cap - conn->in_len, 0);
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	if (n == 0) {
		conn->end_of_input = true;
		return 0;
	}
	conn->in_len += (size_t)n;
	return 1;
}

static void consume(struct connection *conn, size_t len)
{
	conn->in_len -= len;
	memmove(conn->in, conn->in + len, conn->in_len);
}

static int answer(struct connection *conn, const struct request *request, const char *body)
{
	int err = respond(conn->server, request, body, &conn->is_client, &conn->response);

	if (err)
		return err;
	conn->state = conn->response.delay_ms ? SLEEPING : WRITING;
	return conn->state == SLEEPING ? arm(conn, conn->response.delay_ms) : 0;
}

static void sink_bytes(struct sink *sink, const char *bytes, size_t len)
{
	const uint64_t now_ms = server_now_ms();

	if (sink->got && now_ms - sink->last_ms > sink->gap_ms)
		sink->gap_ms = now_ms - sink->last_ms;
	sink->last_ms = now_ms;
	sink->wrong += pattern_wrong(sink->got, bytes, len);
	sink->got += len;
}

/* As read_request(). */
static int read_sink(struct connection *conn)
{
	static char bytes[262144];
	struct sink *sink = &conn->sink;
	const uint64_t left = sink->request.body_len - sink->got;
	char text[128];
	ssize_t n;
	int err;

	if (left) {
		n = recv(conn->fd, bytes, left < sizeof(bytes) ? (size_t)left : sizeof(bytes), 0);
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		if (n == 0)
			return -ENOTCONN;
		sink_bytes(sink, bytes, (size_t)n);
		return 1;
	}
	sink->request.body_len = (size_t)snprintf(text, sizeof(text),
						  "bytes=%" PRIu64 " wrong=%" PRIu64
						  " gap_ms=%" PRIu64 "\n",
						  sink->got, sink->wrong, sink->gap_ms);
	err = answer(conn, &sink->request, text);
	return err ? err : 1;
}

static int begin_sink(struct connection *conn, const struct request *request)
{
	size_t here = conn->in_len - request->head_len;

	if (here > request->body_len)
		here = request->body_len;
	conn->sink = (struct sink){ .request = *request };
	sink_bytes(&conn->sink, conn->in + request->head_len, here);
	consume(conn, request->head_len + here);
	conn->state = SINKING;
	return 1;
}

/* 1: an answer is ready or has to wait; 0: would block; negative errno: lost. */
static int read_request(struct connection *conn)
{
	struct request request;
	size_t whole;
	int got, err;

	got = conn->in_len ? request_parse(conn->in, conn->in_len, &request) : 0;
	if (got < 0 || (got == 0 && conn->in_len >= 16384))
		return -EPROTO;
	if (got == 0)
		return fill(conn, 16384);
	if (request.method == REQUEST_POST && !strcmp(request.path, "/sink"))
		return begin_sink(conn, &request);
	if (request.body_len > IN_MAX)
		return -EMSGSIZE;
	whole = request.head_len + request.body_len;
	if (conn->in_len < whole) {
		if (request.expect_continue && !conn->continue_sent) {
			static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";

			conn->continue_sent = true;
			if (send(conn->fd, go_on, sizeof(go_on) - 1, MSG_NOSIGNAL) < 0)
				return -errno;
		}
		return fill(conn, whole);
	}
	conn->continue_sent = false;
	err = answer(conn, &request, conn->in + request.head_len);
	if (err)
		return err;
	consume(conn, whole);
	return 1;
}

/* 1: all is written; 0: would block; negative errno: lost. */
static int write_response(struct connection *conn)
{
	struct response *response = &conn->response;

	while (response->sent < response->len + response->filler_len) {
		const void *from;
		size_t len;
		ssize_t n;

		if (response->sent < response->len) {
			from = response->bytes + response->sent;
			len = response->len - response->sent;
		} else {
			const size_t at = response->sent - response->len;

			from = pattern_at(at, &len);
			if (len > response->filler_len - at)
				len = response->filler_len - at;
		}
		n = send(conn->fd, from, len, MSG_NOSIGNAL);
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		response->sent += (size_t)n;
	}
	conn->served = true;
	return 1;
}

static int finish_response(struct connection *conn)
{
	bool last = conn->response.last;

	response_release(&conn->response);
	if (!last) {
		conn->state = READING;
		return 1;
	}
	conn->state = LINGERING;
	if (shutdown(conn->fd, SHUT_WR))
		return -errno;
	return arm(conn, LINGER_MS) ? -EIO : 1;
}

/* 1: something came and was thrown away; 0: would block; negative: the client has closed too. */
static int linger(struct connection *conn)
{
	char discarded[4096];
	ssize_t n = recv(conn->fd, discarded, sizeof(discarded), 0);

	if (n > 0)
		return 1;
	return n < 0 && errno == EAGAIN ? 0 : -ENOTCONN;
}

static int step(struct connection *conn)
{
	int got;

	switch (conn->state) {
	case READING:
		got = read_request(conn);
		if (got == 0 && conn->end_of_input)
			return -ENOTCONN;
		return got;
	case SINKING:
		return read_sink(conn);
	case WRITING:
		got = write_response(conn);
		return got == 1 ? finish_response(conn) : got;
	case LINGERING:
		return linger(conn);
	default:
		return 0;
	}
}

void connection_event(void *data)
{
	bool timer = (uintptr_t)data & 1;
	struct connection *conn = (struct connection *)((uintptr_t)data & ~(uintptr_t)1);
	int got;

	if (timer && conn->state == SLEEPING)
		conn->state = WRITING;
	else if (timer && conn->state == LINGERING)
		connection_close(conn);
	do {
		got = step(conn);
	} while (got == 1);
	if (got < 0)
		connection_close(conn);
}
