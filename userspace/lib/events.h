/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The events that the programs send. For root: a ring has one reader, and what one reads no other sees. Prints nothing.
 */
#ifndef SLUICE_EVENTS_H
#define SLUICE_EVENTS_H

#include <stdbool.h>
#include <stddef.h>

#include <sluice/abi.h>

struct events;

/* event is valid during the call. A negative number ends events_read() with it. */
typedef int (*events_see)(void *ctx, const struct sluice_event *event);

/*
 * Become the reader until events_close(). -EBUSY: somebody else is; -ENOENT: nothing is attached; -EACCES: not root. On failure
 * error has one line for the user.
 */
int events_open(struct events **events, const char *pin_dir, events_see see, void *ctx, char *error,
		size_t len);
void events_close(struct events *events); /* accepts NULL */

/* Wait for events, at most so long, and show each. -EINTR: a signal came. */
int events_read(struct events *events, int timeout_ms);

/* Is the ring still the one that is attached? Not after a detach, even if attach followed. */
bool events_still_attached(const struct events *events);

#endif
