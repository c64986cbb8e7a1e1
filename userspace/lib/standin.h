/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What sluicectl does to the maps while the daemon is down: the operator's overrides are put in force over what the maps say, and nothing else
 * changes. No backend comes or goes, and no source is asked. Pure but for standin_apply().
 */
#ifndef SLUICE_STANDIN_H
#define SLUICE_STANDIN_H

#include <stdint.h>

#include "actual.h"
#include "plan.h"

struct maps;

/* By slot: the override of the slot's present generation; all zero: none. */
struct standin_overrides {
	struct sluice_override slot[SLUICE_MAX_BACKENDS + 1];
};

/*
 * The steps, into a zeroed plan: states, weights, labels and sets only. Strings in it are constants or the maps' own. 0 or -ENOMEM;
 * release in both cases with standin_release().
 */
struct standin {
	struct plan plan;
	struct wanted_service *service;
	struct wanted_backend *backend;
	struct wanted wanted;
};
int standin_build(struct standin *standin, const struct actual *actual,
		  const struct standin_overrides *overrides);
void standin_release(struct standin *standin);

/* Read the overrides, build, publish. The caller holds the writer's lock. 0 or negative errno. */
int standin_apply(struct maps *maps, uint64_t now_boot_ns);

#endif
