/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Two blocking queries about the own node, one for services and one for checks; consul_list.h says
 * what is news in their answers. What has not changed is still delivered now and then, since the
 * receiver counts good answers too. Whatever fails starts the whole source again after a pause: who
 * am I, then both lists. Only a call that the agent's own limit refuses is made again alone: where
 * there is room for one at a time, one that has come must not be asked for anew.
 *
 * The lists are two questions, and a service without its checks looks like one that has none. So
 * other services than before are delivered only with checks that were asked for after them.
 *
 * Node-scoped, because a query for a service name wakes up on every node for each flip of each
 * instance.
 */
#include "consul.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "backoff.h"
#include "clock.h"
#include "config.h"
#include "consul_json.h"
#include "consul_list.h"
#include "host_mark.h"
#include "pace.h"
#include "registrar.h"
#include "registrar_plan.h"
#include "source.h"

#define WAIT_S 45
#define BLOCKING_MS (WAIT_S * 1000 * 17 / 16 + 10000) /* the server adds up to a 16th */
#define PLAIN_MS 12000	/* without a leader the agent answers after 7 s */
#define STABLE_MS 60000 /* after so long without failure the next pause is short again */
#define TOO_MANY 429	/* calls: limits.rpc_rate of the agent */
#define MAX_PATH 1024
#define MAX_URL (MAX_PATH + 512)

enum { SERVICES, CHECKS, LISTS };

struct list {
	struct consul *consul;
	const char *what;
	struct consul_list held;
	struct http_call *call;
	struct event *next;
	struct pace pace;
	bool refused; /* by the agent's limit of calls; asked again after a pause */
};

struct consul {
	const struct config *config;
	const struct facts_sink *sink;
	struct facts_source source;
	struct http *http;
	struct agent agent;
	struct event *restart;
	struct backoff backoff;
	struct http_call *self;
	char *node;
	char *tag, *boot_id, *mark;
	bool checks_due; /* the checks are older than the services: do not deliver */
	int64_t delivered_ms;
	struct list list[LISTS];
};

static void schedule(struct event *timer, uint32_t wait_ms)
{
	const struct timeval wait = { .tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000 };

	evtimer_add(timer, &wait);
}

static void forget_list(struct list *list)
{
	http_cancel(list->call);
	list->call = NULL;
	evtimer_del(list->next);
	consul_list_forget(&list->held);
	list->refused = false;
}

static void stop(struct consul *consul)
{
	http_cancel(consul->self);
	consul->self = NULL;
	free(consul->node);
	consul->node = NULL;
	for (int i = 0; i < LISTS; i++)
		forget_list(&consul->list[i]);
}

/* Says so. How long to wait, in ms. */
static uint32_t note_failure(struct consul *consul, const char *what, const char *why)
{
	int64_t now_ms = clock_ms();

	if (consul->source.connected && now_ms - consul->source.since_ms > STABLE_MS)
		consul->backoff.failures = 0;
	source_down(&consul->source, consul->sink, now_ms, "%s: %s: %s", consul->config->consul_url,
		    what, why);
	return backoff_next_ms(&consul->backoff);
}

static void fail(struct consul *consul, const char *what, const char *why)
{
	stop(consul);
	schedule(consul->restart, note_failure(consul, what, why));
}

/*
 * The other list stands, or goes on. A refusal to wait for news takes nothing from the last answer;
 * what has to be asked for anew is not known until it has come.
 */
static void ask_alone(struct list *list, const char *why)
{
	struct consul *consul = list->consul;
	char text[sizeof(consul->source.error)];

	list->refused = true;
	if (list->held.index) {
		snprintf(text, sizeof(text), "%s: %s", list->what, why);
		source_note(&consul->source, consul->sink, clock_ms(), text);
		schedule(list->next, backoff_next_ms(&consul->backoff));
	} else {
		schedule(list->next, note_failure(consul, list->what, why));
	}
}

static void end_refusal(struct list *list)
{
	struct consul *consul = list->consul;

	list->refused = false;
	if (!consul->list[SERVICES].refused && !consul->list[CHECKS].refused)
		source_note(&consul->source, consul->sink, clock_ms(), "");
}

static bool is_lacking(const struct list *list)
{
	return !list->held.body || (list->refused && !list->held.index);
}

