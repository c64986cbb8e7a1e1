/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One line an event on standard error, see log.h. Each line is one write(2), so that lines never
 * mix.
 */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_LINE 1024

static int level = LOG_INFO;

void log_set_level(int priority)
{
	level = priority;
}

void log_event(int priority, const char *event, const char *format, ...)
{
	static const char *const words[] = { "emergency", "alert",  "critical", "error",
					     "warning",	  "notice", "info",	"debug" };
	char line[MAX_LINE];
	va_list args;
	int len, more;

	if (priority > level)
		return;
	if (getenv("JOURNAL_STREAM"))
		len = snprintf(line, sizeof(line), "<%d>%s ", priority & 7, event);
	else
		len = snprintf(line, sizeof(line), "sluiced: %s: %s ", words[priority & 7], event);
	if (len < 0 || len >= MAX_LINE - 1)
		return;
	format += strspn(format, " "); /* the blank before it is there already */
	va_start(args, format);
	more = vsnprintf(line + len, sizeof(line) - len, format, args);
	va_end(args);
	len = more < 0 ? len : len + more;
	if (len > MAX_LINE - 2)
		len = MAX_LINE - 2;
	/* what others sent stays in its line */
	for (int i = 0; i < len; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	line[len++] = '\n';
	if (write(STDERR_FILENO, line, len) < 0)
		return; /* nowhere to say it */
}
