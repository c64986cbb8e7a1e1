/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sends what registrar_plan() finds, one write at a time. A plan is made from the newest list and
 * the newest answer, worked off, and made again when either has changed; a write that failed is
 * planned again after a growing pause of its own. What Consul then holds is not assumed: the next answer
 * tells. An agent that restarts empty so gets everything again by itself.
 */
#include "registrar.h"

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
#include "host_mark.h"
#include "http.h"
#include "log.h"
#include "pace.h"
#include "registrar_plan.h"
#include "registrar_refusals.h"
#include "registrar_wants.h"
#include "registrations.h"

#define WRITE_MS 15000 /* without a leader a register takes 7 s and counts */
#define SETTLE_MS 50   /* changes come in groups: a task's start, then its health */
#define MAX_ANSWER (1u << 20)
#define MAX_URL 2048

struct step { /* owns its strings */
	enum registrar_verb verb;
	char *id, *body;
};

struct registrar {
	const struct config *config;
	struct http *http;
	struct agent agent;
	struct http_call *call;
	struct event *timer;
	struct backoff backoff;
	struct pace pace;
	char *tag, *boot_id, *mark;
	char *address; /* NULL until the agent has told it */
	struct registrar_wants wants;
	struct registrations registrations; /* of wants */
	struct facts_consul held;
	bool held_known;
	bool too_old; /* the agent, for registrations that can be told from others'; said so */
	bool doubted; /* the agent was away: what the catalog holds the agent may have lost */
	bool changed; /* wants or held, since the last plan */
	struct registrar_refusals refusals;
	struct registrar_refusals written; /* and not in Consul's answers since */
	bool answered;			   /* since the last write that was taken */
	bool resting; /* the timer waits for refused ids only; any change comes before */
	struct step *steps;
	size_t step_count, step;
	registrar_on_told told;
	void *told_ctx;
};

static void schedule(struct registrar *registrar, uint32_t wait_ms)
{
	const struct timeval wait = { .tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000 };

	evtimer_add(registrar->timer, &wait);
}

static void forget_steps(struct registrar *registrar)
{
	for (size_t i = 0; i < registrar->step_count; i++) {
		free(registrar->steps[i].id);
		free(registrar->steps[i].body);
	}
	free(registrar->steps);
	registrar->steps = NULL;
	registrar->step_count = registrar->step = 0;
}

static void fail(const char *what, const char *id, const char *why)
{
	log_event(LOG_WARNING, "consul-write-failed", "what=\"%s\" id=%s error=\"%s\"", what, id,
		  why);
}

/* The token may be another by now. */
static void renew_token(struct registrar *registrar, const struct http_answer *answer)
{
	if (answer->status == 403 && agent_read_token(&registrar->agent))
		log_event(LOG_WARNING, "token-file-unreadable", "file=%s",
			  registrar->config->token_file);
}

/* What failed concerns all ids: a pause, then a new plan. */
static void pause_after_failure(struct registrar *registrar)
{
	registrar->changed = true;
	registrar->resting = false;
	schedule(registrar, backoff_next_ms(&registrar->backoff));
}

/* --- the plan --- */

static int copy_step(struct step *to, const struct registrar_step *from)
{
	to->verb = from->verb;
	to->id = strdup(from->id);
	to->body = from->body ? strdup(from->body) : NULL;
	return to->id && (!from->body || to->body) ? 0 : -ENOMEM;
}

