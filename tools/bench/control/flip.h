/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A check in Consul that is turned by hand, and a bare blocking query that waits for it: what any
 * client of Consul sees at best. The query and the turning are each a thread of their own.
 */
#ifndef BENCH_CONTROL_FLIP_H
#define BENCH_CONTROL_FLIP_H

#include <stdbool.h>
#include <stdint.h>

struct flip;

/*
 * Register SERVICE twice at the agent (url: "http://127.0.0.1:8500"), on port and port + 1, each
 * with a check that passes, and begin to ask. The first is the one that is turned. NULL: why was
 * said on stderr.
 */
struct flip *flip_new(const char *url, const char *service, uint16_t port);

/* Turn the check in the background. */
void flip_turn(struct flip *flip, bool passing);

/* CLOCK_MONOTONIC ns at which the query had the answer that says so; 0: not within limit_ms. */
uint64_t flip_seen(struct flip *flip, bool passing, unsigned limit_ms);

/* Take the registrations away again. */
void flip_free(struct flip *flip);

#endif
