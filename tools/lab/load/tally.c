/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The counts behind tally.h and their two renderings. Latencies lie in buckets of a sixteenth of a power of two, so a
 * percentile is right within 7 %.
 */
#define _GNU_SOURCE
#include "tally.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *const failure_names[FAILURE_COUNT] = { "refused", "unreachable", "reset", "eof",
							  "stale",   "timeout",	    "bad" };

/* The value of "NAME=" in text, up to the next blank; only characters that need no escape in JSON are kept. */
static void value_of(const char *text, const char *name, char *value, size_t size)
{
	const char *at = strstr(text, name);
	size_t len = 0;

	if (at) {
		for (at += strlen(name); *at && *at != ' ' && *at != '\r' && *at != '\n'; at++) {
			if (len + 1 < size)
				value[len++] = *at < ' ' || *at == '"' || *at == '\\' ? '?' : *at;
		}
	}
	value[len] = '\0';
}

struct answerer *tally_answerer(struct tally *tally, const char *target, const char *text)
{
	struct answerer wanted = { 0 }, *bigger;
	char port[16];

	value_of(text, "task=", wanted.task, sizeof(wanted.task));
	value_of(text, "host=", wanted.host, sizeof(wanted.host));
	value_of(text, "port=", port, sizeof(port));
	wanted.port = (unsigned)strtoul(port, NULL, 10);
	snprintf(wanted.target, sizeof(wanted.target), "%s", target);
	for (size_t i = 0; i < tally->answerer_count; i++) {
		struct answerer *known = &tally->answerers[i];

		if (known->port == wanted.port && !strcmp(known->task, wanted.task) &&
		    !strcmp(known->host, wanted.host) && !strcmp(known->target, wanted.target))
			return known;
	}
	bigger = realloc(tally->answerers, (tally->answerer_count + 1) * sizeof(*bigger));
	if (!bigger)
		return NULL;
	tally->answerers = bigger;
	bigger += tally->answerer_count++;
	*bigger = wanted;
	return bigger;
}

static unsigned bucket_of(uint64_t us)
{
	unsigned exponent;

	if (us < 16)
		return (unsigned)us;
	exponent = 63 - (unsigned)__builtin_clzll(us);
	if (exponent > 42)
		return TALLY_BUCKETS - 1;
	return (exponent - 3) * 16 + (unsigned)(us >> (exponent - 4)) % 16;
}

static uint64_t bucket_value(unsigned bucket)
{
	if (bucket < 16)
		return bucket;
	return (uint64_t)(16 + bucket % 16) << (bucket / 16 - 1);
}

static void note(struct tally_times *times, uint64_t us)
{
	times->buckets[bucket_of(us)]++;
	if (us > times->max_us)
		times->max_us = us;
}

void tally_latency(struct tally *tally, uint64_t us)
{
	note(&tally->latency, us);
}

void tally_connect(struct tally *tally, uint64_t us)
{
	note(&tally->connect, us);
}

static uint64_t percentile(const struct tally_times *times, unsigned percent)
{
	uint64_t all = 0, seen = 0;

	for (unsigned i = 0; i < TALLY_BUCKETS; i++)
		all += times->buckets[i];
	for (unsigned i = 0; i < TALLY_BUCKETS; i++) {
		seen += times->buckets[i];
		if (seen && seen * 100 >= all * percent)
			return bucket_value(i);
	}
	return 0;
}

static void print_times(const char *name, const struct tally_times *times, FILE *to)
{
	fprintf(to, ", \"%s\": {\"p50\": %" PRIu64 ", \"p99\": %" PRIu64 ", \"max\": %" PRIu64 "}",
		name, percentile(times, 50), percentile(times, 99), times->max_us);
}

void tally_failure(struct tally *tally, const struct first_failure *failure)
{
	tally->failed[failure->kind]++;
	if (tally->first_count < TALLY_FIRST_FAILURES)
		tally->first[tally->first_count++] = *failure;
}

uint64_t tally_failed(const struct tally *tally)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < FAILURE_COUNT; i++)
		sum += tally->failed[i];
	return sum;
}

void tally_print_json(const struct tally *tally, uint64_t duration_ms, FILE *to)
{
	fprintf(to, "{\"requests\": %" PRIu64 ", \"answered\": %" PRIu64 ", \"failed\": %" PRIu64,
		tally->sent, tally->answered, tally_failed(tally));
	fprintf(to, ", \"failures\": {");
	for (unsigned i = 0; i < FAILURE_COUNT; i++)
		fprintf(to, "%s\"%s\": %" PRIu64, i ? ", " : "", failure_names[i],
			tally->failed[i]);
	fprintf(to, "}, \"connections\": %" PRIu64 ", \"idle_closed\": %" PRIu64,
		tally->connections, tally->idle_closed);
	fprintf(to,
		", \"moved\": %" PRIu64 ", \"body_bytes\": %" PRIu64 ", \"duration_ms\": %" PRIu64,
		tally->moved, tally->body_bytes, duration_ms);
	print_times("latency_us", &tally->latency, to);
	print_times("connect_us", &tally->connect, to);
	fprintf(to, ", \"tasks\": [");
	for (size_t i = 0; i < tally->answerer_count; i++) {
		const struct answerer *a = &tally->answerers[i];

		fprintf(to,
			"%s{\"target\": \"%s\", \"task\": \"%s\", \"host\": \"%s\", \"port\": %u, "
			"\"requests\": %" PRIu64 ", \"connections\": %" PRIu64 "}",
			i ? ", " : "", a->target, a->task, a->host, a->port, a->requests,
			a->connections);
	}
	fprintf(to, "], \"first_failures\": [");
	for (unsigned i = 0; i < tally->first_count; i++) {
		const struct first_failure *f = &tally->first[i];

		fprintf(to,
			"%s{\"at_ms\": %" PRIu64 ", \"kind\": \"%s\", \"target\": \"%s\", "
			"\"task\": \"%s\", \"local_port\": %u, \"error\": \"%s\"}",
			i ? ", " : "", f->at_ms, failure_names[f->kind], f->target, f->task,
			f->local_port, f->error ? strerror(f->error) : "");
	}
	fprintf(to, "]}\n");
}

void tally_print_text(const struct tally *tally, uint64_t duration_ms, FILE *to)
{
	fprintf(to,
		"%" PRIu64 " requests in %.1f s over %" PRIu64 " connections, %" PRIu64 " failed\n",
		tally->sent, (double)duration_ms / 1000, tally->connections, tally_failed(tally));
	for (unsigned i = 0; i < FAILURE_COUNT; i++) {
		if (tally->failed[i])
			fprintf(to, "  %s: %" PRIu64 "\n", failure_names[i], tally->failed[i]);
	}
	if (tally->moved)
		fprintf(to, "  connections that changed their task: %" PRIu64 "\n", tally->moved);
	fprintf(to, "  latency: median %" PRIu64 " us, 99 %% %" PRIu64 " us, max %" PRIu64 " us\n",
		percentile(&tally->latency, 50), percentile(&tally->latency, 99),
		tally->latency.max_us);
	for (size_t i = 0; i < tally->answerer_count; i++) {
		const struct answerer *a = &tally->answerers[i];

		fprintf(to, "  %-18s -> %s:%u %s: %" PRIu64 " requests, %" PRIu64 " connections\n",
			a->target, a->host, a->port, a->task, a->requests, a->connections);
	}
}

void tally_release(struct tally *tally)
{
	free(tally->answerers);
	tally->answerers = NULL;
	tally->answerer_count = 0;
}
