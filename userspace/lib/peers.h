/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ports that remembered connections of this host's own may have, map sluice_peers: what lets
 * the hooks of other sockets end at once. Only grows, until detach. Knows nothing of programs and
 * hooks.
 */
#ifndef SLUICE_PEERS_H
#define SLUICE_PEERS_H

#include <stdbool.h>
#include <stdint.h>

#include <sluice/abi.h>

struct maps;

/* peers, made to hold all of two ranges of ports (both ends included, host order) as well. */
struct sluice_peers peers_widened(const struct sluice_peers *peers, uint16_t port_min,
				  uint16_t port_max);

/*
 * To be called before programs are attached that connect to other ports than those before them: an
 * older program may run on meanwhile. maps (MAPS_ROOT) are those that it works with, and maps->meta
 * is what its attach wrote. What is unknown stays so while there are connections that an attach
 * without this map has let in. 0 or negative errno.
 */
int peers_widen(int peers_fd, const struct maps *maps, uint16_t port_min, uint16_t port_max);

#endif