static int start_call(struct consul *consul, const char *path, unsigned total_ms, void *ctx,
		      void (*done)(void *, const struct http_answer *), struct http_call **call)
{
	struct http_request request = { .method = "GET",
					.max_bytes = CONSUL_JSON_MAX_BYTES,
					.total_ms = total_ms,
					.ctx = ctx,
					.done = done };
	char url[MAX_URL];
	int err;

	err = agent_request(&consul->agent, path, url, sizeof(url), &request);
	if (err)
		return err;
	*call = http_start(consul->http, &request);
	return *call ? 0 : -errno;
}

/* --- the two lists --- */

static void deliver(struct consul *consul)
{
	const struct consul_list *services = &consul->list[SERVICES].held;
	const struct consul_list *checks = &consul->list[CHECKS].held;
	struct json_error service_error, check_error;
	struct consul_text service_text = { services->body, services->body_len, &service_error };
	struct consul_text check_text = { checks->body, checks->body_len, &check_error };
	const struct consul_host host = { consul->node, consul->tag, consul->boot_id,
					  consul->mark };
	struct facts_consul answer;
	int64_t now_ms = clock_ms();
	int err;

	if (is_lacking(&consul->list[SERVICES]) || is_lacking(&consul->list[CHECKS]) ||
	    consul->checks_due)
		return;
	json_error_init(&service_error, services->path);
	json_error_init(&check_error, checks->path);
	err = consul_json_node(&service_text, &check_text, &host, &answer);
	if (err) {
		const char *why = service_error.text[0] ? service_error.text : check_error.text;

		fail(consul, "bad answer", *why ? why : strerror(-err));
		return;
	}
	consul->source.last_good_ms = consul->delivered_ms = now_ms;
	source_up(&consul->source, consul->sink, now_ms);
	consul->sink->consul(consul->sink->ctx, &answer, now_ms);
	facts_consul_release(&answer);
}

static void ask_again(struct list *list)
{
	int64_t now_ms = clock_ms();

	schedule(list->next, pace_wait_ms(&list->pace, now_ms));
}

/* The checks that are held, or come next, may have been read before the services changed. */
static void renew_checks(struct consul *consul)
{
	struct list *checks = &consul->list[CHECKS];

	consul->checks_due = true;
	http_cancel(checks->call);
	checks->call = NULL;
	checks->held.index = 0;
	ask_again(checks);
}

static void on_list(void *ctx, const struct http_answer *answer)
{
	struct list *list = ctx;
	struct consul *consul = list->consul;
	const char *why = consul_list_refusal(answer);
	int news;

	list->call = NULL;
	if (why && !answer->error[0] && answer->status == TOO_MANY) {
		ask_alone(list, why);
		return;
	}
	if (why) {
		fail(consul, list->what, why);
		return;
	}
	end_refusal(list);
	consul->source.last_event_ms = clock_ms();
	news = consul_list_take(&list->held, answer);
	if (news < 0) {
		fail(consul, list->what,
		     news == -EPROTO ? "no X-Consul-Index in the answer: not a Consul agent?"
				     : strerror(-news));
		return;
	}
	ask_again(list);
	if (news == CONSUL_OLD_INDEX)
		return;
	consul->source.last_good_ms = clock_ms();
	if (list == &consul->list[CHECKS]) {
		news = consul->checks_due ? CONSUL_OTHER : news;
		consul->checks_due = false;
	} else if (news == CONSUL_OTHER) {
		renew_checks(consul);
	}
	if (news == CONSUL_OTHER || !consul->source.connected ||
	    clock_ms() - consul->delivered_ms >= WAIT_S * 1000)
		deliver(consul);
}

static void on_next(evutil_socket_t fd, short what, void *arg)
{
	struct list *list = arg;
	struct consul *consul = list->consul;
	char path[MAX_PATH];
	int err;

	(void)fd;
	(void)what;
	pace_take(&list->pace, clock_ms());
	consul_list_question(&list->held, WAIT_S, path, sizeof(path));
	err = start_call(consul, path, list->held.index ? BLOCKING_MS : PLAIN_MS, list, on_list,
			 &list->call);
	if (err)
		fail(consul, list->what, strerror(-err));
}

/* --- who am I --- */

