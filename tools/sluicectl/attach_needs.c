/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Compares key by key. Mode auto is content with any mode: attach chose it.
 */
#include "attach_needs.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "maps.h"

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

/* First service that differs, wanted or attached. NULL: none. */
static const char *other_service(const struct maps *maps, const struct config *config,
				 struct sluice_service *attached)
{
	unsigned i, j;

	if (maps_read_services(maps, attached))
		return NULL;
	for (i = 0; i < config->service_count; i++) {
		const struct config_service *service = &config->service[i];

		for (j = 1; j <= SLUICE_MAX_SERVICES; j++) {
			if (!strcmp(attached[j].name, service->name) &&
			    attached[j].port == htons(service->port) &&
			    attached[j].address_count == service->address_count &&
			    !memcmp(attached[j].address, service->address,
				    sizeof(service->address)))
				break;
		}
		if (j > SLUICE_MAX_SERVICES)
			return service->name;
	}
	for (j = 1; j <= SLUICE_MAX_SERVICES; j++) {
		if (attached[j].name[0] && !config_service_by_name(config, attached[j].name))
			return attached[j].name;
	}
	return NULL;
}

bool attach_needs(const struct maps *maps, const struct config *config, char *what, size_t len)
{
	struct sluice_service attached[SLUICE_MAX_SERVICES + 1];
	const struct sluice_meta *meta = &maps->meta;
	const char *service;

	what[0] = '\0';
	if (!same_interfaces(meta, config)) {
		snprintf(what, len, "node.interface");
	} else if (!same_mode(meta->mode, config->mode)) {
		snprintf(what, len, "node.mode");
	} else if (meta->port_min != config->port_min || meta->port_max != config->port_max) {
		snprintf(what, len, "node.ports");
	} else {
		service = other_service(maps, config, attached);
		if (service)
			snprintf(what, len, "service.%s", service);
	}
	return what[0] != '\0';
}
