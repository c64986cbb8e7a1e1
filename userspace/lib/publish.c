/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Steps become stores into the mapped arrays. Which steps, and in which order, was the plan's business.
 */
#include "publish.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>

#include <sluice/tally.h>

#include "changes.h"
#include "maps.h"

/* What stays may be the label's own text. */
static void put_text(char *to, size_t len, const char *from)
{
	if (to != from)
		snprintf(to, len, "%s", from);
}

static void write_label(struct sluice_label *label, const struct wanted_backend *backend)
{
	put_text(label->task, sizeof(label->task), backend->task);
	put_text(label->app, sizeof(label->app), backend->app);
	put_text(label->reason, sizeof(label->reason), backend->reason);
	put_text(label->source, sizeof(label->source), backend->source);
}

/* The generation is stored last: until then the slot is free for everybody who looks. */
static void create(struct maps *maps, const struct plan_step *step, uint64_t now_boot_ns)
{
	struct sluice_backend *backend = &maps->backends[step->slot];
	struct sluice_label *label = &maps->labels[step->slot];

	memset(label, 0, sizeof(*label));
	/* The slot's counters go on counting; those of earlier generations are subtracted by who reads them. */
	if (maps->bstats_fd > 0)
		maps_read_bstats(maps, step->slot, &label->base);
	label->port_index = step->backend->port_index;
	write_label(label, step->backend);
	label->generation = step->generation;

	backend->port = htons(step->backend->port);
	backend->service = (uint16_t)step->service;
	backend->state = (uint8_t)step->backend->state;
	backend->weight = step->backend->weight;
	backend->created_ns = now_boot_ns;
	backend->state_since_ns = now_boot_ns;
	backend->last_generation = step->generation;
	sluice_tally_reset(&backend->active, maps_jiffies(maps), maps->meta.timeouts.idle_periods);
	sluice_tally_reset(&backend->half_open, maps_jiffies(maps),
			   maps->meta.timeouts.half_open_periods);
	__atomic_store_n(&backend->local, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&backend->suspect, SLUICE_SUSPECT_NONE, __ATOMIC_RELAXED);
	__atomic_store_n(&backend->answered, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&backend->generation, step->generation, __ATOMIC_RELEASE);
}

/* The other way round. last_generation stays: the slot never gives a generation twice. */
static void retire(struct maps *maps, const struct plan_step *step)
{
	struct sluice_override_key key = { .slot = step->slot, .generation = step->generation };
	struct sluice_backend *backend = &maps->backends[step->slot];

	__atomic_store_n(&backend->generation, 0, __ATOMIC_RELEASE);
	backend->state = SLUICE_BACKEND_FREE;
	/* Mostly there is none to delete; one that stays names a generation that never comes again. */
	if (maps->override_fd >= 0)
		bpf_map_delete_elem(maps->override_fd, &key);
}

static int apply(struct maps *maps, const struct plan_step *step, uint64_t now_boot_ns)
{
	struct sluice_backend *backend = &maps->backends[step->slot];
	struct sluice_hport hport;

	switch (step->kind) {
	case PLAN_CREATE:
		create(maps, step, now_boot_ns);
		return 0;
	case PLAN_STATE:
		backend->state_since_ns = now_boot_ns;
		__atomic_store_n(&backend->state, (uint8_t)step->backend->state, __ATOMIC_RELEASE);
		return 0;
	case PLAN_WEIGHT:
		__atomic_store_n(&backend->weight, step->backend->weight, __ATOMIC_RELEASE);
		return 0;
	case PLAN_LABEL:
		write_label(&maps->labels[step->slot], step->backend);
		return 0;
	case PLAN_HPORT:
		/* Eight bytes in one store, so that no reader sees one backend's slot with another's port. */
		hport = (struct sluice_hport){ .service_port = htons(step->service_port),
					       .slot = (uint16_t)step->slot };
		__atomic_store(&maps->hports[step->port], &hport, __ATOMIC_RELEASE);
		return 0;
	case PLAN_PUBLISH:
		return maps_publish_set(maps, step->service, step->set, now_boot_ns);
	case PLAN_RETIRE:
		retire(maps, step);
		return 0;
	}
	return -EINVAL;
}

