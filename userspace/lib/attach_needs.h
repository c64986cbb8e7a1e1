/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Does what is attached differ from what the configuration says? What attach left in the kernel is the judge, whatever file
 * it was attached with and whatever a program has read before. The one truth for sluicectl and sluiced.
 */
#ifndef SLUICE_ATTACH_NEEDS_H
#define SLUICE_ATTACH_NEEDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <sluice/abi.h>

struct config;
struct maps;

/* What attach made of [node]. */
struct attach_made {
	struct sluice_meta meta;
	gid_t group; /* of the pin folder */
	uint32_t flows, half_flows;
};

/* The first key of [node] that made does not agree with, as "node.ports"; NULL: none. pin_dir is not asked for. */
const char *attach_needs_node(const struct attach_made *made, const struct config *config);

/*
 * maps are those below config's pin_dir. what is filled with the first key that differs, as "node.ports" or
 * "service.web.port", or "service.web" for one that is only there or only here; it becomes empty if none does. What cannot
 * be read differs: its key is the part that it belongs to ("node", "service").
 */
bool attach_needs(const struct maps *maps, const struct config *config, char *what, size_t len);

#endif
