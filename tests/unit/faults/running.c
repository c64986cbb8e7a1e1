/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A daemon that runs lacks memory while it is told something: an answer of Marathon's, one of Consul's, an event, a
 * callback; while it writes to Consul; while an operator or Prometheus asks; while it reloads. What was well goes on
 * serving throughout, and when memory is back the truth arrives by itself.
 */
#include "plays.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "alloc.h"
#include "config.h"
#include "hostname.h"
#include "kernel.h"
#include "marathon.h"
#include "model.h"
#include "rig.h"

#define BIT (1u << RIG_PLAYED)

static void set(unsigned *field, unsigned value)
{
	__atomic_store_n(field, value, __ATOMIC_RELEASE);
}

static unsigned get(const unsigned *field)
{
	return __atomic_load_n(field, __ATOMIC_ACQUIRE);
}

/* --- what Marathon says: it begins to kill the task, or does not --- */

static void kill_or_not(void)
{
	set(&rig.registries->killing, rig.registries->killing ^ BIT);
}

static bool killed_or_not(void)
{
	bool killing = rig.registries->killing & BIT;

	return kernel_state(RIG_PLAYED_PORT) ==
		       (killing ? SLUICE_BACKEND_DRAINING : SLUICE_BACKEND_UP) &&
	       kernel_serves(RIG_PLAYED_PORT) == !killing;
}

static void ask_marathon(void)
{
	kill_or_not();
	marathon_resync(rig.daemon.marathon);
}

static void play_marathon(const struct faults_order *order)
{
	rig_play(order, ask_marathon, killed_or_not);
}

static void send_event(void)
{
	kill_or_not();
	set(&rig.registries->event, rig.registries->event + 1);
}

static void play_event(const struct faults_order *order)
{
	rig_play(order, send_event, killed_or_not);
}

static void cut_stream(void)
{
	kill_or_not();
	set(&rig.registries->cut, rig.registries->cut + 1);
}

static bool stream_is_back(void)
{
	return killed_or_not() && get(&rig.registries->streams) == 1;
}

static void play_stream_end(const struct faults_order *order)
{
	rig_play(order, cut_stream, stream_is_back);
}

static int caller = -1;

static void call_back(void)
{
	char event[512], post[768];
	int len;

	kill_or_not();
	len = registries_event(rig.registries, event, sizeof(event));
	len = snprintf(post, sizeof(post),
		       "POST /events HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", len,
		       event);
	faults_must(write(caller, post, (size_t)len) == len);
}

static void play_callback(const struct faults_order *order)
{
	caller = rig_connect(rig.callback_port);
	rig_play(order, call_back, killed_or_not);
	close(caller);
}

/* --- what Consul says, and is told --- */

static void flip_check(void)
{
	set(&rig.registries->critical, rig.registries->critical ^ BIT);
}

static bool check_is_flipped(void)
{
	return kernel_state(RIG_PLAYED_PORT) ==
	       (rig.registries->critical & BIT ? SLUICE_BACKEND_DOWN : SLUICE_BACKEND_UP);
}

static void play_consul(const struct faults_order *order)
{
	rig_play(order, flip_check, check_is_flipped);
}

/* The agent forgets one, and remembers one of an earlier boot: a write of each kind. */
static void forget_registration(void)
{
	set(&rig.registries->ghost, 1);
	set(&rig.registries->forget, BIT);
}

static bool registration_is_back(void)
{
	return !get(&rig.registries->forget) && get(&rig.registries->registered) & BIT &&
	       !get(&rig.registries->ghost);
}

static void play_write(const struct faults_order *order)
{
	rig_play(order, forget_registration, registration_is_back);
}

/* --- who asks the daemon --- */

static size_t count(const char *text, char c)
{
	size_t found = 0;

	for (; *text; text++)
		found += *text == c;
	return found;
}

/* A whole answer of the shape that it has with memory, or none at all. */
static void check_json(const struct faults_order *order, const char *text, size_t *quotes)
{
	cJSON *document = cJSON_Parse(text);

	assert_true(document || (!*text && faults_hit()));
	cJSON_Delete(document);
	if (!order->at)
		*quotes = count(text, '"');
	/* what it says of a source that lost its answers for want of memory may be longer */
	assert_true(!*text || !rig_is_settled() || count(text, '"') == *quotes);
}

static const char *ask_admin(const struct faults_order *order, const char *request)
{
	const char *text;
	int fd = rig_connect_admin();

	faults_arm(order);
	text = rig_ask(fd, request);
	faults_disarm();
	return text;
}

static void play_status(const struct faults_order *order)
{
	static size_t quotes;

	check_json(order, ask_admin(order, "status\n"), &quotes);
}

