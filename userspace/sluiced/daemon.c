/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One loop, one thread. What a source delivers goes into the model at once; deciding and publishing follow once for a
 * whole burst, before the loop waits again. A timer of a second does what time alone brings about.
 */
#include "daemon.h"
#include "daemon_internal.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "admin.h"
#include "attached.h"
#include "clock.h"
#include "config.h"
#include "consul.h"
#include "hostname.h"
#include "listeners.h"
#include "log.h"
#include "loop_timers.h"
#include "marathon.h"
#include "model.h"
#include "notify.h"
#include "own_addresses.h"
#include "registrar.h"
#include "sandbox.h"
#include "state.h"

#define REFRESH_MS 5000 /* has attach been run again? */
#define HELD_UP_MS 5000 /* without a turn of the loop; Marathon waits 5 s or 10 s for a callback */
#define SCAN_MS 30000	/* exact counts, when nobody waits for them */
#define SCAN_DRAINING_MS 2000 /* when somebody does */
#define CALM_AFTER 10	      /* seconds without a step */
#define CALM_EVERY 10	      /* then a turn each so many seconds, unless something is told */
#define ADDRESSES_MS 60000    /* netlink tells; this is for what it lost */
#define BOOT_ID_FILE "/proc/sys/kernel/random/boot_id"

void daemon_turn_soon(struct daemon *daemon)
{
	const struct timeval now = { 0 };

	if (!event_pending(daemon->turn, EV_TIMEOUT, NULL))
		event_add(daemon->turn, &now);
}

/* --- deciding --- */

static void log_change(void *ctx, const struct model_change *change)
{
	(void)ctx;
	log_event(LOG_NOTICE, "backend",
		  " service=%s port=%u task=%s from=%s to=%s source=%s reason=\"%s\"",
		  change->service, change->port, change->task, state_name(change->from),
		  state_name(change->to), change->source, change->reason);
}

static void hand_over_registrations(struct daemon *daemon)
{
	const struct registrar_entry *entries;
	size_t count;
	int err;

	daemon->facts_changed = false;
	model_services_agree(daemon->model, !daemon->detached && attached_all_configured(
									 daemon->reconcile.services,
									 daemon->config));
	err = model_registrations(daemon->model, &entries, &count);
	if (!err)
		err = registrar_want(daemon->registrar, entries, count);
	if (!err)
		return;
	daemon->facts_changed = true; /* the next turn tries again */
	log_event(LOG_ERR, "registrations-kept", " error=\"%s\"", strerror(-err));
}

void daemon_take_turn(struct daemon *daemon)
{
	reconcile_run(&daemon->reconcile, clock_ms());
	if (daemon->listeners) /* a reload that failed has none for a moment */
		listeners_await(daemon->listeners, model_lacks_listener(daemon->model));
	if (daemon->facts_changed)
		hand_over_registrations(daemon);
}

static void on_turn(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	daemon_take_turn(ctx);
}

/* --- what time brings about --- */

/* Other addresses make other entries of Consul's ours: what was dropped as somebody else's is looked at again. */
static bool remember_addresses(struct daemon *daemon, char text[][ADDRESSES_TEXT_LEN], int count)
{
	bool same = daemon->address_count == count;

	for (int i = 0; i < count && same; i++)
		same = !strcmp(daemon->address[i], text[i]);
	memcpy(daemon->address, text, (size_t)count * sizeof(text[0]));
	daemon->address_count = count;
	return !same;
}

void daemon_learn_addresses(struct daemon *daemon)
{
	char text[ADDRESSES_MAX][ADDRESSES_TEXT_LEN];
	const char *names[ADDRESSES_MAX];
	int count, err;

	err = own_addresses_sync(&daemon->reconcile.maps);
	if (err)
		log_event(LOG_ERR, "addresses-kept", " error=\"%s\"", strerror(-err));
	count = addresses_names(text, ADDRESSES_MAX);
	for (int i = 0; i < count; i++)
		names[i] = text[i];
	err = count > 0 ? model_addresses(daemon->model, names, (size_t)count) : 0;
	if (count > 0 && !err && remember_addresses(daemon, text, count) && daemon->consul)
		consul_resync(daemon->consul);
	if (count < 0 || err)
		log_event(LOG_ERR, "addresses-unknown", " error=\"%s\"",
			  strerror(count < 0 ? -count : -err));
	daemon->addresses_ms = clock_ms();
}

static void on_addresses(void *ctx)
{
	struct daemon *daemon = ctx;

	daemon_learn_addresses(daemon);
	daemon_renew_names(daemon, "");
	daemon_turn_soon(daemon);
}

