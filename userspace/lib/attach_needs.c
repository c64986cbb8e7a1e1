/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Compares key by key. Mode auto is content with any mode, and cgroup auto with any cgroup: attach chose them.
 */
#include "attach_needs.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "config.h"
#include "maps.h"
#include "pins.h"
#include "services.h"
#include "timeouts.h"

static bool same_mode(enum sluice_mode attached, enum config_mode wanted)
{
	switch (wanted) {
	case CONFIG_MODE_NATIVE:
		return attached == SLUICE_MODE_NATIVE;
	case CONFIG_MODE_GENERIC:
		return attached == SLUICE_MODE_GENERIC;
	case CONFIG_MODE_TC:
		return attached == SLUICE_MODE_TC;
	case CONFIG_MODE_AUTO:
		break;
	}
	return true;
}

/* The same for auto, and a cgroup that cannot be looked at is no reason to attach. */
static bool same_cgroup(const struct sluice_meta *meta, const struct config *config)
{
	struct stat info;

	if (!strcmp(config->cgroup, "auto"))
		return true;
	if (!strcmp(config->cgroup, "off"))
		return !meta->cgroup;
	return stat(config->cgroup, &info) < 0 || info.st_ino == meta->cgroup;
}

static bool same_interfaces(const struct sluice_meta *meta, const struct config *config)
{
	unsigned i;

	if (meta->ifindex_count != config->interface_count)
		return false;
	for (i = 0; i < config->interface_count; i++) {
		if (meta->ifindex[i] != if_nametoindex(config->interface[i]))
			return false;
	}
	return true;
}

/* A group that is not there any more is another one: attach would refuse it. */
static bool same_group(gid_t group, const struct config *config)
{
	gid_t wanted;

	return !pins_group(config->group, &wanted) && wanted == group;
}

const char *attach_needs_node(const struct attach_made *made, const struct config *config)
{
	if (!same_interfaces(&made->meta, config))
		return "node.interface";
	if (!same_mode(made->meta.mode, config->mode))
		return "node.mode";
	if (!same_cgroup(&made->meta, config))
		return "node.cgroup";
	if (made->meta.port_min != config->port_min || made->meta.port_max != config->port_max)
		return "node.ports";
	if (!same_group(made->group, config))
		return "node.group";
	if (made->flows != config->flows)
		return "node.flows";
	if (made->half_flows != config->half_flows)
		return "node.half_flows";
	return timeouts_differ(&made->meta.timeouts, &config->timeouts, made->meta.hz);
}

static int size_of(int fd, uint32_t *entries)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
		return -errno;
	*entries = info.max_entries;
	return 0;
}

static int read_made(const struct maps *maps, const char *pin_dir, struct attach_made *made)
{
	struct stat info;
	int err;

	if (stat(pin_dir, &info) < 0)
		return -errno;
	made->meta = maps->meta;
	made->group = info.st_gid;
	err = size_of(maps->est4_fd, &made->flows);
	return err ? err : size_of(maps->half4_fd, &made->half_flows);
}

bool attach_needs(const struct maps *maps, const struct config *config, char *what, size_t len)
{
	struct attach_made made = {};
	const char *key =
		read_made(maps, config->pin_dir, &made) ? "node" : attach_needs_node(&made, config);

	what[0] = '\0';
	if (key)
		snprintf(what, len, "%s", key);
	else
		services_differ(maps, config, what, len);
	return what[0] != '\0';
}
