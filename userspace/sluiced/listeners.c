/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's listeners over netlink's sock_diag, without a capability. Two sockets: one is told
 * of each TCP socket that is destroyed (a filter lets only listeners of the port range through, for
 * every closed connection is told too; the widest range since start, because a reload can narrow the
 * config's while the attached programs and their backends keep the old one), the other is asked for all that listen. An end is never
 * taken from the message itself, since another socket may listen on the same port: it makes us ask.
 * There is no message for a new listener, so we ask now and then anyway.
 */
#include "listeners.h"

#include <errno.h>
#include <event2/event.h>
#include <linux/filter.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "config.h"
#include "log.h"
#include "pace.h"
#include "sock_diag.h"
#include "source.h"

#define POLL_MS 1000
#define POLL_CALM_MS 5000 /* while no new one is awaited */
#define RETRY_MS 100	  /* after the first dump that failed */
#define ANSWER_MS 5000	  /* a dump that takes longer is given up */
#define READ_BYTES (32u << 10)
#define UNTOLD_MS 60000 /* a line about one that was not told of, after the first five */

struct listeners {
	const struct facts_sink *sink;
	struct facts_source source;
	int dump_fd, ends_fd;
	struct event *dump_event, *ends_event, *timer;
	uint32_t sequence; /* of the dump under way */
	int family;	   /* of the dump under way, 0: none */
	int64_t asked_ms;
	bool awaited;	 /* see listeners_await() */
	bool again;	 /* something ended while a dump was under way: it may have been counted */
	bool deliver;	 /* the next complete set goes out even if it is the same */
	bool confirming; /* what first lacked of now goes if the next dump lacks it too */
	bool told;	 /* something has ended since the last good set */
	struct facts_listeners now, next, first;
};

static void ask(struct listeners *listeners, int family);

static void arm(struct listeners *listeners, unsigned wait_ms)
{
	const struct timeval wait = { .tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000 };

	evtimer_add(listeners->timer, &wait);
}

/*
 * Who is told that the source is down forgets what it said: so the next good dump goes out, changed
 * or not, and comes soon.
 */
static void fail(struct listeners *listeners, const char *what, int err)
{
	listeners->family = 0;
	listeners->confirming = false;
	listeners->deliver = true;
	if (listeners->source.connected)
		arm(listeners, RETRY_MS);
	source_down(&listeners->source, listeners->sink, clock_ms(), "sock_diag: %s: %s", what,
		    strerror(err));
}

static void start_dump(struct listeners *listeners)
{
	if (listeners->family) {
		listeners->again = true;
		return;
	}
	listeners->again = false;
	memset(&listeners->next, 0, sizeof(listeners->next));
	listeners->asked_ms = clock_ms();
	ask(listeners, AF_INET);
}

static bool lacks(const struct facts_listeners *set, const struct facts_listeners *of)
{
	for (size_t i = 0; i < sizeof(set->port) / sizeof(set->port[0]); i++)
		if (of->port[i] & ~set->port[i])
			return true;
	return false;
}

/*
 * A missing listener takes its backend down on the kernel's word alone. But a dump walks a table
 * that changes meanwhile, in several messages, and can step over a socket: so a port is gone only
 * if two dumps lack it. Before the first answer nobody knows what could be missing. true: next is
 * to be believed; what only the second dump lacked is still in it, and waits for a third, while
 * confirming stays set.
 */
static bool is_confirmed(struct listeners *listeners)
{
	const struct facts_listeners told = listeners->next;

	if (!listeners->confirming) {
		if (listeners->source.last_good_ms && !lacks(&listeners->next, &listeners->now))
			return true;
		listeners->first = told;
		listeners->confirming = true;
		return false;
	}
	for (size_t i = 0; i < sizeof(told.port) / sizeof(told.port[0]); i++)
		listeners->next.port[i] |= listeners->first.port[i];
	listeners->confirming = lacks(&told, &listeners->first);
	listeners->first = told;
	return true;
}

/* What outlives the objects: each reload makes a new one. */
static uint16_t widest_min = UINT16_MAX, widest_max;
static uint64_t untold; /* ends that only a dump found */
static struct pace untold_pace = { .interval_ms = UNTOLD_MS, .burst = 5 }; /* of what is logged */

static void widen(uint16_t port_min, uint16_t port_max)
{
	widest_min = port_min < widest_min ? port_min : widest_min;
	widest_max = port_max > widest_max ? port_max : widest_max;
}

/* Which of those that are told of have ended without a word, going by what is about to be delivered? */
static void note_untold(const struct listeners *listeners, int64_t now_ms)
{
	unsigned count = 0, first = 0;

	for (unsigned port = widest_min; port <= widest_max; port++) {
		if (!facts_listens(&listeners->now, (uint16_t)port) ||
		    facts_listens(&listeners->next, (uint16_t)port))
			continue;
		first = count++ ? first : port;
	}
	untold += count;
	if (count && pace_try(&untold_pace, now_ms))
		log_event(LOG_INFO, "listener-end-untold", " port=%u ports=%u since_start=%zu",
			  first, count, (size_t)untold);
}

static void deliver(struct listeners *listeners)
{
	int64_t now_ms = clock_ms();
	bool changed = memcmp(&listeners->now, &listeners->next, sizeof(listeners->now)) != 0;

	listeners->source.last_good_ms = now_ms;
	source_up(&listeners->source, listeners->sink, now_ms);
	if (!listeners->told)
		note_untold(listeners, now_ms);
	listeners->told = false;
	if (!changed && !listeners->deliver)
		return;
	listeners->deliver = false;
	listeners->now = listeners->next;
	listeners->sink->listeners(listeners->sink->ctx, &listeners->now, now_ms);
}

static void finish_dump(struct listeners *listeners)
{
	listeners->family = 0;
	if (listeners->again || !is_confirmed(listeners)) {
		start_dump(listeners);
		return;
	}
	deliver(listeners);
	if (listeners->confirming)
		start_dump(listeners);
}

static void ask(struct listeners *listeners, int family)
{
	int err;

	listeners->family = family;
	err = sock_diag_ask(listeners->dump_fd, family, ++listeners->sequence);
	if (err)
		fail(listeners, "asking", -err);
}

/* One message of a dump. true: the dump of this family is over, well or badly. */
static bool take_message(struct listeners *listeners, const struct sock_diag_message *message)
{
	if (message->sequence != listeners->sequence || !listeners->family)
		return false; /* of a dump that was given up */
	listeners->again |= message->interrupted;
	switch (message->kind) {
	case SOCK_DIAG_DONE:
		if (listeners->family == AF_INET)
			ask(listeners, AF_INET6);
		else
			finish_dump(listeners);
		return true;
	case SOCK_DIAG_FAILED:
		fail(listeners, "dump", -message->err);
		return true;
	case SOCK_DIAG_SOCKET:
		facts_set_listens(&listeners->next, message->socket.port);
		return false;
	case SOCK_DIAG_OTHER:
		return false;
	}
	return false;
}

static void on_dump(evutil_socket_t fd, short what, void *arg)
{
	struct listeners *listeners = arg;
	static char buffer[READ_BYTES];
	struct sock_diag_message read;
	const char *at = buffer;
	struct sockaddr_nl from = {};
	struct iovec part = { .iov_base = buffer, .iov_len = sizeof(buffer) };
	struct msghdr message = {
		.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &part, .msg_iovlen = 1
	};
	size_t left;
	ssize_t len;

	(void)what;
	len = recvmsg(fd, &message, MSG_DONTWAIT);
	if (len < 0) {
		if (errno != EAGAIN && errno != EINTR)
			fail(listeners, "reading", errno);
		return;
	}
	if (from.nl_pid != 0) /* not the kernel */
		return;
	left = (size_t)len;
	while (sock_diag_next(&at, &left, listeners->family, &read))
		if (take_message(listeners, &read))
			return;
}

/* Something that listened has ended, or so much has that the kernel lost count (ENOBUFS). */
static void on_end(evutil_socket_t fd, short what, void *arg)
{
	struct listeners *listeners = arg;
	char bytes[1024];

	(void)what;
	/* level-triggered: what is left wakes us again, and asking twice does no harm */
	for (int i = 0; i < 64; i++)
		if (recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) < 0 && errno != ENOBUFS)
			break;
	listeners->source.last_event_ms = clock_ms();
	listeners->told = true;
	start_dump(listeners);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct listeners *listeners = arg;

	(void)fd;
	(void)what;
	/* first, for fail() may want it sooner */
	arm(listeners, listeners->awaited ? POLL_MS : POLL_CALM_MS);
	if (listeners->family && clock_ms() - listeners->asked_ms > ANSWER_MS)
		fail(listeners, "dump", ETIMEDOUT);
	if (!listeners->family)
		start_dump(listeners);
}

