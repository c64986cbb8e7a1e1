/* SPDX-License-Identifier: GPL-2.0-only */
/* See peers.h. */
#include "peers.h"

#include <bpf/bpf.h>
#include <errno.h>

#include "maps.h"

static bool is_known(const struct sluice_peers *peers)
{
	return peers->port_max != 0;
}

struct sluice_peers peers_widened(const struct sluice_peers *peers, uint16_t port_min,
				  uint16_t port_max)
{
	struct sluice_peers wide = *peers;

	if (!is_known(peers))
		return (struct sluice_peers){ .port_min = port_min, .port_max = port_max };
	if (port_min < wide.port_min)
		wide.port_min = port_min;
	if (port_max > wide.port_max)
		wide.port_max = port_max;
	return wide;
}

static bool has_connections(const struct maps *maps)
{
	__u64 cookie;

	return !bpf_map_get_next_key(maps->local_fd, NULL, &cookie) || errno != ENOENT;
}

int peers_widen(int peers_fd, const struct maps *maps, uint16_t port_min, uint16_t port_max)
{
	const struct sluice_meta *meta = &maps->meta;
	struct sluice_peers peers;
	__u32 key = 0;

	if (bpf_map_lookup_elem(peers_fd, &key, &peers) < 0)
		return -errno;
	if (!is_known(&peers) && has_connections(maps))
		return 0;
	if (meta->magic)
		peers = peers_widened(&peers, meta->port_min, meta->port_max);
	peers = peers_widened(&peers, port_min, port_max);
	return bpf_map_update_elem(peers_fd, &key, &peers, BPF_ANY) < 0 ? -errno : 0;
}
