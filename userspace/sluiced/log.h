/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The daemon's log: one line an event, on standard error: the event's name, then key=value pairs.
 * Under systemd each line begins with its priority as journald understands it. Never give it a
 * secret.
 */
#ifndef SLUICED_LOG_H
#define SLUICED_LOG_H

#include <syslog.h>

/*
 * priority: LOG_ERR (an operator must act), LOG_WARNING (something is wrong and handled),
 * LOG_NOTICE (a change that people look for), LOG_INFO; all are written.
 * event: a name with dashes; format: key=value or key="value" pairs with one blank between them, of the conversions only
 * %s %d %u %zu. What %s brings is made safe: an empty value and one with blanks or = gets quotes if the format has none,
 * and " \ and all but printable ASCII are escaped as in C (\" \\ \n \r \t \x1b). A line that would be longer than
 * 1,023 bytes is cut between pairs or inside a quoted value, which is closed, and ends in cut=yes.
 */
void log_event(int priority, const char *event, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