static int make_plan(struct registrar *registrar)
{
	const struct registrar_host host = { .tag = registrar->tag,
					     .boot_id = registrar->boot_id,
					     .mark = registrar->mark,
					     .address = registrar->address };
	struct registrations *made = &registrar->registrations;
	struct registrar_step *planned;
	size_t count;
	int err = 0;

	forget_steps(registrar);
	err = registrations_build(made, &registrar->wants, &host);
	if (err)
		return err;
	planned = calloc(made->count + registrar->held.entry_count + 1, sizeof(*planned));
	if (!planned)
		return -ENOMEM;
	count = registrar_plan(made->list, made->count, &registrar->held, registrar->boot_id,
			       planned);
	registrations_judge_unlisted(made, &registrar->written);
	for (size_t i = 0; i < made->count && registrar->told; i++)
		registrar->told(registrar->told_ctx, &made->list[i].told);
	count = registrar_refusals_filter(&registrar->refusals, planned, count, clock_ms());
	count = registrar_refusals_filter(&registrar->written, planned, count,
					  registrar->answered ? clock_ms() : INT64_MIN);
	registrar->steps = calloc(count + 1, sizeof(*registrar->steps));
	if (!registrar->steps)
		err = -ENOMEM;
	for (size_t i = 0; i < count && !err; i++)
		err = copy_step(&registrar->steps[registrar->step_count++], &planned[i]);
	free(planned);
	if (err)
		forget_steps(registrar);
	return err;
}

/* --- writing --- */

static void remember(struct registrar *registrar, const struct step *step, bool done)
{
	const struct registrar_step about = { .verb = step->verb, .id = step->id };

	/* without memory for it there is no pause: the next change makes it be tried again */
	if (done)
		registrar_refusals_clear(&registrar->refusals, &about);
	registrar->answered &= !done;
	if (done && step->verb == REGISTRAR_REGISTER)
		registrar_refusals_add(&registrar->written, &about, clock_ms());
	if (!done)
		registrar_refusals_add(&registrar->refusals, &about, clock_ms());
}

static void on_written(void *ctx, const struct http_answer *answer)
{
	struct registrar *registrar = ctx;
	const struct step *step = &registrar->steps[registrar->step];
	bool remove = step->verb == REGISTRAR_DEREGISTER;
	const char *what = remove ? "deregister" : "register";
	bool gone_before = remove &&
			   (answer->status == 404 ||
			    (answer->status == 500 && strstr(answer->body, "Unknown service")));
	char why[160];

	registrar->call = NULL;
	if (answer->error[0]) {
		fail(what, step->id, answer->error);
		remember(registrar, step, false);
	} else if (answer->status == 200 || gone_before) {
		log_event(LOG_INFO, remove ? "deregistered" : "registered", "id=%s", step->id);
		remember(registrar, step, true);
	} else {
		int len = strcspn(answer->body, "\r\n");

		snprintf(why, sizeof(why), "HTTP %ld %.*s", answer->status, len < 120 ? len : 120,
			 answer->body);
		fail(what, step->id, why);
		remember(registrar, step, false);
		renew_token(registrar, answer);
	}
	registrar->step++;
	schedule(registrar, pace_wait_ms(&registrar->pace, clock_ms()));
}

static int start_call(struct registrar *registrar, const char *method, const char *path,
		      const char *body, void (*done)(void *, const struct http_answer *))
{
	struct http_request request = { .method = method,
					.body = body,
					.max_bytes = MAX_ANSWER,
					.total_ms = WRITE_MS,
					.ctx = registrar,
					.done = done };
	char url[MAX_URL];
	int err;

	err = agent_request(&registrar->agent, path, url, sizeof(url), &request);
	if (err)
		return err;
	registrar->call = http_start(registrar->http, &request);
	return registrar->call ? 0 : -errno;
}

static int write_step(struct registrar *registrar, const struct step *step)
{
	char path[1024];
	char *id;

	if (step->verb == REGISTRAR_REGISTER)
		/* agents before 1.6.1 do not know the parameter and ignore it */
		return start_call(registrar, "PUT",
				  "/v1/agent/service/register?replace-existing-checks=true",
				  step->body, on_written);
	id = http_escape(step->id);
	if (!id)
		return -ENOMEM;
	snprintf(path, sizeof(path), "/v1/agent/service/deregister/%s", id);
	free(id);
	return start_call(registrar, "PUT", path, NULL, on_written);
}