/* Attach may have been run again, with other services or other maps. */
void daemon_refresh(struct daemon *daemon)
{
	char error[CONFIG_ERROR_LEN];
	int result = reconcile_refresh(&daemon->reconcile, error, sizeof(error));

	daemon->refresh_ms = clock_ms();
	if (result < 0 && !daemon->detached)
		log_event(LOG_ERR, "detached", " error=\"%s\"", error);
	daemon->detached = result < 0;
	if (result > 0) {
		log_event(LOG_NOTICE, "attached-anew", " pin_dir=%s", daemon->config->pin_dir);
		daemon_learn_addresses(daemon);
		daemon_take_turn(daemon);
	}
}

/*
 * An absence is believed only when it was seen twice, and an answer that there was no memory for
 * was not seen: ask, instead of waiting for the next change or resync.
 */
static void ask_again(struct daemon *daemon, int64_t now_ms)
{
	bool wanted = model_wants_answer(daemon->model);

	if (ask_now(&daemon->ask_marathon, wanted, marathon_source(daemon->marathon), now_ms))
		marathon_resync(daemon->marathon);
	if (ask_now(&daemon->ask_consul, wanted, consul_source(daemon->consul), now_ms))
		consul_resync(daemon->consul);
}

/*
 * A turn without news finds only what time alone brings about: a health result that expires, a map
 * that somebody else has written. Where that has been nothing for a while, and nothing is held,
 * drains or grows, a look now and then will do: with 1,000 backends these turns are most of what an
 * idle daemon costs.
 */
static bool may_rest(struct daemon *daemon)
{
	const struct model_guard *guards;
	const struct reconcile_counters *counters = &daemon->reconcile.counters;
	uint64_t steps = counters->steps + counters->failures;

	if (steps != daemon->steps_seen || model_guards(daemon->model, &guards) ||
	    model_is_draining(daemon->model) || model_is_ramping(daemon->model) ||
	    model_wants_answer(daemon->model))
		daemon->calm_seconds = 0;
	else
		daemon->calm_seconds++;
	daemon->steps_seen = steps;
	return daemon->calm_seconds > CALM_AFTER && daemon->calm_seconds % CALM_EVERY != 0;
}

static void on_second(evutil_socket_t fd, short what, void *ctx)
{
	struct daemon *daemon = ctx;
	char message[CONFIG_ERROR_LEN + 64];
	int64_t now = clock_ms();

	(void)fd;
	(void)what;
	if (daemon->second_ms && now - daemon->second_ms > HELD_UP_MS)
		marathon_was_held_up(daemon->marathon);
	daemon->second_ms = now;
	if (now - daemon->refresh_ms >= REFRESH_MS)
		daemon_refresh(daemon);
	if (daemon->attached_ns != daemon->reconcile.maps.meta.attached_at_ns)
		daemon_reload(daemon, message,
			      sizeof(message)); /* what waited for attach may be true now */
	if (!daemon->failed && now - daemon->addresses_ms >= ADDRESSES_MS) {
		daemon_learn_addresses(daemon);
		daemon_renew_names(daemon, model_called(daemon->model));
	}
	if (daemon->failed) /* a reload has left no source */
		return;
	/* a reload lacked the memory, and has said so */
	if (daemon->config->names_unsure && !daemon->hostname)
		daemon_ask_for_name(daemon, message, sizeof(message));
	if (now - daemon->scan_ms >=
	    (model_is_draining(daemon->model) ? SCAN_DRAINING_MS : SCAN_MS)) {
		daemon->scan_ms = now;
		reconcile_scan(&daemon->reconcile);
	}
	if (!may_rest(daemon))
		daemon_take_turn(daemon);
	ask_again(daemon, now);
}

static void on_hangup(evutil_socket_t signal, short what, void *ctx)
{
	char message[CONFIG_ERROR_LEN + 64];

	(void)signal;
	(void)what;
	daemon_reload(ctx, message, sizeof(message));
}

static void on_end(evutil_socket_t signal, short what, void *ctx)
{
	struct daemon *daemon = ctx;

	(void)what;
	log_event(LOG_NOTICE, "stopping", " signal=%d data_plane=stays", (int)signal);
	notify_stopping();
	event_base_loopbreak(daemon->base);
}

/* --- from start to end --- */

static void read_boot_id(char *id, size_t len)
{
	int fd = open(BOOT_ID_FILE, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, id, len - 1);

	if (fd >= 0)
		close(fd);
	id[n > 0 ? n : 0] = 0;
	id[strcspn(id, "\n")] = 0;
}

