/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What attach and the daemon put into the maps: services, addresses, who may connect, sets.
 * Publishing follows the comment at struct sluice_set and not the daemon's code, so that a
 * misunderstanding between the two shows.
 */
#include "world.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static int write_service(struct world *world, unsigned index, const struct sluice_service *service)
{
	uint32_t key = index;

	return bpf_map_update_elem(world->maps->services_fd, &key, service, BPF_ANY) ? -errno : 0;
}

int world_set_service(struct world *world, unsigned index, const char *name, uint16_t port,
		      const struct frame_address *addresses, unsigned count)
{
	const struct sluice_port entry = { .service = (uint16_t)index };
	struct sluice_service service = { .port = htons(port), .address_count = count };
	uint32_t port_key = port;
	unsigned i;
	int err;

	snprintf(service.name, sizeof(service.name), "%s", name);
	for (i = 0; i < count; i++)
		memcpy(&service.address[i], addresses[i].bytes + 12, 4);
	err = write_service(world, index, &service);
	if (err)
		return err;
	return bpf_map_update_elem(world->maps->ports_fd, &port_key, &entry, BPF_ANY) ? -errno : 0;
}

int world_read_service(struct world *world, unsigned index, struct sluice_service *service)
{
	uint32_t key = index;

	return bpf_map_lookup_elem(world->maps->services_fd, &key, service) ? -errno : 0;
}

unsigned world_service_on(struct world *world, uint16_t port)
{
	struct sluice_port entry;
	uint32_t key = port;

	return bpf_map_lookup_elem(world->maps->ports_fd, &key, &entry) ? 0 : entry.service;
}

int world_add_address(struct world *world, const struct frame_address *address)
{
	uint32_t one = 1;
	int fd = address->six ? world->maps->addrs6_fd : world->maps->addrs4_fd;

	return bpf_map_update_elem(fd, address->bytes + (address->six ? 0 : 12), &one, BPF_ANY)
		       ? -errno
		       : 0;
}

int world_remove_address(struct world *world, const struct frame_address *address)
{
	int fd = address->six ? world->maps->addrs6_fd : world->maps->addrs4_fd;

	if (bpf_map_delete_elem(fd, address->bytes + (address->six ? 0 : 12)))
		return -errno;
	return world_forget(world);
}

int world_allow(struct world *world, unsigned service, const struct frame_address *network,
		unsigned prefix)
{
	struct sluice_allow_key4 key4 = { .prefix_len = 32 + prefix, .service = service };
	struct sluice_allow_key6 key6 = { .prefix_len = 32 + prefix, .service = service };
	struct sluice_service value;
	uint32_t one = 1;
	int err;

	memcpy(&key4.network, network->bytes + 12, 4);
	memcpy(key6.network, network->bytes, 16);
	if (network->six)
		err = bpf_map_update_elem(world->maps->allow6_fd, &key6, &one, BPF_ANY);
	else
		err = bpf_map_update_elem(world->maps->allow4_fd, &key4, &one, BPF_ANY);
	if (err)
		return -errno;
	err = world_read_service(world, service, &value);
	if (err)
		return err;
	value.flags |= SLUICE_SERVICE_RESTRICTED;
	return write_service(world, service, &value);
}

int world_limit_rate(struct world *world, unsigned service, uint32_t rate, unsigned prefix4,
		     unsigned prefix6)
{
	struct sluice_service value;
	int err = world_read_service(world, service, &value);

	world->limits = true;
	if (err || !rate)
		return err;
	value.rate = rate;
	value.rate_prefix4 = (uint8_t)prefix4;
	value.rate_prefix6 = (uint8_t)prefix6;
	return write_service(world, service, &value);
}

int world_leave(struct world *world, unsigned service, bool leaving)
{
	struct sluice_service value;
	int err = world_read_service(world, service, &value);

	if (err)
		return err;
	value.flags &= (__u16)~SLUICE_SERVICE_LEAVING;
	if (leaving)
		value.flags |= SLUICE_SERVICE_LEAVING;
	return write_service(world, service, &value);
}

static struct sluice_set *set_slot(struct world *world, unsigned service, uint64_t version)
{
	return &world->maps->sets[service * SLUICE_SET_RING + version % SLUICE_SET_RING];
}

void world_publish(struct world *world, unsigned service, const struct sluice_set *set)
{
	uint64_t version = world->maps->active[service].version + 1;
	struct sluice_set *slot = set_slot(world, service, version);
	uint32_t i, k;

	__atomic_store_n(&slot->version, 0, __ATOMIC_SEQ_CST);
	slot->len = set->len;
	slot->maxconn = set->maxconn;
	slot->balance = set->balance;
	slot->on_empty = set->on_empty;
	slot->on_full = set->on_full;
	memset(slot->table, 0, sizeof(slot->table));
	memcpy(slot->table, set->table, set->len * sizeof(set->table[0]));
	slot->members = 0;
	for (i = 0; i < set->len; i++) {
		for (k = 0; k < slot->members && slot->member[k] != set->table[i]; k++)
			;
		slot->member[k] = set->table[i];
		if (k == slot->members)
			slot->members++;
	}
	__atomic_store_n(&slot->version, version, __ATOMIC_SEQ_CST);
	__atomic_store_n(&world->maps->active[service].version, version, __ATOMIC_SEQ_CST);
}

void world_tear(struct world *world, unsigned service)
{
	set_slot(world, service, world->maps->active[service].version)->version = 0;
}
