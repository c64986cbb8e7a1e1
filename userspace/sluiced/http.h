/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * HTTP client for the sources: libcurl's multi interface on the daemon's event loop. One object a
 * source; any number of calls at once. Nothing is followed, decoded or proxied behind the caller's
 * back: a redirect is an answer, bodies are asked for as they are, environment variables do not
 * matter, only http and https are spoken. Answers are bounded.
 *
 * Callbacks come from the event loop, never from inside a function of this header and never from
 * inside libcurl, so they may start and cancel any call, their own too.
 */
#ifndef SLUICED_HTTP_H
#define SLUICED_HTTP_H

#include <stddef.h>

struct event_base;
struct http;
struct http_call;

#define HTTP_MAX_HEADERS 8

struct http_answer {
	long status;	 /* 0: no answer, see error */
	char error[200]; /* why there is no (whole) answer; "" if there is one. Contains no secret */
	const char *body; /* NUL after its end; "" for a stream */
	size_t body_len;
	void *handle; /* for http_header() */
};

struct http_request {
	const char *method; /* GET, PUT, POST */
	const char *url;
	const char *unix_socket; /* NULL: over TCP */
	const char *ca_file;	 /* NULL: the system's */
	const char *user; /* "user:password" for basic authentication, sent unasked; NULL: none */
	const char *headers[HTTP_MAX_HEADERS]; /* "Name: value", up to the first NULL */
	const char *body; /* PUT, POST: NULL is an empty one. Copied, as all strings are */
	size_t max_bytes; /* of the answer's body; a larger one is an error */
	unsigned connect_ms;
	unsigned total_ms; /* the whole call; 0: no limit */
	unsigned idle_ms;  /* without a byte from the server; 0: no limit */
	void *ctx;
	/* once for a stream, if it is given: status 200 has come, headers can be read */
	void (*opened)(void *ctx, const struct http_answer *answer);
	/*
	 * makes the call a stream: called with each piece of a 200's body, which then has no limit
	 */
	void (*data)(void *ctx, const char *bytes, size_t len);
	/* once, the last callback; the call is over */
	void (*done)(void *ctx, const struct http_answer *answer);
};

/* NULL with errno set. */
struct http *http_new(struct event_base *base);
/* Cancels what is under way. Not from inside a callback. Accepts NULL. */
void http_free(struct http *http);

/* NULL with errno set (EINVAL: the URL or a file cannot be used). */
struct http_call *http_start(struct http *http, const struct http_request *request);
/* No callback comes any more. Accepts NULL. */
void http_cancel(struct http_call *call);

/*
 * A header of the answer, whatever its case; NULL if there is none. What was sent as a secret and comes back in it is
 * hidden. Valid until the callback returns or the next http_header().
 */
const char *http_header(const struct http_answer *answer, const char *name);

/*
 * text with everything but letters, digits and -._~ percent-encoded, into a new string; NULL for
 * want of memory.
 */
char *http_escape(const char *text);

#endif
