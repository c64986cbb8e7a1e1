/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A new configuration is taken whole or not at all. If its sources cannot be made, those of the old one come back; only if
 * these cannot either does the daemon end, for the service manager to start it afresh.
 */
#include "daemon_internal.h"

#include <errno.h>
#include <event2/event.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "admin.h"
#include "attach_needs.h"
#include "attached.h"
#include "config.h"
#include "hostname.h"
#include "log.h"
#include "model.h"
#include "notify.h"

/* What of the configuration waits for attach? What attach left is the judge, whatever the configuration was before. */
void daemon_judge_attach(struct daemon *daemon, const struct config *config)
{
	char *what = daemon->needs_attach;
	size_t len = sizeof(daemon->needs_attach);

	if (strcmp(config->pin_dir, daemon->reconcile.pin_dir) != 0)
		snprintf(what, len, "node.pin_dir");
	else
		attach_needs(&daemon->reconcile.maps, config, what, len);
	daemon->attached_ns = daemon->reconcile.maps.meta.attached_at_ns;
}

struct config *daemon_read_config(const char *file, char *error)
{
	struct config *config = config_load(file, error);

	if (!config)
		return NULL;
	if (config_fill_defaults(config, error) || config_check_files(config, error)) {
		config_free(config);
		return NULL;
	}
	return config;
}

static void give_up(struct daemon *daemon, const char *why)
{
	log_event(LOG_CRIT, "reload-lost-sources", " error=\"%s\"", why);
	daemon->failed = true; /* the service manager starts us afresh */
	event_base_loopbreak(daemon->base);
}

/*
 * Sources for another configuration; if they cannot be made, those of the old one come back. *next is the caller's no longer
 * if it is NULL afterwards: it is in use.
 */
static int change_config(struct daemon *daemon, struct config **next, char *error, size_t len)
{
	char again[CONFIG_ERROR_LEN] = "out of memory";
	struct config *config = *next;
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
	daemon_free_sources(daemon);
	err = daemon_make_sources(daemon, config, error, len);
	if (err) {
		daemon_free_sources(daemon);
		if (!model_configure(daemon->model, daemon->config)) {
			if (daemon_make_sources(daemon, daemon->config, again, sizeof(again)))
				give_up(daemon, again);
			return err;
		}
		give_up(daemon, again); /* and the model stays with the new one */
	}
	config_free(daemon->config);
	daemon->config = config;
	*next = NULL;
	return err;
}

/* The rest of a configuration, and back if it cannot be had. */
static int move_and_change(struct daemon *daemon, struct config **next, char *error, size_t len)
{
	int err = admin_move(daemon->admin, (*next)->admin_socket);

	if (err) {
		errno = -err;
		return daemon_could_not(error, len, "the admin socket", (*next)->admin_socket);
	}
	err = change_config(daemon, next, error, len);
	if (err && admin_move(daemon->admin, daemon->config->admin_socket))
		log_event(LOG_ERR, "admin-socket-kept", " error=\"%s\"",
			  "the old one cannot be made again");
	return err;
}

/* What is about to take the place of the configuration in use: a resolver that is silent now takes no name away. */
static struct config *read_next_config(const struct daemon *daemon, char *error)
{
	struct config *config = daemon_read_config(daemon->config->file, error);

	if (config && config_keep_names(config, daemon->config, model_called(daemon->model))) {
		snprintf(error, CONFIG_ERROR_LEN, "out of memory");
		config_free(config);
		return NULL;
	}
	return config;
}

/* Takes config over; NULL: it could not be read, and error says why. */
static int reload_with(struct daemon *daemon, struct config *config, char *error, char *message,
		       size_t len)
{
	int err;

	notify_reloading();
	daemon_refresh(daemon);
	if (!config) {
		snprintf(message, len, "%s; nothing was changed", error);
		log_event(LOG_ERR, "reload-refused", " error=\"%s\"", error);
		daemon_judge_attach(daemon, daemon->config);
		err = -EINVAL;
		goto out;
	}
	daemon_judge_attach(daemon, config);
	err = move_and_change(daemon, &config, error, CONFIG_ERROR_LEN);
	if (err) {
		config_free(config);
		daemon_judge_attach(daemon, daemon->config);
		snprintf(message, len, "%s; nothing was changed", error);
		log_event(LOG_ERR, "reload-refused", " error=\"%s\"", error);
		goto out;
	}
	snprintf(message, len, "%s%s", daemon->needs_attach[0] ? "needs attach: " : "reloaded",
		 daemon->needs_attach);
	log_event(LOG_NOTICE, "reloaded", " config=%s needs_attach=%s", daemon->config->file,
		  daemon->needs_attach[0] ? daemon->needs_attach : "-");
	if (daemon_ask_for_name(daemon, error, CONFIG_ERROR_LEN)) /* the next second tries again */
		log_event(LOG_ERR, "names-unknown", " error=\"%s\"", error);
	daemon_learn_addresses(daemon);
	daemon->facts_changed = true;
	daemon_take_turn(daemon);
out:
	notify_ready(err ? "running with the last good configuration" : "running");
	return err;
}

