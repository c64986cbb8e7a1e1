/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the service manager is told: ready, reloading, stopping, alive. Without one nothing happens.
 */
#ifndef SLUICED_NOTIFY_H
#define SLUICED_NOTIFY_H

struct event_base;
struct notify;

/* Feeds the watchdog, if there is one, at half its time from the loop. NULL with errno set. */
struct notify *notify_new(struct event_base *base);
void notify_free(struct notify *notify);

void notify_ready(const char *status);
void notify_reloading(void);
void notify_stopping(void);

#endif