static void play_why(const struct faults_order *order)
{
	static size_t quotes;
	char request[32];

	snprintf(request, sizeof(request), "why web %u\n", RIG_PLAYED_PORT);
	check_json(order, ask_admin(order, request), &quotes);
}

static bool drained;

static bool operator_is_heard(void)
{
	return kernel_state(RIG_PLAYED_PORT) ==
	       (drained ? SLUICE_BACKEND_DRAINING : SLUICE_BACKEND_UP);
}

static void play_drain(const struct faults_order *order)
{
	static size_t quotes;

	drained = !drained;
	kernel_override(RIG_PLAYED_PORT, &(struct sluice_override){ .drain = drained });
	check_json(order, ask_admin(order, "overrides\n"), &quotes);
	rig_until(operator_is_heard);
}

/* The page has the tables of flows from then on. */
static bool is_scanned(void)
{
	return rig.daemon.reconcile.tables[MAPS_TABLES - 1].capacity != 0;
}

/* All of the page, or an error, or no answer; never a part. */
static void play_scrape(const struct faults_order *order)
{
	static size_t lines;
	const char *text, *body;
	int fd = rig_connect(rig.metrics_port);

	faults_arm(order);
	text = rig_ask(fd, "GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n");
	faults_disarm();
	body = strstr(text, "\r\n\r\n");
	if (strncmp(text, "HTTP/1.1 200 ", 13) != 0) {
		assert_true(faults_hit());
		assert_true(!*text || !strncmp(text, "HTTP/1.1 500 ", 13));
		return;
	}
	assert_non_null(body);
	if (!order->at)
		lines = count(body, '\n');
	assert_true(lines > 100);
	assert_int_equal(count(body, '\n'), lines);
}

/* It holds, or the old one does, or the daemon ends and is started again: never half of each. */
static void play_reload(const struct faults_order *order)
{
	static const char done[] = "{\"ok\":true,";
	const struct faults_order none = { 0 };
	const char *said;
	bool hit;

	rig.balance = strcmp(rig.balance, "roundrobin") ? "roundrobin" : "leastconn";
	rig_write_config();
	said = ask_admin(order, "reload\n");
	hit = faults_hit();
	if (rig.daemon.failed)
		rig_restart();
	else if (strncmp(said, done, sizeof(done) - 1) != 0) {
		assert_true(hit || !*said);
		do {
			said = ask_admin(&none, "reload\n");
		} while (!*said); /* it gave us up, for time runs fast */
		if (strncmp(said, done, sizeof(done) - 1) != 0)
			fail_msg("with memory the same file is refused: %s", said);
	}
	rig_until(rig_is_settled);
	assert_true(kernel_serves(RIG_PLAYED_PORT));
}

static bool name_is_asked_for(void)
{
	return rig.daemon.hostname;
}

/*
 * As after a reload that heard nothing of the resolver: without memory for the question it is asked
 * a little later.
 */
static void play_name(const struct faults_order *order)
{
	struct daemon *daemon = &rig.daemon;
	char error[CONFIG_ERROR_LEN];
	int err;

	daemon->config->names_unsure = true;
	faults_arm(order);
	err = daemon_ask_for_name(daemon, error, sizeof(error));
	faults_disarm();
	assert_int_equal(err != 0, faults_hit());
	rig_until(name_is_asked_for);
	hostname_free(daemon->hostname); /* before the next round, in which a thread would ask */
	daemon->hostname = NULL;
	daemon->config->names_unsure = false;
	model_names_known(daemon->model, true);
}

/* --- all of them --- */

void plays_running(void **state)
{
	(void)state;
	rig_start("sse", 100);
	faults_each_alive("Marathon's answer", 20, play_marathon);
	faults_each_alive("an event of the stream", 20, play_event);
	faults_each_alive("the stream's end", 10, play_stream_end);
	rig_stop();
}

void plays_called(void **state)
{
	(void)state;
	rig_start("callback", 100);
	faults_each_alive("an event by callback", 20, play_callback);
	rig_stop();
}

void plays_agent(void **state)
{
	(void)state;
	rig_start("sse", 100);
	faults_each_alive("Consul's answer", 10, play_consul);
	faults_each_alive("writes to Consul", 15, play_write);
	rig_stop();
}

void plays_asked(void **state)
{
	(void)state;
	rig_start("sse", 20);
	faults_each_alive("status", 60, play_status);
	faults_each_alive("why", 60, play_why);
	faults_each_alive("drain", 40, play_drain);
	rig_until(is_scanned);
	faults_each_alive("a scrape", 60, play_scrape);
	rig_stop();
}

void plays_reload(void **state)
{
	(void)state;
	rig_start("sse", 20);
	faults_each_alive("reload", 20, play_reload);
	faults_each_alive("the question for the host's name", 20, play_name);
	rig_stop();
}
