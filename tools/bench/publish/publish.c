/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * publish PIN_DIR SERVICE: writes sets of backends into pinned maps by the daemon's own plan and publication, one for each line that it
 * reads: "ALGORITHM PORT...", a port with "-" before it is draining. A backend that a line does not name is retired. Answers each line by
 * "ok STEPS NANOSECONDS" or "error TEXT". The benchmark's stand-in for sluiced where no registry is part of what is measured; must not
 * run beside a daemon, for sets have one writer.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "actual.h"
#include "maps.h"
#include "plan.h"
#include "publish.h"

#define WEIGHT 100

static const char *const algorithms[] = {
	[SLUICE_BALANCE_ROUNDROBIN] = "roundrobin",
	[SLUICE_BALANCE_LEASTCONN] = "leastconn",
	[SLUICE_BALANCE_RANDOM] = "random",
	[SLUICE_BALANCE_SOURCE] = "source",
};

struct line {
	struct wanted_service service;
	struct wanted_backend backend[SLUICE_MAX_BACKENDS];
	char task[SLUICE_MAX_BACKENDS][16];
	size_t count;
};

static uint64_t now_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int parse_algorithm(const char *word, uint8_t *balance)
{
	for (unsigned i = SLUICE_BALANCE_ROUNDROBIN; i <= SLUICE_BALANCE_SOURCE; i++)
		if (!strcmp(word, algorithms[i])) {
			*balance = (uint8_t)i;
			return 0;
		}
	return -EINVAL;
}

static int add_backend(struct line *line, const char *word)
{
	const size_t at = line->count;
	const bool draining = *word == '-';
	const char *digits = word + draining;
	unsigned long port;
	char *end;

	errno = 0;
	port = strtoul(digits, &end, 10);
	if (errno || *digits < '0' || *digits > '9' || *end || !port || port > 65535)
		return -EINVAL;
	if (at == SLUICE_MAX_BACKENDS)
		return -E2BIG;
	snprintf(line->task[at], sizeof(line->task[at]), "bench.%lu", port);
	line->backend[at] = (struct wanted_backend){
		.task = line->task[at],
		.app = "/bench",
		.port = (uint16_t)port,
		.state = draining ? SLUICE_BACKEND_DRAINING : SLUICE_BACKEND_UP,
		.weight = WEIGHT,
		.reason = "the benchmark says so",
		.source = "bench",
	};
	line->count++;
	return 0;
}

static int parse(struct line *line, char *text, const char *service)
{
	char *save = NULL, *word = strtok_r(text, " \n", &save);
	int err = 0;

	line->count = 0;
	line->service = (struct wanted_service){ .name = service, .synced = true };
	if (!word)
		return -EINVAL;
	err = parse_algorithm(word, &line->service.balance);
	while (!err && (word = strtok_r(NULL, " \n", &save)))
		err = add_backend(line, word);
	return err;
}

static int publish(struct maps *maps, const struct line *line, size_t *steps)
{
	const struct wanted wanted = { 1, &line->service, line->count, line->backend };
	struct sluice_service services[SLUICE_MAX_SERVICES + 1];
	struct plan plan = { 0 };
	struct actual actual;
	int err = maps_read_services(maps, services);

	if (err)
		return err;
	actual_view(&actual, maps, services);
	err = plan_build(&plan, &actual, &wanted);
	if (!err && plan.refusal_count)
		err = -EADDRINUSE;
	if (!err)
		err = publish_apply(maps, &plan, now_ns(CLOCK_BOOTTIME));
	*steps = plan.count;
	plan_release(&plan);
	return err;
}

static void serve(struct maps *maps, const char *service)
{
	struct line *line = calloc(1, sizeof(*line));
	size_t size = 0, steps = 0;
	char *text = NULL;

	while (line && getline(&text, &size, stdin) > 0) {
		int err = parse(line, text, service);
		const uint64_t started_ns = now_ns(CLOCK_MONOTONIC);

		if (!err)
			err = publish(maps, line, &steps);
		if (err)
			printf("error %s\n", strerror(-err));
		else
			printf("ok %zu %" PRIu64 "\n", steps, now_ns(CLOCK_MONOTONIC) - started_ns);
		fflush(stdout);
	}
	free(text);
	free(line);
}

int main(int argc, char **argv)
{
	struct maps maps = { 0 };
	char error[512];
	int err;

	if (argc != 3) {
		fprintf(stderr, "usage: publish PIN_DIR SERVICE\n");
		return 2;
	}
	err = maps_open(&maps, argv[1], MAPS_ROOT, error, sizeof(error));
	if (err) {
		fprintf(stderr, "publish: %s\n", error);
		return 1;
	}
	serve(&maps, argv[2]);
	maps_release(&maps);
	return 0;
}
