/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Keeps Marathon's event stream open: one connection, silent for too long is dead, another master
 * after a failure, with a growing pause. A stream has no memory of what it missed, so each time it
 * opens everything is asked for.
 */
#include "marathon_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "hint.h"
#include "log.h"

#define SILENT_MS 30000 /* three of the server's heartbeats */
#define STABLE_MS 60000 /* a stream that lived so long resets the pause */

static void connect_stream(struct marathon *marathon);

static void on_event(void *ctx, const char *data, size_t len)
{
	marathon_event(ctx, data, len);
}

static void on_lost(void *ctx)
{
	marathon_lost(ctx);
}

static void retry(struct marathon *marathon, const char *why)
{
	struct marathon_stream *stream = &marathon->stream;
	uint32_t wait_ms;

	if (stream->opened_ms && clock_ms() - stream->opened_ms > STABLE_MS)
		marathon_stable(&marathon->events);
	stream->opened_ms = 0;
	wait_ms = marathon_fails(marathon, &marathon->events, "/v2/events", why);
	masters_rotate(&marathon->masters, marathon->events.master);
	marathon_schedule(stream->timer, wait_ms);
}

static void on_opened(void *ctx, const struct http_answer *answer)
{
	struct marathon *marathon = ctx;
	struct marathon_stream *stream = &marathon->stream;
	const char *leader = http_header(answer, "X-Marathon-Leader");

	/*
	 * before 1.7 a standby passes the stream on, and cuts it now and then: better the leader's
	 * own
	 */
	if (leader && stream->hops < MARATHON_MAX_HOPS &&
	    masters_switch(&marathon->masters, leader)) {
		stream->hops++;
		http_cancel(stream->call);
		connect_stream(marathon);
		return;
	}
	stream->opened_ms = clock_ms();
	marathon->source.last_event_ms = stream->opened_ms;
	log_event(LOG_INFO, "stream-open", "url=%s", masters_current(&marathon->masters));
	marathon_works(marathon, &marathon->events);
	marathon_fetch_all(marathon, true);
}

static void on_data(void *ctx, const char *bytes, size_t len)
{
	struct marathon *marathon = ctx;

	marathon->source.last_event_ms = clock_ms();
	sse_feed(&marathon->stream.sse, bytes, len);
}

static void on_done(void *ctx, const struct http_answer *answer)
{
	struct marathon *marathon = ctx;
	struct marathon_stream *stream = &marathon->stream;
	const char *why;

	stream->call = NULL;
	if (marathon_redirected(marathon, answer, &stream->hops)) {
		connect_stream(marathon);
		return;
	}
	why = marathon_refusal(marathon, answer);
	if (answer->status >= 300 && answer->status < 400)
		why = "redirected to something that is not among the configured masters";
	retry(marathon, why ? why : "the stream ended");
}

static int events_path(char *path, size_t size)
{
	int len = snprintf(path, size, "/v2/events?plan-format=light");
	const char *type;

	for (size_t i = 0; (type = hint_event_type(i)); i++) {
		if (len < 0 || (size_t)len >= size)
			return -ENAMETOOLONG;
		len += snprintf(path + len, size - len, "&event_type=%s", type);
	}
	return len >= 0 && (size_t)len < size ? 0 : -ENAMETOOLONG;
}

static void connect_stream(struct marathon *marathon)
{
	struct marathon_stream *stream = &marathon->stream;
	struct http_request request = {
		.method = "GET",
		/* exactly this: the servlet compares the whole header line */
		.headers = { "Accept: text/event-stream" },
		.idle_ms = SILENT_MS,
		.ctx = marathon,
		.opened = on_opened,
		.data = on_data,
		.done = on_done,
	};
	const struct sse_handler handler = { .ctx = marathon, .event = on_event, .lost = on_lost };
	char path[2048], url[MARATHON_MAX_URL];
	int err;

	sse_release(&stream->sse);
	sse_init(&stream->sse, &handler, SSE_MAX_EVENT_BYTES);
	err = events_path(path, sizeof(path));
	if (!err)
		err = marathon_address(marathon, &marathon->events, path, url, sizeof(url),
				       &request);
	if (!err) {
		stream->call = http_start(marathon->http, &request);
		if (!stream->call)
			err = -errno;
	}
	if (err)
		retry(marathon, strerror(-err));
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct marathon *marathon = arg;

	(void)fd;
	(void)what;
	marathon->stream.hops = 0;
	connect_stream(marathon);
}

int marathon_stream_init(struct marathon *marathon, struct event_base *base)
{
	marathon->stream.timer = evtimer_new(base, on_timer, marathon);
	if (!marathon->stream.timer)
		return -ENOMEM;
	marathon_schedule(marathon->stream.timer, 0);
	return 0;
}

void marathon_stream_release(struct marathon *marathon)
{
	http_cancel(marathon->stream.call);
	sse_release(&marathon->stream.sse);
	if (marathon->stream.timer)
		event_free(marathon->stream.timer);
}
