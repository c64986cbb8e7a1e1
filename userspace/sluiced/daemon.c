/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One loop, one thread. What a source delivers goes into the model at once; deciding and publishing follow once for a
 * whole burst, before the loop waits again. A timer of a second does what time alone brings about.
 */
#include "daemon.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "addresses.h"
#include "admin.h"
#include "ask.h"
#include "attached.h"
#include "clock.h"
#include "config.h"
#include "config_value.h"
#include "consul.h"
#include "hostname.h"
#include "listeners.h"
#include "log.h"
#include "marathon.h"
#include "metrics.h"
#include "model.h"
#include "notify.h"
#include "own_addresses.h"
#include "reconcile.h"
#include "registrar.h"
#include "sandbox.h"
#include "state.h"
#include "status.h"
#include "why.h"

#define REFRESH_MS 5000	      /* has attach been run again? */
#define SCAN_MS 30000	      /* exact counts, when nobody waits for them */
#define SCAN_DRAINING_MS 2000 /* when somebody does */
#define ADDRESSES_MS 60000    /* netlink tells; this is for what it lost */
#define BOOT_ID_FILE "/proc/sys/kernel/random/boot_id"

struct daemon {
	struct event_base *base;
	struct config *config;
	struct model *model;
	struct reconcile reconcile;
	struct facts_sink sink;
	struct marathon *marathon;
	struct consul *consul;
	struct listeners *listeners;
	struct registrar *registrar;
	struct admin *admin;
	struct metrics *metrics;
	struct addresses *addresses;
	struct hostname *hostname; /* asks for our name; NULL: it is known */
	struct notify *notify;
	struct event *turn, *second, *on_hup, *on_term, *on_int;
	bool facts_changed;			   /* since registrations were handed over */
	bool consul_lost;			   /* it was connected, and is not */
	bool failed;				   /* cannot go on */
	bool detached;				   /* said so already */
	struct ask ask_marathon, ask_consul;	   /* for confirming answers */
	int64_t scan_ms, refresh_ms, addresses_ms; /* last time */
	uint64_t attached_ns;			   /* of the attach that needs_attach speaks of */
	char needs_attach[64];
	char address[ADDRESSES_MAX][ADDRESSES_TEXT_LEN]; /* that the model knows */
	int address_count;
};

static void turn_soon(struct daemon *daemon)
{
	const struct timeval now = { 0 };

	if (!event_pending(daemon->turn, EV_TIMEOUT, NULL))
		event_add(daemon->turn, &now);
}

/* --- what the sources deliver --- */

static void took(struct daemon *daemon, int err)
{
	if (err)
		log_event(LOG_ERR, "answer-dropped", " error=\"%s\"", strerror(-err));
	daemon->facts_changed = true;
	turn_soon(daemon);
}

static void take_marathon(void *ctx, const struct facts_marathon *answer, int64_t now_ms)
{
	struct daemon *daemon = ctx;

	took(daemon, model_marathon(daemon->model, answer, now_ms));
}

static void take_hint(void *ctx, const struct facts_hint *hint, int64_t now_ms)
{
	struct daemon *daemon = ctx;

	model_hint(daemon->model, hint, now_ms);
	turn_soon(daemon);
}

static void take_consul(void *ctx, const struct facts_consul *answer, int64_t now_ms)
{
	struct daemon *daemon = ctx;

	registrar_consul(daemon->registrar, answer);
	took(daemon, model_consul(daemon->model, answer, now_ms));
}

static void take_listeners(void *ctx, const struct facts_listeners *listeners, int64_t now_ms)
{
	struct daemon *daemon = ctx;

	model_listeners(daemon->model, listeners, now_ms);
	turn_soon(daemon);
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
	turn_soon(daemon);
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
	err = model_registrations(daemon->model, &entries, &count);
	if (!err)
		err = registrar_want(daemon->registrar, entries, count);
	if (!err)
		return;
	daemon->facts_changed = true; /* the next turn tries again */
	log_event(LOG_ERR, "registrations-kept", " error=\"%s\"", strerror(-err));
}

