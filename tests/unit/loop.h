/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What tests with an event loop share: a deadline, so that a loop which never comes to its end fails its test, and an HTTP
 * server on loopback. What the server answers is the test's.
 */
#ifndef TESTS_LOOP_H
#define TESTS_LOOP_H

#include <stdint.h>

struct event;
struct event_base;
struct evhttp;
struct evhttp_request;

/* Fails the running test after 30 s, which is against a hang and measures nothing. For event_free(), before the base. */
struct event *loop_deadline(struct event_base *base);

/* A server on 127.0.0.1 at a port of the kernel's choice (host order). For evhttp_free(), before the base. */
struct evhttp *loop_serve(struct event_base *base,
			  void (*on_request)(struct evhttp_request *request, void *ctx), void *ctx,
			  uint16_t *port);

/* A TCP port (host order) of loopback on which nobody listens at this moment. */
uint16_t loop_free_port(void);

#endif