/*
 * Lets through what ended in state "no peer" with a local port of the range. Offsets are those of
 * struct inet_diag_msg.
 */
static int attach_filter(int fd, uint16_t port_min, uint16_t port_max)
{
	const unsigned id = sizeof(struct nlmsghdr) + offsetof(struct inet_diag_msg, id);
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS,
			 id + offsetof(struct inet_diag_sockid, idiag_dport)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 4),
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS,
			 id + offsetof(struct inet_diag_sockid, idiag_sport)),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, port_min, 0, 2),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, port_max, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	const struct sock_fprog program = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)))
		return -errno;
	return 0;
}

static int open_netlink(int *fd)
{
	struct sockaddr_nl any = { .nl_family = AF_NETLINK };
	int err;

	*fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);
	if (*fd < 0)
		return -errno;
	err = bind(*fd, (struct sockaddr *)&any, sizeof(any)) ? -errno : 0;
	return err;
}

static int open_ends(struct listeners *listeners, const struct config *config)
{
	const int groups[] = { SKNLGRP_INET_TCP_DESTROY, SKNLGRP_INET6_TCP_DESTROY };
	int err;

	err = open_netlink(&listeners->ends_fd);
	if (err)
		return err;
	widen(config->port_min, config->port_max);
	err = attach_filter(listeners->ends_fd, widest_min, widest_max);
	if (err)
		return err;
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		if (setsockopt(listeners->ends_fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i],
			       sizeof(groups[i])))
			return -errno;
	return 0;
}

