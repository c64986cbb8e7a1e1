/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One line an event on standard error, see log.h. Each line is one write(2), so that lines never mix. The format is written
 * by us and the values by others: so the values are escaped one by one, and what is cut stays a line of whole pairs.
 */
#include "log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_LINE 1024
#define CUT " cut=yes"
#define ROOM (MAX_LINE - sizeof("\"" CUT "\n")) /* for what others say */
#define MAX_DIGITS 24

struct line {
	char text[MAX_LINE];
	size_t len, pair; /* where the last pair begins */
	bool quoted, cut;
};

/* All of it or nothing: half an escape would be another word. */
static void put(struct line *line, const char *text, size_t len)
{
	if (line->cut || len > ROOM - line->len) {
		line->cut = true;
		return;
	}
	memcpy(line->text + line->len, text, len);
	line->len += len;
}

static void put_escaped(struct line *line, unsigned char c)
{
	static const char names[] = "n\nr\rt\t\"\"\\\\";
	char escape[5];

	for (const char *name = names; *name; name += 2) {
		if ((unsigned char)name[1] != c)
			continue;
		escape[0] = '\\';
		escape[1] = name[0];
		put(line, escape, 2);
		return;
	}
	snprintf(escape, sizeof(escape), "\\x%02x", c);
	put(line, escape, 4);
}

static bool is_plain(unsigned char c)
{
	return c >= ' ' && c < 0x7f && c != '"' && c != '\\';
}

/* A value outside of quotes gets its own where it would not be one word. */
static void put_value(struct line *line, const char *value)
{
	bool own = false;

	if (!value)
		value = "-";
	if (!line->quoted) {
		own = !value[0];
		for (const char *at = value; *at; at++)
			own = own || !is_plain((unsigned char)*at) || *at == ' ' || *at == '=';
	}
	if (own)
		put(line, "\"", 1);
	line->quoted |= own && !line->cut;
	for (const char *at = value; *at && !line->cut; at++) {
		if (is_plain((unsigned char)*at))
			put(line, at, 1);
		else
			put_escaped(line, (unsigned char)*at);
	}
	if (own && !line->cut) {
		put(line, "\"", 1);
		line->quoted = line->cut; /* whoever cuts closes it */
	}
}

static void put_literal(struct line *line, char c)
{
	if (c == ' ' && !line->quoted)
		line->pair = line->len;
	put(line, &c, 1);
	if (c == '"' && !line->cut)
		line->quoted = !line->quoted;
}

/* %s %d %u %zu and no other, see log.h. */
static void put_pairs(struct line *line, const char *format, va_list args)
{
	char digits[MAX_DIGITS];

	for (; *format && !line->cut; format++) {
		if (*format != '%') {
			put_literal(line, *format);
			continue;
		}
		format++;
		if (*format == 's') {
			put_value(line, va_arg(args, const char *));
			continue;
		}
		if (*format == 'd')
			snprintf(digits, sizeof(digits), "%d", va_arg(args, int));
		else if (*format == 'u')
			snprintf(digits, sizeof(digits), "%u", va_arg(args, unsigned));
		else if (*format == 'z' && *++format == 'u')
			snprintf(digits, sizeof(digits), "%zu", va_arg(args, size_t));
		else
			line->cut = true;
		if (line->cut)
			return;
		put(line, digits, strlen(digits));
	}
}

static void end(struct line *line)
{
	if (line->cut && line->quoted)
		line->text[line->len++] = '"';
	else if (line->cut)
		line->len = line->pair;
	if (line->cut) {
		memcpy(line->text + line->len, CUT, strlen(CUT));
		line->len += strlen(CUT);
	}
	line->text[line->len++] = '\n';
}

void log_event(int priority, const char *event, const char *format, ...)
{
	static const char *const words[] = { "emergency", "alert",  "critical", "error",
					     "warning",	  "notice", "info",	"debug" };
	struct line line = {};
	char head[32];
	va_list args;

	if (getenv("JOURNAL_STREAM"))
		snprintf(head, sizeof(head), "<%d>", priority & 7);
	else
		snprintf(head, sizeof(head), "sluiced: %s: ", words[priority & 7]);
	put(&line, head, strlen(head));
	put(&line, event, strlen(event));
	format += strspn(format, " "); /* the blank before it comes from here */
	if (*format)
		put_literal(&line, ' ');
	va_start(args, format);
	put_pairs(&line, format, args);
	va_end(args);
	end(&line);
	if (write(STDERR_FILENO, line.text, line.len) < 0)
		return; /* nowhere to say it */
}
