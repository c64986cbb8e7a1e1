/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a source delivers goes into the model at once; deciding follows once for a whole burst. Sources live as long as the
 * configuration they were made from.
 */
#include "daemon_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "config.h"
#include "consul.h"
#include "listeners.h"
#include "log.h"
#include "marathon.h"
#include "metrics.h"
#include "model.h"
#include "registrar.h"

/* --- what the sources deliver --- */

static void took(struct daemon *daemon, const char *source, int err, struct ask *ask)
{
	ask_took(ask, err, clock_ms());
	if (err)
		log_event(LOG_ERR, "answer-dropped", " source=%s error=\"%s\"", source,
			  strerror(-err));
	daemon->facts_changed = true;
	daemon_turn_soon(daemon);
}

static void take_marathon(void *ctx, const struct facts_marathon *answer, int64_t now_ms)
{
	struct daemon *daemon = ctx;

	took(daemon, "marathon", model_marathon(daemon->model, answer, now_ms),
	     &daemon->ask_marathon);
}

static void take_hint(void *ctx, const struct facts_hint *hint, int64_t now_ms)
{
	struct daemon *daemon = ctx;

	model_hint(daemon->model, hint, now_ms);
	daemon_turn_soon(daemon);
}

static void take_consul(void *ctx, const struct facts_consul *answer, int64_t now_ms)
{
	struct daemon *daemon = ctx;
	int held_err = registrar_consul(daemon->registrar, answer);
	int err = model_consul(daemon->model, answer, now_ms);

	took(daemon, "consul", err ? err : held_err, &daemon->ask_consul);
}

static void take_listeners(void *ctx, const struct facts_listeners *listeners, int64_t now_ms)
{
	struct daemon *daemon = ctx;

	model_listeners(daemon->model, listeners, now_ms);
	daemon_turn_soon(daemon);
}

static void note_consul(struct daemon *daemon, const struct facts_source *source)
{
	if (source->connected && daemon->consul_lost)
		registrar_agent_was_away(daemon->registrar);
	daemon->consul_lost = !source->connected && source->last_good_ms > 0;
}

static void take_source(void *ctx, const struct facts_source *source, int64_t now_ms)
{
	struct daemon *daemon = ctx;

	model_source(daemon->model, source, now_ms);
	if (!strcmp(source->name, "consul"))
		note_consul(daemon, source);
	daemon_turn_soon(daemon);
}

/* Shown from the next tick on; nothing hangs on it. */
static void on_registrar_told(void *ctx, const struct registrar_told *told)
{
	struct daemon *daemon = ctx;

	model_registrar_told(daemon->model, told, clock_ms());
	daemon_turn_soon(daemon);
}

void daemon_fill_sink(struct daemon *daemon)
{
	daemon->sink = (struct facts_sink){ .ctx = daemon,
					    .marathon = take_marathon,
					    .hint = take_hint,
					    .consul = take_consul,
					    .listeners = take_listeners,
					    .source = take_source };
}

/* --- sources come and go with the configuration --- */

void daemon_free_sources(struct daemon *daemon)
{
	marathon_free(daemon->marathon);
	consul_free(daemon->consul);
	listeners_free(daemon->listeners);
	daemon->ask_marathon = daemon->ask_consul = (struct ask){ 0 };
	registrar_free(daemon->registrar);
	metrics_free(daemon->metrics);
	daemon->marathon = NULL;
	daemon->consul = NULL;
	daemon->listeners = NULL;
	daemon->registrar = NULL;
	daemon->metrics = NULL;
}

static void fill_metrics(void *ctx, struct metrics_input *input)
{
	const struct daemon *daemon = ctx;

	*input = (struct metrics_input){
		.reconcile = &daemon->reconcile,
		.model = daemon->model,
		.source = { marathon_source(daemon->marathon), consul_source(daemon->consul),
			    listeners_source(daemon->listeners) },
		.untold_ends = listeners_untold(),
	};
}

int daemon_could_not(char *error, size_t len, const char *what, const char *where)
{
	int err = errno ? -errno : -EINVAL;

	snprintf(error, len, "cannot start %s%s%s: %s", what, where[0] ? " on " : "", where,
		 strerror(-err));
	return err;
}

int daemon_make_sources(struct daemon *daemon, const struct config *config, char *error, size_t len)
{
	int64_t now = clock_ms();

	errno = 0;
	daemon->registrar = registrar_new(daemon->base, config);
	if (!daemon->registrar)
		return daemon_could_not(error, len, "the registrar", "");
	registrar_on_compared(daemon->registrar, on_registrar_told, daemon);
	daemon->marathon = marathon_new(daemon->base, config, &daemon->sink);
	if (!daemon->marathon)
		return daemon_could_not(
			error, len, "following Marathon",
			config->events == CONFIG_EVENTS_CALLBACK ? config->callback_listen : "");
	daemon->consul = consul_new(daemon->base, config, &daemon->sink);
	if (!daemon->consul)
		return daemon_could_not(error, len, "following Consul", "");
	daemon->listeners = listeners_new(daemon->base, config, &daemon->sink);
	if (!daemon->listeners)
		return daemon_could_not(error, len, "following the kernel's listeners", "");
	if (config->metrics_listen && config->metrics_listen[0]) {
		daemon->metrics =
			metrics_new(daemon->base, config->metrics_listen, fill_metrics, daemon);
		if (!daemon->metrics)
			return daemon_could_not(error, len, "metrics", config->metrics_listen);
	}
	model_source(daemon->model, marathon_source(daemon->marathon), now);
	model_source(daemon->model, consul_source(daemon->consul), now);
	return 0;
}
