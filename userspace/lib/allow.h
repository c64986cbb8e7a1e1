/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The networks that may use a service, in the maps sluice_allow4 and sluice_allow6. Whoever changes a service's networks adds the
 * new ones first, then writes the service's SLUICE_SERVICE_RESTRICTED, then prunes: so that at no moment a client gets in
 * that neither the old nor the new list names, or one is kept out that both name. For root.
 */
#ifndef SLUICE_ALLOW_H
#define SLUICE_ALLOW_H

#include <stdbool.h>

struct config_service;
struct maps;

/* Put in what config allows under the service's index. 0 or negative errno; -ENOSPC: the map is full. */
int allow_add(const struct maps *maps, unsigned service, const struct config_service *config);

/* Take out whatever else stands under the index; config NULL: everything. 0 or negative errno. */
int allow_prune(const struct maps *maps, unsigned service, const struct config_service *config);

/* Do the maps hold exactly what config allows? */
bool allow_matches(const struct maps *maps, unsigned service, const struct config_service *config);

#endif
