/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Metrics for Prometheus over HTTP, GET /metrics. Everything is read from the maps and handed-in state at the time of the request;
 * nothing is counted here.
 */
#ifndef SLUICED_METRICS_H
#define SLUICED_METRICS_H

#include <stdint.h>

struct event_base;
struct facts_source;
struct metrics;
struct model;
struct reconcile;

#define METRICS_SOURCES 3

/* What a page is made of; all borrowed, valid for the call. */
struct metrics_input {
	const struct reconcile *reconcile;
	struct model *model;
	const struct facts_source *source[METRICS_SOURCES]; /* NULL: none */
	uint64_t untold_ends;				    /* listeners_untold() */
};
typedef void (*metrics_fill)(void *ctx, struct metrics_input *input);

/* Listen on "ADDRESS:PORT". NULL with errno set. */
struct metrics *metrics_new(struct event_base *base, const char *listen, metrics_fill fill,
			    void *ctx);
void metrics_free(struct metrics *metrics);

#endif
