/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which backends a verb speaks of: "SERVICE/PORT" is the newest generation on that host-port, --all every backend there is.
 */
#ifndef SLUICECTL_TARGET_H
#define SLUICECTL_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/abi.h>

struct maps;

struct target {
	unsigned slot, service;
	uint32_t generation;
	uint16_t port; /* host order */
	char name[SLUICE_NAME_LEN + 8];
	char task[SLUICE_TASK_LEN];
};

struct target_list {
	struct target *target;
	size_t count;
	struct sluice_service services[SLUICE_MAX_SERVICES + 1];
};

/* All backends, by service and port. 0 or negative errno; release in both cases. */
int target_all(struct target_list *list, const struct maps *maps);
void target_release(struct target_list *list);

/*
 * Keep only the one that is named. false: there is none, or NAME is no such name; then error has one line that lists what comes
 * near.
 */
bool target_choose(struct target_list *list, const struct maps *maps, const char *name, char *error,
		   size_t len);

/* Has its generation ended? */
bool target_has_ended(const struct target *target, const struct maps *maps);

#endif
