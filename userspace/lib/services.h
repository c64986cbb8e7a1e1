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
struct config_service;
struct maps;
struct sluice_service;

/*
 * Are new connections passed to the host, for a `detach --wait` (SLUICE_SERVICE_LEAVING)? False too if the maps cannot be
 * read. It holds for all services or for none.
 */
bool services_are_leaving(const struct maps *maps);

/* Pass them on from now on. maps: MAPS_ROOT. 0 or negative errno. */
int services_leave(struct maps *maps);

/*
 * Make maps (MAPS_ROOT) say what config says, all services with leaving or all without. A service that goes, or changes its port, is first taken from its port and
 * made unsynced: the daemon publishes again for the new one. 0 or negative errno with error filled.
 */
int services_sync(struct maps *maps, const struct config *config, bool leaving, char *error,
		  size_t len);

/*
 * The first key of one service that differs, as "port", where is is what the maps hold; NULL: none. Not asked for: which
 * networks may connect, only whether all may.
 */
const char *services_differing_key(const struct sluice_service *is,
				   const struct config_service *config);

/*
 * Do the maps say something else than config? Then what is filled with "service.NAME.KEY", or "service.NAME" if only one of
 * them has it, or "service" if they cannot be read; else what is left as it is.
 */
bool services_differ(const struct maps *maps, const struct config *config, char *what, size_t len);

#endif
