/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The services of the configuration in the maps: which port is whose, under which index. Written by root alone, because
 * whoever can write these can take any port of the host. A service keeps its index for as long as its name is in the
 * configuration, so that its set, its flows and its counters survive a re-attach.
 */
#ifndef SLUICE_SERVICES_H
#define SLUICE_SERVICES_H

#include <stdbool.h>
#include <stddef.h>

struct config;
struct maps;

/*
 * Make maps (MAPS_ROOT) say what config says. A service that goes, or changes its port, is first taken from its port and
 * made unsynced: the daemon publishes again for the new one. 0 or negative errno with error filled.
 */
int services_sync(struct maps *maps, const struct config *config, char *error, size_t len);

/* Do the maps say something else than config, and of which service? False too if they cannot be read. */
bool services_differ(const struct maps *maps, const struct config *config, char *name, size_t len);

#endif
