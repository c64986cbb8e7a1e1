/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One connection of the client: carries one request at a time, opens when it has one to send, and reports each request's fate once. When
 * to send is the caller's decision. Nothing is retried.
 */
#ifndef OPENLOOP_CHANNEL_H
#define OPENLOOP_CHANNEL_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fate {
	FATE_ANSWERED,
	FATE_REFUSED,	  /* connect was answered with a reset */
	FATE_UNREACHABLE, /* connect failed for another reason */
	FATE_RESET,	  /* reset while the answer was owed */
	FATE_EOF,	  /* closed while the answer was owed */
	FATE_STALE,	  /* the same on a used connection, before the answer's first byte */
	FATE_TIMEOUT,
	FATE_BAD,    /* an answer that is not HTTP, or not 200 */
	FATE_UNSENT, /* no connection was free until its time was out; the caller's to say */
	FATE_COUNT,
};

struct channel;

struct channel_world { /* what all channels share */
	int epoll_fd;
	struct sockaddr_storage *targets;
	size_t target_count;
	const char *request, *last_request; /* the second one says "Connection: close" */
	size_t request_len, last_request_len;
	unsigned turns; /* requests over one connection; 0: as many as the server likes */
	uint64_t timeout_ns;
	uint64_t connections,
		idle_closed; /* counted here: established, closed by the server while nothing was owed */
	/* The request's fate. The channel may not be free yet: its connection may still have to end. */
	void (*done)(struct channel *channel, enum fate fate, void *arg);
	/* The channel is free. */
	void (*freed)(struct channel *channel, void *arg);
	void *arg;
};

/* number picks its target: each channel keeps to one. NULL without memory. */
struct channel *channel_new(struct channel_world *world, size_t number);
void channel_free(struct channel *channel);

/* Only for a free one. intended_ns: when this request was to be sent, which is what its time is counted from. */
void channel_ask(struct channel *channel, uint64_t intended_ns);
void channel_event(struct channel *channel, uint32_t events);
void channel_check_time(struct channel *channel, uint64_t now_ns);

bool channel_is_open(const struct channel *channel);
uint64_t channel_intended_ns(const struct channel *channel);
uint64_t channel_sent_ns(const struct channel *channel);
const char *
channel_who(const struct channel *channel); /* who answered last: X-Task, or the body's beginning */
uint64_t channel_now_ns(void);

#endif
