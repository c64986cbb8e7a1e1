/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The daemon's turn over memory. Lines on standard output are for people:
 *
 *   would change web/31005 free -> up task=... source=marathon reason="..."
 *   would publish web: 31005 31006
 *   would refuse web/40000 task=...: reason
 *
 * Untouched pages of the arrays are never there, so hundreds of these fit on one host.
 */
#include "dry_run.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actual.h"
#include "addresses.h"
#include "ask.h"
#include "clock.h"
#include "config.h"
#include "consul.h"
#include "listeners.h"
#include "log.h"
#include "maps.h"
#include "marathon.h"
#include "model.h"
#include "plan.h"
#include "publish.h"
#include "state.h"

struct dry_run {
	struct event_base *base;
	struct event *turn, *second, *on_term, *on_int;
	struct config *config;
	struct model *model;
	struct facts_sink sink;
	struct marathon *marathon;
	struct consul *consul;
	struct listeners *listeners;
	struct ask ask_marathon, ask_consul;
	struct maps maps; /* memory of ours, no descriptor is open */
	struct sluice_service services[SLUICE_MAX_SERVICES + 1];
	size_t refused; /* as was said last */
};

/* --- memory in place of maps --- */

static int make_memory(struct dry_run *run)
{
	struct maps *maps = &run->maps;

	*maps = (struct maps){ .access = MAPS_DAEMON, .override_fd = -1 };
	maps->meta.port_min = run->config->port_min;
	maps->meta.port_max = run->config->port_max;
	maps->active = calloc(SLUICE_MAX_SERVICES + 1, sizeof(*maps->active));
	maps->sets = calloc((SLUICE_MAX_SERVICES + 1) * SLUICE_SET_RING, sizeof(*maps->sets));
	maps->backends = calloc(SLUICE_MAX_BACKENDS + 1, sizeof(*maps->backends));
	maps->labels = calloc(SLUICE_MAX_BACKENDS + 1, sizeof(*maps->labels));
	maps->hports = calloc(65536, sizeof(*maps->hports));
	for (unsigned i = 0; i < run->config->service_count; i++) {
		struct sluice_service *service = &run->services[i + 1];

		snprintf(service->name, sizeof(service->name), "%s", run->config->service[i].name);
		service->port = htons(run->config->service[i].port);
	}
	return maps->active && maps->sets && maps->backends && maps->labels && maps->hports
		       ? 0
		       : -ENOMEM;
}

static void free_memory(struct maps *maps)
{
	free(maps->active);
	free(maps->sets);
	free(maps->backends);
	free(maps->labels);
	free(maps->hports);
}

/* --- what is said --- */

static void say_change(void *ctx, const struct model_change *change)
{
	(void)ctx;
	printf("would change %s/%u %s -> %s task=%s source=%s reason=\"%s\"\n", change->service,
	       change->port, state_name(change->from), state_name(change->to), change->task,
	       change->source, change->reason);
}

/* As a reader of the map would find it. */
static void say_set(const struct dry_run *run, unsigned service)
{
	struct sluice_set set;

	if (!maps_read_set(&run->maps, service, &set))
		return;
	printf("would publish %s:", run->services[service].name);
	for (unsigned i = 0; i < set.members; i++)
		printf(" %u", ntohs(run->maps.backends[set.member[i]].port));
	printf("%s\n", set.members ? "" : " nobody");
}

static void say_plan(struct dry_run *run, const struct plan *plan, const struct wanted *wanted)
{
	for (size_t i = 0; i < plan->count; i++)
		if (plan->step[i].kind == PLAN_PUBLISH)
			say_set(run, plan->step[i].service);
	if (plan->refusal_count == run->refused)
		return;
	run->refused = plan->refusal_count;
	for (size_t i = 0; i < plan->refusal_count; i++) {
		const struct wanted_backend *backend = plan->refusal[i].backend;

		printf("would refuse %s/%u task=%s: %s\n", wanted->service[backend->service].name,
		       backend->port, backend->task, plan->refusal[i].reason);
	}
}

/* --- the turn --- */

static void take_turn(struct dry_run *run)
{
	int64_t now_ms = clock_ms();
	const struct wanted *wanted = model_tick(run->model, now_ms);
	struct plan plan = { 0 };
	struct actual actual;
	int err = wanted ? 0 : -errno;

	actual_view(&actual, &run->maps, run->services);
	if (!err)
		err = plan_build(&plan, &actual, wanted);
	if (!err)
		err = publish_apply(&run->maps, &plan, (uint64_t)now_ms * 1000000);
	if (err)
		log_event(LOG_ERR, "dry-run-failed", " error=\"%s\"", strerror(-err));
	else
		say_plan(run, &plan, wanted);
	plan_release(&plan);
	fflush(stdout);
}

static void on_turn(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	take_turn(ctx);
}

static void turn_soon(struct dry_run *run)
{
	const struct timeval now = { 0 };

	if (!event_pending(run->turn, EV_TIMEOUT, NULL))
		event_add(run->turn, &now);
}

static void on_second(evutil_socket_t fd, short what, void *ctx)
{
	struct dry_run *run = ctx;
	int64_t now_ms = clock_ms();
	bool wanted;

	(void)fd;
	(void)what;
	take_turn(run);
	wanted = model_wants_answer(run->model);
	if (ask_now(&run->ask_marathon, wanted, marathon_source(run->marathon), now_ms))
		marathon_resync(run->marathon);
	if (ask_now(&run->ask_consul, wanted, consul_source(run->consul), now_ms))
		consul_resync(run->consul);
}

