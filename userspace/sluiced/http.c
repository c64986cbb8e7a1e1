/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Calls: from a request to a libcurl handle, and from what that brings to the caller's callbacks.
 * What libcurl delivers is put aside and handed on after libcurl has returned (deliver()): libcurl
 * refuses to be called from inside its own callbacks. http_options.h has how a request is sent,
 * http_loop.h moves the bytes.
 */
#include "http.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>

#include <curl/curl.h>
#include <event2/event.h>

#include "http_loop.h"
#include "http_options.h"
#include "secret.h"

#define MAX_ERROR_BODY (64u << 10)

struct buffer {
	char *bytes;
	size_t len, size;
};

struct http_call {
	LIST_ENTRY(http_call) link;
	struct http *http;
	struct http_request request; /* only numbers and callbacks are valid after the start */
	CURL *easy;
	struct curl_slist *headers;
	struct event *idle;
	struct buffer body;
	struct secrets secrets; /* that were sent */
	char *ca_file;		/* NULL: the system's */
	char curl_error[CURL_ERROR_SIZE];
	long status;
	bool too_large, no_memory, idle_for_long;
	bool opening, opened; /* opened() is due, has been due */
	bool finished;	      /* done() is due */
	bool in_loop;	      /* libcurl has it */
	CURLcode result;
};

struct http {
	struct event_base *base;
	struct http_loop loop;
	LIST_HEAD(, http_call) calls;
	struct http_call *current; /* whose callback runs; NULL once that has cancelled it */
};

static int append(struct buffer *buffer, const char *bytes, size_t len)
{
	size_t size = buffer->size ? buffer->size : 1024;
	char *bigger;

	while (size < buffer->len + len + 1)
		size *= 2;
	if (size != buffer->size) {
		bigger = realloc(buffer->bytes, size);
		if (!bigger)
			return -ENOMEM;
		buffer->bytes = bigger;
		buffer->size = size;
	}
	memcpy(buffer->bytes + buffer->len, bytes, len);
	buffer->len += len;
	buffer->bytes[buffer->len] = '\0';
	return 0;
}

static bool is_stream(const struct http_call *call)
{
	return call->request.data && call->status == 200;
}

/* --- from libcurl --- */

static void touch(struct http_call *call)
{
	const struct timeval wait = { .tv_sec = call->request.idle_ms / 1000,
				      .tv_usec = call->request.idle_ms % 1000 * 1000 };

	if (call->idle)
		evtimer_add(call->idle, &wait);
}

static size_t on_header(char *line, size_t size, size_t count, void *arg)
{
	struct http_call *call = arg;
	size_t len = size * count;

	touch(call);
	if (len == 2 && line[0] == '\r') {
		curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &call->status);
		/* once: the trailers of a chunked body end in an empty line too */
		call->opening = is_stream(call) && call->request.opened && !call->opened;
		call->opened |= call->opening;
	}
	return len;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
	struct http_call *call = arg;
	size_t len = size * count, max = call->request.max_bytes;

	touch(call);
	if (!max)
		max = MAX_ERROR_BODY; /* a stream's, where it is no 200 */
	if (!is_stream(call) && (len > max || call->body.len > max - len)) {
		call->too_large = true;
		return 0;
	}
	if (append(&call->body, bytes, len)) {
		call->no_memory = true;
		return 0;
	}
	return len;
}

/* --- to the callers --- */

static void leave_loop(struct http_call *call)
{
	if (call->in_loop)
		http_loop_remove(&call->http->loop, call->easy);
	call->in_loop = false;
}

static void free_call(struct http_call *call)
{
	LIST_REMOVE(call, link);
	leave_loop(call);
	curl_easy_cleanup(call->easy);
	if (call->idle)
		event_free(call->idle);
	curl_slist_free_all(call->headers);
	free(call->ca_file);
	secrets_release(&call->secrets);
	free(call->body.bytes);
	free(call);
}

/* Who reads that a certificate is wrong asks next what it was held against. */
static bool is_about_authority(CURLcode result)
{
	return result == CURLE_PEER_FAILED_VERIFICATION || result == CURLE_SSL_CACERT_BADFILE;
}

static void describe(const struct http_call *call, struct http_answer *answer)
{
	const char *why = call->curl_error[0] ? call->curl_error : curl_easy_strerror(call->result);

	if (call->idle_for_long)
		snprintf(answer->error, sizeof(answer->error), "silent for %u s",
			 call->request.idle_ms / 1000);
	else if (call->too_large)
		snprintf(answer->error, sizeof(answer->error),
			 "the answer is larger than %zu bytes", call->request.max_bytes);
	else if (call->no_memory)
		snprintf(answer->error, sizeof(answer->error), "no memory for the answer");
	else if (is_about_authority(call->result))
		snprintf(answer->error, sizeof(answer->error), "%.80s (ca_file: %.90s)", why,
			 call->ca_file ? call->ca_file : "the system's");
	else if (call->result != CURLE_OK)
		snprintf(answer->error, sizeof(answer->error), "%.*s",
			 (int)sizeof(answer->error) - 1, why);
}