static int start_lists(struct consul *consul)
{
	static const char *const prefix[LISTS] = { "/v1/catalog/node/", "/v1/health/node/" };
	char *node = http_escape(consul->node);

	if (!node)
		return -ENOMEM;
	for (int i = 0; i < LISTS; i++) {
		struct list *list = &consul->list[i];

		if (asprintf(&list->held.path, "%s%s", prefix[i], node) < 0) {
			list->held.path = NULL;
			free(node);
			return -ENOMEM;
		}
	}
	free(node);
	/* the checks are asked for when the services have come */
	ask_again(&consul->list[SERVICES]);
	return 0;
}

static void on_self(void *ctx, const struct http_answer *answer)
{
	struct consul *consul = ctx;
	const char *why = consul_list_refusal(answer);
	struct json_error error;
	char *address;
	int err;

	consul->self = NULL;
	if (why) {
		fail(consul, "agent", why);
		return;
	}
	json_error_init(&error, "/v1/agent/self");
	err = consul_json_self(answer->body, answer->body_len, &consul->node, &address, &error);
	if (!err && !agent_is_own(consul->config, consul->node, address))
		err = json_fail(
			&error,
			"its agent is %.60s at %.40s, not this host: if it is, put one into [node] name",
			consul->node, address);
	free(address);
	if (!err)
		err = start_lists(consul);
	if (err)
		fail(consul, "agent", error.text[0] ? error.text : strerror(-err));
}

static void on_restart(evutil_socket_t fd, short what, void *arg)
{
	struct consul *consul = arg;
	int err;

	(void)fd;
	(void)what;
	stop(consul);
	err = agent_read_token(&consul->agent);
	if (err) {
		fail(consul, consul->config->token_file, strerror(-err));
		return;
	}
	err = start_call(consul, "/v1/agent/self", PLAIN_MS, consul, on_self, &consul->self);
	if (err)
		fail(consul, consul->config->consul_url, strerror(-err));
}

/* --- life --- */

static int set_up(struct consul *consul, struct event_base *base)
{
	static const char *const what[LISTS] = { "services of the node", "checks of the node" };
	const struct config *config = consul->config;
	int err;

	consul->tag = registrar_tag(config->name_count ? config->name[0] : "unnamed");
	consul->boot_id = registrar_boot_id();
	consul->mark = host_mark(config->pin_dir);
	if (!consul->tag || !consul->boot_id || !consul->mark)
		return -ENOMEM;
	err = agent_init(&consul->agent, config);
	if (err)
		return err;
	consul->http = http_new(base);
	consul->restart = evtimer_new(base, on_restart, consul);
	if (!consul->http || !consul->restart)
		return -ENOMEM;
	for (int i = 0; i < LISTS; i++) {
		struct list *list = &consul->list[i];

		list->consul = consul;
		list->what = what[i];
		list->pace = (struct pace){ .interval_ms = 200, .burst = 10 };
		list->next = evtimer_new(base, on_next, list);
		if (!list->next)
			return -ENOMEM;
	}
	schedule(consul->restart, 0);
	return 0;
}

struct consul *consul_new(struct event_base *base, const struct config *config,
			  const struct facts_sink *sink)
{
	struct consul *consul = calloc(1, sizeof(*consul));
	int err;

	if (!consul)
		return NULL;
	consul->config = config;
	consul->sink = sink;
	source_init(&consul->source, "consul", config->consul_used, clock_ms());
	if (!config->consul_used)
		return consul;
	err = set_up(consul, base);
	if (err) {
		consul_free(consul);
		errno = -err;
		return NULL;
	}
	return consul;
}

void consul_free(struct consul *consul)
{
	if (!consul)
		return;
	for (int i = 0; i < LISTS; i++)
		if (consul->list[i].next) {
			forget_list(&consul->list[i]);
			event_free(consul->list[i].next);
		}
	http_cancel(consul->self);
	free(consul->node);
	free(consul->tag);
	free(consul->boot_id);
	free(consul->mark);
	if (consul->restart)
		event_free(consul->restart);
	http_free(consul->http);
	agent_release(&consul->agent);
	free(consul);
}

void consul_resync(struct consul *consul)
{
	if (consul->restart)
		schedule(consul->restart, 0);
}

const struct facts_source *consul_source(const struct consul *consul)
{
	return &consul->source;
}
