/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the maps say now, as the plan reads it: a view of arrays that are laid out as the maps are. In the daemon these are the
 * maps' own memory, in tests plain arrays; nothing is copied and nothing is owned.
 */
#ifndef SLUICE_ACTUAL_H
#define SLUICE_ACTUAL_H

#include <stdbool.h>
#include <stdint.h>

#include <sluice/abi.h>

struct maps;

struct actual {
	uint16_t port_min, port_max;			       /* that the BPF programs accept */
	const struct sluice_service *service;		       /* SLUICE_MAX_SERVICES + 1 */
	const struct sluice_backend *backend;		       /* SLUICE_MAX_BACKENDS + 1 */
	const struct sluice_label *label;		       /* SLUICE_MAX_BACKENDS + 1 */
	const struct sluice_hport *hport;		       /* 65536 */
	const struct sluice_set *set[SLUICE_MAX_SERVICES + 1]; /* in force; NULL: unsynced */
};

/* services: as maps_read_services() filled it; it must live as long as the view. Valid until the next publication. */
void actual_view(struct actual *actual, const struct maps *maps,
		 const struct sluice_service *services);

/* Index of a service by name; 0: attach has not made it. What port it has is attach's word, not the configuration's. */
unsigned actual_service(const struct actual *actual, const char *name);

/* Does the slot hold a backend whose label can be trusted to name it? */
bool actual_is_labelled(const struct actual *actual, unsigned slot);

#endif