static void on_end(evutil_socket_t signal, short what, void *ctx)
{
	struct dry_run *run = ctx;

	(void)signal;
	(void)what;
	event_base_loopbreak(run->base);
}

/* --- what the sources deliver --- */

static void took(struct dry_run *run, int err)
{
	if (err)
		log_event(LOG_ERR, "answer-dropped", " error=\"%s\"", strerror(-err));
	turn_soon(run);
}

static void take_marathon(void *ctx, const struct facts_marathon *answer, int64_t now_ms)
{
	struct dry_run *run = ctx;

	took(run, model_marathon(run->model, answer, now_ms));
}

static void take_hint(void *ctx, const struct facts_hint *hint, int64_t now_ms)
{
	struct dry_run *run = ctx;

	model_hint(run->model, hint, now_ms);
	turn_soon(run);
}

static void take_consul(void *ctx, const struct facts_consul *answer, int64_t now_ms)
{
	struct dry_run *run = ctx;

	took(run, model_consul(run->model, answer, now_ms));
}

static void take_listeners(void *ctx, const struct facts_listeners *listeners, int64_t now_ms)
{
	struct dry_run *run = ctx;

	model_listeners(run->model, listeners, now_ms);
	turn_soon(run);
}

static void take_source(void *ctx, const struct facts_source *source, int64_t now_ms)
{
	struct dry_run *run = ctx;

	model_source(run->model, source, now_ms);
	turn_soon(run);
}

/* --- from start to end --- */

static int learn_addresses(struct dry_run *run)
{
	char text[ADDRESSES_MAX][ADDRESSES_TEXT_LEN];
	const char *names[ADDRESSES_MAX];
	int count = addresses_names(text, ADDRESSES_MAX);

	for (int i = 0; i < count; i++)
		names[i] = text[i];
	return count < 0 ? count : model_addresses(run->model, names, (size_t)count);
}

static int open_loop(struct dry_run *run)
{
	const struct timeval second = { .tv_sec = 1 };

	run->base = event_base_new();
	if (!run->base)
		return -ENOMEM;
	run->turn = event_new(run->base, -1, 0, on_turn, run);
	run->second = event_new(run->base, -1, EV_PERSIST, on_second, run);
	run->on_term = evsignal_new(run->base, SIGTERM, on_end, run);
	run->on_int = evsignal_new(run->base, SIGINT, on_end, run);
	if (!run->turn || !run->second || !run->on_term || !run->on_int ||
	    event_add(run->second, &second) || event_add(run->on_term, NULL) ||
	    event_add(run->on_int, NULL))
		return -ENOMEM;
	return 0;
}

static int open_sources(struct dry_run *run)
{
	run->sink = (struct facts_sink){ .ctx = run,
					 .marathon = take_marathon,
					 .hint = take_hint,
					 .consul = take_consul,
					 .listeners = take_listeners,
					 .source = take_source };
	errno = 0;
	run->marathon = marathon_new(run->base, run->config, &run->sink);
	run->consul = run->marathon ? consul_new(run->base, run->config, &run->sink) : NULL;
	run->listeners = run->consul ? listeners_new(run->base, run->config, &run->sink) : NULL;
	if (!run->listeners)
		return errno ? -errno : -EINVAL;
	model_source(run->model, marathon_source(run->marathon), clock_ms());
	model_source(run->model, consul_source(run->consul), clock_ms());
	return 0;
}

static int read_config(struct dry_run *run, const char *file, char *error)
{
	run->config = config_load(file, error);
	if (!run->config || config_fill_defaults(run->config, error) ||
	    config_check_files(run->config, error))
		return -EINVAL;
	/* a subscription would be a change at Marathon, and its port may be a running daemon's */
	if (run->config->events == CONFIG_EVENTS_CALLBACK)
		run->config->events = CONFIG_EVENTS_OFF;
	return 0;
}

static void release(struct dry_run *run)
{
	struct event *const events[] = { run->turn, run->second, run->on_term, run->on_int };

	marathon_free(run->marathon);
	consul_free(run->consul);
	listeners_free(run->listeners);
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		if (events[i])
			event_free(events[i]);
	model_free(run->model);
	free_memory(&run->maps);
	if (run->base)
		event_base_free(run->base);
	config_free(run->config);
}

int dry_run(const char *file, char *error, size_t len)
{
	char reason[CONFIG_ERROR_LEN] = "";
	struct dry_run run = { .base = NULL };
	int err;

	signal(SIGPIPE, SIG_IGN);
	err = read_config(&run, file, reason);
	if (err) {
		snprintf(error, len, "%s", reason);
		goto out;
	}
	err = make_memory(&run);
	if (!err)
		err = open_loop(&run);
	if (err)
		goto failed;
	run.model = model_new(run.config, "", clock_ms());
	err = run.model ? learn_addresses(&run) : -ENOMEM;
	if (err)
		goto failed;
	model_set_on_change(run.model, say_change, &run);
	err = open_sources(&run);
	if (err)
		goto failed;
	printf("dry run of %s: nothing is changed, and nothing is taken from the maps\n", file);
	take_turn(&run);
	err = event_base_dispatch(run.base) < 0 ? -EIO : 0;
failed:
	if (err)
		snprintf(error, len, "the dry run cannot go on: %s", strerror(-err));
out:
	release(&run);
	return err;
}
