/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How a source is doing: keeps its struct facts_source, tells the sink when something that people
 * look at has changed, and writes one log line for each change, not for each failure.
 */
#ifndef SLUICED_SOURCE_H
#define SLUICED_SOURCE_H

#include "facts.h"

/* name is borrowed for good. */
void source_init(struct facts_source *source, const char *name, bool used, int64_t now_ms);

/* Works now. */
void source_up(struct facts_source *source, const struct facts_sink *sink, int64_t now_ms);

/* Something is odd although it works; "": no longer. No change if it does not work. */
void source_note(struct facts_source *source, const struct facts_sink *sink, int64_t now_ms,
		 const char *note);

/* Does not work, and why, in the user's words and without any secret. */
void source_down(struct facts_source *source, const struct facts_sink *sink, int64_t now_ms,
		 const char *format, ...) __attribute__((format(printf, 4, 5)));

/* It answers what is asked, but tells nothing by itself: not connected, and not silent either. */
void source_answers(struct facts_source *source, const struct facts_sink *sink, int64_t now_ms,
		    const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
