/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sluicectl status: what is attached, what the daemon says of its sources, and the services. Three parts that fail
 * independently: nothing attached, or no daemon, is an answer and no error. JSON keys in sluicectl(8).
 */
#include <cjson/cJSON.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attach.h"
#include "attach_needs.h"
#include "command.h"
#include "config.h"
#include "daemon.h"
#include "maps.h"
#include "services.h"
#include "table.h"
#include "timeouts.h"
#include "views.h"

struct status {
	const struct config *config;
	bool attached;
	struct maps maps; /* if attached */
	char needs_attach[64];
	struct views_service *services;
	size_t service_count;
	struct maps_occupancy tables[MAPS_TABLES];
	cJSON *daemon;	     /* its answer; NULL: none */
	char no_daemon[160]; /* why there is none */
};

/* false after an error was printed */
static bool read_maps(struct status *status)
{
	char error[CONFIG_ERROR_LEN];
	int err =
		maps_open(&status->maps, status->config->pin_dir, MAPS_READ, error, sizeof(error));

	if (err == -ENOENT)
		return true;
	if (err) {
		command_error("%s", error);
		return false;
	}
	status->attached = true;
	attach_needs(&status->maps, status->config, status->needs_attach,
		     sizeof(status->needs_attach));
	err = views_services(&status->maps, &status->services, &status->service_count);
	if (!err)
		err = maps_count_entries(&status->maps, status->tables);
	if (err) {
		command_error("%s: cannot read the services: %s", status->config->pin_dir,
			      strerror(-err));
		return false;
	}
	return true;
}

/* --- JSON --- */

static cJSON *interfaces_json(const struct status *status)
{
	cJSON *list = cJSON_CreateArray();
	char name[IF_NAMESIZE];
	__u32 i;

	for (i = 0;
	     status->attached && i < status->maps.meta.ifindex_count && i < SLUICE_MAX_IFINDEX;
	     i++) {
		if (if_indextoname(status->maps.meta.ifindex[i], name))
			cJSON_AddItemToArray(list, cJSON_CreateString(name));
	}
	return list;
}

/* The daemon's list as it is, with every key of the contract. */
static cJSON *sources_json(const struct status *status)
{
	static const char *const keys[] = { "name",	     "connected",    "since",
					    "last_event_ms", "last_good_ms", "lag_ms" };
	cJSON *given = cJSON_GetObjectItemCaseSensitive(status->daemon, "sources"), *source;
	cJSON *list = cJSON_IsArray(given) ? cJSON_Duplicate(given, true) : cJSON_CreateArray();
	size_t i;

	cJSON_ArrayForEach(source, list)
	{
		for (i = 0; cJSON_IsObject(source) && i < sizeof(keys) / sizeof(keys[0]); i++) {
			if (!cJSON_HasObjectItem(source, keys[i]))
				cJSON_AddNullToObject(source, keys[i]);
		}
	}
	return list;
}

static cJSON *services_json(const struct status *status)
{
	cJSON *list = cJSON_CreateArray();
	size_t i;

	for (i = 0; i < status->service_count; i++) {
		const struct views_service *service = &status->services[i];
		cJSON *object = cJSON_CreateObject();

		cJSON_AddStringToObject(object, "name", service->name);
		cJSON_AddNumberToObject(object, "port", service->port);
		cJSON_AddNumberToObject(object, "up", service->up);
		cJSON_AddNumberToObject(object, "down", service->down);
		cJSON_AddNumberToObject(object, "draining", service->draining);
		cJSON_AddNumberToObject(object, "waiting", service->waiting);
		cJSON_AddNumberToObject(object, "gone", service->gone);
		cJSON_AddNumberToObject(object, "active", service->active);
		cJSON_AddBoolToObject(object, "leaving", service->leaving);
		cJSON_AddBoolToObject(object, "synced", service->synced);
		cJSON_AddItemToArray(list, object);
	}
	return list;
}

