/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sluicectl drain, undrain and weight. A drain is over when two scans in a row find no flow: one may miss a flow that moves from table to table
 * while it runs. JSON: see sluicectl(8).
 */
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "config.h"
#include "config_value.h"
#include "maps.h"
#include "override.h"
#include "target.h"
#include "views.h"

#define SCAN_MS 250
#define SAY_MS 5000 /* where the progress goes to a file, also if nothing changes */

struct job {
	const struct command *command;
	struct config *config;
	struct maps maps;
	struct target_list targets;
	enum override_word word;
	const char *name; /* NULL: --all */
	uint32_t weight;
	bool wait;
	uint64_t wait_ms;
	bool by_daemon;
	uint32_t flows; /* of all targets, by the last scan */
	bool empty;
};

/* --- the command line --- */

static int parse_option(struct job *job, const struct command *command, int *i)
{
	const char *word = command->argv[*i], *why;

	if (!strcmp(word, "--all") && !job->name && job->word != OVERRIDE_WEIGHT) {
		job->name = "";
		return 0;
	}
	if (strcmp(word, "--wait") != 0 || job->word != OVERRIDE_DRAIN)
		return command_usage("no such option: ", word);
	if (++*i == command->argc)
		return command_usage("--wait: ", "no time is given");
	if (config_value_duration(command->argv[*i], &job->wait_ms, &why)) {
		command_error("--wait %s: %s", command->argv[*i], why);
		return EXIT_USAGE;
	}
	job->wait = true;
	return 0;
}

/* 0, or the exit status. */
static int parse(struct job *job, const struct command *command)
{
	const char *number = NULL, *why;
	int status = 0;

	for (int i = 0; i < command->argc && !status; i++) {
		const char *word = command->argv[i];

		if (word[0] == '-' &&
		    !(number == NULL && job->word == OVERRIDE_WEIGHT && job->name))
			status = parse_option(job, command, &i);
		else if (!job->name)
			job->name = word;
		else if (!number && job->word == OVERRIDE_WEIGHT)
			number = word;
		else
			status = command_usage("no such argument: ", word);
	}
	if (status)
		return status;
	if (!job->name)
		return command_usage(command->verb,
				     job->word == OVERRIDE_WEIGHT
					     ? ": name a backend, as web/31005"
					     : ": name a backend, as web/31005, or say --all");
	if (job->word != OVERRIDE_WEIGHT)
		return 0;
	if (!number)
		return command_usage("weight: ", "no number is given");
	if (config_value_number(number, 0, 256, &job->weight, &why))
		return command_usage("weight: not a number from 0 to 256: ", number);
	return 0;
}

/* --- doing it --- */

static bool choose(struct job *job)
{
	char error[1024];
	int err = target_all(&job->targets, &job->maps);

	if (err) {
		command_error("%s: cannot read the backends: %s", job->config->pin_dir,
			      strerror(-err));
		return false;
	}
	if (job->name[0] &&
	    !target_choose(&job->targets, &job->maps, job->name, error, sizeof(error))) {
		command_error("%s", error);
		return false;
	}
	return true;
}

static bool write_words(struct job *job)
{
	for (size_t i = 0; i < job->targets.count; i++) {
		const struct target *target = &job->targets.target[i];
		int err = override_write(&job->maps, job->config, target, job->word, job->weight);

		if (err == -ESTALE && !job->name[0])
			continue;
		if (err) {
			command_error("%s: %s", target->name,
				      err == -ESTALE ? "it has just ended" : strerror(-err));
			return false;
		}
	}
	return true;
}

/* Is it as the operator wants it? What has ended is drained for good. */
static bool is_in_force(const struct job *job, const struct target *target)
{
	const struct sluice_backend *backend = &job->maps.backends[target->slot];

	if (target_has_ended(target, &job->maps) || job->word == OVERRIDE_UNDRAIN)
		return true;
	if (job->word == OVERRIDE_WEIGHT)
		return true; /* slowstart may be on its way to it */
	return backend->state == SLUICE_BACKEND_DRAINING || backend->state == SLUICE_BACKEND_GONE;
}

static bool enforce(struct job *job)
{
	char error[CONFIG_ERROR_LEN];

	if (override_enforce(&job->maps, job->config, &job->by_daemon, error, sizeof(error))) {
		command_error("%s", error);
		return false;
	}
	for (size_t i = 0; i < job->targets.count; i++) {
		const struct target *target = &job->targets.target[i];

		override_forget(&job->maps, job->config, target);
		if (!is_in_force(job, target)) {
			command_error("%s: is still %s: sluiced does not know it", target->name,
				      views_backend_state(job->maps.backends[target->slot].state));
			return false;
		}
	}
	return true;
}

/* --- waiting --- */

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int count_flows(struct job *job)
{
	struct maps_flow_counts *counts = malloc(sizeof(*counts));
	int err = counts ? maps_count_flows(&job->maps, counts) : -ENOMEM;

	job->flows = 0;
	for (size_t i = 0; !err && i < job->targets.count; i++) {
		const struct target *target = &job->targets.target[i];

		if (!target_has_ended(target, &job->maps))
			job->flows +=
				counts->active[target->slot] + counts->half_open[target->slot];
	}
	free(counts);
	return err;
}

static void say_progress(const struct job *job, uint32_t *said, uint64_t *said_ms, uint64_t left_ms)
{
	bool terminal = isatty(STDOUT_FILENO);

	if (job->command->json)
		return;
	if (!terminal && job->flows == *said && now_ms() - *said_ms < SAY_MS)
		return;
	printf("%s%s: %u connections left, waiting for %llu s at most%s", terminal ? "\r" : "",
	       job->name[0] ? job->name : "all", job->flows,
	       (unsigned long long)(left_ms + 999) / 1000, terminal ? "\033[K" : "\n");
	fflush(stdout);
	*said = job->flows;
	*said_ms = now_ms();
}