static void take_turn(struct daemon *daemon)
{
	reconcile_run(&daemon->reconcile, clock_ms());
	if (daemon->facts_changed)
		hand_over_registrations(daemon);
}

static void on_turn(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	take_turn(ctx);
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

static void learn_addresses(struct daemon *daemon)
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

	learn_addresses(daemon);
	turn_soon(daemon);
}

/* What of the configuration waits for attach? What attach left is the judge, whatever the configuration was before. */
static void judge_attach(struct daemon *daemon, const struct config *config)
{
	char *what = daemon->needs_attach;
	size_t len = sizeof(daemon->needs_attach);

	if (strcmp(config->pin_dir, daemon->reconcile.pin_dir) != 0)
		snprintf(what, len, "node.pin_dir");
	else if (!attached_differs(&daemon->reconcile.maps.meta, daemon->reconcile.services, config,
				   what, len))
		what[0] = 0;
	daemon->attached_ns = daemon->reconcile.maps.meta.attached_at_ns;
}

/* Attach may have been run again, with other services or other maps. */
static void refresh(struct daemon *daemon)
{
	char error[CONFIG_ERROR_LEN];
	int result = reconcile_refresh(&daemon->reconcile, error, sizeof(error));

	daemon->refresh_ms = clock_ms();
	if (result < 0 && !daemon->detached)
		log_event(LOG_ERR, "detached", " error=\"%s\"", error);
	daemon->detached = result < 0;
	if (result > 0) {
		log_event(LOG_NOTICE, "attached-anew", " pin_dir=%s", daemon->config->pin_dir);
		learn_addresses(daemon);
		take_turn(daemon);
	}
}

/* An absence is believed only when it was seen twice: ask, instead of waiting for the next resync. */
static void ask_again(struct daemon *daemon, int64_t now_ms)
{
	bool wanted = model_wants_answer(daemon->model);

	if (ask_now(&daemon->ask_marathon, wanted, marathon_source(daemon->marathon), now_ms))
		marathon_resync(daemon->marathon);
	if (ask_now(&daemon->ask_consul, wanted, consul_source(daemon->consul), now_ms))
		consul_resync(daemon->consul);
}

/* --- sources come and go with the configuration --- */

static void free_sources(struct daemon *daemon)
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
	};
}

static int could_not(char *error, size_t len, const char *what, const char *where)
{
	int err = errno ? -errno : -EINVAL;

	snprintf(error, len, "cannot start %s%s%s: %s", what, where[0] ? " on " : "", where,
		 strerror(-err));
	return err;
}

static int make_sources(struct daemon *daemon, const struct config *config, char *error, size_t len)
{
	int64_t now = clock_ms();

	errno = 0;
	daemon->registrar = registrar_new(daemon->base, config);
	if (!daemon->registrar)
		return could_not(error, len, "the registrar", "");
	daemon->marathon = marathon_new(daemon->base, config, &daemon->sink);
	if (!daemon->marathon)
		return could_not(error, len, "following Marathon",
				 config->events == CONFIG_EVENTS_CALLBACK ? config->callback_listen
									  : "");
	daemon->consul = consul_new(daemon->base, config, &daemon->sink);
	if (!daemon->consul)
		return could_not(error, len, "following Consul", "");
	daemon->listeners = listeners_new(daemon->base, config, &daemon->sink);
	if (!daemon->listeners)
		return could_not(error, len, "following the kernel's listeners", "");
	if (config->metrics_listen && config->metrics_listen[0]) {
		daemon->metrics =
			metrics_new(daemon->base, config->metrics_listen, fill_metrics, daemon);
		if (!daemon->metrics)
			return could_not(error, len, "metrics", config->metrics_listen);
	}
	model_source(daemon->model, marathon_source(daemon->marathon), now);
	model_source(daemon->model, consul_source(daemon->consul), now);
	return 0;
}

