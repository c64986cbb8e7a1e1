/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counting and printing behind results.h.
 */
#include "results.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const fate_names[FATE_COUNT] = {
	"answered", "refused", "unreachable", "reset", "eof", "stale", "timeout", "bad", "unsent",
};

void results_init(struct results *results)
{
	memset(results, 0, sizeof(*results));
	histogram_init(&results->latency);
	histogram_init(&results->service);
	histogram_init(&results->behind);
}

void results_count_who(struct results *results, const char *name)
{
	size_t i;

	for (i = 0; i < results->who_count; i++)
		if (!strncmp(results->who[i].name, name, sizeof(results->who[i].name) - 1))
			break;
	if (i == RESULTS_MAX_WHO)
		return;
	if (i == results->who_count) {
		snprintf(results->who[i].name, sizeof(results->who[i].name), "%.*s",
			 (int)sizeof(results->who[i].name) - 1, name);
		results->who_count++;
	}
	results->who[i].answers++;
}

static void print_times(const char *name, const struct histogram *times, uint64_t above_ns)
{
	printf("\"%s\": {\"min\": %.2f, \"mean\": %.2f, \"p50\": %.2f, \"p90\": %.2f, \"p99\": %.2f, \"p999\": %.2f, "
	       "\"max\": %.2f, \"above\": %" PRIu64 "}, ",
	       name, times->total ? (double)times->min_ns / 1e3 : 0, histogram_mean(times) / 1e3,
	       (double)histogram_percentile(times, 0.5) / 1e3,
	       (double)histogram_percentile(times, 0.9) / 1e3,
	       (double)histogram_percentile(times, 0.99) / 1e3,
	       (double)histogram_percentile(times, 0.999) / 1e3, (double)times->max_ns / 1e3,
	       histogram_above(times, above_ns));
}

void results_print_json(const struct results *results, const struct results_setting *setting)
{
	const double scheduled_s = (double)setting->duration_ns / 1e9;
	double seconds = (double)(results->last_answer_ns - results->started_ns) / 1e9;

	if (seconds < scheduled_s)
		seconds = scheduled_s;
	printf("{\"offered\": %" PRIu64 ", \"answered\": %" PRIu64
	       ", \"seconds\": %.6f, \"offered_rate\": %.2f, \"achieved_rate\": %.2f, "
	       "\"connections\": %" PRIu64 ", \"idle_open\": %zu, \"idle_closed\": %" PRIu64 ", ",
	       setting->offered, results->fates[FATE_ANSWERED], seconds,
	       (double)setting->offered / scheduled_s,
	       (double)results->fates[FATE_ANSWERED] / seconds, setting->connections,
	       setting->idle_open, setting->idle_closed);
	print_times("latency_us", &results->latency, setting->above_ns);
	print_times("service_us", &results->service, setting->above_ns);
	print_times("behind_us", &results->behind, setting->above_ns);
	printf("\"first_failure_ms\": %.3f, \"last_failure_ms\": %.3f, \"failed\": {",
	       (double)results->first_failure_ns / 1e6, (double)results->last_failure_ns / 1e6);
	for (unsigned i = FATE_REFUSED; i < FATE_COUNT; i++)
		printf("%s\"%s\": %" PRIu64, i > FATE_REFUSED ? ", " : "", fate_names[i],
		       results->fates[i]);
	printf("}, \"answered_by\": {");
	for (size_t i = 0; i < results->who_count; i++) {
		printf("%s\"", i ? ", " : "");
		for (const char *at = results->who[i].name; *at; at++)
			putchar(*at < ' ' || *at == '"' || *at == '\\' ? ' ' : *at);
		printf("\": %" PRIu64, results->who[i].answers);
	}
	puts("}}");
	/* Whoever measures stops its clocks at this line: closing thousands of connections is no part of it. */
	fflush(stdout);
}
