/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The state machine behind channel.h. CLOSING waits for the server's end of a connection that is over, so that the side which said
 * "close" is the one that holds the port afterwards.
 */
#define _GNU_SOURCE
#include "channel.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "reply.h"

#define CLOSING_NS 1000000000ull

enum state { CLOSED, CONNECTING, WAITING, IDLE, CLOSING };

struct channel {
	struct channel_world *world;
	const struct sockaddr_storage *target;
	enum state state;
	int fd;
	unsigned turns; /* answers on this connection */
	bool last;	/* the request in flight is the connection's last */
	size_t sent;
	uint64_t intended_ns, sent_ns, deadline_ns;
	struct reply reply;
};

uint64_t channel_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

struct channel *channel_new(struct channel_world *world, size_t number)
{
	struct channel *channel = calloc(1, sizeof(*channel));

	if (!channel)
		return NULL;
	channel->world = world;
	channel->target = &world->targets[number % world->target_count];
	channel->fd = -1;
	return channel;
}

static void disconnect(struct channel *channel)
{
	if (channel->fd >= 0)
		close(channel->fd);
	channel->fd = -1;
	channel->state = CLOSED;
	channel->turns = 0;
}

void channel_free(struct channel *channel)
{
	if (!channel)
		return;
	disconnect(channel);
	free(channel);
}

bool channel_is_open(const struct channel *channel)
{
	return channel->state != CLOSED && channel->state != CONNECTING;
}

uint64_t channel_intended_ns(const struct channel *channel)
{
	return channel->intended_ns;
}

uint64_t channel_sent_ns(const struct channel *channel)
{
	return channel->sent_ns;
}

const char *channel_who(const struct channel *channel)
{
	return channel->reply.who;
}

static void fail(struct channel *channel, enum fate fate)
{
	struct channel_world *world = channel->world;

	world->done(channel, fate, world->arg);
	disconnect(channel);
	world->freed(channel, world->arg);
}

/* The connection ended, by an error or by end of file (0), while the answer was owed. */
static void lost(struct channel *channel, int error)
{
	if (error == ETIMEDOUT)
		fail(channel, FATE_TIMEOUT);
	else if (channel->turns && !reply_started(&channel->reply))
		fail(channel, FATE_STALE);
	else
		fail(channel, error ? FATE_RESET : FATE_EOF);
}

static void connect_failed(struct channel *channel, int error)
{
	switch (error) {
	case ECONNREFUSED:
		fail(channel, FATE_REFUSED);
		break;
	case ECONNRESET:
		fail(channel, FATE_RESET);
		break;
	case ETIMEDOUT:
		fail(channel, FATE_TIMEOUT);
		break;
	default:
		fail(channel, FATE_UNREACHABLE);
	}
}

static int open_socket(struct channel *channel)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
				     .data.ptr = channel };
	int on = 1;

	channel->fd =
		socket(channel->target->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (channel->fd < 0)
		return -errno;
	setsockopt(channel->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (epoll_ctl(channel->world->epoll_fd, EPOLL_CTL_ADD, channel->fd, &event))
		return -errno;
	if (connect(channel->fd, (const struct sockaddr *)channel->target,
		    sizeof(*channel->target)) &&
	    errno != EINPROGRESS)
		return -errno;
	return 0;
}

/* True when the whole request is with the kernel or will be when there is room; false: its fate is told. */
static bool push(struct channel *channel)
{
	const struct channel_world *world = channel->world;
	const char *request = channel->last ? world->last_request : world->request;
	const size_t len = channel->last ? world->last_request_len : world->request_len;

	while (channel->sent < len) {
		ssize_t n = send(channel->fd, request + channel->sent, len - channel->sent,
				 MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			return true;
		if (n < 0) {
			lost(channel, errno);
			return false;
		}
		channel->sent += (size_t)n;
	}
	return true;
}

void channel_ask(struct channel *channel, uint64_t intended_ns)
{
	int err;

	channel->intended_ns = intended_ns;
	channel->sent_ns = channel_now_ns();
	channel->deadline_ns = channel->sent_ns + channel->world->timeout_ns;
	channel->sent = 0;
	channel->last = channel->world->turns && channel->turns + 1 >= channel->world->turns;
	reply_init(&channel->reply);
	if (channel->state == IDLE) {
		channel->state = WAITING;
		push(channel);
		return;
	}
	channel->state = CONNECTING;
	err = open_socket(channel);
	if (err)
		connect_failed(channel, -err);
}

static void answered(struct channel *channel)
{
	struct channel_world *world = channel->world;

	if (channel->reply.status != 200) {
		fail(channel, FATE_BAD);
		return;
	}
	channel->turns++;
	if (channel->reply.close || channel->last) {
		channel->state = CLOSING;
		channel->deadline_ns = channel_now_ns() + CLOSING_NS;
		world->done(channel, FATE_ANSWERED, world->arg);
		return;
	}
	channel->state = IDLE;
	world->done(channel, FATE_ANSWERED, world->arg);
	world->freed(channel, world->arg);
}

static void ended(struct channel *channel, int error)
{
	if (channel->state == CLOSING) {
		disconnect(channel);
		channel->world->freed(channel, channel->world->arg);
	} else if (channel->state == IDLE) {
		channel->world->idle_closed++;
		disconnect(channel);
	} else if (!error && reply_ends_here(&channel->reply)) {
		answered(channel);
		if (channel->state == CLOSING)
			ended(channel, 0);
	} else {
		lost(channel, error);
	}
}

static void receive(struct channel *channel)
{
	static char bytes[65536];

	while (channel->fd >= 0) {
		const ssize_t n = recv(channel->fd, bytes, sizeof(bytes), 0);
		size_t used;
		int got;

		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			ended(channel, n < 0 ? errno : 0);
			return;
		}
		if (channel->state != WAITING) {
			if (channel->state == IDLE)
				disconnect(channel); /* bytes that nobody asked for */
			continue;
		}
		got = reply_feed(&channel->reply, bytes, (size_t)n, &used);
		if (got < 0 || (got == 1 && used != (size_t)n))
			fail(channel, FATE_BAD);
		else if (got == 1)
			answered(channel);
		if ((size_t)n < sizeof(bytes) && channel->state != CLOSING)
			return; /* edge-triggered: the kernel says when there is more */
	}
}

void channel_event(struct channel *channel, uint32_t events)
{
	if (channel->state == CONNECTING) {
		int error = 0;
		socklen_t len = sizeof(error);

		if (!(events & (EPOLLOUT | EPOLLERR | EPOLLHUP)))
			return;
		if (getsockopt(channel->fd, SOL_SOCKET, SO_ERROR, &error, &len))
			error = errno;
		if (error) {
			connect_failed(channel, error);
			return;
		}
		channel->world->connections++;
		channel->state = WAITING;
	}
	if (channel->state == WAITING && !push(channel))
		return;
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		receive(channel);
}

void channel_check_time(struct channel *channel, uint64_t now_ns)
{
	if (channel->state == CLOSED || channel->state == IDLE || now_ns < channel->deadline_ns)
		return;
	if (channel->state == CLOSING)
		ended(channel, 0);
	else
		fail(channel, FATE_TIMEOUT);
}
