/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One key of the map for each network. The keys of both families begin alike: prefix length, service, network.
 */
#include "allow.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "config.h"
#include "maps.h"

#define SERVICE_BITS 32 /* the service stands in the prefix, too */
#define MAX_STALE 256	/* taken out at a time */

_Static_assert(offsetof(struct sluice_allow_key4, network) ==
		       offsetof(struct sluice_allow_key6, network),
	       "a key of IPv4 is read as the beginning of one of IPv6");

static int map_of(const struct maps *maps, bool six)
{
	return six ? maps->allow6_fd : maps->allow4_fd;
}

static struct sluice_allow_key6 key_of(unsigned service, const struct config_source *source)
{
	struct sluice_allow_key6 key = {
		.prefix_len = SERVICE_BITS + source->prefix_len,
		.service = service,
	};

	memcpy(key.network, source->network, sizeof(key.network));
	return key;
}

int allow_add(const struct maps *maps, unsigned service, const struct config_service *config)
{
	const __u32 yes = 1;
	unsigned i;

	for (i = 0; i < config->allow_count; i++) {
		struct sluice_allow_key6 key = key_of(service, &config->allow[i]);

		if (bpf_map_update_elem(map_of(maps, config->allow[i].six), &key, &yes, BPF_ANY))
			return -errno;
	}
	return 0;
}

static bool is_allowed(const struct config_service *config, bool six,
		       const struct sluice_allow_key6 *key)
{
	size_t words = six ? 4 : 1;
	unsigned i;

	for (i = 0; config && i < config->allow_count; i++) {
		const struct config_source *source = &config->allow[i];

		if (source->six == six && source->prefix_len + SERVICE_BITS == key->prefix_len &&
		    !memcmp(source->network, key->network, words * sizeof(key->network[0])))
			return true;
	}
	return false;
}

/* Keys of the service that config does not name, at most max; *wanted counts those that it does. Negative errno. */
static int find_stale(const struct maps *maps, bool six, unsigned service,
		      const struct config_service *config, struct sluice_allow_key6 *stale, int max,
		      unsigned *wanted)
{
	struct sluice_allow_key6 key = {}, *previous = NULL;
	int count = 0;

	while (count < max && !bpf_map_get_next_key(map_of(maps, six), previous, &key)) {
		previous = &key;
		if (key.service != service)
			continue;
		if (is_allowed(config, six, &key))
			(*wanted)++;
		else
			stale[count++] = key;
	}
	return count < max && errno != ENOENT ? -errno : count;
}

static int prune_family(const struct maps *maps, bool six, unsigned service,
			const struct config_service *config)
{
	struct sluice_allow_key6 stale[MAX_STALE];
	unsigned wanted = 0;
	int count, i;

	do {
		count = find_stale(maps, six, service, config, stale, MAX_STALE, &wanted);
		for (i = 0; i < count; i++) {
			if (bpf_map_delete_elem(map_of(maps, six), &stale[i]) && errno != ENOENT)
				return -errno;
		}
	} while (count == MAX_STALE);
	return count < 0 ? count : 0;
}

int allow_prune(const struct maps *maps, unsigned service, const struct config_service *config)
{
	int err = prune_family(maps, false, service, config);

	return err ? err : prune_family(maps, true, service, config);
}

bool allow_matches(const struct maps *maps, unsigned service, const struct config_service *config)
{
	struct sluice_allow_key6 stale;
	unsigned wanted = 0;

	return !find_stale(maps, false, service, config, &stale, 1, &wanted) &&
	       !find_stale(maps, true, service, config, &stale, 1, &wanted) &&
	       wanted == config->allow_count;
}
