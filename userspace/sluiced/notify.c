/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sd_notify(3) and its watchdog. The feed comes from the event loop, so a loop that hangs is seen.
 */
#include "notify.h"

#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>
#include <time.h>

struct notify {
	struct event *watchdog;
};

static void on_watchdog(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	(void)ctx;
	sd_notify(0, "WATCHDOG=1");
}

struct notify *notify_new(struct event_base *base)
{
	struct notify *notify = calloc(1, sizeof(*notify));
	struct timeval half;
	uint64_t usec = 0;

	if (!notify)
		return NULL;
	if (sd_watchdog_enabled(0, &usec) <= 0 || !usec)
		return notify;
	half = (struct timeval){ .tv_sec = (time_t)(usec / 2 / 1000000),
				 .tv_usec = (suseconds_t)(usec / 2 % 1000000) };
	notify->watchdog = event_new(base, -1, EV_PERSIST, on_watchdog, notify);
	if (!notify->watchdog || event_add(notify->watchdog, &half)) {
		notify_free(notify);
		errno = ENOMEM;
		return NULL;
	}
	return notify;
}

void notify_free(struct notify *notify)
{
	if (!notify)
		return;
	if (notify->watchdog)
		event_free(notify->watchdog);
	free(notify);
}

void notify_ready(const char *status)
{
	sd_notifyf(0, "READY=1\nSTATUS=%s", status);
}

void notify_reloading(void)
{
	struct timespec now;

	/* since systemd 253 a reload is matched by this time */
	clock_gettime(CLOCK_MONOTONIC, &now);
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
		   (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
}

void notify_stopping(void)
{
	sd_notify(0, "STOPPING=1");
}