/* defaulted: the file leaves it to the host to say its names. */
static struct config *read_config(const char *file, bool *defaulted, char *error)
{
	struct config *config = config_load(file, error);

	if (!config)
		return NULL;
	*defaulted = !config->name_count;
	if (config_fill_defaults(config, error) || config_check_files(config, error)) {
		config_free(config);
		return NULL;
	}
	return config;
}

/* Sources for another configuration; if they cannot be made, those of the old one come back. */
static int change_config(struct daemon *daemon, struct config *config, char *error, size_t len)
{
	char again[CONFIG_ERROR_LEN] = "out of memory";
	int err;

	err = attached_carry_over(daemon->reconcile.services, daemon->config, config);
	if (!err)
		err = model_configure(daemon->model, config);
	if (err) {
		snprintf(error, len, "out of memory");
		return err;
	}
	/* a service that comes back has backends that only the maps remember */
	if (reconcile_adopt(&daemon->reconcile))
		log_event(LOG_ERR, "adoption-incomplete", " error=\"out of memory\"");
	free_sources(daemon);
	err = make_sources(daemon, config, error, len);
	if (err) {
		free_sources(daemon);
		if (model_configure(daemon->model, daemon->config) ||
		    make_sources(daemon, daemon->config, again, sizeof(again))) {
			log_event(LOG_CRIT, "reload-lost-sources", " error=\"%s\"", again);
			daemon->failed = true; /* the service manager starts us afresh */
			event_base_loopbreak(daemon->base);
		}
		return err;
	}
	config_free(daemon->config);
	daemon->config = config;
	return 0;
}

static int reload(struct daemon *daemon, char *message, size_t len)
{
	char error[CONFIG_ERROR_LEN] = "";
	struct config *config;
	bool defaulted;
	int err;

	notify_reloading();
	refresh(daemon);
	config = read_config(daemon->config->file, &defaulted, error);
	if (!config) {
		snprintf(message, len, "%s; nothing was changed", error);
		log_event(LOG_ERR, "reload-refused", " error=\"%s\"", error);
		judge_attach(daemon, daemon->config);
		err = -EINVAL;
		goto out;
	}
	judge_attach(daemon, config);
	err = change_config(daemon, config, error, sizeof(error));
	if (err) {
		config_free(config);
		snprintf(message, len, "%s; nothing was changed", error);
		log_event(LOG_ERR, "reload-refused", " error=\"%s\"", error);
		goto out;
	}
	snprintf(message, len, "%s%s", daemon->needs_attach[0] ? "needs attach: " : "reloaded",
		 daemon->needs_attach);
	log_event(LOG_NOTICE, "reloaded", " config=%s needs_attach=%s", daemon->config->file,
		  daemon->needs_attach[0] ? daemon->needs_attach : "-");
	learn_addresses(daemon);
	daemon->facts_changed = true;
	take_turn(daemon);
out:
	notify_ready(err ? "running with the last good configuration" : "running");
	return err;
}

/* --- the host's own name, where the file does not say it --- */

static bool same_names(const struct config *a, const struct config *b)
{
	bool same = a->name_count == b->name_count;

	for (unsigned i = 0; i < a->name_count && same; i++)
		same = !strcmp(a->name[i], b->name[i]);
	return same;
}

/* Addresses have digits and dots, a full name has dots and letters. */
static bool has_full_name(const struct config *config)
{
	for (unsigned i = 0; i < config->name_count; i++) {
		const char *name = config->name[i];

		if (strchr(name, '.') && strspn(name, "0123456789.") < strlen(name))
			return true;
	}
	return false;
}

