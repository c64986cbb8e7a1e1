/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What marathon.c, marathon_fetch.c, marathon_stream.c and marathon_subscribe.c share: one struct
 * marathon, seen by its four parts. The fetcher asks for the truth, the stream and the subscription
 * only say when to ask, marathon.c joins them.
 */
#ifndef SLUICED_MARATHON_INTERNAL_H
#define SLUICED_MARATHON_INTERNAL_H

#include <event2/event.h>

#include "backoff.h"
#include "config.h"
#include "facts.h"
#include "http.h"
#include "marathon.h"
#include "marathon_json.h"
#include "marathon_sieve.h"
#include "masters.h"
#include "pace.h"
#include "sse.h"

#define MARATHON_MAX_HOPS 3 /* redirects followed in a row, among the configured masters only */
#define MARATHON_MAX_URL 4096
#define MARATHON_MAX_EARLY 16

struct callback;

/* An app that some service names, and which of its tasks are on this host as of the last answer. */
struct marathon_app {
	const char *id; /* the config's */
	bool due;	/* something of it changed: ask for it */
	bool seen;	/* an answer has told of it */
	char odd[384];	/* why the last answer's part about it could not be read; "" if it could */
	size_t known_count;
	char (*known)[256]; /* join keys of our tasks: the UUID, or the whole id where there is none */
};

/* An event of a task that nobody knows, while an answer that may list it is under way. */
struct marathon_early {
	const struct marathon_app *app;
	char key[256]; /* as those of known */
};

struct marathon_fetcher {
	struct http_call *call;
	struct event *timer; /* the next fetch */
	struct event *resync;
	struct pace pace, full_pace;
	bool full_due, full;	  /* due; the one under way is of everything */
	bool waits_for_full;	  /* the timer waits for nothing but the pace of whole answers */
	struct marathon_app *app; /* the one under way is of it */
	size_t turn;		  /* the app that is looked at first for the next one */
	unsigned early_count;
	struct marathon_early early[MARATHON_MAX_EARLY]; /* since the one under way began */
	int hops;
	struct marathon_filter filter; /* of the sieve */
	struct marathon_sieve sieve;   /* for answers about everything */
	char leader[256];	       /* X-Marathon-Leader of the last good answer */
};

struct marathon_stream {
	struct http_call *call;
	struct event *timer; /* the next attempt */
	struct sse sse;
	int hops;
	int64_t opened_ms; /* 0: not open */
};

struct marathon_subscription {
	struct callback *server;
	struct http_call *call;
	struct event *timer;
	bool posted;		/* the check under way follows our POST */
	bool renew;		/* subscribe anew, though we are listed */
	int64_t renewed_ms;	/* when that was last done; 0: never */
	struct event *skipped;	/* asks for what Marathon may not have called us for */
	unsigned skipped_count; /* how often it has */
};

struct marathon_part {
	bool works;
	unsigned master;   /* that the request under way was sent to */
	unsigned failures; /* since it was stable */
	struct backoff backoff;
	char error[200]; /* why not; "" if it has not been tried */
};

struct marathon {
	const struct config *config;
	const struct facts_sink *sink;
	struct facts_source source;
	struct http *http;
	struct masters masters;
	const char *const *hosts; /* the config's names */
	size_t host_count;
	const char **app_ids; /* of apps, for the parser's filter */
	struct marathon_app *apps;
	size_t app_count;
	struct marathon_part answers; /* the last fetch went well */
	struct marathon_part events;  /* stream open, or subscribed, or none is wanted */
	struct marathon_fetcher fetcher;
	struct marathon_stream stream;
	struct marathon_subscription subscription;
};

/* marathon.c: an event's text has come; events were missed */
void marathon_event(struct marathon *marathon, const char *text, size_t len);
void marathon_lost(struct marathon *marathon);
/* A part works, has done so for long enough to try again quickly after a failure. */
void marathon_works(struct marathon *marathon, struct marathon_part *part);
void marathon_stable(struct marathon_part *part);
/* A part does not work and is being mended: no failure yet. */
void marathon_without(struct marathon *marathon, struct marathon_part *part, const char *why);
/*
 * A part's request of what failed; returns after how many milliseconds to try again (the next
 * master, or the only one).
 */
uint32_t marathon_fails(struct marathon *marathon, struct marathon_part *part, const char *what,
			const char *why);
/* Fill in where the part's next request goes. As masters_request(). */
int marathon_address(struct marathon *marathon, struct marathon_part *part, const char *path,
		     char *url, size_t len, struct http_request *request);
void marathon_schedule(struct event *timer, uint64_t wait_ms);
/* Why the answer is no good, NULL for a 200. In a static buffer. */
const char *marathon_refusal(struct marathon *marathon, const struct http_answer *answer);
/* Is it a redirect to a configured master, with hops left? Then that is the current one now. */
bool marathon_redirected(struct marathon *marathon, const struct http_answer *answer, int *hops);

/* marathon_fetch.c */
int marathon_fetcher_init(struct marathon *marathon, struct event_base *base);
void marathon_fetcher_release(struct marathon *marathon);
void marathon_fetch_all(struct marathon *marathon, bool at_once);
void marathon_fetch_app(struct marathon *marathon, struct marathon_app *app);
/*
 * An event of a task (key: as those of known) of the app that is not known: if the answer under way
 * lists it, it may be older than the event, and the app is asked for again. No request else.
 */
void marathon_note_early(struct marathon *marathon, struct marathon_app *app, const char *key);

/* marathon_stream.c */
int marathon_stream_init(struct marathon *marathon, struct event_base *base);
void marathon_stream_release(struct marathon *marathon);

/* marathon_subscribe.c */
/* Marathon may have started anew: are we still listed? Does nothing without callbacks. */
void marathon_subscription_check(struct marathon *marathon);
int marathon_subscription_init(struct marathon *marathon, struct event_base *base);
void marathon_subscription_release(struct marathon *marathon);

#endif
