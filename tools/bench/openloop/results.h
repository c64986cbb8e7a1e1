/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What became of the requests, and the line of JSON that says it. Times are in nanoseconds here and
 * in microseconds there. It knows neither connections nor the schedule: what it prints of them is
 * handed to it.
 */
#ifndef OPENLOOP_RESULTS_H
#define OPENLOOP_RESULTS_H

#include <stddef.h>
#include <stdint.h>

#include "channel.h"
#include "histogram.h"

#define RESULTS_MAX_WHO 1024

struct results {
	uint64_t started_ns, last_answer_ns; /* set when the clock starts to run */
	/* Since then; the first one is valid if it is not 0. */
	uint64_t first_failure_ns, last_failure_ns;
	uint64_t fates[FATE_COUNT];
	struct histogram latency, service,
		behind; /* from the intended time, from the sending, between the two */
	struct {
		char name[64];
		uint64_t answers;
	} who[RESULTS_MAX_WHO]; /* those that answered */
	size_t who_count;
};

struct results_setting { /* what was asked for, and the connections at the end */
	uint64_t offered, duration_ns;
	uint64_t above_ns; /* answers that took longer are counted */
	uint64_t connections, idle_closed;
	size_t idle_open;
};

void results_init(struct results *results);
/* Names beyond RESULTS_MAX_WHO are left out. */
void results_count_who(struct results *results, const char *name);
void results_print_json(const struct results *results, const struct results_setting *setting);

#endif
