/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel as a source: which TCP ports have a listener in this network namespace. sock_diag tells the end of a
 * listener as it happens; new ones are found by a dump, each second while one is awaited. Needs no capability. Delivers the
 * set when it changed, and the first one always.
 */
#ifndef SLUICED_LISTENERS_H
#define SLUICED_LISTENERS_H

#include "facts.h"

struct config;
struct event_base;
struct listeners;

/*
 * As marathon_new(). An answer tells of all ports: the attached programs may still have backends
 * outside of config's [node] ports. The end of a listener is told at once in the widest range that
 * any config had so far, else by the next dump.
 */
struct listeners *listeners_new(struct event_base *base, const struct config *config,
				const struct facts_sink *sink);
/* Not from inside a call of the sink. Accepts NULL. */
void listeners_free(struct listeners *listeners);

/*
 * Is there a port of which it matters when somebody begins to listen? Then there is a dump each
 * second, else each fifth: with 1,000 listeners one is long. At first it is awaited.
 */
void listeners_await(struct listeners *listeners, bool awaited);

/*
 * Ask the kernel now and deliver the answer whether it changed or not. May be called from the sink.
 */
void listeners_resync(struct listeners *listeners);

/*
 * How often a dump found that a listener within the range had ended, and no message had told of it: the kernel's word then comes up to
 * a second late. Of all objects since start.
 */
uint64_t listeners_untold(void);

const struct facts_source *listeners_source(const struct listeners *listeners);

#endif
