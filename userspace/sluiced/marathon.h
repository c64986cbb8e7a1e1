/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Marathon as a source: follows the masters' event stream (or takes their callbacks), and answers
 * each hint by asking for the truth. Delivers whole, checked answers and removal hints to the sink;
 * an error, a half document or a silent stream is never an answer. Knows nothing of backends,
 * states or maps.
 */
#ifndef SLUICED_MARATHON_H
#define SLUICED_MARATHON_H

#include "facts.h"

struct config;
struct event_base;
struct marathon;

/*
 * Start following the masters that config names, if any (else the source is there, unused). config
 * and sink must outlive the object and stay unchanged; after a reload make a new one. Nothing is
 * delivered before the event loop runs. Returns NULL with errno set.
 */
struct marathon *marathon_new(struct event_base *base, const struct config *config,
			      const struct facts_sink *sink);
/* Not from inside a call of the sink. Accepts NULL. */
void marathon_free(struct marathon *marathon);

/* Ask for everything soon. May be called from the sink. */
void marathon_resync(struct marathon *marathon);

/*
 * The loop has stood still for seconds. Callbacks that nobody took made Marathon skip us for a
 * while, listed all the same: our subscription is renewed, once a resync at most. Does nothing
 * without callbacks.
 */
void marathon_was_held_up(struct marathon *marathon);

/* Valid as long as the object; the contents change. */
const struct facts_source *marathon_source(const struct marathon *marathon);

#endif
