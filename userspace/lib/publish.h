/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Applies a plan's steps to the maps. One writer at a time; the BPF programs read while it writes, so each step's stores are
 * ordered: what a reader finds first is written last.
 */
#ifndef SLUICE_PUBLISH_H
#define SLUICE_PUBLISH_H

#include <stdint.h>

#include "plan.h"

struct maps;
struct maps_flow_counts;

/*
 * All steps, in order. 0, or the first error: what follows the failed step is not applied, and the next plan starts from what the
 * maps then say. now_boot_ns: CLOCK_BOOTTIME.
 */
int publish_apply(struct maps *maps, const struct plan *plan, uint64_t now_boot_ns);

/* Put right what the programs count only roughly: active of each slot in use, from a scan's exact counts. */
void publish_counts(struct maps *maps, const struct maps_flow_counts *counts);

#endif
