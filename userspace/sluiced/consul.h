/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The host's own Consul agent as a source: what is registered on this node and how its checks
 * stand, by two blocking queries (services of the node, checks of the node). Only answers with a
 * known leader reach the sink, and empty ones reach it as they are; judging them is the model's
 * work. Writes nothing to Consul: the registrar does.
 */
#ifndef SLUICED_CONSUL_H
#define SLUICED_CONSUL_H

#include "facts.h"

struct config;
struct event_base;
struct consul;

/* As marathon_new(). */
struct consul *consul_new(struct event_base *base, const struct config *config,
			  const struct facts_sink *sink);
/* Not from inside a call of the sink. Accepts NULL. */
void consul_free(struct consul *consul);

/* Read both lists again from the start, soon, and deliver them, changed or not. May be called from the sink. */
void consul_resync(struct consul *consul);

const struct facts_source *consul_source(const struct consul *consul);

#endif
