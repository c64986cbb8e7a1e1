/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Loads the BPF object that is built into this program, with the maps that are pinned already where there are some. Besides
 * explain.h, which loads a copy to ask, the one user of the skeleton. Attaches nothing; hooks.h does. For root: attach and tests.
 */
#ifndef SLUICE_LOADER_H
#define SLUICE_LOADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "cgroup.h"
#include "maps.h"
#include "timeouts.h"

struct sluice_bpf; /* the skeleton, sluice.skel.h */

struct loader_options {
	const char *pin_dir; /* NULL: nothing is pinned and all ends with loader_release() */
	gid_t group;	     /* of the pins */
	uint16_t port_min, port_max;
	uint32_t flows, half_flows; /* 0: as the object says */
	uint32_t flow_type;	    /* of these tables, enum bpf_map_type; 0: as the object says */
	struct timeouts timeouts;   /* half_open_ms 0: TIMEOUTS_DEFAULT */
	bool local;		    /* with the programs for a cgroup */
	uint64_t host_netns;	    /* as cgroup_netns() tells */
};

struct loader {
	struct sluice_bpf *skel;
	struct maps maps; /* MAPS_ROOT */
};

/*
 * Load, reuse what is pinned, pin what is new, and give every pin its mode. maps.meta holds what belongs into the meta
 * map (ABI, clock, ports, program tags); without pin_dir it is written, with it the caller adds mode and interfaces and
 * calls loader_write_meta(). -EPROTO: other maps than ours are pinned there. On failure error has one line for
 * the user, nothing is left loaded, and pins that were made stay for the caller to remove.
 */
int loader_load(struct loader *loader, const struct loader_options *options, char *error,
		size_t len);
int loader_write_meta(struct loader *loader);

/* Accepts a zeroed structure. What is pinned or attached lives on. */
void loader_release(struct loader *loader);

int loader_xdp_fd(const struct loader *loader);
int loader_tc_in_fd(const struct loader *loader);
int loader_tc_out_fd(const struct loader *loader);
/* -1 if they were not asked for. */
int loader_cgroup_fd(const struct loader *loader, enum cgroup_hook hook);

#endif
