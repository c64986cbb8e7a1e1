/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sluicectl monitor: what happens to connections, one line each, as it happens, until a signal, --count, --for, or until nobody
 * reads what it prints. Needs no daemon. The JSON keys are a contract, see sluicectl(8).
 */
#include <arpa/inet.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "config.h"
#include "config_value.h"
#include "events.h"
#include "maps.h"
#include "services.h"
#include "views.h"

#define TURN_MS 200   /* how soon the end of --for, and of the reader, is noticed */
#define COUNT_MS 5000 /* how often the tables are counted */
#define NS_PER_MS 1000000

struct monitor {
	bool json, past;
	uint32_t limit;	 /* events; 0: no limit */
	uint64_t for_ms; /* 0: no limit */
	struct maps maps;
	uint64_t started_ns; /* CLOCK_MONOTONIC */
	uint32_t shown;
	int write_error; /* negative errno */
	unsigned level[MAPS_TABLES];
	bool leaving; /* as it was said */
};

static volatile sig_atomic_t stopped;

static void stop(int signal)
{
	(void)signal;
	stopped = 1;
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* "2026-11-22T20:00:00.123Z" of a moment of CLOCK_MONOTONIC */
static void format_time(uint64_t mono_ns, char text[32])
{
	uint64_t ns = clock_ns(CLOCK_REALTIME) - (clock_ns(CLOCK_MONOTONIC) - mono_ns);
	time_t seconds = (time_t)(ns / 1000000000);
	struct tm parts;
	char day[24];

	gmtime_r(&seconds, &parts);
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &parts);
	snprintf(text, 32, "%s.%03uZ", day, (unsigned)(ns / NS_PER_MS % 1000));
}

/* Everything that is printed goes out at once. A reader that has gone is an end and no error. */
static bool finish_line(struct monitor *monitor)
{
	if (putchar('\n') == EOF || fflush(stdout) == EOF)
		monitor->write_error = -errno;
	monitor->shown++;
	return !monitor->write_error;
}

static bool is_enough(const struct monitor *monitor)
{
	return monitor->write_error || (monitor->limit && monitor->shown >= monitor->limit);
}

static bool print_object(struct monitor *monitor, cJSON *object)
{
	char *text = cJSON_PrintUnformatted(object);

	cJSON_Delete(object);
	if (!text) {
		monitor->write_error = -ENOMEM;
		return false;
	}
	fputs(text, stdout);
	free(text);
	return finish_line(monitor);
}

/* --- events of packets --- */

/* "" if no service has the port any more */
static void find_service(const struct monitor *monitor, __be16 port, char name[SLUICE_NAME_LEN])
{
	struct sluice_port entry = {};
	struct sluice_service service = {};
	__u32 key = ntohs(port);

	if (maps_lookup(monitor->maps.ports_fd, &key, &entry) || !entry.service)
		entry.service = 0;
	key = entry.service;
	if (key && maps_lookup(monitor->maps.services_fd, &key, &service))
		service.name[0] = '\0';
	memcpy(name, service.name, SLUICE_NAME_LEN);
	name[SLUICE_NAME_LEN - 1] = '\0';
}

static void add_port(cJSON *object, const char *key, __be16 port)
{
	if (port)
		cJSON_AddNumberToObject(object, key, ntohs(port));
	else
		cJSON_AddNullToObject(object, key);
}

static bool print_json(struct monitor *monitor, const struct sluice_event *event,
		       const char *service, const char *client, const char *local)
{
	cJSON *object = cJSON_CreateObject();
	char when[32];

	format_time(event->time_ns, when);
	cJSON_AddStringToObject(object, "time", when);
	cJSON_AddStringToObject(object, "reason", views_reason_name(event->reason));
	cJSON_AddStringToObject(object, "text", views_reason_help(event->reason));
	cJSON_AddStringToObject(object, "service", service);
	cJSON_AddStringToObject(object, "client", client);
	cJSON_AddNumberToObject(object, "client_port", ntohs(event->client_port));
	cJSON_AddStringToObject(object, "local", local);
	cJSON_AddNumberToObject(object, "service_port", ntohs(event->service_port));
	add_port(object, "from_port", event->from_port);
	add_port(object, "to_port", event->to_port);
	cJSON_AddNumberToObject(object, "suppressed", event->suppressed);
	cJSON_AddNumberToObject(object, "lost", event->lost);
	return print_object(monitor, object);
}