/* The resolver speaks. What it says of us, reading the configuration again tells. */
static void on_hostname(void *ctx)
{
	char message[CONFIG_ERROR_LEN + 64], error[CONFIG_ERROR_LEN];
	struct daemon *daemon = ctx;
	struct config *config;
	bool defaulted;

	hostname_free(daemon->hostname);
	daemon->hostname = NULL;
	model_names_known(daemon->model, true);
	config = read_config(daemon->config->file, &defaulted, error);
	if (config && defaulted && !same_names(config, daemon->config)) {
		log_event(LOG_NOTICE, "names-learned", " name=%s",
			  config->name_count ? config->name[0] : "-");
		reload(daemon, message, sizeof(message));
	}
	config_free(config);
	turn_soon(daemon);
}

static int ask_for_name(struct daemon *daemon, bool defaulted, char *error, size_t len)
{
	char name[HOST_NAME_MAX + 1] = "";

	if (!defaulted || has_full_name(daemon->config) || gethostname(name, sizeof(name) - 1))
		return 0;
	model_names_known(daemon->model, false);
	daemon->hostname = hostname_new(daemon->base, name, on_hostname, daemon);
	return daemon->hostname ? 0 : could_not(error, len, "asking for the host's name", "");
}

static void on_second(evutil_socket_t fd, short what, void *ctx)
{
	struct daemon *daemon = ctx;
	char message[CONFIG_ERROR_LEN + 64];
	int64_t now = clock_ms();

	(void)fd;
	(void)what;
	if (now - daemon->refresh_ms >= REFRESH_MS)
		refresh(daemon);
	if (daemon->attached_ns != daemon->reconcile.maps.meta.attached_at_ns)
		reload(daemon, message,
		       sizeof(message)); /* what waited for attach may be true now */
	if (now - daemon->addresses_ms >= ADDRESSES_MS)
		learn_addresses(daemon);
	if (now - daemon->scan_ms >=
	    (model_is_draining(daemon->model) ? SCAN_DRAINING_MS : SCAN_MS)) {
		daemon->scan_ms = now;
		reconcile_scan(&daemon->reconcile);
	}
	take_turn(daemon);
	ask_again(daemon, now);
}

static void on_hangup(evutil_socket_t signal, short what, void *ctx)
{
	char message[CONFIG_ERROR_LEN + 64];

	(void)signal;
	(void)what;
	reload(ctx, message, sizeof(message));
}

static void on_end(evutil_socket_t signal, short what, void *ctx)
{
	struct daemon *daemon = ctx;

	(void)what;
	log_event(LOG_NOTICE, "stopping", " signal=%d data_plane=stays", (int)signal);
	notify_stopping();
	event_base_loopbreak(daemon->base);
}

/* --- the admin socket's verbs --- */

static char *answer_status(struct daemon *daemon)
{
	const struct facts_source *const sources[] = { marathon_source(daemon->marathon),
						       consul_source(daemon->consul),
						       listeners_source(daemon->listeners) };
	const struct status_input input = {
		.config_file = daemon->config->file,
		.needs_attach = daemon->needs_attach,
		.source = sources,
		.source_count = sizeof(sources) / sizeof(sources[0]),
		.model = daemon->model,
		.refused = daemon->reconcile.counters.refused,
		.now_ms = clock_ms(),
	};

	return status_json(&input);
}

/* why SERVICE PORT; "*" is any service. */
static char *answer_why(const struct daemon *daemon, const char *service, const char *port_text)
{
	const char *problem;
	uint16_t port;

	if (config_value_port(port_text, &port, &problem))
		return status_result_json(false, problem);
	return why_json(daemon->model, strcmp(service, "*") != 0 ? service : NULL, port,
			clock_ms());
}

