/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The programs under test, loaded from the object that ships: what they hold between two cases,
 * what is read of their maps, and one run on one frame. What a case puts into the maps is
 * world_change.c's, the time that passes world_age.c's.
 */
#include "world.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sluice.skel.h"
#include "world_internal.h"

enum { MAX_CPUS = 1024 };

enum { RANGE_FIRST = 31000, RANGE_LAST = 32000 };

int world_open(struct world *world, const struct timeouts *timeouts, enum world_room room)
{
	const struct loader_options options = {
		.port_min = RANGE_FIRST,
		.port_max = RANGE_LAST,
		.flows = room == WORLD_ROOMY ? WORLD_FLOW_ENTRIES : WORLD_FEW_EST,
		.half_flows = room == WORLD_ROOMY ? WORLD_FLOW_ENTRIES : WORLD_FEW_HALF,
		.flow_type = room == WORLD_REFUSES ? BPF_MAP_TYPE_HASH : 0,
		.timeouts = timeouts ? *timeouts : TIMEOUTS_DEFAULT,
	};
	char error[512];
	int err;

	memset(world, 0, sizeof(*world));
	err = loader_load(&world->loader, &options, error, sizeof(error));
	if (err) {
		fprintf(stderr, "packets: %s\n", error);
		return err;
	}
	world->maps = &world->loader.maps;
	world->timeouts = options.timeouts;
	world->room = room;
	world->program_fd[WORLD_XDP] = loader_xdp_fd(&world->loader);
	world->program_fd[WORLD_TC_IN] = loader_tc_in_fd(&world->loader);
	world->program_fd[WORLD_TC_OUT] = loader_tc_out_fd(&world->loader);
	if (world->maps->cpus <= MAX_CPUS)
		return 0;
	fprintf(stderr, "packets: %u CPUs are more than this program knows\n", world->maps->cpus);
	world_release(world);
	return -E2BIG;
}

void world_release(struct world *world)
{
	loader_release(&world->loader);
	memset(world, 0, sizeof(*world));
}

uint32_t world_jiffies(const struct world *world)
{
	return maps_jiffies(world->maps);
}

int world_flows_fd(const struct world *world, unsigned family, bool established)
{
	if (family == 4)
		return established ? world->maps->est4_fd : world->maps->half4_fd;
	return established ? world->maps->est6_fd : world->maps->half6_fd;
}

int world_rates_fd(const struct world *world)
{
	return bpf_map__fd(world->loader.skel->maps.sluice_rates);
}

static void clear_hash(int fd)
{
	uint8_t key[64];

	while (!bpf_map_get_next_key(fd, NULL, key))
		bpf_map_delete_elem(fd, key);
}

int world_forget(struct world *world)
{
	const struct bpf_map *scratch = world->loader.skel->maps.sluice_scratch;
	const struct bpf_map *vain = world->loader.skel->maps.sluice_vain;
	int err;

	err = maps_clear_percpu(bpf_map__fd(scratch), bpf_map__max_entries(scratch),
				bpf_map__value_size(scratch));
	if (!err)
		err = maps_clear_percpu(bpf_map__fd(vain), bpf_map__max_entries(vain),
					bpf_map__value_size(vain));
	return err;
}

int world_reset(struct world *world)
{
	const struct sluice_service no_service = { .port = 0 };
	const struct sluice_port no_port = { .service = 0 };
	struct sluice_service service;
	uint32_t i, port;

	for (i = 0; i < 2; i++) {
		clear_hash(world_flows_fd(world, 4, i));
		clear_hash(world_flows_fd(world, 6, i));
	}
	clear_hash(bpf_map__fd(world->loader.skel->maps.sluice_syns4));
	clear_hash(bpf_map__fd(world->loader.skel->maps.sluice_syns6));
	clear_hash(world->maps->addrs4_fd);
	clear_hash(world->maps->addrs6_fd);
	clear_hash(world->maps->allow4_fd);
	clear_hash(world->maps->allow6_fd);
	if (world->limits)
		clear_hash(world_rates_fd(world));
	world->limits = false;
	world->aged = 0;
	for (i = 1; i <= SLUICE_MAX_SERVICES; i++) {
		if (bpf_map_lookup_elem(world->maps->services_fd, &i, &service))
			return -errno;
		if (!service.port)
			continue;
		port = ntohs(service.port);
		if (bpf_map_update_elem(world->maps->ports_fd, &port, &no_port, BPF_ANY) ||
		    bpf_map_update_elem(world->maps->services_fd, &i, &no_service, BPF_ANY))
			return -errno;
	}
	memset(world->maps->active, 0, sizeof(struct sluice_active) * (SLUICE_MAX_SERVICES + 1));
	for (i = 0; i < (SLUICE_MAX_SERVICES + 1) * SLUICE_SET_RING; i++)
		if (world->maps->sets[i].version || world->maps->sets[i].len)
			memset(&world->maps->sets[i], 0, sizeof(world->maps->sets[i]));
	memset(world->maps->backends, 0, sizeof(struct sluice_backend) * (SLUICE_MAX_BACKENDS + 1));
	memset(world->maps->hports, 0, sizeof(struct sluice_hport) * 65536);
	return world_forget(world);
}