static bool print_text(struct monitor *monitor, const struct sluice_event *event,
		       const char *service, const char *client, const char *local)
{
	const char *open = event->family == 6 ? "[" : "", *close = event->family == 6 ? "]" : "";
	char when[32];

	format_time(event->time_ns, when);
	printf("%s %s %s%s%s:%u -> %s%s%s:%u %s", when, service[0] ? service : "-", open, client,
	       close, ntohs(event->client_port), open, local, close, ntohs(event->service_port),
	       views_reason_name(event->reason));
	if (event->from_port)
		printf(" from %u", ntohs(event->from_port));
	if (event->to_port)
		printf(" to %u", ntohs(event->to_port));
	printf(" (%s)", views_reason_help(event->reason));
	if (event->suppressed)
		printf(", %u more not shown", event->suppressed);
	if (event->lost)
		printf(", %u lost", event->lost);
	return finish_line(monitor);
}

static int see_event(void *ctx, const struct sluice_event *event)
{
	int family = event->family == 6 ? AF_INET6 : AF_INET;
	char client[INET6_ADDRSTRLEN], local[INET6_ADDRSTRLEN], service[SLUICE_NAME_LEN];
	struct monitor *monitor = ctx;
	bool good;

	if (is_enough(monitor) || (!monitor->past && event->time_ns < monitor->started_ns))
		return 0;
	inet_ntop(family, event->client, client, sizeof(client));
	inet_ntop(family, event->local, local, sizeof(local));
	find_service(monitor, event->service_port, service);
	good = monitor->json ? print_json(monitor, event, service, client, local)
			     : print_text(monitor, event, service, client, local);
	return good && !is_enough(monitor) ? 0 : -ECANCELED;
}

/* --- tables --- */

static bool print_pressure(struct monitor *monitor, const struct maps_occupancy *table)
{
	char when[32];

	format_time(clock_ns(CLOCK_MONOTONIC), when);
	if (monitor->json) {
		cJSON *object = cJSON_CreateObject();

		cJSON_AddStringToObject(object, "time", when);
		cJSON_AddStringToObject(object, "reason", "table_pressure");
		cJSON_AddStringToObject(object, "table", table->name);
		cJSON_AddNumberToObject(object, "entries", table->entries);
		cJSON_AddNumberToObject(object, "capacity", table->capacity);
		cJSON_AddNumberToObject(object, "percent", maps_percent(table));
		return print_object(monitor, object);
	}
	printf("%s - table_pressure %s: %u of %u entries, %u %%", when, table->name, table->entries,
	       table->capacity, maps_percent(table));
	return finish_line(monitor);
}

static void look_at_tables(struct monitor *monitor)
{
	struct maps_occupancy tables[MAPS_TABLES];
	unsigned i;

	if (maps_count_entries(&monitor->maps, tables))
		return; /* it will be asked again */
	for (i = 0; i < MAPS_TABLES && !is_enough(monitor); i++) {
		if (maps_pressure(&tables[i], &monitor->level[i]))
			print_pressure(monitor, &tables[i]);
	}
}

/* --- detach --wait --- */