/* 0 or negative errno. */
static int wait_empty(struct job *job)
{
	const struct timespec pause = { .tv_nsec = SCAN_MS * 1000000 };
	uint64_t start = now_ms(), said_ms = 0, passed;
	uint32_t said = UINT32_MAX;
	unsigned zeros = 0;
	int err;

	for (;;) {
		err = count_flows(job);
		if (err)
			return err;
		zeros = job->flows ? 0 : zeros + 1;
		job->empty = zeros >= 2;
		passed = now_ms() - start;
		/* a time-out of 0 has its second look as well */
		if (job->empty || (passed >= job->wait_ms && zeros != 1))
			break;
		if (job->wait && job->flows)
			say_progress(job, &said, &said_ms, job->wait_ms - passed);
		if (!job->wait && !zeros)
			break;
		nanosleep(&pause, NULL);
	}
	if (said != UINT32_MAX && isatty(STDOUT_FILENO))
		fputs("\r\033[K", stdout);
	return 0;
}

/* --- telling --- */

static cJSON *job_json(const struct job *job, bool ok)
{
	cJSON *document = cJSON_CreateObject(), *list;

	cJSON_AddBoolToObject(document, "ok", ok);
	cJSON_AddStringToObject(document, "by", job->by_daemon ? "sluiced" : "sluicectl");
	if (job->word == OVERRIDE_DRAIN) {
		cJSON_AddNumberToObject(document, "flows", job->flows);
		cJSON_AddBoolToObject(document, "empty", job->empty);
	}
	list = cJSON_AddArrayToObject(document, "backends");
	for (size_t i = 0; i < job->targets.count; i++) {
		const struct target *target = &job->targets.target[i];
		const struct sluice_backend *backend = &job->maps.backends[target->slot];
		bool ended = target_has_ended(target, &job->maps);
		cJSON *object = cJSON_CreateObject();

		cJSON_AddStringToObject(object, "service",
					job->targets.services[target->service].name);
		cJSON_AddNumberToObject(object, "port", target->port);
		cJSON_AddStringToObject(object, "task", target->task);
		cJSON_AddNumberToObject(object, "generation", target->generation);
		cJSON_AddStringToObject(object, "state",
					ended ? "gone" : views_backend_state(backend->state));
		cJSON_AddNumberToObject(object, "weight", backend->weight);
		cJSON_AddItemToArray(list, object);
	}
	return document;
}

/* What new connections meet where nobody is left. */
static void say_nobody(const struct job *job)
{
	struct views_service *list = NULL;
	size_t count;
	bool touched;

	if (views_services(&job->maps, &list, &count))
		return;
	for (size_t i = 0; i < count; i++) {
		touched = false;
		for (size_t k = 0; k < job->targets.count; k++)
			touched |= job->targets.target[k].service == list[i].index;
		if (touched && !list[i].up && list[i].synced)
			printf("%s: no backend is up: new connections to port %u meet on_empty = %s\n",
			       list[i].name, list[i].port, views_on_empty(list[i].on_empty));
	}
	free(list);
}

static void say_done(const struct job *job)
{
	for (size_t i = 0; i < job->targets.count; i++) {
		const struct target *target = &job->targets.target[i];
		const struct sluice_backend *backend = &job->maps.backends[target->slot];

		printf("%s: %s, weight %u, task %s\n", target->name,
		       target_has_ended(target, &job->maps) ? "has ended"
							    : views_backend_state(backend->state),
		       backend->weight, target->task);
	}
	if (!job->targets.count)
		puts("there are no backends");
	if (!job->by_daemon)
		puts("sluiced is not running: done here, and it will keep to it when it starts");
	say_nobody(job);
	if (job->word == OVERRIDE_DRAIN)
		printf("%u connections left%s\n", job->flows, job->empty ? ": empty" : "");
}

static int run(struct job *job)
{
	bool ok;
	int err;

	if (!choose(job) || !write_words(job) || !enforce(job))
		return EXIT_FAILURE;
	err = job->word == OVERRIDE_DRAIN ? wait_empty(job) : 0;
	if (err) {
		command_error("%s: cannot scan the flows: %s", job->config->pin_dir,
			      strerror(-err));
		return EXIT_FAILURE;
	}
	ok = !job->wait || job->empty;
	if (job->command->json)
		return command_print_json(job_json(job, ok)) || !ok ? EXIT_FAILURE : EXIT_SUCCESS;
	say_done(job);
	if (!ok)
		command_error("%s: not empty in time; it stays drained",
			      job->name[0] ? job->name : "--all");
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int start(const struct command *command, enum override_word word)
{
	struct job job = { .command = command, .word = word };
	char error[CONFIG_ERROR_LEN];
	int status = parse(&job, command);

	if (status)
		return status;
	job.config = command_config(command);
	if (!job.config)
		return EXIT_FAILURE;
	if (maps_open(&job.maps, job.config->pin_dir, MAPS_DAEMON, error, sizeof(error))) {
		command_error("%s", error);
		status = EXIT_FAILURE;
	} else {
		status = run(&job);
		maps_release(&job.maps);
	}
	target_release(&job.targets);
	config_free(job.config);
	return status;
}

int verb_drain(const struct command *command)
{
	return start(command, OVERRIDE_DRAIN);
}

int verb_undrain(const struct command *command)
{
	return start(command, OVERRIDE_UNDRAIN);
}

int verb_weight(const struct command *command)
{
	return start(command, OVERRIDE_WEIGHT);
}