static int open_world(struct daemon *daemon, char *error, size_t len)
{
	char boot_id[64];
	int err;

	read_boot_id(boot_id, sizeof(boot_id));
	daemon->model = model_new(daemon->config, boot_id, clock_ms());
	if (!daemon->model) {
		snprintf(error, len, "out of memory");
		return -ENOMEM;
	}
	model_set_on_change(daemon->model, log_change, daemon);
	err = reconcile_open(&daemon->reconcile, daemon->config->pin_dir, daemon->model, error,
			     len);
	if (err)
		return err;
	err = reconcile_adopt(&daemon->reconcile);
	if (err)
		snprintf(error, len, "out of memory");
	return err;
}

static struct event *add_event(struct daemon *daemon, int fd, short what, event_callback_fn run,
			       const struct timeval *every)
{
	struct event *event = event_new(daemon->base, fd, what, run, daemon);

	if (event && (what || every) && event_add(event, every)) {
		event_free(event);
		return NULL;
	}
	return event;
}

static int open_loop(struct daemon *daemon, char *error, size_t len)
{
	const struct timeval second = { .tv_sec = 1 };

	errno = ENOMEM;
	daemon->base = event_base_new();
	if (!daemon->base || loop_timers_reserve(daemon->base, LOOP_TIMERS))
		return daemon_could_not(error, len, "the event loop", "");
	daemon->turn = add_event(daemon, -1, 0, on_turn, NULL);
	daemon->second = add_event(daemon, -1, EV_PERSIST, on_second, &second);
	daemon->on_hup = add_event(daemon, SIGHUP, EV_SIGNAL | EV_PERSIST, on_hangup, NULL);
	daemon->on_term = add_event(daemon, SIGTERM, EV_SIGNAL | EV_PERSIST, on_end, NULL);
	daemon->on_int = add_event(daemon, SIGINT, EV_SIGNAL | EV_PERSIST, on_end, NULL);
	daemon->notify = notify_new(daemon->base);
	if (!daemon->turn || !daemon->second || !daemon->on_hup || !daemon->on_term ||
	    !daemon->on_int || !daemon->notify)
		return daemon_could_not(error, len, "the event loop", "");
	return 0;
}

static int open_sockets(struct daemon *daemon, char *error, size_t len)
{
	daemon->addresses = addresses_new(daemon->base, on_addresses, daemon);
	if (!daemon->addresses)
		return daemon_could_not(error, len, "following the host's addresses", "");
	daemon->admin =
		admin_new(daemon->base, daemon->config->admin_socket, daemon_answer, daemon);
	if (!daemon->admin)
		return daemon_could_not(error, len, "the admin socket",
					daemon->config->admin_socket);
	return 0;
}

void daemon_release(struct daemon *daemon)
{
	struct event *const events[] = { daemon->turn, daemon->second, daemon->on_hup,
					 daemon->on_term, daemon->on_int };

	daemon_free_sources(daemon);
	admin_free(daemon->admin);
	addresses_free(daemon->addresses);
	hostname_free(daemon->hostname);
	notify_free(daemon->notify);
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		if (events[i])
			event_free(events[i]);
	reconcile_close(&daemon->reconcile);
	model_free(daemon->model);
	if (daemon->base)
		event_base_free(daemon->base);
	config_free(daemon->config);
}

int daemon_begin(struct daemon *daemon, char *error, size_t len)
{
	int err;

	err = open_loop(daemon, error, len);
	if (err)
		return err;
	err = open_sockets(daemon, error, len);
	if (err)
		return err;
	err = daemon_make_sources(daemon, daemon->config, error, len);
	if (err)
		return err;
	err = daemon_ask_for_name(daemon, error, len);
	if (err)
		return err;
	daemon_learn_addresses(daemon);
	daemon_judge_attach(daemon, daemon->config);
	if (daemon->needs_attach[0])
		log_event(LOG_WARNING, "needs-attach", " key=%s", daemon->needs_attach);
	daemon_take_turn(daemon);
	return 0;
}

int daemon_run(const char *file, char *error, size_t len)
{
	struct daemon daemon = { .reconcile = { .lock_fd = -1 } };
	int err;

	daemon_fill_sink(&daemon);
	daemon.config = daemon_read_config(file, error);
	if (!daemon.config)
		return -EINVAL;
	signal(SIGPIPE, SIG_IGN);
	err = sandbox_enter(error, len);
	if (err)
		goto out;
	err = open_world(&daemon, error, len);
	if (err)
		goto out;
	err = daemon_begin(&daemon, error, len);
	if (err)
		goto out;
	log_event(LOG_NOTICE, "started", " config=%s pin_dir=%s services=%u", daemon.config->file,
		  daemon.config->pin_dir, daemon.config->service_count);
	notify_ready("running");
	err = event_base_dispatch(daemon.base) < 0 || daemon.failed ? -EIO : 0;
	if (err)
		snprintf(error, len, "the event loop failed");
out:
	daemon_release(&daemon);
	return err;
}