/*
 * Where checks go for entries without an address: a connection to 127.0.0.1 would meet
 * docker-proxy, which always accepts.
 */
static void on_self(void *ctx, const struct http_answer *answer)
{
	struct registrar *registrar = ctx;
	struct json_error error;
	char *node, why[32], odd[160];
	int err;

	registrar->call = NULL;
	json_error_init(&error, "/v1/agent/self");
	snprintf(why, sizeof(why), "HTTP %ld", answer->status);
	if (answer->error[0] || answer->status != 200) {
		renew_token(registrar, answer);
		fail("ask the agent", "-", answer->error[0] ? answer->error : why);
		pause_after_failure(registrar);
		return;
	}
	err = consul_json_self(answer->body, answer->body_len, &node, &registrar->address, &error);
	if (err) {
		fail("ask the agent", "-", error.text[0] ? error.text : strerror(-err));
		pause_after_failure(registrar);
		return;
	}
	if (!agent_is_own(registrar->config, node, registrar->address)) {
		snprintf(odd, sizeof(odd), "it is %.60s at %.40s, not this host", node,
			 registrar->address);
		fail("ask the agent", "-", odd);
		free(registrar->address);
		registrar->address = NULL;
		free(node);
		pause_after_failure(registrar);
		return;
	}
	free(node);
	if (!consul_json_keeps_meta(answer->body, answer->body_len)) {
		if (!registrar->too_old)
			log_event(
				LOG_ERR, "registration-off",
				"reason=\"this Consul agent is older than 1.0.7 and keeps no meta of services: what is registered could not be told from others'\"");
		registrar->too_old = true;
		free(registrar->address);
		registrar->address = NULL;
		pause_after_failure(registrar);
		return;
	}
	registrar->too_old = false;
	schedule(registrar, 0);
}

/* Nothing is left to do but what was refused, or is not listed. */
static void rest(struct registrar *registrar)
{
	int64_t refused_ms = registrar_refusals_next_ms(&registrar->refusals),
		written_ms = registrar->answered ? registrar_refusals_next_ms(&registrar->written)
						 : -1,
		wait_ms;

	if (refused_ms < 0 && written_ms < 0)
		return;
	wait_ms = refused_ms < 0 || (written_ms >= 0 && written_ms < refused_ms) ? written_ms
										 : refused_ms;
	wait_ms -= clock_ms();
	registrar->resting = true;
	schedule(registrar, wait_ms > SETTLE_MS ? wait_ms : SETTLE_MS);
}

/* The next thing to do: learn the address, make a plan, write a step, or nothing. */
static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct registrar *registrar = arg;
	const struct step *step;
	int err = 0;

	(void)fd;
	(void)what;
	if (registrar->call || !registrar->held_known || !registrar->wants.entries)
		return;
	if (!registrar->address) {
		err = start_call(registrar, "GET", "/v1/agent/self", NULL, on_self);
		if (err)
			goto failed;
		return;
	}
	if (registrar->changed || registrar->resting) {
		registrar->changed = registrar->resting = false;
		err = make_plan(registrar);
		if (err)
			goto failed;
	}
	if (registrar->step == registrar->step_count) {
		forget_steps(registrar);
		registrar->backoff.failures = 0;
		registrar->doubted = false;
		rest(registrar);
		return;
	}
	pace_take(&registrar->pace, clock_ms());
	step = &registrar->steps[registrar->step];
	err = write_step(registrar, step);
	if (!err)
		return;
failed:
	fail("write", "-", strerror(-err));
	pause_after_failure(registrar);
}

/* --- what others tell --- */

static void note_change(struct registrar *registrar)
{
	registrar->changed = true;
	/* a pause after a common failure is kept, and a write under way goes on by itself */
	if (registrar->call || (evtimer_pending(registrar->timer, NULL) && !registrar->resting))
		return;
	registrar->resting = false;
	schedule(registrar, SETTLE_MS);
}

