/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Wanted against actual. The order of the writes is the point: a port is taken away before
 * anything behind it changes, and given when everything behind it stands; allowed networks as allow.h says.
 */
#include "services.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allow.h"
#include "config.h"
#include "maps.h"

static int write_port(struct maps *maps, uint16_t port, unsigned service)
{
	struct sluice_port value = { .service = (__u16)service };
	__u32 key = port;

	return bpf_map_update_elem(maps->ports_fd, &key, &value, BPF_ANY) < 0 ? -errno : 0;
}

static int write_service(struct maps *maps, __u32 index, const struct sluice_service *service)
{
	return bpf_map_update_elem(maps->services_fd, &index, service, BPF_ANY) < 0 ? -errno : 0;
}

/* Only if it is still this service's. */
static int clear_port(struct maps *maps, uint16_t port, unsigned service)
{
	struct sluice_port value;
	__u32 key = port;

	if (bpf_map_lookup_elem(maps->ports_fd, &key, &value) < 0)
		return -errno;
	return value.service == service ? write_port(maps, port, 0) : 0;
}

static void make_unsynced(struct maps *maps, unsigned service)
{
	__atomic_store_n(&maps->active[service].version, 0, __ATOMIC_SEQ_CST);
}

/* Counters go with the index: a new service must not begin with those of the one whose place it takes. */
static int reset_counters(const struct maps *maps, __u32 service)
{
	struct sluice_stats *zero = calloc(maps->cpus, sizeof(*zero));
	int err;

	if (!zero)
		return -ENOMEM;
	err = bpf_map_update_elem(maps->sstats_fd, &service, zero, BPF_ANY) < 0 ? -errno : 0;
	free(zero);
	return err;
}

static struct sluice_service wanted_service(const struct config_service *config, bool leaving)
{
	struct sluice_service service = {
		.port = htons(config->port),
		.flags = (__u16)((config->allow_count ? SLUICE_SERVICE_RESTRICTED : 0) |
				 (leaving ? SLUICE_SERVICE_LEAVING : 0)),
		.address_count = config->address_count,
		.rate = config->rate,
		.rate_prefix4 = (__u8)config->rate_prefix4,
		.rate_prefix6 = (__u8)config->rate_prefix6,
	};

	memcpy(service.name, config->name, strlen(config->name));
	memcpy(service.address, config->address,
	       config->address_count * sizeof(config->address[0]));
	return service;
}

/* Services that are gone, and ports that changed hands. */
static int take_away(struct maps *maps, const struct config *config, struct sluice_service *actual)
{
	unsigned i;
	int err = 0;

	for (i = 1; i <= SLUICE_MAX_SERVICES && !err; i++) {
		const struct config_service *wanted;

		if (!actual[i].name[0])
			continue;
		wanted = config_service_by_name(config, actual[i].name);
		if (wanted && htons(wanted->port) == actual[i].port)
			continue;
		err = clear_port(maps, ntohs(actual[i].port), i);
		if (err)
			return err;
		make_unsynced(maps, i);
		if (!wanted) {
			memset(&actual[i], 0, sizeof(actual[i]));
			err = write_service(maps, i, &actual[i]);
			if (!err)
				err = allow_prune(maps, i, NULL);
		}
	}
	return err;
}

static bool has_backends(const struct maps *maps, unsigned service)
{
	unsigned slot;

	for (slot = 1; slot <= SLUICE_MAX_BACKENDS; slot++) {
		if (maps->backends[slot].generation && maps->backends[slot].service == service)
			return true;
	}
	return false;
}

/* The service's own index, else a free one: best one without backends that somebody else left behind. 0: none. */
static unsigned find_index(const struct maps *maps, const struct sluice_service *actual,
			   const char *name)
{
	unsigned any = 0, i;

	for (i = 1; i <= SLUICE_MAX_SERVICES; i++) {
		if (!strcmp(actual[i].name, name))
			return i;
	}
	for (i = 1; i <= SLUICE_MAX_SERVICES; i++) {
		if (actual[i].name[0])
			continue;
		if (!has_backends(maps, i))
			return i;
		any = any ? any : i;
	}
	return any;
}

