/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Between the pure modules and the maps. Whatever fails here leaves the data plane as it was.
 */
#include "reconcile.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "actual.h"
#include "clock.h"
#include "log.h"
#include "model.h"
#include "plan.h"
#include "publish.h"
#include "writer.h"

#define PATH_LEN 512
#define LOCK_PATIENCE_MS 2000 /* a sluicectl that stands in for us has done long before */

int reconcile_open(struct reconcile *reconcile, const char *pin_dir, struct model *model,
		   char *error, size_t len)
{
	int err;

	*reconcile = (struct reconcile){ .lock_fd = -1, .model = model };
	reconcile->lock_fd = writer_lock(pin_dir, LOCK_PATIENCE_MS, error, len);
	if (reconcile->lock_fd < 0)
		return reconcile->lock_fd;
	err = maps_open(&reconcile->maps, pin_dir, MAPS_DAEMON, error, len);
	if (err)
		goto out;
	err = maps_read_services(&reconcile->maps, reconcile->services);
	if (err) {
		snprintf(error, len, "%s: cannot read the services: %s", pin_dir, strerror(-err));
		goto out;
	}
	reconcile->pin_dir = strdup(pin_dir);
	if (!reconcile->pin_dir) {
		err = -ENOMEM;
		snprintf(error, len, "out of memory");
	}
out:
	if (err)
		reconcile_close(reconcile);
	return err;
}

void reconcile_close(struct reconcile *reconcile)
{
	maps_release(&reconcile->maps);
	free(reconcile->pin_dir);
	reconcile->pin_dir = NULL;
	if (reconcile->lock_fd >= 0)
		close(reconcile->lock_fd);
	reconcile->lock_fd = -1;
}

/* The name that attach gave the service of a slot in use; NULL: none that can be trusted. */
static const char *service_of(const struct reconcile *reconcile, const struct actual *actual,
			      unsigned slot)
{
	const struct sluice_backend *backend = &actual->backend[slot];

	if (!backend->generation || !backend->service || backend->service > SLUICE_MAX_SERVICES ||
	    !actual_is_labelled(actual, slot) || !reconcile->services[backend->service].name[0])
		return NULL;
	return reconcile->services[backend->service].name;
}

int reconcile_adopt(struct reconcile *reconcile)
{
	struct actual actual;
	int err = 0;

	actual_view(&actual, &reconcile->maps, reconcile->services);
	for (unsigned i = 1; i <= SLUICE_MAX_SERVICES; i++)
		if (actual.set[i])
			model_adopt_synced(reconcile->model, reconcile->services[i].name);
	for (unsigned slot = 1; slot <= SLUICE_MAX_BACKENDS && !err; slot++) {
		const struct sluice_label *label = &actual.label[slot];
		struct model_adopted adopted = {
			.service = service_of(reconcile, &actual, slot),
			.task = label->task,
			.app = label->app,
			.source = label->source,
			.reason = label->reason,
			.port_index = label->port_index,
			.port = ntohs(actual.backend[slot].port),
			.state = actual.backend[slot].state,
			.since_ms = (int64_t)(actual.backend[slot].state_since_ns / 1000000),
		};

		if (!adopted.service || adopted.state == SLUICE_BACKEND_FREE ||
		    adopted.state > SLUICE_BACKEND_GONE)
			continue;
		err = model_adopt(reconcile->model, &adopted);
	}
	return err;
}

struct word { /* of the operator */
	struct sluice_override_key key;
	struct sluice_override override;
};

/* false: the slot is nobody's, or its label cannot be trusted. */
static bool identity_of(const struct reconcile *reconcile, const struct actual *actual,
			unsigned slot, struct model_identity *identity)
{
	*identity = (struct model_identity){
		.service = service_of(reconcile, actual, slot),
		.task = actual->label[slot].task,
		.port_index = actual->label[slot].port_index,
		.port = ntohs(actual->backend[slot].port),
	};
	return identity->service != NULL;
}

/* All of them, or negative errno. words has room for SLUICE_MAX_BACKENDS + 1. */
static int read_words(int fd, struct word *words, size_t *count)
{
	struct sluice_override_key at, next;
	bool first = true;

	*count = 0;
	while (!bpf_map_get_next_key(fd, first ? NULL : &at, &next)) {
		/* the walk begins anew when sluicectl deletes where it stands: another turn then */
		if (*count == SLUICE_MAX_BACKENDS + 1)
			return -EAGAIN;
		at = next;
		first = false;
		words[*count].key = at;
		if (!bpf_map_lookup_elem(fd, &at, &words[*count].override))
			++*count;
		else if (errno != ENOENT) /* that one was taken back just now */
			return -errno;
	}
	return errno == ENOENT ? 0 : -errno;
}

/* They end with the generation: one that names an older generation is nobody's. */
int reconcile_overrides(struct reconcile *reconcile, const struct actual *actual)
{
	struct word words[SLUICE_MAX_BACKENDS + 1];
	size_t count = 0;
	int err;

	err = read_words(reconcile->maps.override_fd, words, &count);
	if (err)
		return err;
	model_overrides_clear(reconcile->model);
	for (size_t i = 0; i < count; i++) {
		const struct sluice_override_key *key = &words[i].key;
		struct model_identity identity;

		if (!key->slot || key->slot > SLUICE_MAX_BACKENDS ||
		    actual->backend[key->slot].generation != key->generation)
			continue;
		if (identity_of(reconcile, actual, key->slot, &identity))
			model_override(reconcile->model, &identity, &words[i].override);
	}
	return 0;
}

