/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the daemon is made of when it starts, or takes another configuration: sources, registrar, sockets. Each is made
 * whole, or not at all with a reason; nothing is left over, and the next try is not hindered. And timers: with room
 * reserved there is none that cannot be added.
 */
#include "plays.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <event2/event.h>

#include "addresses.h"
#include "admin.h"
#include "alloc.h"
#include "config.h"
#include "consul.h"
#include "facts.h"
#include "listeners.h"
#include "loop.h"
#include "loop_timers.h"
#include "marathon.h"
#include "metrics.h"
#include "notify.h"
#include "registrar.h"

#define TIMERS 200

/* --- timers --- */

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	++*(unsigned *)arg;
}

void plays_timers(void **state)
{
	const struct faults_order all = { .at = 1, .for_good = true };
	struct event_base *base = event_base_new();
	const struct timeval now = { 0 };
	struct event *timers[TIMERS];
	unsigned fired = 0, added = 0;

	(void)state;
	assert_int_equal(loop_timers_reserve(base, TIMERS), 0);
	for (unsigned i = 0; i < TIMERS; i++)
		timers[i] = evtimer_new(base, on_timer, &fired);
	faults_arm(&all);
	for (unsigned i = 0; i < TIMERS; i++)
		added += !evtimer_add(timers[i], &now);
	faults_disarm();
	assert_int_equal(added, TIMERS);
	event_base_dispatch(base);
	assert_int_equal(fired, TIMERS);
	for (unsigned i = 0; i < TIMERS; i++)
		event_free(timers[i]);
	event_base_free(base);
}

/* --- what the daemon is made of --- */

static struct config config;
static char socket_path[64], metrics_at[32];

static void take_source(void *ctx, const struct facts_source *source, int64_t now_ms)
{
	(void)ctx;
	(void)source;
	(void)now_ms;
}

static void take_listeners(void *ctx, const struct facts_listeners *listeners, int64_t now_ms)
{
	(void)listeners;
	(void)now_ms;
	++*(unsigned *)ctx;
}

static void on_addresses(void *ctx)
{
	(void)ctx;
}

static void fill(void *ctx, struct metrics_input *input)
{
	(void)ctx;
	*input = (struct metrics_input){ 0 };
}

static char *answer(void *ctx, int argc, char **argv)
{
	(void)ctx;
	(void)argc;
	(void)argv;
	return NULL;
}

struct made {
	struct event_base *base;
	struct notify *notify;
	struct addresses *addresses;
	struct admin *admin;
	struct registrar *registrar;
	struct marathon *marathon;
	struct consul *consul;
	struct listeners *listeners;
	struct metrics *metrics;
	unsigned told;
	struct facts_sink sink;
};

/* 0 or negative errno; what was made until then is unmake()'s. */
static int make(struct made *made)
{
	made->sink = (struct facts_sink){ .ctx = &made->told,
					  .listeners = take_listeners,
					  .source = take_source };
	errno = 0;
	made->base = event_base_new();
	if (!made->base || loop_timers_reserve(made->base, 8))
		return -ENOMEM;
	made->notify = notify_new(made->base);
	made->addresses = made->notify ? addresses_new(made->base, on_addresses, NULL) : NULL;
	made->admin = made->addresses ? admin_new(made->base, socket_path, answer, NULL) : NULL;
	made->registrar = made->admin ? registrar_new(made->base, &config) : NULL;
	made->marathon = made->registrar ? marathon_new(made->base, &config, &made->sink) : NULL;
	made->consul = made->marathon ? consul_new(made->base, &config, &made->sink) : NULL;
	made->listeners = made->consul ? listeners_new(made->base, &config, &made->sink) : NULL;
	made->metrics = made->listeners ? metrics_new(made->base, metrics_at, fill, NULL) : NULL;
	if (made->metrics)
		return 0;
	return errno ? -errno : -EINVAL;
}

static void unmake(struct made *made)
{
	metrics_free(made->metrics);
	listeners_free(made->listeners);
	consul_free(made->consul);
	marathon_free(made->marathon);
	registrar_free(made->registrar);
	admin_free(made->admin);
	addresses_free(made->addresses);
	notify_free(made->notify);
	if (made->base)
		event_base_free(made->base);
	*made = (struct made){ 0 };
}

static void play_start(const struct faults_order *order)
{
	struct made made = { 0 };
	int err;

	faults_arm(order);
	err = make(&made);
	faults_disarm();
	if (err)
		assert_true(faults_hit());
	/* whatever was refused meanwhile, the kernel's listeners are told */
	while (!err && !made.told)
		event_base_loop(made.base, EVLOOP_ONCE);
	unmake(&made);
	assert_int_equal(make(&made), 0);
	unmake(&made);
}

static void configure(void)
{
	static char name[] = "slave-1", url[] = "http://127.0.0.1:9", none[] = "";
	static struct config_service service = { .name = "web", .port = 80, .marathon_app = name };

	snprintf(socket_path, sizeof(socket_path), "/tmp/sluice-faults-%d.sock", getpid());
	snprintf(metrics_at, sizeof(metrics_at), "127.0.0.1:%u", loop_free_port());
	service.consul_service = name;
	config = (struct config){ .name = { name },
				  .name_count = 1,
				  .port_min = 31000,
				  .port_max = 32000,
				  .service = &service,
				  .service_count = 1,
				  .marathon_used = true,
				  .marathon_url = { url },
				  .marathon_url_count = 1,
				  .events = CONFIG_EVENTS_CALLBACK,
				  .callback_url = url,
				  .user_file = none,
				  .marathon_ca_file = none,
				  .resync_ms = 60000,
				  .consul_used = true,
				  .consul_register = true,
				  .consul_url = url,
				  .token_file = none,
				  .ca_file = none };
	assert_true(asprintf(&config.callback_listen, "127.0.0.1:%u", loop_free_port()) > 0);
}

void plays_start(void **state)
{
	(void)state;
	configure();
	faults_each("start", 150, play_start);
	free(config.callback_listen);
	unlink(socket_path);
}

/* An answer of Consul's that the registrar has no room for is not silently an old one. */
static void play_held(const struct faults_order *order)
{
	static char id[] = "sluice:t0:0", none[] = "";
	struct facts_entry entry = { .id = id, .boot_id = none, .definition = none, .ours = true };
	const struct facts_consul answer = { .entry_count = 1, .entries = &entry };
	struct event_base *base = event_base_new();
	struct registrar *registrar;
	int err;

	assert_int_equal(loop_timers_reserve(base, 8), 0);
	registrar = registrar_new(base, &config);
	assert_non_null(registrar);
	faults_arm(order);
	err = registrar_consul(registrar, &answer);
	faults_disarm();
	assert_int_equal(err, faults_hit() ? -ENOMEM : 0);
	registrar_free(registrar);
	event_base_free(base);
}

void plays_held(void **state)
{
	(void)state;
	configure();
	faults_each("held", 100, play_held);
	free(config.callback_listen);
}
