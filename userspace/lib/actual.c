/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The view of the maps. Everybody in the group can write them, so nothing read here is trusted to be terminated or in range.
 */
#include "actual.h"

#include <string.h>

#include "maps.h"

void actual_view(struct actual *actual, const struct maps *maps,
		 const struct sluice_service *services)
{
	*actual = (struct actual){
		.port_min = maps->meta.port_min,
		.port_max = maps->meta.port_max,
		.service = services,
		.backend = maps->backends,
		.label = maps->labels,
		.hport = maps->hports,
	};
	for (unsigned i = 1; i <= SLUICE_MAX_SERVICES; i++) {
		uint64_t version = __atomic_load_n(&maps->active[i].version, __ATOMIC_ACQUIRE);
		const struct sluice_set *set =
			&maps->sets[i * SLUICE_SET_RING + version % SLUICE_SET_RING];

		if (version && set->version == version)
			actual->set[i] = set;
	}
}

unsigned actual_service(const struct actual *actual, const char *name)
{
	for (unsigned i = 1; i <= SLUICE_MAX_SERVICES; i++)
		if (actual->service[i].name[0] &&
		    !strncmp(actual->service[i].name, name, sizeof(actual->service[i].name)))
			return i;
	return 0;
}

bool actual_is_labelled(const struct actual *actual, unsigned slot)
{
	const struct sluice_label *label = &actual->label[slot];

	return label->generation == actual->backend[slot].generation && label->task[0] &&
	       memchr(label->task, 0, sizeof(label->task)) &&
	       memchr(label->app, 0, sizeof(label->app)) &&
	       memchr(label->reason, 0, sizeof(label->reason)) &&
	       memchr(label->source, 0, sizeof(label->source));
}
