/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Marathon's answers to /v2/apps into plain facts, for the shapes of 0.7 to 1.11. Pure: text in,
 * facts out. What is no answer of Marathon is refused whole; an app that cannot be read is left out as
 * unknown, so that it does not hold up the others; what Marathon leaves out where it may (a
 * task's state before 1.2, empty lists before 1.6, nulls) is filled in here, so that no one else
 * needs to know versions.
 */
#ifndef SLUICED_MARATHON_JSON_H
#define SLUICED_MARATHON_JSON_H

#include "facts.h"
#include "json.h"

#define MARATHON_JSON_MAX_BYTES (32u << 20) /* of wanted apps: marathon_sieve.h */

/*
 * What to keep of an answer; everything else is dropped while parsing. Names are compared without
 * regard to case.
 */
struct marathon_filter {
	const char *const *apps; /* absolute ids; count 0: keep all */
	size_t app_count;
	const char *const
		*hosts; /* a task on another host, or on none yet, is dropped; count 0: keep all */
	size_t host_count;
};

/*
 * GET /v2/apps?embed=apps.tasks. 0, or -EINVAL with error filled, or -ENOMEM; answer is empty
 * unless 0, and the caller's to release. An app that is wanted must carry its tasks, else the
 * request was not understood and nothing is known of it. Where some apps could be read and some not
 * the result is 0, `unknown` lists the latter and error says what is wrong with the first; a wanted
 * app that Marathon does not list is then in apps, without tasks.
 */
int marathon_json_apps(const char *text, size_t len, const struct marathon_filter *filter,
		       struct facts_marathon *answer, struct json_error *error);

/*
 * GET /v2/apps/ID, status 200. As above; -EINVAL too if the answer is about another app. 0 with
 * `unknown`, no apps and error filled if it is about this one and cannot be read.
 */
int marathon_json_app(const char *text, size_t len, const char *app,
		      const struct marathon_filter *filter, struct facts_marathon *answer,
		      struct json_error *error);

/*
 * GET /v2/apps/ID, status 404: true and an answer with `gone` if this is Marathon's own word that
 * there is no such app. A 404 of something in between (a proxy, another server) is not, and neither
 * is want of memory.
 */
bool marathon_json_app_gone(const char *text, size_t len, const char *app,
			    struct facts_marathon *answer);

/*
 * The state that a task's `state` (TASK_RUNNING) or a condition (Running) stands for; LOST for
 * unknown words.
 */
enum facts_task_state marathon_json_state(const char *word);

/* Does GET /v2/eventSubscriptions list url? 1, 0 or -EINVAL with error filled. */
int marathon_json_subscribed(const char *text, size_t len, const char *url,
			     struct json_error *error);

#endif