static int set_up(struct listeners *listeners, struct event_base *base, const struct config *config)
{
	int err;

	err = open_netlink(&listeners->dump_fd);
	if (!err)
		err = open_ends(listeners, config);
	if (err)
		return err;
	listeners->dump_event =
		event_new(base, listeners->dump_fd, EV_READ | EV_PERSIST, on_dump, listeners);
	listeners->ends_event =
		event_new(base, listeners->ends_fd, EV_READ | EV_PERSIST, on_end, listeners);
	listeners->timer = evtimer_new(base, on_timer, listeners);
	if (!listeners->dump_event || !listeners->ends_event || !listeners->timer ||
	    event_add(listeners->dump_event, NULL) || event_add(listeners->ends_event, NULL))
		return -ENOMEM;
	arm(listeners, 0);
	return 0;
}

struct listeners *listeners_new(struct event_base *base, const struct config *config,
				const struct facts_sink *sink)
{
	struct listeners *listeners = calloc(1, sizeof(*listeners));
	int err;

	if (!listeners)
		return NULL;
	listeners->sink = sink;
	listeners->dump_fd = listeners->ends_fd = -1;
	listeners->deliver = listeners->awaited = true;
	source_init(&listeners->source, "kernel", true, clock_ms());
	err = set_up(listeners, base, config);
	if (err) {
		listeners_free(listeners);
		errno = -err;
		return NULL;
	}
	return listeners;
}

void listeners_free(struct listeners *listeners)
{
	if (!listeners)
		return;
	if (listeners->timer)
		event_free(listeners->timer);
	if (listeners->dump_event)
		event_free(listeners->dump_event);
	if (listeners->ends_event)
		event_free(listeners->ends_event);
	if (listeners->dump_fd >= 0)
		close(listeners->dump_fd);
	if (listeners->ends_fd >= 0)
		close(listeners->ends_fd);
	free(listeners);
}

void listeners_await(struct listeners *listeners, bool awaited)
{
	if (awaited && !listeners->awaited)
		arm(listeners, POLL_MS);
	listeners->awaited = awaited;
}

void listeners_resync(struct listeners *listeners)
{
	listeners->deliver = true;
	arm(listeners, 0);
}

uint64_t listeners_untold(void)
{
	return untold;
}

const struct facts_source *listeners_source(const struct listeners *listeners)
{
	return &listeners->source;
}