static char *on_admin(void *ctx, int argc, char **argv)
{
	char message[CONFIG_ERROR_LEN + 64];
	struct daemon *daemon = ctx;
	int err;

	if (argc == 1 && !strcmp(argv[0], "status"))
		return answer_status(daemon);
	if (argc == 3 && !strcmp(argv[0], "why"))
		return answer_why(daemon, argv[1], argv[2]);
	if (argc == 1 && !strcmp(argv[0], "wanted"))
		return why_wanted_json(daemon->model);
	if (argc == 1 && !strcmp(argv[0], "reload")) {
		err = reload(daemon, message, sizeof(message));
		return status_result_json(!err, message);
	}
	if (argc == 1 && !strcmp(argv[0], "overrides")) {
		take_turn(
			daemon); /* sluicectl has changed them in the map and wants no second of delay */
		return status_result_json(true, "taken");
	}
	return status_result_json(false, argc ? "unknown request" : "empty request");
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
	if (!daemon->base)
		return could_not(error, len, "the event loop", "");
	daemon->turn = add_event(daemon, -1, 0, on_turn, NULL);
	daemon->second = add_event(daemon, -1, EV_PERSIST, on_second, &second);
	daemon->on_hup = add_event(daemon, SIGHUP, EV_SIGNAL | EV_PERSIST, on_hangup, NULL);
	daemon->on_term = add_event(daemon, SIGTERM, EV_SIGNAL | EV_PERSIST, on_end, NULL);
	daemon->on_int = add_event(daemon, SIGINT, EV_SIGNAL | EV_PERSIST, on_end, NULL);
	daemon->notify = notify_new(daemon->base);
	if (!daemon->turn || !daemon->second || !daemon->on_hup || !daemon->on_term ||
	    !daemon->on_int || !daemon->notify)
		return could_not(error, len, "the event loop", "");
	return 0;
}

static int open_sockets(struct daemon *daemon, char *error, size_t len)
{
	daemon->addresses = addresses_new(daemon->base, on_addresses, daemon);
	if (!daemon->addresses)
		return could_not(error, len, "following the host's addresses", "");
	daemon->admin = admin_new(daemon->base, daemon->config->admin_socket, on_admin, daemon);
	if (!daemon->admin)
		return could_not(error, len, "the admin socket", daemon->config->admin_socket);
	return 0;
}

static void release(struct daemon *daemon)
{
	struct event *const events[] = { daemon->turn, daemon->second, daemon->on_hup,
					 daemon->on_term, daemon->on_int };

	free_sources(daemon);
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

int daemon_run(const char *file, char *error, size_t len)
{
	struct daemon daemon = { .reconcile = { .lock_fd = -1 } };
	bool defaulted;
	int err;

	daemon.sink = (struct facts_sink){ .ctx = &daemon,
					   .marathon = take_marathon,
					   .hint = take_hint,
					   .consul = take_consul,
					   .listeners = take_listeners,
					   .source = take_source };
	daemon.config = read_config(file, &defaulted, error);
	if (!daemon.config)
		return -EINVAL;
	signal(SIGPIPE, SIG_IGN);
	err = sandbox_enter(error, len);
	if (err)
		goto out;
	err = open_world(&daemon, error, len);
	if (err)
		goto out;
	err = open_loop(&daemon, error, len);
	if (err)
		goto out;
	err = open_sockets(&daemon, error, len);
	if (err)
		goto out;
	err = make_sources(&daemon, daemon.config, error, len);
	if (err)
		goto out;
	err = ask_for_name(&daemon, defaulted, error, len);
	if (err)
		goto out;
	learn_addresses(&daemon);
	judge_attach(&daemon, daemon.config);
	if (daemon.needs_attach[0])
		log_event(LOG_WARNING, "needs-attach", " key=%s", daemon.needs_attach);
	take_turn(&daemon);
	log_event(LOG_NOTICE, "started", " config=%s pin_dir=%s services=%u", daemon.config->file,
		  daemon.config->pin_dir, daemon.config->service_count);
	notify_ready("running");
	err = event_base_dispatch(daemon.base) < 0 || daemon.failed ? -EIO : 0;
	if (err)
		snprintf(error, len, "the event loop failed");
out:
	release(&daemon);
	return err;
}
