/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * libcurl's socket and timer callbacks mapped on libevent. What libcurl delivers is put aside and
 * handed on after libcurl has returned (deliver()): libcurl refuses to be called from inside its
 * own callbacks.
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
	bool given_up;	      /* its multi handle is gone */
	CURLcode result;
};

struct http {
	struct event_base *base;
	CURLM *multi;
	struct event *timer;
	LIST_HEAD(, http_call) calls;
	bool blind;		   /* a socket could not be watched */
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

static void collect_finished(struct http *http)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(http->multi, &left))) {
		struct http_call *call;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&call);
		call->finished = true;
		call->result = message->data.result;
	}
}

static void after_curl(struct http *http);

/* One that failed may have left a socket unwatched and no timer behind: its call would never end. */
static void act(struct http *http, curl_socket_t fd, int action)
{
	int running;

	if (curl_multi_socket_action(http->multi, fd, action, &running) != CURLM_OK)
		http->blind = true;
	after_curl(http);
}

static void on_socket_event(evutil_socket_t fd, short what, void *arg)
{
	struct http *http = arg;
	int action = 0;

	if (what & EV_READ)
		action |= CURL_CSELECT_IN;
	if (what & EV_WRITE)
		action |= CURL_CSELECT_OUT;
	act(http, fd, action);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	act(arg, CURL_SOCKET_TIMEOUT, 0);
}

static int on_curl_timer(CURLM *multi, long timeout_ms, void *arg)
{
	struct http *http = arg;
	const struct timeval wait = { .tv_sec = timeout_ms / 1000,
				      .tv_usec = timeout_ms % 1000 * 1000 };

	(void)multi;
	if (timeout_ms < 0)
		evtimer_del(http->timer);
	else
		evtimer_add(http->timer, &wait);
	return 0;
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	struct http *http = arg;
	struct event *event = socket_arg;
	short flags = EV_PERSIST;

	(void)easy;
	if (event)
		event_free(event);
	if (what == CURL_POLL_REMOVE) {
		curl_multi_assign(http->multi, fd, NULL);
		return 0;
	}
	if (what & CURL_POLL_IN)
		flags |= EV_READ;
	if (what & CURL_POLL_OUT)
		flags |= EV_WRITE;
	event = event_new(http->base, fd, flags, on_socket_event, http);
	curl_multi_assign(http->multi, fd, event);
	/* an error from here would make libcurl refuse this handle for good */
	if (!event || event_add(event, NULL))
		http->blind = true;
	return 0;
}

/* --- to the callers --- */

static void free_call(struct http_call *call)
{
	LIST_REMOVE(call, link);
	if (call->easy) {
		if (!call->given_up)
			curl_multi_remove_handle(call->http->multi, call->easy);
		curl_easy_cleanup(call->easy);
	}
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

/* 0 or -ENOMEM; multi is NULL then. */
static int open_multi(struct http *http)
{
	http->multi = curl_multi_init();
	if (!http->multi)
		return -ENOMEM;
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
	return 0;
}

/*
 * Whose socket it is libcurl does not say: all calls end, and their owners try again. A multi
 * handle that lacked memory is not used again: libcurl 7.88 then divides by zero.
 */
static void give_up(struct http *http)
{
	struct http_call *call;

	LIST_FOREACH(call, &http->calls, link)
	{
		call->no_memory |= !call->finished;
		call->finished = true;
		if (!call->given_up)
			curl_multi_remove_handle(http->multi, call->easy);
		call->given_up = true;
	}
	curl_multi_cleanup(http->multi);
	http->blind = false;
	open_multi(http); /* without memory http_start() tries again */
}

static void after_curl(struct http *http)
{
	collect_finished(http);
	if (http->blind)
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

static int add_headers(struct http_call *call, const struct http_request *request)
{
	/* libcurl would wait a second for "100 Continue" before a larger body */
	static const char no_expect[] = "Expect:";
	struct curl_slist *longer = curl_slist_append(NULL, no_expect);

	if (!longer)
		return -ENOMEM;
	call->headers = longer;
	for (int i = 0; i < HTTP_MAX_HEADERS && request->headers[i]; i++) {
		longer = curl_slist_append(call->headers, request->headers[i]);
		if (!longer)
			return -ENOMEM;
		call->headers = longer;
	}
	return curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, call->headers) ? -ENOMEM : 0;
}

static CURLcode set_transport(CURL *easy, const struct http_request *request)
{
	CURLcode code = CURLE_OK;

#define SET(option, value)                                            \
	do {                                                          \
		if (!code)                                            \
			code = curl_easy_setopt(easy, option, value); \
	} while (0)
	SET(CURLOPT_URL, request->url);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_NOPROXY, "*");
	SET(CURLOPT_NOSIGNAL, 1L);
#if LIBCURL_VERSION_NUM >= 0x075700
	/* else the end of a call joins its resolver's thread: half a minute without a nameserver */
	SET(CURLOPT_QUICK_EXIT, 1L);
#endif
	SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	/*
	 * Consul would take HTTP/2 if it were offered, and one connection for all blocking queries
	 * with it
	 */
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_USERAGENT, "sluiced");
	SET(CURLOPT_TCP_KEEPALIVE, 1L);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)request->connect_ms);
	SET(CURLOPT_TIMEOUT_MS, (long)request->total_ms);
	if (request->unix_socket)
		SET(CURLOPT_UNIX_SOCKET_PATH, request->unix_socket);
	if (request->ca_file)
		SET(CURLOPT_CAINFO, request->ca_file);
	if (request->user) {
		SET(CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
		SET(CURLOPT_USERPWD, request->user);
	}
	if (strcmp(request->method, "GET") != 0) {
		SET(CURLOPT_COPYPOSTFIELDS, request->body ? request->body : "");
		SET(CURLOPT_CUSTOMREQUEST, request->method);
	}
	return code;
}

static CURLcode set_callbacks(struct http_call *call)
{
	CURL *easy = call->easy;
	CURLcode code = CURLE_OK;

	SET(CURLOPT_PRIVATE, call);
	SET(CURLOPT_ERRORBUFFER, call->curl_error);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, call);
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, call);
#undef SET
	return code;
}

struct http_call *http_start(struct http *http, const struct http_request *request)
{
	struct http_call *call = calloc(1, sizeof(*call));
	CURLcode code;
	int err = -ENOMEM;

	if (!call)
		return NULL;
	call->given_up = true; /* until libcurl has it */
	call->http = http;
	call->request = *request;
	LIST_INSERT_HEAD(&http->calls, call, link);
	call->easy = curl_easy_init();
	if (!call->easy)
		goto fail;
	err = secrets_of(request, &call->secrets);
	if (err)
		goto fail;
	err = add_headers(call, request);
	if (err)
		goto fail;
	if (request->ca_file) {
		call->ca_file = strdup(request->ca_file);
		err = call->ca_file ? 0 : -ENOMEM;
		if (err)
			goto fail;
	}
	code = set_transport(call->easy, request);
	if (!code)
		code = set_callbacks(call);
	if (code) {
		err = code == CURLE_OUT_OF_MEMORY ? -ENOMEM : -EINVAL;
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
	if ((!http->multi && open_multi(http)) || curl_multi_add_handle(http->multi, call->easy)) {
		err = -ENOMEM;
		goto fail;
	}
	call->given_up = false;
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
	http->timer = evtimer_new(base, on_timer, http);
	if (!http->timer || open_multi(http)) {
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
	if (http->multi)
		curl_multi_cleanup(http->multi);
	if (http->timer)
		event_free(http->timer);
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