/* Written before it is done: see changes_next(). */
static void record(struct maps *maps, const struct plan *plan, const struct plan_step *step,
		   uint64_t *number, uint64_t now_boot_ns)
{
	const struct sluice_backend *backend = &maps->backends[step->slot];
	const struct sluice_label *label = &maps->labels[step->slot];
	struct sluice_change change = { .slot = step->slot, .boot_ns = now_boot_ns };
	const struct wanted_backend *wanted = step->backend;
	unsigned service = backend->service;
	const char *source, *reason;

	if (step->kind != PLAN_CREATE && step->kind != PLAN_STATE && step->kind != PLAN_RETIRE)
		return;
	if (step->kind == PLAN_CREATE)
		service = step->service;
	else
		change.from = backend->state;
	change.generation = step->kind == PLAN_STATE ? backend->generation : step->generation;
	change.to = wanted ? (uint8_t)wanted->state : SLUICE_BACKEND_FREE;
	change.port = wanted ? wanted->port : ntohs(backend->port);
	source = wanted ? wanted->source : label->source;
	reason = wanted ? wanted->reason : label->reason;
	if (!wanted && backend->state != SLUICE_BACKEND_GONE) {
		source = "plan";
		reason = "its port has another owner, or nobody wants it any more";
	}
	snprintf(change.service, sizeof(change.service), "%s",
		 service <= SLUICE_MAX_SERVICES ? plan->services[service].name : "");
	snprintf(change.task, sizeof(change.task), "%.*s", SLUICE_TASK_LEN - 1,
		 wanted ? wanted->task : label->task);
	snprintf(change.reason, sizeof(change.reason), "%.*s", SLUICE_REASON_LEN - 1, reason);
	snprintf(change.source, sizeof(change.source), "%.15s", source);
	changes_write(maps, &change, (*number)++);
}

int publish_apply(struct maps *maps, const struct plan *plan, uint64_t now_boot_ns)
{
	uint64_t number = plan->count && maps->changes ? changes_next(maps) : 0;
	int err;

	for (size_t i = 0; i < plan->count; i++) {
		if (number)
			record(maps, plan, &plan->step[i], &number, now_boot_ns);
		err = apply(maps, &plan->step[i], now_boot_ns);
		if (err)
			return err;
	}
	return 0;
}

/*
 * Only what has stood still while the tables were walked: of what has moved nobody can tell whether
 * the scan has seen it before or after. The next scan does it, or time.
 */
static void correct(__s32 *count, __s32 before, uint32_t exact)
{
	__atomic_compare_exchange_n(count, &before, (__s32)exact, false, __ATOMIC_RELAXED,
				    __ATOMIC_RELAXED);
}

/*
 * The parts of one tally. If a period has ended since the scan began the next scan does it. Only the
 * programs advance a tally: we might be preempted in it, and drop what they have counted since. A
 * part that is no longer in force is theirs to drop too.
 */
static void correct_tally(struct sluice_tally *tally, const __s32 before[SLUICE_TALLY_PARTS],
			  const uint32_t exact[SLUICE_TALLY_PARTS], uint32_t scanned, uint32_t now,
			  uint32_t periods)
{
	const uint32_t newest = __atomic_load_n(&tally->period, __ATOMIC_RELAXED);
	const uint32_t late =
		sluice_tally_distance(newest, sluice_tally_period(now, periods), periods);

	if (sluice_tally_period(scanned, periods) != sluice_tally_period(now, periods))
		return;
	for (unsigned i = 0; i < SLUICE_TALLY_PARTS; i++)
		if (sluice_tally_mask(i, newest, late))
			correct(&tally->part[i], before[i], exact[i]);
}

void publish_counts(struct maps *maps, const struct maps_flow_counts *counts)
{
	const struct sluice_timeouts *timeouts = &maps->meta.timeouts;
	const uint32_t now = maps_jiffies(maps);

	for (unsigned slot = 1; slot <= SLUICE_MAX_BACKENDS; slot++) {
		struct sluice_backend *backend = &maps->backends[slot];

		if (!backend->generation)
			continue;
		correct_tally(&backend->active, counts->before[slot].active,
			      counts->active_part[slot], counts->now, now, timeouts->idle_periods);
		correct_tally(&backend->half_open, counts->before[slot].half_open,
			      counts->half_open_part[slot], counts->now, now,
			      timeouts->half_open_periods);
		correct(&backend->local, counts->before[slot].local, counts->local[slot]);
	}
}
