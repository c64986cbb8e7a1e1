/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One client that asks again and again: over one connection as long as the server keeps it, or over a new one each time.
 * A client decides what its request's fate was and counts it; when to ask is the caller's decision. Nothing is retried: a
 * request that failed has failed.
 */
#ifndef LOAD_CLIENT_H
#define LOAD_CLIENT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "tally.h"

struct client;

struct target {
	struct sockaddr_storage address;
	char name[64]; /* ADDRESS:PORT, [ADDRESS]:PORT */
	char *request; /* the bytes to send */
	size_t request_len;
};

struct client_world { /* what all clients share */
	int epoll_fd;
	bool one_request_a_connection;
	uint64_t timeout_us;
	uint64_t started_us;
	struct tally *tally;
	void (*ready)(struct client *client,
		      void *arg); /* the request's fate is counted; ask again when you like */
	void *arg;
};

struct client *client_new(struct client_world *world, const struct target *target);
void client_free(struct client *client);
/* Send one more request; only for a client that is ready. */
void client_ask(struct client *client);
void client_event(struct client *client, uint32_t events);
/* Give up what has waited for too long. */
void client_check_time(struct client *client, uint64_t now_us);
/* Its last request failed: a caller that asks again at once would only spin. */
bool client_wants_pause(const struct client *client);

uint64_t client_now_us(void);

#endif
