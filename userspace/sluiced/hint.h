/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An event of Marathon into hints: which app to ask for, which task is on its way out, or that
 * everything should be asked for. Pure. What an event says is never believed further than that:
 * events are unordered, lossy, and can be forged.
 */
#ifndef SLUICED_HINT_H
#define SLUICED_HINT_H

#include <stddef.h>

#include "facts.h"
#include "json.h"

#define HINT_MAX_BYTES (4u << 20)

/*
 * The event types that hint_parse() makes something of, for the stream's server-side filter: 0, 1,
 * ... until NULL.
 */
const char *hint_event_type(size_t index);

/*
 * Call emit for each hint in the event: mostly one, several for a deployment of several apps, one
 * of FACTS_HINT_NONE for an event that concerns nobody here (another host's, or of no interest).
 * hosts: how Marathon may name this host, count 0: any. hint.app may name a group; then it stands
 * for all apps below it. 0, or -EINVAL with error filled and no hint.
 */
int hint_parse(const char *text, size_t len, const char *const *hosts, size_t host_count,
	       void (*emit)(void *ctx, const struct facts_hint *hint), void *ctx,
	       struct json_error *error);

/* The last UUID in an id into uuid, "" if there is none. */
void hint_find_uuid(const char *id, char uuid[40]);

#endif
