/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One client connection: read a request, perhaps sleep, write the answer, again. Edge-triggered: whatever event comes,
 * connection_run() goes on until the socket would block. Requests that arrive together are answered in order.
 */
#ifndef APP_CONNECTION_H
#define APP_CONNECTION_H

#include <stdbool.h>

#include "server.h"

/* Take over a non-blocking socket. NULL with errno set, and the socket closed, if it cannot be watched. */
struct connection *connection_new(struct server *server, int fd);

/* Data for epoll is the connection, with the lowest bit set when it is its timer that fired. */
void connection_event(void *data);

/* Nothing read and nothing owed; served_before: has had at least one answer. */
bool connection_is_idle(const struct connection *connection, bool *served_before);

struct connection *connection_next(const struct connection *connection);
void connection_close(struct connection *connection);
void connection_free_dead(struct server *server);

#endif