static void look_at_leave(struct monitor *monitor)
{
	bool leaving = services_are_leaving(&monitor->maps);
	cJSON *object;
	char when[32];

	if (leaving == monitor->leaving || is_enough(monitor))
		return;
	monitor->leaving = leaving;
	format_time(clock_ns(CLOCK_MONOTONIC), when);
	if (!monitor->json) {
		printf("%s - leaving %s", when,
		       leaving ? command_leaving : "ended: new connections are balanced again");
		finish_line(monitor);
		return;
	}
	object = cJSON_CreateObject();
	cJSON_AddStringToObject(object, "time", when);
	cJSON_AddStringToObject(object, "reason", "leaving");
	cJSON_AddBoolToObject(object, "leaving", leaving);
	print_object(monitor, object);
}

/* --- the loop --- */

static bool reader_has_gone(void)
{
	struct pollfd out = { .fd = STDOUT_FILENO };

	return poll(&out, 1, 0) > 0 && (out.revents & POLLERR);
}

static int watch(struct monitor *monitor, struct events *events, const char *pin_dir)
{
	uint64_t now = monitor->started_ns, counted = 0;
	int err;

	while (!stopped && !is_enough(monitor) && !reader_has_gone()) {
		now = clock_ns(CLOCK_MONOTONIC);
		if (monitor->for_ms && now - monitor->started_ns >= monitor->for_ms * NS_PER_MS)
			break;
		if (!counted || now - counted >= (uint64_t)COUNT_MS * NS_PER_MS) {
			counted = now;
			if (!events_still_attached(events)) {
				command_error("%s: what was attached here has been detached",
					      pin_dir);
				return EXIT_FAILURE;
			}
			look_at_tables(monitor);
			look_at_leave(monitor);
		}
		err = events_read(events, TURN_MS);
		if (err && err != -EINTR && err != -ECANCELED) {
			command_error("%s: %s", pin_dir, strerror(-err));
			return EXIT_FAILURE;
		}
	}
	if (!monitor->write_error || monitor->write_error == -EPIPE)
		return EXIT_SUCCESS;
	command_error("cannot write: %s", strerror(-monitor->write_error));
	return EXIT_FAILURE;
}

static int usage(const char *word, const char *why)
{
	command_error("monitor: %s: %s (--help tells more)", word, why);
	return EXIT_USAGE;
}

static int parse(const struct command *command, struct monitor *monitor)
{
	const char *why;
	int i;

	for (i = 0; i < command->argc; i++) {
		const char *word = command->argv[i],
			   *value = i + 1 < command->argc ? command->argv[i + 1] : NULL;

		if (!strcmp(word, "--past")) {
			monitor->past = true;
			continue;
		}
		if (strcmp(word, "--count") != 0 && strcmp(word, "--for") != 0)
			return usage(word, "no such argument");
		if (!value)
			return usage(word, "a value is missing");
		if (!strcmp(word, "--count") &&
		    config_value_number(value, 1, UINT32_MAX, &monitor->limit, &why))
			return usage(value, "not a number of events");
		if (!strcmp(word, "--for") &&
		    (config_value_duration(value, &monitor->for_ms, &why) || !monitor->for_ms))
			return usage(value, "not a duration (such as 500ms, 10s, 2m)");
		i++;
	}
	return 0;
}

int verb_monitor(const struct command *command)
{
	const struct sigaction on_stop = { .sa_handler = stop };
	struct monitor monitor = { .json = command->json };
	int status = parse(command, &monitor);
	char error[CONFIG_ERROR_LEN];
	struct config *config;
	struct events *events;

	if (status)
		return status;
	if (!command_maps(command, &config, &monitor.maps))
		return EXIT_FAILURE;
	sigaction(SIGINT, &on_stop, NULL);
	sigaction(SIGTERM, &on_stop, NULL);
	signal(SIGPIPE, SIG_IGN);
	monitor.started_ns = clock_ns(CLOCK_MONOTONIC);
	if (events_open(&events, config->pin_dir, see_event, &monitor, error, sizeof(error))) {
		command_error("%s", error);
		status = EXIT_FAILURE;
	} else {
		status = watch(&monitor, events, config->pin_dir);
		events_close(events);
	}
	maps_release(&monitor.maps);
	config_free(config);
	return status;
}
