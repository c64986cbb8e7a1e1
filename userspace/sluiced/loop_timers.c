/* SPDX-License-Identifier: GPL-2.0-only */
/* All are pending at once, for a moment in which the loop does not run. */
#include "loop_timers.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>

static void never(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

int loop_timers_reserve(struct event_base *base, unsigned count)
{
	const struct timeval day = { .tv_sec = 86400 };
	struct event **timers = calloc(count, sizeof(*timers));
	int err = timers ? 0 : -ENOMEM;
	unsigned i;

	for (i = 0; i < count && !err; i++) {
		timers[i] = evtimer_new(base, never, NULL);
		if (!timers[i] || evtimer_add(timers[i], &day))
			err = -ENOMEM;
	}
	while (i--)
		if (timers[i])
			event_free(timers[i]);
	free(timers);
	return err;
}
