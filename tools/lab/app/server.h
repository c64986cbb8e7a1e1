/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the whole process shares: what the app was told on its command line, its listener, and its counts. Connections
 * hang in one list. The server decides when to stop accepting and when to leave; a connection decides everything about
 * itself.
 */
#ifndef APP_SERVER_H
#define APP_SERVER_H

#include <stdbool.h>
#include <stdint.h>

struct connection;

enum server_phase {
	SERVER_SERVING,
	SERVER_LAMEDUCK, /* told to stop: accepts still, every answer ends its connection */
	SERVER_LEAVING,	 /* listener closed, waiting for the connections that are left */
};

struct server {
	/* identity, as the first line of GET / shows it */
	const char *app;
	const char *task;
	const char *host;
	unsigned host_port;

	unsigned slow_ms;     /* added to every answer except those about health and counts */
	unsigned lameduck_ms; /* 0: --on-term close */

	int epoll_fd;
	int listen_fd; /* -1 once closed */
	enum server_phase phase;
	uint64_t phase_ends_ms; /* CLOCK_MONOTONIC, valid unless serving */
	bool healthy;

	struct connection *connections;
	struct connection *dead; /* freed after the batch of events that may still name them */

	uint64_t accepted; /* connections */
	uint64_t clients;  /* connections that asked for more than health and counts */
	uint64_t requests;
	uint64_t health_requests;
	uint64_t open;
};

uint64_t server_now_ms(void);

#endif