/* One callback of one call; the call may be gone afterwards. */
static void deliver_one(struct http_call *call)
{
	struct http *http = call->http;
	struct http_answer answer = { .status = call->status, .body = "", .handle = call->easy };
	struct buffer body = call->body;

	http->current = call;
	if (call->opening) {
		call->opening = false;
		call->request.opened(call->request.ctx, &answer);
	} else if (is_stream(call) && body.len) {
		call->body = (struct buffer){};
		call->request.data(call->request.ctx, body.bytes, body.len);
		free(body.bytes);
	} else {
		describe(call, &answer);
		secrets_hide(&call->secrets, answer.error, strlen(answer.error));
		if (!is_stream(call) && body.len) {
			if (call->status != 200) /* people will read of it */
				secrets_hide(&call->secrets, body.bytes, body.len);
			answer.body = body.bytes;
			answer.body_len = body.len;
		}
		call->request.done(call->request.ctx, &answer);
		if (http->current == call)
			free_call(call);
	}
	http->current = NULL;
}

static bool is_due(const struct http_call *call)
{
	return call->opening || call->finished || (is_stream(call) && call->body.len);
}

static void deliver(struct http *http)
{
	struct http_call *call;

	do {
		LIST_FOREACH(call, &http->calls, link)
		{
			if (is_due(call))
				break;
		}
		if (call)
			deliver_one(call);
	} while (call);
}

static void collect_finished(struct http *http)
{
	CURLcode result;
	CURL *easy;

	while ((easy = http_loop_ended(&http->loop, &result))) {
		struct http_call *call;

		curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&call);
		call->finished = true;
		call->result = result;
	}
}

/* All calls end, and their owners try again. */
static void give_up(struct http *http)
{
	struct http_call *call;

	LIST_FOREACH(call, &http->calls, link)
	{
		call->no_memory |= !call->finished;
		call->finished = true;
		leave_loop(call);
	}
	http_loop_renew(&http->loop);
}

static void after_curl(void *arg)
{
	struct http *http = arg;

	collect_finished(http);
	if (http_loop_is_blind(&http->loop))
		give_up(http);
	deliver(http);
}

static void on_idle(evutil_socket_t fd, short what, void *arg)
{
	struct http_call *call = arg;

	(void)fd;
	(void)what;
	call->idle_for_long = true;
	call->finished = true;
	deliver(call->http);
}

/* --- setting up --- */

/* 0 or -EINVAL; libcurl keeps pointers here, which takes no memory. */
static int set_callbacks(struct http_call *call)
{
	CURL *easy = call->easy;
	bool refused = curl_easy_setopt(easy, CURLOPT_PRIVATE, call) ||
		       curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->curl_error) ||
		       curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header) ||
		       curl_easy_setopt(easy, CURLOPT_HEADERDATA, call) ||
		       curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) ||
		       curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);

	return refused ? -EINVAL : 0;
}

struct http_call *http_start(struct http *http, const struct http_request *request)
{
	struct http_call *call = calloc(1, sizeof(*call));
	int err = -ENOMEM;

	if (!call)
		return NULL;
	call->http = http;
	call->request = *request;
	LIST_INSERT_HEAD(&http->calls, call, link);
	call->easy = curl_easy_init();
	if (!call->easy)
		goto fail;
	err = secrets_of(request, &call->secrets);
	if (err)
		goto fail;
	err = http_options_set(call->easy, request, &call->headers);
	if (err)
		goto fail;
	err = set_callbacks(call);
	if (err)
		goto fail;
	if (request->ca_file) {
		call->ca_file = strdup(request->ca_file);
		err = call->ca_file ? 0 : -ENOMEM;
		if (err)
			goto fail;
	}
	if (request->idle_ms) {
		call->idle = evtimer_new(http->base, on_idle, call);
		if (!call->idle) {
			err = -ENOMEM;
			goto fail;
		}
		touch(call);
	}
	err = http_loop_add(&http->loop, call->easy);
	if (err)
		goto fail;
	call->in_loop = true;
	return call;
fail:
	free_call(call);
	errno = -err;
	return NULL;
}

void http_cancel(struct http_call *call)
{
	if (!call)
		return;
	if (call->http->current == call)
		call->http->current = NULL;
	free_call(call);
}

struct http *http_new(struct event_base *base)
{
	struct http *http = calloc(1, sizeof(*http));

	if (!http)
		return NULL;
	LIST_INIT(&http->calls);
	http->base = base;
	if (http_loop_init(&http->loop, base, after_curl, http)) {
		http_free(http);
		errno = ENOMEM;
		return NULL;
	}
	return http;
}

void http_free(struct http *http)
{
	if (!http)
		return;
	while (!LIST_EMPTY(&http->calls))
		free_call(LIST_FIRST(&http->calls));
	http_loop_release(&http->loop);
	free(http);
}

const char *http_header(const struct http_answer *answer, const char *name)
{
	struct curl_header *header;
	struct http_call *call;

	if (!answer->handle ||
	    curl_easy_header(answer->handle, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK ||
	    curl_easy_getinfo(answer->handle, CURLINFO_PRIVATE, (char **)&call))
		return NULL;
	secrets_hide(&call->secrets, header->value, strlen(header->value));
	return header->value;
}

char *http_escape(const char *text)
{
	static const char hex[] = "0123456789ABCDEF";
	char *escaped = malloc(3 * strlen(text) + 1), *out = escaped;

	if (!escaped)
		return NULL;
	for (; *text; text++) {
		unsigned char c = *text;

		if (strchr("-._~", c) || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
		    (c >= 'A' && c <= 'Z')) {
			*out++ = c;
		} else {
			*out++ = '%';
			*out++ = hex[c >> 4];
			*out++ = hex[c & 15];
		}
	}
	*out = '\0';
	return escaped;
}