static cJSON *tables_json(const struct status *status)
{
	cJSON *list = cJSON_CreateArray();
	size_t i;

	for (i = 0; status->attached && i < MAPS_TABLES; i++) {
		cJSON *object = cJSON_CreateObject();

		cJSON_AddStringToObject(object, "name", status->tables[i].name);
		cJSON_AddNumberToObject(object, "entries", status->tables[i].entries);
		cJSON_AddNumberToObject(object, "held", status->tables[i].held);
		cJSON_AddNumberToObject(object, "capacity", status->tables[i].capacity);
		cJSON_AddNumberToObject(object, "percent", maps_percent(&status->tables[i]));
		cJSON_AddItemToArray(list, object);
	}
	return list;
}

/* What the attached programs go by, whatever the configuration says meanwhile. */
static void add_timeouts(cJSON *document, const struct status *status)
{
	const struct sluice_meta *meta = &status->maps.meta;
	cJSON *object;

	if (!status->attached) {
		cJSON_AddNullToObject(document, "timeouts");
		return;
	}
	object = cJSON_AddObjectToObject(document, "timeouts");
	cJSON_AddNumberToObject(object, "half_open_ms",
				(double)timeouts_ms(meta->timeouts.half_open, meta->hz));
	cJSON_AddNumberToObject(object, "idle_ms",
				(double)timeouts_ms(meta->timeouts.idle, meta->hz));
	cJSON_AddNumberToObject(object, "closing_ms",
				(double)timeouts_ms(meta->timeouts.closing, meta->hz));
	cJSON_AddNumberToObject(object, "closed_ms",
				(double)timeouts_ms(meta->timeouts.closed, meta->hz));
}

static void add_daemon(cJSON *document, const struct status *status)
{
	cJSON *object = cJSON_AddObjectToObject(document, "daemon");
	cJSON *pid = cJSON_GetObjectItemCaseSensitive(status->daemon, "pid");

	cJSON_AddBoolToObject(object, "running", status->daemon != NULL);
	if (cJSON_IsNumber(pid))
		cJSON_AddNumberToObject(object, "pid", pid->valuedouble);
	else
		cJSON_AddNullToObject(object, "pid");
	if (status->daemon)
		cJSON_AddNullToObject(object, "error");
	else
		cJSON_AddStringToObject(object, "error", status->no_daemon);
}

static int print_json(const struct status *status)
{
	cJSON *guards = cJSON_GetObjectItemCaseSensitive(status->daemon, "guards");
	cJSON *problems = cJSON_GetObjectItemCaseSensitive(status->daemon, "problems");
	cJSON *unrun = cJSON_GetObjectItemCaseSensitive(status->daemon, "unrun_checks");
	cJSON *document = cJSON_CreateObject();

	if (status->attached) {
		cJSON_AddStringToObject(document, "mode", attach_mode_name(status->maps.meta.mode));
		cJSON_AddNumberToObject(document, "abi", status->maps.meta.abi);
	} else {
		cJSON_AddNullToObject(document, "mode");
		cJSON_AddNullToObject(document, "abi");
	}
	cJSON_AddBoolToObject(document, "attached", status->attached);
	if (status->needs_attach[0])
		cJSON_AddStringToObject(document, "needs_attach", status->needs_attach);
	else
		cJSON_AddNullToObject(document, "needs_attach");
	cJSON_AddStringToObject(document, "pin_dir", status->config->pin_dir);
	cJSON_AddItemToObject(document, "interfaces", interfaces_json(status));
	cJSON_AddBoolToObject(document, "local", status->attached && status->maps.meta.cgroup);
	cJSON_AddBoolToObject(document, "leaving",
			      status->attached && services_are_leaving(&status->maps));
	add_daemon(document, status);
	cJSON_AddItemToObject(document, "sources", sources_json(status));
	cJSON_AddItemToObject(document, "services", services_json(status));
	cJSON_AddItemToObject(document, "tables", tables_json(status));
	add_timeouts(document, status);
	cJSON_AddItemToObject(document, "guards",
			      cJSON_IsArray(guards) ? cJSON_Duplicate(guards, true)
						    : cJSON_CreateArray());
	cJSON_AddItemToObject(document, "problems",
			      cJSON_IsArray(problems) ? cJSON_Duplicate(problems, true)
						      : cJSON_CreateArray());
	cJSON_AddItemToObject(document, "unrun_checks",
			      cJSON_IsArray(unrun) ? cJSON_Duplicate(unrun, true)
						   : cJSON_CreateArray());
	return command_print_json(document);
}

