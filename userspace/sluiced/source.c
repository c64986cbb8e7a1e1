/* SPDX-License-Identifier: GPL-2.0-only */
/* Keeps a struct facts_source, see source.h. */
#include "source.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "log.h"

void source_init(struct facts_source *source, const char *name, bool used, int64_t now_ms)
{
	memset(source, 0, sizeof(*source));
	source->name = name;
	source->used = used;
	source->since_ms = now_ms;
	if (used)
		snprintf(source->error, sizeof(source->error), "not reached yet");
}

void source_up(struct facts_source *source, const struct facts_sink *sink, int64_t now_ms)
{
	if (source->connected)
		return;
	source->connected = source->answers = true;
	source->since_ms = now_ms;
	source->error[0] = '\0';
	log_event(LOG_NOTICE, "source-up", "source=%s", source->name);
	sink->source(sink->ctx, source, now_ms);
}

void source_note(struct facts_source *source, const struct facts_sink *sink, int64_t now_ms,
		 const char *note)
{
	char error[sizeof(source->error)];

	snprintf(error, sizeof(error), "%.*s", (int)sizeof(error) - 1, note);
	if (!source->connected || strcmp(error, source->error) == 0)
		return;
	memcpy(source->error, error, sizeof(error));
	if (error[0])
		log_event(LOG_WARNING, "source-odd", "source=%s error=\"%s\"", source->name, error);
	else
		log_event(LOG_NOTICE, "source-well", "source=%s", source->name);
	sink->source(sink->ctx, source, now_ms);
}

static void not_connected(struct facts_source *source, const struct facts_sink *sink,
			  int64_t now_ms, bool answers, const char *format, va_list args)
{
	char error[sizeof(source->error)];

	vsnprintf(error, sizeof(error), format, args);
	if (!source->connected && source->answers == answers && strcmp(error, source->error) == 0)
		return;
	if (source->connected)
		source->since_ms = now_ms;
	source->connected = false;
	source->answers = answers;
	memcpy(source->error, error, sizeof(error));
	log_event(LOG_WARNING, answers ? "source-without-events" : "source-down",
		  "source=%s error=\"%s\"", source->name, error);
	sink->source(sink->ctx, source, now_ms);
}

void source_down(struct facts_source *source, const struct facts_sink *sink, int64_t now_ms,
		 const char *format, ...)
{
	va_list args;

	va_start(args, format);
	not_connected(source, sink, now_ms, false, format, args);
	va_end(args);
}

void source_answers(struct facts_source *source, const struct facts_sink *sink, int64_t now_ms,
		    const char *format, ...)
{
	va_list args;

	va_start(args, format);
	not_connected(source, sink, now_ms, true, format, args);
	va_end(args);
}
