/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The page, in the text format 0.0.4: one block a metric, HELP and TYPE before its samples, labels escaped.
 */
#include "metrics.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actual.h"
#include "clock.h"
#include "facts.h"
#include "model.h"
#include "reconcile.h"
#include "scrape.h"
#include "state.h"
#include "version.h"

#define ESCAPED_LEN (2 * SLUICE_TASK_LEN)

struct metrics {
	struct scrape *scrape;
	metrics_fill fill;
	void *ctx;
};

struct page {
	struct evbuffer *out;
	const struct metrics_input *input;
	struct actual actual;
	bool cut; /* there was no memory for a part of it */
};

__attribute__((format(printf, 2, 3))) static void put(struct page *page, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	page->cut |= evbuffer_add_vprintf(page->out, format, args) < 0;
	va_end(args);
}

/* A sample that cannot be read is left out; one that there was no memory for would be missing from a page that seems whole. */
static bool was_read(struct page *page, int err)
{
	page->cut |= err == -ENOMEM;
	return !err;
}

static void head(struct page *page, const char *name, const char *type, const char *help)
{
	put(page, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A label's value: backslash, quote and newline are the format's; other control characters are nobody's. */
static const char *escape(const char *text, char *out)
{
	size_t n = 0;

	for (; *text && n + 2 < ESCAPED_LEN; text++) {
		if (*text == '\\' || *text == '"')
			out[n++] = '\\';
		out[n++] = (unsigned char)*text < ' ' ? ' ' : *text;
	}
	out[n] = 0;
	return out;
}

/* Labels of a backend in use; false: the slot is not one. */
static bool backend_labels(const struct page *page, unsigned slot, char *labels, size_t len)
{
	const struct sluice_backend *backend = &page->actual.backend[slot];
	const struct sluice_service *services = page->actual.service;
	char task[ESCAPED_LEN];

	if (!backend->generation || backend->service > SLUICE_MAX_SERVICES ||
	    !services[backend->service].name[0] || !actual_is_labelled(&page->actual, slot))
		return false;
	snprintf(labels, len, "service=\"%.*s\",port=\"%u\",task=\"%s\"", SLUICE_NAME_LEN,
		 services[backend->service].name, ntohs(backend->port),
		 escape(page->actual.label[slot].task, task));
	return true;
}

#define EACH_BACKEND(page, slot, labels)                             \
	for (unsigned slot = 1; slot <= SLUICE_MAX_BACKENDS; slot++) \
		if (backend_labels(page, slot, labels, sizeof(labels)))

static void write_sources(struct page *page)
{
	int64_t now = clock_ms();

	head(page, "sluice_source_connected", "gauge", "Is the source reachable and speaking?");
	for (int i = 0; i < METRICS_SOURCES; i++) {
		const struct facts_source *source = page->input->source[i];

		if (source && source->used)
			put(page, "sluice_source_connected{source=\"%s\"} %d\n", source->name,
			    source->connected);
	}
	head(page, "sluice_source_answers", "gauge",
	     "Does the source answer what is asked? Its events may be missing all the same.");
	for (int i = 0; i < METRICS_SOURCES; i++) {
		const struct facts_source *source = page->input->source[i];

		if (source && source->used)
			put(page, "sluice_source_answers{source=\"%s\"} %d\n", source->name,
			    source->answers);
	}
	head(page, "sluice_source_last_good_seconds", "gauge",
	     "Age of the source's last good answer.");
	for (int i = 0; i < METRICS_SOURCES; i++) {
		const struct facts_source *source = page->input->source[i];

		if (source && source->used && source->last_good_ms)
			put(page, "sluice_source_last_good_seconds{source=\"%s\"} %.3f\n",
			    source->name, (double)(now - source->last_good_ms) / 1000);
	}
	head(page, "sluice_listener_ends_untold_total", "counter",
	     "Listeners whose end the kernel did not tell, so that it was found later.");
	put(page, "sluice_listener_ends_untold_total %llu\n",
	    (unsigned long long)page->input->untold_ends);
}

/* A service has few such tasks, or all of them are. */
static void write_problems(struct page *page)
{
	const struct model_problem *problem;
	size_t count = model_problems(page->input->model, &problem);
	char task[ESCAPED_LEN];

	head(page, "sluice_unplaced_task", "gauge",
	     "A task that runs on this host and cannot be a backend.");
	for (size_t i = 0; i < count; i++)
		put(page, "sluice_unplaced_task{service=\"%s\",task=\"%s\"} 1\n",
		    problem[i].service, escape(problem[i].task, task));
}

static void write_guards(struct page *page)
{
	const struct model_guard *guards;
	size_t count = model_guards(page->input->model, &guards);
	char task[ESCAPED_LEN];

	head(page, "sluice_guard_active", "gauge",
	     "A guard overrules what the sources say of a backend, or of a whole service.");
	for (size_t i = 0; i < count; i++)
		put(page,
		    "sluice_guard_active{guard=\"%s\",service=\"%s\",port=\"%u\",task=\"%s\"} 1\n",
		    guards[i].guard, guards[i].service, guards[i].port,
		    escape(guards[i].task, task));
}

static void write_unrun_checks(struct page *page)
{
	struct model_unrun unrun;

	head(page, "sluice_unrun_checks", "gauge",
	     "Marathon's checks of a service's tasks that Consul cannot run.");
	for (size_t i = 0; model_unrun_checks(page->input->model, i, &unrun); i++)
		put(page, "sluice_unrun_checks{service=\"%s\"} %zu\n", unrun.service, unrun.checks);
}

static void write_daemon(struct page *page)
{
	const struct reconcile_counters *counters = &page->input->reconcile->counters;

	head(page, "sluice_build_info", "gauge", "Version of the daemon and of the maps' ABI.");
	put(page, "sluice_build_info{version=\"%s\",abi=\"%d\"} 1\n", SLUICE_VERSION, SLUICE_ABI);
	head(page, "sluice_publications_total", "counter",
	     "Sets published since the daemon started.");
	put(page, "sluice_publications_total %llu\n", (unsigned long long)counters->publications);
	head(page, "sluice_reconcile_failures_total", "counter",
	     "Turns that failed and left the maps as they were.");
	put(page, "sluice_reconcile_failures_total %llu\n", (unsigned long long)counters->failures);
	head(page, "sluice_refused_backends", "gauge",
	     "Backends that may not be served, such as by their port.");
	put(page, "sluice_refused_backends %zu\n", counters->refused);
	write_problems(page);
	write_guards(page);
	write_unrun_checks(page);
}

static void write_backends(struct page *page)
{
	char labels[ESCAPED_LEN + 128];

	head(page, "sluice_backend_state", "gauge",
	     "State of a backend: 1 for the state it is in.");
	EACH_BACKEND(page, slot, labels)
	put(page, "sluice_backend_state{%s,state=\"%s\"} 1\n", labels,
	    state_name(page->actual.backend[slot].state));
	head(page, "sluice_backend_weight", "gauge", "Weight of a backend, 0 to 256.");
	EACH_BACKEND(page, slot, labels)
	put(page, "sluice_backend_weight{%s} %u\n", labels, page->actual.backend[slot].weight);
	head(page, "sluice_backend_active_flows", "gauge",
	     "Flows of a backend whose handshake is done, roughly.");
	EACH_BACKEND(page, slot, labels)
	put(page, "sluice_backend_active_flows{%s} %d\n", labels,
	    maps_active(&page->input->reconcile->maps, &page->actual.backend[slot]));
}

/* One counter out of struct sluice_stats, for all backends or all services. */
struct stat_metric {
	const char *name, *help;
	size_t offset;
};

static const struct stat_metric stat_metrics[] = {
	{ "connections_total", "Handshakes done.", offsetof(struct sluice_stats, connections) },
	{ "picks_total", "SYNs that were given a backend.", offsetof(struct sluice_stats, picks) },
	{ "packets_in_total", "Packets from clients.", offsetof(struct sluice_stats, packets_in) },
	{ "bytes_in_total", "Bytes from clients, IP headers included.",
	  offsetof(struct sluice_stats, bytes_in) },
	{ "packets_out_total", "Packets to clients.", offsetof(struct sluice_stats, packets_out) },
	{ "bytes_out_total", "Bytes to clients, IP headers included.",
	  offsetof(struct sluice_stats, bytes_out) },
};

static unsigned long long stat_value(const struct sluice_stats *stats,
				     const struct stat_metric *metric)
{
	__u64 value;

	memcpy(&value, (const char *)stats + metric->offset, sizeof(value));
	return value;
}

static void write_backend_stats(struct page *page)
{
	char labels[ESCAPED_LEN + 128], name[64];
	struct sluice_stats stats;

	for (size_t i = 0; i < sizeof(stat_metrics) / sizeof(stat_metrics[0]); i++) {
		snprintf(name, sizeof(name), "sluice_backend_%s", stat_metrics[i].name);
		head(page, name, "counter", stat_metrics[i].help);
		EACH_BACKEND(page, slot, labels)
		if (was_read(page, maps_read_bstats(&page->input->reconcile->maps, slot, &stats)))
			put(page, "%s{%s} %llu\n", name, labels,
			    stat_value(&stats, &stat_metrics[i]));
	}
}

static void write_service_stats(struct page *page)
{
	const struct sluice_service *services = page->actual.service;
	struct sluice_stats stats;
	char name[64];

	head(page, "sluice_service_synced", "gauge",
	     "Has the service ever had a set? Until then its packets pass.");
	for (unsigned s = 1; s <= SLUICE_MAX_SERVICES; s++)
		if (services[s].name[0])
			put(page, "sluice_service_synced{service=\"%s\"} %d\n", services[s].name,
			    page->actual.set[s] != NULL);
	head(page, "sluice_service_leaving", "gauge",
	     "Do new connections pass to the host, for a detach --wait?");
	for (unsigned s = 1; s <= SLUICE_MAX_SERVICES; s++)
		if (services[s].name[0])
			put(page, "sluice_service_leaving{service=\"%s\"} %d\n", services[s].name,
			    services[s].flags & SLUICE_SERVICE_LEAVING ? 1 : 0);
	for (size_t i = 0; i < sizeof(stat_metrics) / sizeof(stat_metrics[0]); i++) {
		snprintf(name, sizeof(name), "sluice_service_%s", stat_metrics[i].name);
		head(page, name, "counter", stat_metrics[i].help);
		for (unsigned s = 1; s <= SLUICE_MAX_SERVICES; s++)
			if (services[s].name[0] &&
			    was_read(page,
				     maps_read_sstats(&page->input->reconcile->maps, s, &stats)))
				put(page, "%s{service=\"%s\"} %llu\n", name, services[s].name,
				    stat_value(&stats, &stat_metrics[i]));
	}
}

static void write_reasons(struct page *page)
{
	static const char *const names[] = {
#define X(id, name, help) #name,
		SLUICE_REASONS(X)
#undef X
	};
	uint64_t counts[SLUICE_REASON_COUNT];

	if (!was_read(page, maps_read_reasons(&page->input->reconcile->maps, counts)))
		return;
	head(page, "sluice_packets_total", "counter", "Packets by the way they took.");
	for (unsigned i = 1; i < SLUICE_REASON_COUNT; i++)
		put(page, "sluice_packets_total{reason=\"%s\"} %llu\n", names[i],
		    (unsigned long long)counts[i]);
}

static void write_tables(struct page *page)
{
	const struct maps_occupancy *tables = page->input->reconcile->tables;

	head(page, "sluice_flow_table_entries", "gauge",
	     "Entries of a flow table whose time is not over, at the last scan.");
	for (unsigned i = 0; i < MAPS_TABLES && tables[i].capacity; i++)
		put(page, "sluice_flow_table_entries{table=\"%s\"} %u\n", tables[i].name,
		    tables[i].entries);
	head(page, "sluice_flow_table_capacity", "gauge", "Entries that it can hold.");
	for (unsigned i = 0; i < MAPS_TABLES && tables[i].capacity; i++)
		put(page, "sluice_flow_table_capacity{table=\"%s\"} %u\n", tables[i].name,
		    tables[i].capacity);
}

static int write_page(void *ctx, struct evbuffer *out)
{
	struct metrics *metrics = ctx;
	struct metrics_input input = { 0 };
	struct page page = { .out = out, .input = &input };

	metrics->fill(metrics->ctx, &input);
	actual_view(&page.actual, &input.reconcile->maps, input.reconcile->services);
	write_daemon(&page);
	write_sources(&page);
	write_service_stats(&page);
	write_backends(&page);
	write_backend_stats(&page);
	write_reasons(&page);
	write_tables(&page);
	return page.cut ? -ENOMEM : 0;
}

struct metrics *metrics_new(struct event_base *base, const char *listen, metrics_fill fill,
			    void *ctx)
{
	struct metrics *metrics = calloc(1, sizeof(*metrics));

	if (!metrics)
		return NULL;
	metrics->fill = fill;
	metrics->ctx = ctx;
	metrics->scrape = scrape_new(base, listen, "/metrics", write_page, metrics);
	if (metrics->scrape)
		return metrics;
	free(metrics);
	return NULL;
}

void metrics_free(struct metrics *metrics)
{
	if (!metrics)
		return;
	scrape_free(metrics->scrape);
	free(metrics);
}