/* --- for people --- */

/* A table that is nearly full stands out; the others take no more than a line. */
static void print_tables(const struct status *status)
{
	size_t i;

	printf("tables:");
	for (i = 0; i < MAPS_TABLES; i++) {
		unsigned percent = maps_percent(&status->tables[i]);

		printf("%s %s %u of %u (%u %%%s)", i ? "," : "", status->tables[i].name,
		       status->tables[i].entries, status->tables[i].capacity, percent,
		       percent >= MAPS_PRESSURE_HIGH  ? ", FULL"
		       : percent >= MAPS_PRESSURE_LOW ? ", nearly full"
						      : "");
	}
	putchar('\n');
}

static void print_attached(const struct status *status)
{
	char name[IF_NAMESIZE];
	__u32 i;

	if (!status->attached) {
		printf("packets: not attached (%s)\n", status->config->pin_dir);
		return;
	}
	printf("packets: attached to");
	for (i = 0; i < status->maps.meta.ifindex_count && i < SLUICE_MAX_IFINDEX; i++)
		printf("%s %s", i ? "," : "",
		       if_indextoname(status->maps.meta.ifindex[i], name) ? name
									  : "(interface is gone)");
	printf(" in mode %s, ABI %u, host-ports %u-%u\n", attach_mode_name(status->maps.meta.mode),
	       status->maps.meta.abi, status->maps.meta.port_min, status->maps.meta.port_max);
	print_tables(status);
	printf("clients on this host: %s\n",
	       status->maps.meta.cgroup ? "balanced"
	       : !strcmp(status->config->cgroup, "off")
		       ? "not balanced ([node] cgroup = off)"
		       : "not balanced (sluicectl preflight says why)");
	if (services_are_leaving(&status->maps))
		printf("leaving: %s\n", command_leaving);
	if (status->needs_attach[0])
		printf("needs attach: %s differs from what is attached\n", status->needs_attach);
}

static void add_age(struct table *table, const cJSON *source, const char *key)
{
	const cJSON *age = cJSON_GetObjectItemCaseSensitive(source, key);

	if (cJSON_IsNumber(age) && age->valuedouble >= 0)
		table_duration(table, (uint64_t)age->valuedouble);
	else
		table_text(table, NULL);
}

static int print_sources(const struct status *status)
{
	static const char *const titles[] = { "SOURCE",	    "STATE", ">LAST EVENT",
					      ">LAST GOOD", "ERROR", NULL };
	cJSON *pid = cJSON_GetObjectItemCaseSensitive(status->daemon, "pid"), *source;
	struct table *table = table_new(titles);
	int err;

	if (!table)
		return -ENOMEM;
	printf("sluiced: running, pid %.0f\n\n", cJSON_IsNumber(pid) ? pid->valuedouble : 0);
	cJSON_ArrayForEach(source, cJSON_GetObjectItemCaseSensitive(status->daemon, "sources"))
	{
		cJSON *used = cJSON_GetObjectItemCaseSensitive(source, "used");
		cJSON *answers = cJSON_GetObjectItemCaseSensitive(source, "answers");
		bool connected =
			cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(source, "connected"));

		table_text(table,
			   cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(source, "name")));
		table_text(table, cJSON_IsFalse(used)	  ? "not used"
				  : connected		  ? "connected"
				  : cJSON_IsTrue(answers) ? "answers, no events"
							  : "lost");
		add_age(table, source, "last_event_ms");
		add_age(table, source, "last_good_ms");
		table_text(table,
			   cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(source, "error")));
	}
	err = table_print(table);
	table_free(table);
	return err;
}

