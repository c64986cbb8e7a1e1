/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The state machine behind client.h. CLOSING waits for the server's end of a connection that is over, so that the side
 * which said "close" is the one that holds the port afterwards.
 */
#define _GNU_SOURCE
#include "client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "reply.h"

#define CLOSING_US 1000000

enum state { UNCONNECTED, CONNECTING, WAITING, IDLE, CLOSING };

struct client {
	struct client_world *world;
	const struct target *target;
	enum state state;
	int fd;
	bool paused;
	size_t sent;
	uint64_t asked_us, deadline_us;
	unsigned answers;    /* on this connection */
	size_t answerer;     /* index, valid if answers > 0 */
	char last_task[256]; /* "" until the first answer on this connection */
	struct reply reply;
};

uint64_t client_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

struct client *client_new(struct client_world *world, const struct target *target)
{
	struct client *client = calloc(1, sizeof(*client));

	if (!client)
		return NULL;
	client->world = world;
	client->target = target;
	client->fd = -1;
	return client;
}

static void disconnect(struct client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	client->fd = -1;
	client->state = UNCONNECTED;
	client->answers = 0;
	client->last_task[0] = '\0';
}

void client_free(struct client *client)
{
	if (!client)
		return;
	disconnect(client);
	free(client);
}

bool client_wants_pause(const struct client *client)
{
	return client->paused;
}

static void fail(struct client *client, enum failure kind, int error)
{
	struct first_failure failure = { .kind = kind, .error = error };
	struct sockaddr_in6 local = { 0 }; /* the port lies where IPv4 has it */
	socklen_t len = sizeof(local);

	failure.at_ms = (client_now_us() - client->world->started_us) / 1000;
	memcpy(failure.target, client->target->name, sizeof(failure.target));
	memcpy(failure.task, client->last_task, sizeof(failure.task));
	if (client->fd >= 0 && !getsockname(client->fd, (struct sockaddr *)&local, &len))
		failure.local_port = ntohs(local.sin6_port);
	tally_failure(client->world->tally, &failure);
	disconnect(client);
	client->paused = true;
	client->world->ready(client, client->world->arg);
}

/* The connection ended, by reset (error) or end of file (0), while the answer was owed. */
static void lost(struct client *client, int error)
{
	if (client->answers && !reply_started(&client->reply))
		fail(client, FAILURE_STALE, error);
	else if (error == ETIMEDOUT)
		fail(client, FAILURE_TIMEOUT, error);
	else
		fail(client, error ? FAILURE_RESET : FAILURE_EOF, error);
}

static void connect_failed(struct client *client, int error)
{
	if (error == ECONNREFUSED)
		fail(client, FAILURE_REFUSED, error);
	else if (error == ECONNRESET)
		fail(client, FAILURE_RESET, error);
	else
		fail(client, error == ETIMEDOUT ? FAILURE_TIMEOUT : FAILURE_UNREACHABLE, error);
}

static int open_socket(struct client *client)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET };
	int on = 1;

	client->fd = socket(client->target->address.ss_family,
			    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (client->fd < 0)
		return -errno;
	setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	event.data.ptr = client;
	if (epoll_ctl(client->world->epoll_fd, EPOLL_CTL_ADD, client->fd, &event))
		return -errno;
	if (connect(client->fd, (const struct sockaddr *)&client->target->address,
		    sizeof(client->target->address)) &&
	    errno != EINPROGRESS)
		return -errno;
	return 0;
}

/* True when the whole request is with the kernel or will be when there is room; false: its fate is counted. */
static bool push(struct client *client)
{
	while (client->sent < client->target->request_len) {
		ssize_t n = send(client->fd, client->target->request + client->sent,
				 client->target->request_len - client->sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			return true;
		if (n < 0) {
			lost(client, errno);
			return false;
		}
		client->sent += (size_t)n;
	}
	return true;
}

void client_ask(struct client *client)
{
	int err;

	client->world->tally->sent++;
	client->paused = false;
	client->sent = 0;
	client->asked_us = client_now_us();
	client->deadline_us = client->asked_us + client->world->timeout_us;
	reply_init(&client->reply);
	if (client->state == IDLE) {
		client->state = WAITING;
		push(client);
		return;
	}
	client->state = CONNECTING;
	err = open_socket(client);
	if (err)
		connect_failed(client, -err);
}

static void count_answer(struct client *client)
{
	struct tally *tally = client->world->tally;
	struct answerer *who = tally_answerer(tally, client->target->name, client->reply.who);

	tally->answered++;
	tally->body_bytes += client->reply.body_got;
	tally_latency(tally, client_now_us() - client->asked_us);
	if (!who)
		return;
	who->requests++;
	if (!client->answers)
		who->connections++;
	else if (client->answerer != (size_t)(who - tally->answerers))
		tally->moved++;
	client->answerer = (size_t)(who - tally->answerers);
	memcpy(client->last_task, who->task, sizeof(client->last_task));
	client->answers++;
}

static void answered(struct client *client)
{
	if (client->reply.status != 200) {
		fail(client, FAILURE_BAD, 0);
		return;
	}
	count_answer(client);
	if (client->reply.close || client->world->one_request_a_connection) {
		client->state = CLOSING;
		client->deadline_us = client_now_us() + CLOSING_US;
		return;
	}
	client->state = IDLE;
	client->world->ready(client, client->world->arg);
}

static void ended(struct client *client, int error)
{
	if (client->state == CLOSING) {
		disconnect(client);
		client->world->ready(client, client->world->arg);
	} else if (client->state == IDLE) {
		client->world->tally->idle_closed++;
		disconnect(client);
	} else if (!error && reply_ends_here(&client->reply)) {
		answered(client);
		if (client->state == CLOSING)
			ended(client, 0);
	} else {
		lost(client, error);
	}
}

static void receive(struct client *client)
{
	static char bytes[65536];

	while (client->fd >= 0) {
		ssize_t n = recv(client->fd, bytes, sizeof(bytes), 0);
		size_t used;
		int got;

		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			ended(client, n < 0 ? errno : 0);
			return;
		}
		if (client->state != WAITING) {
			/* Bytes that nobody asked for; after a "close" they do no harm. */
			if (client->state == IDLE)
				disconnect(client);
			continue;
		}
		got = reply_feed(&client->reply, bytes, (size_t)n, &used);
		if (got < 0 || (got == 1 && used != (size_t)n))
			fail(client, FAILURE_BAD, EPROTO);
		else if (got == 1)
			answered(client);
	}
}

void client_event(struct client *client, uint32_t events)
{
	if (client->state == CONNECTING) {
		int error = 0;
		socklen_t len = sizeof(error);

		if (!(events & (EPOLLOUT | EPOLLERR | EPOLLHUP)))
			return;
		if (getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &len))
			error = errno;
		if (error) {
			connect_failed(client, error);
			return;
		}
		client->world->tally->connections++;
		tally_connect(client->world->tally, client_now_us() - client->asked_us);
		client->state = WAITING;
	}
	if (client->state == WAITING && !push(client))
		return;
	receive(client);
}

void client_check_time(struct client *client, uint64_t now_us)
{
	if (client->state == UNCONNECTED || client->state == IDLE || now_us < client->deadline_us)
		return;
	if (client->state == CLOSING)
		ended(client, 0);
	else
		fail(client, FAILURE_TIMEOUT, ETIMEDOUT);
}
