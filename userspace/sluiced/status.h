/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the daemon says of itself on the admin socket: sources, guards, configuration. Text out, nothing else.
 */
#ifndef SLUICED_STATUS_H
#define SLUICED_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct facts_source;
struct model;

struct status_input {
	const char *config_file;
	const char *needs_attach; /* "" if nothing does */
	const struct facts_source *const *source;
	size_t source_count;
	struct model *model;
	size_t refused;
	int64_t now_ms;
};

/*
 * {"pid", "version", "config", "needs_attach", "refused", "sources": [{name, used, connected, answers, since (seconds since 1970),
 * last_event_ms, last_good_ms (ages, or null), error}], "guards": [{guard, service, port, task, reason, age_ms}], "problems": [{service, task,
 * reason}]: tasks that run here and cannot be backends, "unrun_checks": [{service, tasks, checks}]: Marathon's checks that Consul cannot
 * run}. A string that the caller frees, NULL: no memory.
 */
char *status_json(const struct status_input *input);

/* {"ok": bool, "message": text} */
char *status_result_json(bool ok, const char *message);

#endif