void world_restart(struct world *world)
{
	const uint8_t zero[64] = { 0 };
	uint32_t i;

	for (i = 1; i <= SLUICE_MAX_SERVICES; i++)
		bpf_map_update_elem(bpf_map__fd(world->loader.skel->maps.sluice_cursor), &i, zero,
				    BPF_ANY);
}

void world_make_key(struct world_key *key, unsigned family, const struct frame_address *client,
		    const struct frame_address *local, uint16_t client_port, uint16_t service_port)
{
	memset(key, 0, sizeof(*key));
	key->family = family;
	if (family == 4) {
		memcpy(&key->v4.client, client->bytes + 12, 4);
		memcpy(&key->v4.local, local->bytes + 12, 4);
		key->v4.client_port = htons(client_port);
		key->v4.service_port = htons(service_port);
	} else {
		memcpy(key->v6.client, client->bytes, 16);
		memcpy(key->v6.local, local->bytes, 16);
		key->v6.client_port = htons(client_port);
		key->v6.service_port = htons(service_port);
	}
}

int world_find_flow(struct world *world, const struct world_key *key, bool established,
		    struct sluice_half *flow)
{
	memset(flow, 0, sizeof(*flow));
	return bpf_map_lookup_elem(world_flows_fd(world, key->family, established), &key->v4, flow)
		       ? -errno
		       : 0;
}

int world_double_flow(struct world *world, const struct world_key *key)
{
	struct sluice_half half;
	int err = world_find_flow(world, key, true, &half);

	if (err)
		return err;
	return bpf_map_update_elem(world_flows_fd(world, key->family, false), &key->v4, &half,
				   BPF_NOEXIST)
		       ? -errno
		       : 0;
}

unsigned world_count_flows(struct world *world, bool established)
{
	uint8_t key[sizeof(struct sluice_flow_key6)];
	unsigned family, count = 0;
	bool first;

	for (family = 4; family <= 6; family += 2)
		for (first = true; !bpf_map_get_next_key(world_flows_fd(world, family, established),
							 first ? NULL : key, key);
		     first = false)
			count++;
	return count;
}

/* All counters in one call: they are read twice for every packet. Kernels before 5.13 have no batches for this map. */
static int read_all_reasons(struct world *world, uint64_t *values)
{
	uint32_t keys[SLUICE_REASON_COUNT], next = 0, count = SLUICE_REASON_COUNT, i;

	if (!bpf_map_lookup_batch(world->maps->reasons_fd, NULL, &next, keys, values, &count,
				  NULL) ||
	    (errno == ENOENT && count == SLUICE_REASON_COUNT))
		return 0;
	for (i = 0; i < SLUICE_REASON_COUNT; i++)
		if (bpf_map_lookup_elem(world->maps->reasons_fd, &i,
					values + i * world->maps->cpus))
			return -errno;
	return 0;
}

int world_read_reasons(struct world *world, uint64_t counts[SLUICE_REASON_COUNT])
{
	static uint64_t values[SLUICE_REASON_COUNT * MAX_CPUS];
	int err = read_all_reasons(world, values);
	unsigned i, cpu;

	if (err)
		return err;
	for (i = 0; i < SLUICE_REASON_COUNT; i++) {
		counts[i] = 0;
		for (cpu = 0; cpu < world->maps->cpus; cpu++)
			counts[i] += values[i * world->maps->cpus + cpu];
	}
	return 0;
}

int world_read_stats(struct world *world, bool of_service, unsigned index, struct sluice_stats *sum)
{
	struct sluice_stats values[MAX_CPUS];
	uint32_t key = index;
	unsigned cpu;

	memset(sum, 0, sizeof(*sum));
	if (bpf_map_lookup_elem(of_service ? world->maps->sstats_fd : world->maps->bstats_fd, &key,
				values))
		return -errno;
	for (cpu = 0; cpu < world->maps->cpus; cpu++) {
		sum->connections += values[cpu].connections;
		sum->picks += values[cpu].picks;
		sum->packets_in += values[cpu].packets_in;
		sum->bytes_in += values[cpu].bytes_in;
		sum->packets_out += values[cpu].packets_out;
		sum->bytes_out += values[cpu].bytes_out;
	}
	return 0;
}

int world_run(struct world *world, enum world_program program, const uint8_t *in, size_t len,
	      uint8_t *out, size_t *out_len, uint32_t *verdict)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	int err;

	opts.data_in = in;
	opts.data_size_in = (uint32_t)len;
	opts.data_out = out;
	opts.data_size_out = FRAME_MAX;
	err = bpf_prog_test_run_opts(world->program_fd[program], &opts);
	if (err)
		return err;
	*out_len = opts.data_size_out;
	*verdict = opts.retval;
	return 0;
}
