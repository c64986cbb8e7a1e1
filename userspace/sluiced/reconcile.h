/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One turn of the control plane: the operator's overrides and what the maps hold go into the model, its wanted state becomes a plan, the plan is
 * published. Owns the open maps and the lock on the pin folder. Knows no source and no event loop.
 */
#ifndef SLUICED_RECONCILE_H
#define SLUICED_RECONCILE_H

#include <stddef.h>
#include <stdint.h>

#include "maps.h"

struct actual;
struct model;

struct reconcile_counters {
	uint64_t publications; /* sets */
	uint64_t steps;
	uint64_t failures; /* of a tick, a plan or its application */
	size_t refused;	   /* backends that the last plan did not let in */
};

struct reconcile {
	struct maps maps;
	struct sluice_service services[SLUICE_MAX_SERVICES + 1];
	char *pin_dir;
	int lock_fd;	       /* held as long as we write; -1: none */
	struct model *model;   /* borrowed */
	uint64_t refusal_hash; /* of what was logged last */
	struct reconcile_counters counters;
	/* as the last scan found them; capacity 0: there was none yet */
	struct maps_occupancy tables[MAPS_TABLES];
	unsigned pressure[MAPS_TABLES]; /* what was logged of each */
};

/*
 * Open the maps below PIN_DIR and lock the folder. -EBUSY: another daemon holds it; else as maps_open(). On failure error has one line
 * and nothing is open.
 */
int reconcile_open(struct reconcile *reconcile, const char *pin_dir, struct model *model,
		   char *error, size_t len);
void reconcile_close(struct reconcile *reconcile);

/* Tell the model what the maps hold. Before the first answer of any source. 0 or -ENOMEM. */
int reconcile_adopt(struct reconcile *reconcile);

/* Read anew what attach wrote, decide and publish. 0, or negative errno: the maps keep what they say, and the next turn tries again. */
int reconcile_run(struct reconcile *reconcile, int64_t now_ms);

/*
 * Tell the model the operator's overrides, of the backends that actual shows. 0, or negative errno: it keeps those that it
 * was told before. Part of reconcile_run().
 */
int reconcile_overrides(struct reconcile *reconcile, const struct actual *actual);

/* Count the flows by a scan, put the maps' rough counts right, tell the model. 0 or negative errno. */
int reconcile_scan(struct reconcile *reconcile);

/*
 * Attach may have been run again: read its services and ports anew, and if the pins are other maps than ours, open those.
 * 0: as before or read anew; 1: other maps, now open; negative errno: gone or not to be opened, what is open stays in use.
 */
int reconcile_refresh(struct reconcile *reconcile, char *error, size_t len);

#endif
