/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Changes of the maps. They are written as the daemon would, except that ports, states and slots may
 * be nonsense: whatever stands in them, the invariants hold.
 */
#include "packets_change.h"

#include <arpa/inet.h>
#include <string.h>

#include "../bpf/frame_bytes.h"

enum { SLOTS = 16, SERVICES = 4 };

static unsigned slot_of(const struct packets_record *record, size_t at)
{
	return 1 + packets_byte(record, at) % SLOTS;
}

static unsigned service_of(const struct packets_record *record, size_t at)
{
	return 1 + packets_byte(record, at) % SERVICES;
}

static void change_backend(struct world *world, const struct packets_record *record)
{
	struct sluice_backend *backend = &world->maps->backends[slot_of(record, 0)];
	uint16_t port = packets_word(record, 2);
	struct sluice_service service;
	unsigned index = service_of(record, 1);

	backend->generation = 0;
	backend->service = (uint16_t)index;
	backend->port = htons(port);
	backend->state = (uint8_t)(packets_byte(record, 4) % 6);
	backend->weight = packets_byte(record, 5);
	world_set_active(world, slot_of(record, 0), 0);
	world_set_half_open(world, slot_of(record, 0), 0);
	backend->suspect = backend->answered = 0;
	backend->generation = ++backend->last_generation;
	if (world_read_service(world, index, &service))
		return;
	world->maps->hports[port].service_port = service.port;
	world->maps->hports[port].slot = (uint16_t)slot_of(record, 0);
}

static void change_state(struct world *world, const struct packets_record *record)
{
	struct sluice_backend *backend = &world->maps->backends[slot_of(record, 0)];

	backend->state = (uint8_t)(packets_byte(record, 1) % 6);
	backend->weight = packets_byte(record, 2);
	backend->suspect = packets_byte(record, 3) & 1;
	backend->suspect_since = world_jiffies(world) - packets_byte(record, 3);
	world_set_active(world, slot_of(record, 0), (int8_t)packets_byte(record, 4));
}

static void publish(struct world *world, const struct packets_record *record)
{
	static struct sluice_set set;
	size_t i;

	memset(&set, 0, sizeof(set));
	set.balance = (uint8_t)(packets_byte(record, 1) % 5);
	set.on_empty = (uint8_t)(packets_byte(record, 2) % 3);
	set.on_full = (uint8_t)(packets_byte(record, 3) % 2);
	set.maxconn = packets_byte(record, 4);
	for (i = 5; i < record->len && set.len < 256; i++)
		set.table[set.len++] = (uint16_t)(record->body[i] % (SLOTS + 1));
	world_publish(world, service_of(record, 0), &set);
}

static void set_service(struct world *world, const struct packets_record *record)
{
	static const char *const names[] = { "a", "b", "c", "d" };
	struct frame_address addresses[SLUICE_MAX_ADDRESS];
	unsigned i, count = packets_byte(record, 3) % (SLUICE_MAX_ADDRESS + 1),
		    index = service_of(record, 0);

	memset(addresses, 0, sizeof(addresses));
	for (i = 0; i < count; i++)
		put32(addresses[i].bytes + 12, packets_number(record, 4 + 4 * i));
	if (packets_word(record, 1) && !world_service_on(world, packets_word(record, 1)))
		world_set_service(world, index, names[index - 1], packets_word(record, 1),
				  addresses, count);
}

static void change_address(struct world *world, const struct packets_record *record)
{
	struct frame_address address = { .six = packets_byte(record, 1) == 6 };
	unsigned i;

	for (i = 0; i < 16; i++)
		address.bytes[i] = packets_byte(record, 2 + i);
	if (packets_byte(record, 0) & 1)
		world_remove_address(world, &address);
	else
		world_add_address(world, &address);
}

static void change_access(struct world *world, const struct packets_record *record)
{
	struct frame_address network = { .six = packets_byte(record, 1) == 6 };
	unsigned i;

	if (record->kind == PACKETS_RATE) {
		world_limit_rate(world, service_of(record, 0), packets_byte(record, 1) % 16,
				 packets_byte(record, 2) % 33, packets_byte(record, 3) % 129);
		return;
	}
	for (i = 0; i < 16; i++)
		network.bytes[i] = packets_byte(record, 3 + i);
	world_allow(world, service_of(record, 0), &network,
		    packets_byte(record, 2) % (network.six ? 129 : 33));
}

void packets_change(struct world *world, const struct packets_record *record)
{
	switch (record->kind) {
	case PACKETS_SERVICE:
		set_service(world, record);
		break;
	case PACKETS_LOCAL:
		change_address(world, record);
		break;
	case PACKETS_BACKEND:
		change_backend(world, record);
		break;
	case PACKETS_STATE:
		change_state(world, record);
		break;
	case PACKETS_RETIRE:
		world->maps->backends[slot_of(record, 0)].generation = 0;
		break;
	case PACKETS_SET:
		publish(world, record);
		break;
	case PACKETS_TEAR:
		world_tear(world, service_of(record, 0));
		break;
	case PACKETS_LEAVE:
		world_leave(world, service_of(record, 0), packets_byte(record, 1) & 1);
		break;
	case PACKETS_AGE:
		world_age(world, packets_number(record, 0) % 10000000);
		break;
	default:
		change_access(world, record);
	}
}