/* What the daemon does not believe yet; nothing if there is nothing. */
static int print_guards(const struct status *status)
{
	static const char *const titles[] = {
		"GUARD", "SERVICE", ">PORT", ">SINCE", "REASON", NULL
	};
	cJSON *guards = cJSON_GetObjectItemCaseSensitive(status->daemon, "guards"), *guard, *port;
	struct table *table;
	int err;

	if (!cJSON_GetArraySize(guards))
		return 0;
	table = table_new(titles);
	if (!table)
		return -ENOMEM;
	cJSON_ArrayForEach(guard, guards)
	{
		port = cJSON_GetObjectItemCaseSensitive(guard, "port");
		table_text(table,
			   cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(guard, "guard")));
		table_text(table, cJSON_GetStringValue(
					  cJSON_GetObjectItemCaseSensitive(guard, "service")));
		if (cJSON_IsNumber(port) && port->valuedouble > 0)
			table_number(table, (uint64_t)port->valuedouble);
		else
			table_text(table, NULL); /* it holds the whole service */
		add_age(table, guard, "age_ms");
		table_text(table,
			   cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(guard, "reason")));
	}
	putchar('\n');
	err = table_print(table);
	table_free(table);
	return err;
}

/* Tasks that run here and cannot be backends; nothing if there is none. */
static void print_problems(const struct status *status)
{
	const cJSON *problem;

	cJSON_ArrayForEach(problem, cJSON_GetObjectItemCaseSensitive(status->daemon, "problems"))
	{
		const char *service =
			cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(problem, "service"));
		const char *task =
			cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(problem, "task"));
		const char *reason =
			cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(problem, "reason"));

		printf("\nno backend of %s: %s: %s\n", service ? service : "?", task ? task : "?",
		       reason ? reason : "?");
	}
}

/* Health checks that nobody runs but Marathon. */
static void print_unrun_checks(const struct status *status)
{
	const cJSON *unrun;

	cJSON_ArrayForEach(unrun, cJSON_GetObjectItemCaseSensitive(status->daemon, "unrun_checks"))
	{
		const char *service =
			cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(unrun, "service"));
		double tasks =
			cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(unrun, "tasks"));
		double checks =
			cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(unrun, "checks"));

		printf("\n%s: Consul cannot run %.0f of the health checks of %.0f tasks (a command, or a port that is not on the host): Marathon alone sees them\n",
		       service ? service : "?", checks, tasks);
	}
}

static int print_services(const struct status *status)
{
	static const char *const titles[] = { "SERVICE",   ">PORT",	   ">UP", ">DOWN",
					      ">DRAINING", ">CONNECTIONS", "SET", NULL };
	struct table *table = table_new(titles);
	size_t i;
	int err;

	if (!table)
		return -ENOMEM;
	for (i = 0; i < status->service_count; i++) {
		const struct views_service *service = &status->services[i];

		table_text(table, service->name);
		table_number(table, service->port);
		table_number(table, service->up);
		table_number(table, service->down);
		table_number(table, service->draining);
		table_number(table, service->active);
		table_text(table, service->leaving  ? "leaving: new ones pass"
				  : service->synced ? views_balance(service->balance)
						    : "none yet: packets pass");
	}
	putchar('\n');
	err = table_print(table);
	table_free(table);
	return err;
}

static int print_text(const struct status *status)
{
	int err = 0;

	print_attached(status);
	if (status->daemon)
		err = print_sources(status);
	else
		printf("sluiced: %s\n", status->no_daemon);
	if (!err && status->attached)
		err = print_services(status);
	if (!err)
		err = print_guards(status);
	print_problems(status);
	print_unrun_checks(status);
	if (!err)
		return EXIT_SUCCESS;
	command_error("out of memory");
	return EXIT_FAILURE;
}

int verb_status(const struct command *command)
{
	struct config *config = command_config(command);
	struct status status = { .config = config };
	int code = EXIT_FAILURE;

	if (!config)
		return EXIT_FAILURE;
	if (read_maps(&status)) {
		status.daemon = daemon_ask(config, "status", status.no_daemon,
					   sizeof(status.no_daemon), NULL);
		code = command->json ? print_json(&status) : print_text(&status);
	}
	free(status.services);
	cJSON_Delete(status.daemon);
	if (status.attached)
		maps_release(&status.maps);
	config_free(config);
	return code;
}
