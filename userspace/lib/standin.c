/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is wanted is what is, with the operator's words over it; the plan finds the differences. A backend that somebody else drains or
 * that is gone stays so.
 */
#include "standin.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "maps.h"
#include "publish.h"

/* Names the operator as the source only where it drains or where the backend is up: the daemon takes the source for a hint at its start. */
#define SOURCE_OPERATOR "operator"
#define SOURCE_STANDIN "sluicectl"

static bool is_operators(const struct sluice_label *label, const struct sluice_backend *backend)
{
	return backend->state == SLUICE_BACKEND_DRAINING &&
	       !strncmp(label->source, SOURCE_OPERATOR, sizeof(label->source));
}

static void drain(struct wanted_backend *wanted)
{
	if (wanted->state == SLUICE_BACKEND_GONE || wanted->state == SLUICE_BACKEND_DRAINING)
		return;
	wanted->state = SLUICE_BACKEND_DRAINING;
	wanted->source = SOURCE_OPERATOR;
	wanted->reason = "drained by the operator";
}

/* The drain has ended. What it was before is the best that is known; a new one waits for the daemon. */
static void undrain(struct wanted_backend *wanted, uint32_t before)
{
	wanted->state = before == SLUICE_BACKEND_FREE || before > SLUICE_BACKEND_DRAINING
				? SLUICE_BACKEND_UP
				: before;
	wanted->source = wanted->state == SLUICE_BACKEND_UP ? SOURCE_OPERATOR : SOURCE_STANDIN;
	wanted->reason = "undrained, as it was before; sluiced was down";
}

static void want_backend(struct standin *standin, const struct actual *actual, unsigned slot,
			 size_t service, const struct sluice_override *override)
{
	const struct sluice_backend *backend = &actual->backend[slot];
	const struct sluice_label *label = &actual->label[slot];
	struct wanted_backend *wanted = &standin->backend[standin->wanted.backend_count++];

	*wanted = (struct wanted_backend){
		.service = service,
		.task = label->task,
		.app = label->app,
		.port_index = label->port_index,
		.port = ntohs(backend->port),
		.state = backend->state,
		.weight = override->has_weight && override->weight <= 256 ? override->weight
									  : backend->weight,
		.reason = label->reason,
		.source = label->source,
	};
	if (override->drain)
		drain(wanted);
	else if (is_operators(label, backend))
		undrain(wanted, override->before);
}

static void want_service(struct standin *standin, const struct actual *actual, unsigned index,
			 const struct standin_overrides *overrides)
{
	const struct sluice_set *set = actual->set[index];
	size_t service = standin->wanted.service_count++;

	standin->service[service] = (struct wanted_service){
		.name = actual->service[index].name,
		.balance = set->balance,
		.on_empty = set->on_empty,
		.on_full = set->on_full,
		.maxconn = set->maxconn,
		.synced = true,
	};
	for (unsigned slot = 1; slot <= SLUICE_MAX_BACKENDS; slot++)
		if (actual->backend[slot].generation && actual->backend[slot].service == index &&
		    actual_is_labelled(actual, slot))
			want_backend(standin, actual, slot, service, &overrides->slot[slot]);
}

/* Whatever else the plan finds is the daemon's to put right. */
static void keep_ours(struct plan *plan)
{
	size_t kept = 0;

	for (size_t i = 0; i < plan->count; i++) {
		enum plan_kind kind = plan->step[i].kind;

		if (kind == PLAN_STATE || kind == PLAN_WEIGHT || kind == PLAN_LABEL ||
		    kind == PLAN_PUBLISH)
			plan->step[kept++] = plan->step[i];
	}
	plan->count = kept;
}

int standin_build(struct standin *standin, const struct actual *actual,
		  const struct standin_overrides *overrides)
{
	int err;

	*standin = (struct standin){ 0 };
	standin->service = calloc(SLUICE_MAX_SERVICES, sizeof(*standin->service));
	standin->backend = calloc(SLUICE_MAX_BACKENDS, sizeof(*standin->backend));
	if (!standin->service || !standin->backend)
		return -ENOMEM;
	for (unsigned i = 1; i <= SLUICE_MAX_SERVICES; i++)
		if (actual->set[i] && actual->service[i].name[0])
			want_service(standin, actual, i, overrides);
	standin->wanted.service = standin->service;
	standin->wanted.backend = standin->backend;
	err = plan_build(&standin->plan, actual, &standin->wanted);
	keep_ours(&standin->plan);
	return err;
}

void standin_release(struct standin *standin)
{
	plan_release(&standin->plan);
	free(standin->service);
	free(standin->backend);
	*standin = (struct standin){ 0 };
}

static void read_overrides(const struct maps *maps, struct standin_overrides *overrides)
{
	for (unsigned slot = 1; slot <= SLUICE_MAX_BACKENDS; slot++) {
		const struct sluice_override_key key = {
			.slot = slot, .generation = maps->backends[slot].generation
		};

		if (key.generation &&
		    bpf_map_lookup_elem(maps->override_fd, &key, &overrides->slot[slot]))
			overrides->slot[slot] = (struct sluice_override){ 0 };
	}
}

int standin_apply(struct maps *maps, uint64_t now_boot_ns)
{
	struct sluice_service services[SLUICE_MAX_SERVICES + 1];
	struct standin_overrides *overrides = calloc(1, sizeof(*overrides));
	struct standin standin = { 0 };
	struct actual actual;
	int err = overrides ? maps_read_services(maps, services) : -ENOMEM;

	if (err)
		goto out;
	read_overrides(maps, overrides);
	actual_view(&actual, maps, services);
	err = standin_build(&standin, &actual, overrides);
	if (err)
		goto out;
	err = publish_apply(maps, &standin.plan, now_boot_ns);
out:
	standin_release(&standin);
	free(overrides);
	return err;
}
