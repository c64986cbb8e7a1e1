/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The programs under test, loaded from the object that ships. Publishing follows the comment at
 * struct sluice_set and not the daemon's code, so that a misunderstanding between the two shows.
 */
#include "world.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/flow_rules.h>
#include <sluice/tally.h>

#include "sluice.skel.h"

/* The flow tables need not be large here; preallocated they would cost 100 MB. */
enum { FLOW_ENTRIES = 2560, MAX_CPUS = 1024 };

enum { RANGE_FIRST = 31000, RANGE_LAST = 32000 };

int world_open(struct world *world, const struct timeouts *timeouts)
{
	const struct loader_options options = {
		.port_min = RANGE_FIRST,
		.port_max = RANGE_LAST,
		.flows = FLOW_ENTRIES,
		.half_flows = FLOW_ENTRIES,
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

static int flows_fd(const struct world *world, unsigned family, bool established)
{
	if (family == 4)
		return established ? world->maps->est4_fd : world->maps->half4_fd;
	return established ? world->maps->est6_fd : world->maps->half6_fd;
}

/* For root and the programs alone, so no part of struct maps. */
static int rates_fd(const struct world *world)
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
		clear_hash(flows_fd(world, 4, i));
		clear_hash(flows_fd(world, 6, i));
	}
	clear_hash(bpf_map__fd(world->loader.skel->maps.sluice_syns4));
	clear_hash(bpf_map__fd(world->loader.skel->maps.sluice_syns6));
	clear_hash(world->maps->addrs4_fd);
	clear_hash(world->maps->addrs6_fd);
	clear_hash(world->maps->allow4_fd);
	clear_hash(world->maps->allow6_fd);
	if (world->limits)
		clear_hash(rates_fd(world));
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

int world_set_service(struct world *world, unsigned index, const char *name, uint16_t port,
		      const struct frame_address *addresses, unsigned count)
{
	const struct sluice_port entry = { .service = (uint16_t)index };
	struct sluice_service service = { .port = htons(port), .address_count = count };
	uint32_t port_key = port, index_key = index;
	unsigned i;

	snprintf(service.name, sizeof(service.name), "%s", name);
	for (i = 0; i < count; i++)
		memcpy(&service.address[i], addresses[i].bytes + 12, 4);
	if (bpf_map_update_elem(world->maps->services_fd, &index_key, &service, BPF_ANY) ||
	    bpf_map_update_elem(world->maps->ports_fd, &port_key, &entry, BPF_ANY))
		return -errno;
	return 0;
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

static int change_service(struct world *world, unsigned index, uint16_t flags, uint32_t rate,
			  unsigned prefix4, unsigned prefix6)
{
	struct sluice_service service;
	uint32_t key = index;

	if (bpf_map_lookup_elem(world->maps->services_fd, &key, &service))
		return -errno;
	service.flags |= flags;
	if (rate) {
		service.rate = rate;
		service.rate_prefix4 = (uint8_t)prefix4;
		service.rate_prefix6 = (uint8_t)prefix6;
	}
	return bpf_map_update_elem(world->maps->services_fd, &key, &service, BPF_ANY) ? -errno : 0;
}

int world_allow(struct world *world, unsigned service, const struct frame_address *network,
		unsigned prefix)
{
	struct sluice_allow_key4 key4 = { .prefix_len = 32 + prefix, .service = service };
	struct sluice_allow_key6 key6 = { .prefix_len = 32 + prefix, .service = service };
	uint32_t one = 1;
	int err;

	memcpy(&key4.network, network->bytes + 12, 4);
	memcpy(key6.network, network->bytes, 16);
	if (network->six)
		err = bpf_map_update_elem(world->maps->allow6_fd, &key6, &one, BPF_ANY);
	else
		err = bpf_map_update_elem(world->maps->allow4_fd, &key4, &one, BPF_ANY);
	return err ? -errno : change_service(world, service, SLUICE_SERVICE_RESTRICTED, 0, 0, 0);
}

int world_limit_rate(struct world *world, unsigned service, uint32_t rate, unsigned prefix4,
		     unsigned prefix6)
{
	world->limits = true;
	return change_service(world, service, 0, rate, prefix4, prefix6);
}

int world_leave(struct world *world, unsigned service, bool leaving)
{
	struct sluice_service value;
	uint32_t key = service;

	if (bpf_map_lookup_elem(world->maps->services_fd, &key, &value))
		return -errno;
	value.flags &= (__u16)~SLUICE_SERVICE_LEAVING;
	if (leaving)
		value.flags |= SLUICE_SERVICE_LEAVING;
	return bpf_map_update_elem(world->maps->services_fd, &key, &value, BPF_ANY) ? -errno : 0;
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

/* Keys of either family fit. */
static unsigned list_keys(int fd, uint8_t (*keys)[sizeof(struct sluice_flow_key6)])
{
	unsigned count = 0;

	while (count < FLOW_ENTRIES &&
	       !bpf_map_get_next_key(fd, count ? keys[count - 1] : NULL, keys[count]))
		count++;
	return count;
}

static int age_flows(int fd, uint32_t jiffies)
{
	static uint8_t keys[FLOW_ENTRIES][sizeof(struct sluice_flow_key6)];
	struct sluice_half half = {
		.pad = 0
	}; /* its first member is all that an established table holds */
	struct sluice_flow *flow = &half.flow;
	unsigned i, count = list_keys(fd, keys);

	for (i = 0; i < count; i++) {
		if (bpf_map_lookup_elem(fd, keys[i], &half))
			return -errno;
		flow->picked -= jiffies;
		flow->touched -= jiffies;
		if (flow->client_rst)
			flow->client_rst = (flow->client_rst - jiffies) | 1;
		if (bpf_map_update_elem(fd, keys[i], &half, BPF_EXIST))
			return -errno;
	}
	return 0;
}

static int age_rates(int fd, uint32_t jiffies)
{
	struct sluice_rate_key keys[64];
	struct sluice_rate rate;
	unsigned i, count = 0;

	while (count < 64 &&
	       !bpf_map_get_next_key(fd, count ? &keys[count - 1] : NULL, &keys[count]))
		count++;
	for (i = 0; i < count; i++) {
		if (bpf_map_lookup_elem(fd, &keys[i], &rate))
			return -errno;
		rate.filled -= jiffies;
		if (bpf_map_update_elem(fd, &keys[i], &rate, BPF_EXIST))
			return -errno;
	}
	return 0;
}

/* --- counts --- */

static const struct sluice_timeouts *timeouts_of(const struct world *world)
{
	return &world->maps->meta.timeouts;
}

static void set_tally(struct world *world, struct sluice_tally *tally, uint32_t periods,
		      int32_t count)
{
	const uint32_t now = world_jiffies(world);

	sluice_tally_reset(tally, now, periods);
	tally->part[tally->period % SLUICE_TALLY_PARTS] = count;
}

void world_set_active(struct world *world, unsigned slot, int32_t active)
{
	world->maps->backends[slot].local = 0;
	set_tally(world, &world->maps->backends[slot].active, timeouts_of(world)->idle_periods,
		  active);
}

void world_set_half_open(struct world *world, unsigned slot, int32_t half_open)
{
	set_tally(world, &world->maps->backends[slot].half_open,
		  timeouts_of(world)->half_open_periods, half_open);
}

/* What the programs have counted if they have made no mistake. */
struct counted {
	uint32_t active_part[SLUICE_MAX_BACKENDS + 1][SLUICE_TALLY_PARTS];
	uint32_t half_open_part[SLUICE_MAX_BACKENDS + 1][SLUICE_TALLY_PARTS];
};

static void count_one(uint32_t part[SLUICE_TALLY_PARTS], uint32_t stamp, uint32_t now,
		      uint32_t periods)
{
	const uint32_t period = sluice_tally_period(stamp, periods);

	if (sluice_tally_distance(period, sluice_tally_period(now, periods), periods) <
	    SLUICE_TALLY_PARTS)
		part[period % SLUICE_TALLY_PARTS]++;
}

static int read_table(struct world *world, unsigned family, bool established,
		      struct counted *counts)
{
	static uint8_t keys[FLOW_ENTRIES][sizeof(struct sluice_flow_key6)];
	const int fd = flows_fd(world, family, established);
	const uint32_t now = world_jiffies(world);
	unsigned i, count = list_keys(fd, keys);
	struct sluice_half half;
	const struct sluice_flow *flow = &half.flow;

	for (i = 0; i < count; i++) {
		if (bpf_map_lookup_elem(fd, keys[i], &half))
			return -errno;
		if (world->maps->backends[flow->slot].generation != flow->generation)
			continue;
		if (established)
			count_one(counts->active_part[flow->slot], flow->touched, now,
				  timeouts_of(world)->idle_periods);
		else if (!flow->done && !sluice_flow_is_over(flow))
			count_one(counts->half_open_part[flow->slot], flow->picked, now,
				  timeouts_of(world)->half_open_periods);
	}
	return 0;
}

static int read_counts(struct world *world, struct counted *counts)
{
	unsigned i;
	int err = 0;

	memset(counts, 0, sizeof(*counts));
	for (i = 0; i < 4 && !err; i++)
		err = read_table(world, i & 1 ? 6 : 4, i & 2, counts);
	return err;
}

/*
 * Ages are not multiples of a period, so what was counted does not simply lie a few periods further
 * back. The flows that there are tell where they belong; what is left over is the count of flows that
 * nobody has any more, and goes back by whole periods.
 */
static int count_flows(struct world *world, int32_t sign)
{
	static struct counted counts;
	unsigned slot, i;
	int err = read_counts(world, &counts);

	for (slot = 1; slot <= SLUICE_MAX_BACKENDS && !err; slot++) {
		struct sluice_backend *backend = &world->maps->backends[slot];

		for (i = 0; i < SLUICE_TALLY_PARTS; i++) {
			backend->active.part[i] += sign * (int32_t)counts.active_part[slot][i];
			backend->half_open.part[i] +=
				sign * (int32_t)counts.half_open_part[slot][i];
		}
	}
	return err;
}

/* from, to: how far the world has aged. */
static void age_tally(struct sluice_tally *tally, uint32_t now, uint32_t from, uint32_t to,
		      uint32_t periods)
{
	const uint32_t back = sluice_tally_period(to, periods) - sluice_tally_period(from, periods);
	struct sluice_tally old = *tally;
	unsigned i;

	sluice_tally_reset(tally, now, periods);
	for (i = 0; i + back < SLUICE_TALLY_PARTS; i++)
		tally->part[(tally->period - i - back) % SLUICE_TALLY_PARTS] =
			old.part[(old.period - i) % SLUICE_TALLY_PARTS];
}

static void age_backends(struct world *world, uint32_t jiffies)
{
	const uint32_t now = world_jiffies(world);
	unsigned i;

	for (i = 1; i <= SLUICE_MAX_BACKENDS; i++) {
		struct sluice_backend *backend = &world->maps->backends[i];

		if (!backend->generation)
			continue;
		if (backend->suspect)
			backend->suspect_since -= jiffies;
		if (backend->answered)
			backend->answered -= jiffies;
		age_tally(&backend->active, now, world->aged, world->aged + jiffies,
			  timeouts_of(world)->idle_periods);
		age_tally(&backend->half_open, now, world->aged, world->aged + jiffies,
			  timeouts_of(world)->half_open_periods);
	}
	world->aged += jiffies;
}

/* So that every tally stands at the period of this moment. */
static void advance(struct world *world)
{
	const uint32_t now = world_jiffies(world);
	unsigned i;

	for (i = 1; i <= SLUICE_MAX_BACKENDS; i++) {
		sluice_tally_advance(&world->maps->backends[i].active, now,
				     timeouts_of(world)->idle_periods);
		sluice_tally_advance(&world->maps->backends[i].half_open, now,
				     timeouts_of(world)->half_open_periods);
	}
}

int world_age(struct world *world, uint32_t age_ms)
{
	uint32_t jiffies = (uint32_t)((uint64_t)age_ms * world->maps->meta.hz / 1000);
	unsigned i;
	int err = world->limits ? age_rates(rates_fd(world), jiffies) : 0;

	advance(world);
	if (!err)
		err = count_flows(world, -1);
	age_backends(world, jiffies);
	for (i = 0; i < 4 && !err; i++)
		err = age_flows(flows_fd(world, i & 1 ? 6 : 4, i & 2), jiffies);
	return err ? err : count_flows(world, 1);
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
	return bpf_map_lookup_elem(flows_fd(world, key->family, established), &key->v4, flow)
		       ? -errno
		       : 0;
}

unsigned world_count_flows(struct world *world, bool established)
{
	uint8_t key[sizeof(struct sluice_flow_key6)];
	unsigned family, count = 0;
	bool first;

	for (family = 4; family <= 6; family += 2)
		for (first = true; !bpf_map_get_next_key(flows_fd(world, family, established),
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