static int give(struct maps *maps, const struct config *config, bool leaving,
		struct sluice_service *actual)
{
	unsigned i, index;
	int err = 0;

	for (i = 0; i < config->service_count && !err; i++) {
		struct sluice_service wanted = wanted_service(&config->service[i], leaving);

		index = find_index(maps, actual, wanted.name);
		if (!index)
			return -ENOSPC;
		if (!actual[index].name[0]) {
			make_unsynced(maps, index);
			err = reset_counters(maps, index);
		}
		if (!err)
			err = allow_add(maps, index, &config->service[i]);
		if (!err && memcmp(&actual[index], &wanted, sizeof(wanted)) != 0)
			err = write_service(maps, index, &wanted);
		if (!err)
			err = allow_prune(maps, index, &config->service[i]);
		if (!err)
			err = write_port(maps, config->service[i].port, index);
		actual[index] = wanted;
	}
	return err;
}

bool services_are_leaving(const struct maps *maps)
{
	struct sluice_service services[SLUICE_MAX_SERVICES + 1];
	unsigned i;

	if (maps_read_services(maps, services))
		return false;
	for (i = 1; i <= SLUICE_MAX_SERVICES; i++)
		if (services[i].name[0] && (services[i].flags & SLUICE_SERVICE_LEAVING))
			return true;
	return false;
}

int services_leave(struct maps *maps)
{
	struct sluice_service services[SLUICE_MAX_SERVICES + 1];
	int err = maps_read_services(maps, services);
	unsigned i;

	for (i = 1; i <= SLUICE_MAX_SERVICES && !err; i++) {
		if (!services[i].name[0])
			continue;
		services[i].flags |= SLUICE_SERVICE_LEAVING;
		err = write_service(maps, i, &services[i]);
	}
	return err;
}

int services_sync(struct maps *maps, const struct config *config, bool leaving, char *error,
		  size_t len)
{
	struct sluice_service actual[SLUICE_MAX_SERVICES + 1];
	int err = maps_read_services(maps, actual);

	if (!err)
		err = take_away(maps, config, actual);
	if (!err)
		err = give(maps, config, leaving, actual);
	if (err)
		snprintf(error, len, "cannot write the services into the maps: %s", strerror(-err));
	return err;
}

const char *services_differing_key(const struct sluice_service *is,
				   const struct config_service *config)
{
	if (ntohs(is->port) != config->port)
		return "port";
	if (is->address_count != config->address_count ||
	    memcmp(is->address, config->address,
		   config->address_count * sizeof(config->address[0])) != 0)
		return "address";
	if (!(is->flags & SLUICE_SERVICE_RESTRICTED) != !config->allow_count)
		return "allow";
	if (is->rate != config->rate)
		return "rate";
	if (is->rate_prefix4 != config->rate_prefix4)
		return "rate_prefix";
	if (is->rate_prefix6 != config->rate_prefix6)
		return "rate_prefix6";
	return NULL;
}

static unsigned index_of(const struct sluice_service *actual, const char *name)
{
	unsigned i;

	for (i = 1; i <= SLUICE_MAX_SERVICES; i++) {
		if (!strcmp(actual[i].name, name))
			return i;
	}
	return 0;
}

bool services_differ(const struct maps *maps, const struct config *config, char *what, size_t len)
{
	struct sluice_service actual[SLUICE_MAX_SERVICES + 1];
	unsigned i;

	if (maps_read_services(maps, actual)) {
		snprintf(what, len, "service");
		return true;
	}
	for (i = 0; i < config->service_count; i++) {
		const struct config_service *service = &config->service[i];
		unsigned index = index_of(actual, service->name);
		const char *key = index ? services_differing_key(&actual[index], service) : "";

		if (!key && !allow_matches(maps, index, service))
			key = "allow";
		if (!key)
			continue;
		snprintf(what, len, "service.%s%s%s", service->name, key[0] ? "." : "", key);
		return true;
	}
	for (i = 1; i <= SLUICE_MAX_SERVICES; i++) {
		if (!actual[i].name[0] || config_service_by_name(config, actual[i].name))
			continue;
		snprintf(what, len, "service.%s", actual[i].name);
		return true;
	}
	return false;
}