/* One line for each refused backend, when the list of them changes. */
static void log_refusals(struct reconcile *reconcile, const struct plan *plan,
			 const struct wanted *wanted)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	reconcile->counters.refused = plan->refusal_count;
	for (size_t i = 0; i < plan->refusal_count; i++)
		for (const char *c = plan->refusal[i].backend->task; *c; c++)
			hash = (hash ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
	if (hash == reconcile->refusal_hash)
		return;
	reconcile->refusal_hash = hash;
	for (size_t i = 0; i < plan->refusal_count; i++) {
		const struct wanted_backend *backend = plan->refusal[i].backend;

		log_event(LOG_WARNING, "refused", " service=%s port=%u task=%s reason=\"%s\"",
			  wanted->service[backend->service].name, backend->port, backend->task,
			  plan->refusal[i].reason);
	}
}

static void count_steps(struct reconcile *reconcile, const struct plan *plan)
{
	reconcile->counters.steps += plan->count;
	for (size_t i = 0; i < plan->count; i++)
		reconcile->counters.publications += plan->step[i].kind == PLAN_PUBLISH;
}

/* What attach, or `sluicectl reload` as root, has made of the services since. Nothing changes on failure. */
static int read_attached(struct reconcile *reconcile)
{
	struct sluice_service services[SLUICE_MAX_SERVICES + 1];
	struct sluice_meta meta;
	const __u32 zero = 0;
	int err;

	err = maps_read_services(&reconcile->maps, services);
	if (err)
		return err;
	if (bpf_map_lookup_elem(reconcile->maps.meta_fd, &zero, &meta))
		return -errno;
	memcpy(reconcile->services, services, sizeof(services));
	reconcile->maps.meta = meta;
	return 0;
}

int reconcile_run(struct reconcile *reconcile, int64_t now_ms)
{
	const struct wanted *wanted;
	struct actual actual;
	struct plan plan = { 0 };
	int err;

	err = read_attached(reconcile);
	if (err)
		goto out;
	actual_view(&actual, &reconcile->maps, reconcile->services);
	err = reconcile_overrides(reconcile, &actual);
	if (err)
		goto out;
	wanted = model_tick(reconcile->model, now_ms);
	if (!wanted) {
		err = -errno;
		goto out;
	}
	err = plan_build(&plan, &actual, wanted);
	if (err)
		goto out;
	err = publish_apply(&reconcile->maps, &plan, (uint64_t)now_ms * 1000000);
	if (err)
		goto out;
	log_refusals(reconcile, &plan, wanted);
	count_steps(reconcile, &plan);
out:
	if (err) {
		reconcile->counters.failures++;
		log_event(LOG_ERR, "reconcile-failed", " error=\"%s\" kept=\"last good state\"",
			  strerror(-err));
	}
	plan_release(&plan);
	return err;
}

/*
 * A table near full is said before it is full: then it forgets what was longest unused, and the one of local connections
 * counts no further ones.
 */
static void look_at_tables(struct reconcile *reconcile)
{
	unsigned i, percent;

	for (i = 0; i < MAPS_TABLES; i++) {
		const struct maps_occupancy *table = &reconcile->tables[i];

		percent = maps_pressure(table, &reconcile->pressure[i]);
		if (percent)
			log_event(LOG_WARNING, "table-pressure",
				  " table=%s entries=%u capacity=%u percent=%u", table->name,
				  table->entries, table->capacity, maps_percent(table));
	}
}

int reconcile_scan(struct reconcile *reconcile)
{
	struct maps_flow_counts *counts = malloc(sizeof(*counts));
	struct maps_occupancy tables[MAPS_TABLES];
	struct actual actual;
	int64_t started_ms = clock_ms();
	int err;

	if (!counts)
		return -ENOMEM;
	err = maps_count(&reconcile->maps, counts, tables);
	if (err) {
		log_event(LOG_WARNING, "scan-failed", " error=\"%s\"", strerror(-err));
		goto out;
	}
	memcpy(reconcile->tables, tables, sizeof(tables));
	look_at_tables(reconcile);
	publish_counts(&reconcile->maps, counts);
	actual_view(&actual, &reconcile->maps, reconcile->services);
	for (unsigned slot = 1; slot <= SLUICE_MAX_BACKENDS; slot++) {
		struct model_identity identity;

		if (identity_of(reconcile, &actual, slot, &identity))
			model_flows(reconcile->model, &identity,
				    counts->half_open[slot] + counts->active[slot], started_ms);
	}
out:
	free(counts);
	return err;
}

static uint32_t map_id(int fd)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.id;
}

/* Is the pinned map of backends the one that we write? */
static bool is_ours(const struct reconcile *reconcile)
{
	LIBBPF_OPTS(bpf_obj_get_opts, opts, .file_flags = BPF_F_RDONLY);
	char path[PATH_LEN];
	bool same;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", reconcile->pin_dir, SLUICE_MAP_BACKENDS);
	fd = bpf_obj_get_opts(path, &opts);
	if (fd < 0)
		return false;
	same = map_id(fd) == map_id(reconcile->maps.backends_fd);
	close(fd);
	return same;
}

int reconcile_refresh(struct reconcile *reconcile, char *error, size_t len)
{
	struct reconcile fresh;
	int err;

	if (!is_ours(reconcile)) {
		/* the old folder's lock would be in our own way if it is still the same folder */
		flock(reconcile->lock_fd, LOCK_UN);
		err = reconcile_open(&fresh, reconcile->pin_dir, reconcile->model, error, len);
		if (err) {
			flock(reconcile->lock_fd, LOCK_EX | LOCK_NB);
			return err;
		}
		fresh.counters = reconcile->counters;
		reconcile_close(reconcile);
		*reconcile = fresh;
		return 1;
	}
	err = read_attached(reconcile);
	if (err)
		snprintf(error, len, "%s: cannot read what attach wrote: %s", reconcile->pin_dir,
			 strerror(-err));
	return err;
}
