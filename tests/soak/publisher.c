/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Publishes the sets that are in force again and again, a thousand times a second or as told, and once a second takes
 * another backend of the first service out of new connections and puts the last one back: what a daemon would write
 * whose sources never rest. The daemon must be stopped meanwhile: sets have one writer. Ends after so many seconds with
 * every backend as it was; prints how much it has written.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "maps.h"

static volatile sig_atomic_t told_to_stop;

static void on_signal(int number)
{
	(void)number;
	told_to_stop = 1;
}

static uint64_t now_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* The next slot after this one that is usable in its service, round and round; 0 if there is none. */
static unsigned next_up(const struct maps *maps, unsigned slot, unsigned service)
{
	for (unsigned tries = 0; tries < SLUICE_MAX_BACKENDS; tries++) {
		const struct sluice_backend *backend;

		slot = slot % SLUICE_MAX_BACKENDS + 1;
		backend = &maps->backends[slot];
		if (backend->generation && backend->service == service &&
		    backend->state == SLUICE_BACKEND_UP)
			return slot;
	}
	return 0;
}

static void set_state(struct maps *maps, unsigned slot, __u8 state)
{
	volatile struct sluice_backend *shared;

	if (!slot)
		return;
	shared = &maps->backends[slot];
	shared->state = state;
}

struct counts {
	uint64_t published, flapped;
};

static int run(struct maps *maps, unsigned service, uint64_t seconds, uint64_t rate,
	       struct counts *counts)
{
	const uint64_t started_ns = now_ns(CLOCK_MONOTONIC);
	const struct timespec pause = { .tv_nsec = 1000000 };
	static struct sluice_set set;
	unsigned away = 0, last = 0;
	int err = 0;

	while (!err && !told_to_stop) {
		uint64_t elapsed_ns = now_ns(CLOCK_MONOTONIC) - started_ns;

		if (elapsed_ns >= seconds * 1000000000)
			break;
		if (counts->flapped <= elapsed_ns / 1000000000) {
			set_state(maps, away, SLUICE_BACKEND_UP);
			last = away ? away : last;
			away = next_up(maps, last, service);
			set_state(maps, away, SLUICE_BACKEND_DRAINING);
			counts->flapped++;
		}
		while (!err && counts->published < elapsed_ns * rate / 1000000000) {
			if (!maps_read_set(maps, service, &set))
				err = -ENOENT;
			else
				err = maps_publish_set(maps, service, &set, now_ns(CLOCK_BOOTTIME));
			counts->published++;
		}
		nanosleep(&pause, NULL);
	}
	set_state(maps, away, SLUICE_BACKEND_UP);
	return err;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct counts counts = { 0 };
	struct maps maps = { 0 };
	char error[512];
	int err;

	if (argc != 4) {
		fprintf(stderr, "usage: publisher PIN_DIR SECONDS PUBLICATIONS_A_SECOND\n");
		return 2;
	}
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	err = maps_open(&maps, argv[1], MAPS_ROOT, error, sizeof(error));
	if (err) {
		fprintf(stderr, "publisher: %s\n", error);
		return 1;
	}
	err = run(&maps, 1, strtoull(argv[2], NULL, 10), strtoull(argv[3], NULL, 10), &counts);
	if (err)
		fprintf(stderr, "publisher: %s\n", strerror(-err));
	printf("{\"published\": %" PRIu64 ", \"flapped\": %" PRIu64 "}\n", counts.published,
	       counts.flapped);
	maps_release(&maps);
	return err != 0;
}