int registrar_want(struct registrar *registrar, const struct registrar_entry *entries, size_t n)
{
	int changed;

	if (!registrar->timer)
		return 0;
	changed = registrar_wants_set(&registrar->wants, entries, n);
	if (changed <= 0)
		return changed;
	registrations_forget(&registrar->registrations);
	note_change(registrar);
	return 0;
}

/* Without its digest an entry is none that we have written: it is written again. */
static void doubt_held(struct registrar *registrar)
{
	for (size_t i = 0; i < registrar->held.entry_count; i++)
		registrar->held.entries[i].definition[0] = '\0';
}

void registrar_agent_was_away(struct registrar *registrar)
{
	if (!registrar->timer)
		return;
	registrar->doubted = true;
	doubt_held(registrar);
	note_change(registrar);
}

int registrar_consul(struct registrar *registrar, const struct facts_consul *answer)
{
	int err;

	if (!registrar->timer)
		return 0;
	err = registrar_copy_held(&registrar->held, answer);
	if (err)
		return err;
	registrar->held_known = registrar->answered = true;
	if (registrar->doubted)
		doubt_held(registrar);
	note_change(registrar);
	return 0;
}

/* --- life --- */

char *registrar_boot_id(void)
{
	char text[64] = "";
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (!file)
		return NULL;
	if (!fgets(text, sizeof(text), file))
		text[0] = '\0';
	fclose(file);
	text[strcspn(text, "\n")] = '\0';
	if (!text[0]) {
		errno = ENODATA;
		return NULL;
	}
	return strdup(text);
}

static int set_up(struct registrar *registrar, struct event_base *base)
{
	const struct config *config = registrar->config;
	int err;

	registrar->boot_id = registrar_boot_id();
	if (!registrar->boot_id)
		return -errno;
	registrar->tag = registrar_tag(config->name_count ? config->name[0] : "unnamed");
	registrar->mark = host_mark(config->pin_dir);
	if (!registrar->tag || !registrar->mark)
		return -ENOMEM;
	err = agent_init(&registrar->agent, config);
	if (err)
		return err;
	err = agent_read_token(&registrar->agent);
	if (err) /* Consul will refuse; the file is read again then */
		log_event(LOG_ERR, "token-file-unreadable", "file=%s error=\"%s\"",
			  config->token_file, strerror(-err));
	registrar->pace = (struct pace){ .interval_ms = 50, .burst = 20 };
	registrar->http = http_new(base);
	registrar->timer = evtimer_new(base, on_timer, registrar);
	return registrar->http && registrar->timer ? 0 : -ENOMEM;
}

struct registrar *registrar_new(struct event_base *base, const struct config *config)
{
	struct registrar *registrar = calloc(1, sizeof(*registrar));
	int err;

	if (!registrar)
		return NULL;
	registrar->config = config;
	if (!config->consul_used || !config->consul_register)
		return registrar;
	err = set_up(registrar, base);
	if (err) {
		registrar_free(registrar);
		errno = -err;
		return NULL;
	}
	return registrar;
}

void registrar_on_compared(struct registrar *registrar, registrar_on_told told, void *ctx)
{
	registrar->told = told;
	registrar->told_ctx = ctx;
}

void registrar_free(struct registrar *registrar)
{
	if (!registrar)
		return;
	http_cancel(registrar->call);
	forget_steps(registrar);
	registrations_forget(&registrar->registrations);
	registrar_refusals_release(&registrar->refusals);
	registrar_refusals_release(&registrar->written);
	registrar_wants_release(&registrar->wants);
	facts_consul_release(&registrar->held);
	if (registrar->timer)
		event_free(registrar->timer);
	http_free(registrar->http);
	agent_release(&registrar->agent);
	free(registrar->tag);
	free(registrar->boot_id);
	free(registrar->mark);
	free(registrar->address);
	free(registrar);
}
