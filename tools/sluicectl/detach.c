/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sluicectl detach: back to nothing, at once or (--wait) in two halves: new connections pass to the host from now on, and the
 * programs leave when the last balanced one has ended. The first half stands in the maps, so it outlives this program, and only
 * another attach ends it. Done twice it says so, and is still done. JSON: see sluicectl(8).
 */
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "attach.h"
#include "command.h"
#include "config.h"
#include "config_value.h"
#include "maps.h"
#include "services.h"

#define SCAN_MS 250
#define SAY_MS 5000 /* where the progress goes to a file, also if nothing changes */

struct detach {
	const struct command *command;
	struct config *config;
	bool wait;
	uint64_t wait_ms;
	uint32_t flows; /* by the last scan */
	bool empty;	/* by two in a row */
	bool was;	/* something was attached */
	bool again;	/* somebody has attached meanwhile */
};

/* 0, or the exit status. */
static int parse(struct detach *detach, const struct command *command)
{
	const char *why;

	for (int i = 0; i < command->argc; i++) {
		const char *word = command->argv[i];

		if (strcmp(word, "--wait") != 0)
			return command_usage(
				word[0] == '-' ? "no such option: " : "no such argument: ", word);
		if (++i == command->argc)
			return command_usage("--wait: ", "no time is given");
		if (config_value_duration(command->argv[i], &detach->wait_ms, &why)) {
			command_error("--wait %s: %s", command->argv[i], why);
			return EXIT_USAGE;
		}
		detach->wait = true;
	}
	return 0;
}

static int failed(int err, const char *error)
{
	command_error("%s%s", error,
		      (err == -EPERM || err == -EACCES) && geteuid() ? " (detach is for root)"
								     : "");
	return EXIT_FAILURE;
}

/* --- waiting --- */

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int count_flows(struct detach *detach, const struct maps *maps)
{
	struct maps_flow_counts *counts = malloc(sizeof(*counts));
	int err = counts ? maps_count_flows(maps, counts) : -ENOMEM;

	detach->flows = 0;
	for (unsigned slot = 1; !err && slot <= SLUICE_MAX_BACKENDS; slot++)
		detach->flows += counts->active[slot] + counts->half_open[slot];
	free(counts);
	return err;
}

static void say_progress(const struct detach *detach, uint32_t *said, uint64_t *said_ms,
			 uint64_t left_ms)
{
	bool terminal = isatty(STDOUT_FILENO);

	if (detach->command->json)
		return;
	if (!terminal && detach->flows == *said && now_ms() - *said_ms < SAY_MS)
		return;
	printf("%snew connections pass to the host; %u balanced ones left, waiting for %llu s at most%s",
	       terminal ? "\r" : "", detach->flows, (unsigned long long)(left_ms + 999) / 1000,
	       terminal ? "\033[K" : "\n");
	fflush(stdout);
	*said = detach->flows;
	*said_ms = now_ms();
}

/* Somebody else may have detached, or attached, while we wait. */
static bool is_ours_still(struct detach *detach, const struct maps *maps)
{
	char path[512];

	snprintf(path, sizeof(path), "%.400s/" SLUICE_MAP_META, detach->config->pin_dir);
	if (access(path, F_OK) < 0 && errno == ENOENT) {
		detach->empty = true; /* of what could be waited for */
		return false;
	}
	detach->again = !services_are_leaving(maps);
	return !detach->again;
}

/* Over when two scans in a row find no flow: one may miss a flow that moves from table to table while it runs. 0 or -errno. */
static int wait_empty(struct detach *detach, const struct maps *maps)
{
	const struct timespec pause = { .tv_nsec = SCAN_MS * 1000000 };
	uint64_t start = now_ms(), said_ms = 0, passed;
	uint32_t said = UINT32_MAX;
	unsigned zeros = 0;
	int err = 0;

	while (is_ours_still(detach, maps)) {
		err = count_flows(detach, maps);
		if (err)
			break;
		zeros = detach->flows ? 0 : zeros + 1;
		detach->empty = zeros >= 2;
		passed = now_ms() - start;
		/* a time-out of 0 has its second look as well */
		if (detach->empty || (passed >= detach->wait_ms && zeros != 1))
			break;
		if (detach->flows)
			say_progress(detach, &said, &said_ms, detach->wait_ms - passed);
		nanosleep(&pause, NULL);
	}
	if (said != UINT32_MAX && isatty(STDOUT_FILENO))
		fputs("\r\033[K", stdout);
	return err;
}

/* --- telling --- */

static int tell(const struct detach *detach, bool done)
{
	const char *pin_dir = detach->config->pin_dir;

	if (detach->command->json) {
		cJSON *document = cJSON_CreateObject();

		cJSON_AddBoolToObject(document, "detached", done && detach->was);
		if (detach->wait) {
			cJSON_AddBoolToObject(document, "leaving", !done && !detach->again);
			cJSON_AddNumberToObject(document, "flows", detach->flows);
		}
		return command_print_json(document) || !done ? EXIT_FAILURE : EXIT_SUCCESS;
	}
	if (done) {
		printf("%s: %s\n", pin_dir, detach->was ? "detached" : "nothing was attached");
		return EXIT_SUCCESS;
	}
	if (detach->again)
		command_error(
			"%s: attached again meanwhile: it stays, and new connections are balanced",
			pin_dir);
	else
		command_error(
			"%s: not empty in time: %u connections still go through the programs, and new ones pass to the host. `sluicectl detach` ends them, `detach --wait TIME` waits on, `attach` balances again",
			pin_dir, detach->flows);
	return EXIT_FAILURE;
}

/* --- doing it --- */

static int wait_and_undo(struct detach *detach, char *error, size_t len)
{
	const char *pin_dir = detach->config->pin_dir;
	struct maps maps;
	int err = maps_open(&maps, pin_dir, MAPS_READ, error, len);

	if (err)
		return err;
	err = wait_empty(detach, &maps);
	if (err)
		snprintf(error, len, "%s: cannot scan the flows: %s", pin_dir, strerror(-err));
	maps_release(&maps);
	if (err || !detach->empty)
		return err;
	err = attach_undo_leave(pin_dir, error, len);
	if (err != -ECANCELED)
		return err;
	detach->again = true;
	detach->empty = false;
	return 0;
}

static int detach_slowly(struct detach *detach)
{
	char error[CONFIG_ERROR_LEN];
	int err = attach_leave(detach->config->pin_dir, error, sizeof(error));

	if (err == -ENOENT)
		return tell(detach, true);
	detach->was = true;
	if (!err)
		err = wait_and_undo(detach, error, sizeof(error));
	if (err)
		return failed(err, error);
	return tell(detach, detach->empty);
}

static int detach_now(struct detach *detach)
{
	char error[CONFIG_ERROR_LEN];
	int err = attach_undo(detach->config->pin_dir, &detach->was, error, sizeof(error));

	return err ? failed(err, error) : tell(detach, true);
}

int verb_detach(const struct command *command)
{
	struct detach detach = { .command = command };
	int status = parse(&detach, command);

	if (status)
		return status;
	detach.config = command_config(command);
	if (!detach.config)
		return EXIT_FAILURE;
	status = detach.wait ? detach_slowly(&detach) : detach_now(&detach);
	config_free(detach.config);
	return status;
}