int daemon_reload(struct daemon *daemon, char *message, size_t len)
{
	char error[CONFIG_ERROR_LEN] = "";

	return reload_with(daemon, read_next_config(daemon, error), error, message, len);
}

/* --- the host's own names, where the file does not say them --- */

static bool same_names(const struct config *a, const struct config *b)
{
	bool same = a->name_count == b->name_count;

	for (unsigned i = 0; i < a->name_count && same; i++)
		same = !strcmp(a->name[i], b->name[i]);
	return same;
}

/*
 * The names that the host has by now, in what is in force already. NULL and error: the file is
 * another one by now, which waits for whoever has changed it, or cannot be read.
 */
static struct config *read_names(const struct daemon *daemon, char *error)
{
	if (config_file_is_same(daemon->config))
		return read_next_config(daemon, error);
	snprintf(error, CONFIG_ERROR_LEN, "%.200s: changed, and waits for a reload",
		 daemon->config->file);
	return NULL;
}

/* Takes config over. */
static void take_names(struct daemon *daemon, struct config *config)
{
	char message[CONFIG_ERROR_LEN + 64], error[CONFIG_ERROR_LEN], names[512] = "";

	for (unsigned i = 0; i < config->name_count; i++)
		snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s", i ? "," : "",
			 config->name[i]);
	log_event(LOG_NOTICE, "names-learned", " names=%s", names[0] ? names : "-");
	reload_with(daemon, config, error, message, sizeof(message));
}

void daemon_renew_names(struct daemon *daemon, const char *called)
{
	const char *address[ADDRESSES_MAX];
	char error[CONFIG_ERROR_LEN];
	struct config *config;

	for (int i = 0; i < daemon->address_count; i++)
		address[i] = daemon->address[i];
	if (config_names_fit(daemon->config, address, (size_t)daemon->address_count, called))
		return;
	config = read_names(daemon, error);
	if (!config)
		log_event(LOG_WARNING, "names-kept", " error=\"%s\"", error);
	else if (config->names_defaulted && !same_names(config, daemon->config))
		take_names(daemon, config);
	else
		config_free(config);
}

static void end_question(struct daemon *daemon)
{
	hostname_free(daemon->hostname);
	daemon->hostname = NULL;
	daemon->config->names_unsure = false;
	model_names_known(daemon->model, true);
}

/*
 * The resolver speaks. What it says of us, reading the configuration again tells; if that is told nothing, or the file
 * is bad by now, the question stays open.
 */
static bool on_hostname(void *ctx)
{
	struct daemon *daemon = ctx;
	char error[CONFIG_ERROR_LEN];
	struct config *config = read_names(daemon, error);

	if (!config)
		log_event(LOG_WARNING, "names-kept", " error=\"%s\"", error);
	if (!config || config->names_unsure) {
		config_free(config);
		return false;
	}
	if (config->names_defaulted && !same_names(config, daemon->config)) {
		take_names(daemon, config);
	} else {
		end_question(daemon);
		config_free(config);
	}
	daemon_turn_soon(daemon);
	return !daemon->hostname; /* a reload that was refused, or heard nothing, leaves it */
}

int daemon_ask_for_name(struct daemon *daemon, char *error, size_t len)
{
	char name[HOST_NAME_MAX + 1] = "";

	if (!daemon->config->names_unsure || gethostname(name, sizeof(name) - 1)) {
		end_question(daemon);
		return 0;
	}
	model_names_known(daemon->model, false);
	if (!daemon->hostname)
		daemon->hostname = hostname_new(daemon->base, name, on_hostname, daemon);
	return daemon->hostname ? 0
				: daemon_could_not(error, len, "asking for the host's name", "");
}
