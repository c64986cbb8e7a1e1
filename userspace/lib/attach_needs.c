/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Compares key by key. Mode auto is content with any mode: attach chose it.
 */
#include "attach_needs.h"

#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "config.h"
#include "maps.h"
#include "services.h"

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

const char *attach_needs_node(const struct sluice_meta *meta, const struct config *config)
{
	if (!same_interfaces(meta, config))
		return "node.interface";
	if (!same_mode(meta->mode, config->mode))
		return "node.mode";
	if (!same_cgroup(meta, config))
		return "node.cgroup";
	if (meta->port_min != config->port_min || meta->port_max != config->port_max)
		return "node.ports";
	return NULL;
}

bool attach_needs(const struct maps *maps, const struct config *config, char *what, size_t len)
{
	const char *key = attach_needs_node(&maps->meta, config);
	char service[SLUICE_NAME_LEN];

	what[0] = '\0';
	if (key)
		snprintf(what, len, "%s", key);
	else if (services_differ(maps, config, service, sizeof(service)))
		snprintf(what, len, "service.%s", service);
	return what[0] != '\0';
}
