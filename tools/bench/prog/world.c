/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Loading, filling, running. The flows are inserted by a program of the same object, so that how a
 * flow's key follows from its number is written down once.
 */
#include "world.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/pkt_cls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench_prog.skel.h"
#include "cgroup.h"
#include "jiffies.h"
#include "peers.h"
#include "tail_calls.h"

static int fail(const char *what, int err)
{
	fprintf(stderr, "bench-prog: %s: %s\n", what, strerror(-err));
	return err;
}

/* --- load --- */

static int set_entries(struct world *world, const struct world_size *size)
{
	struct bench_prog *skel = world->skel;
	int err = bpf_map__set_max_entries(skel->maps.sluice_est4, size->table);

	if (!err)
		err = bpf_map__set_max_entries(skel->maps.sluice_est6, size->table);
	if (!err)
		err = bpf_map__set_max_entries(skel->maps.sluice_half4, size->half_table);
	if (!err)
		err = bpf_map__set_max_entries(skel->maps.sluice_half6, size->half_table);
	return err;
}

static void find_programs(const struct world *world, struct bpf_program *programs[WORLD_PROGRAMS])
{
	programs[WORLD_XDP_SHIPPED] = world->skel->progs.sluice_xdp;
	programs[WORLD_TC_IN_SHIPPED] = world->skel->progs.sluice_tc_in;
	programs[WORLD_TC_OUT_SHIPPED] = world->skel->progs.sluice_tc_out;
	programs[WORLD_XDP_EMPTY] = world->skel->progs.bench_xdp_empty;
	programs[WORLD_TC_EMPTY] = world->skel->progs.bench_tc_empty;
	programs[WORLD_XDP_BASE] = world->skel->progs.bench_xdp_base;
	programs[WORLD_TC_BASE] = world->skel->progs.bench_tc_base;
	programs[WORLD_OUT_BASE] = world->skel->progs.bench_out_base;
	programs[WORLD_XDP] = world->skel->progs.bench_xdp;
	programs[WORLD_TC_IN] = world->skel->progs.bench_tc_in;
	programs[WORLD_TC_OUT] = world->skel->progs.bench_tc_out;
	programs[WORLD_LOOKUP] = world->skel->progs.bench_lookup;
	programs[WORLD_INSERT] = world->skel->progs.bench_insert;
	programs[WORLD_FILL] = world->skel->progs.bench_fill;
}

#define STEP_PREFIX "bench_step_"

static int choose_programs(const struct world *world, bool steps)
{
	struct bpf_program *program;
	int err = 0;

	bpf_object__for_each_program(program, world->skel->obj)
	{
		if (steps || strncmp(bpf_program__name(program), STEP_PREFIX, strlen(STEP_PREFIX)))
			continue;
		err = bpf_program__set_autoload(program, false);
		if (err)
			break;
	}
	return err;
}

/* Statistics of the verifier, a line or two for each program (BPF_LOG_STATS, Linux 5.2). */
static int keep_logs(struct world *world, struct bpf_program *programs[WORLD_PROGRAMS])
{
	enum { LOG_STATS = 4 };
	int err = 0;
	size_t i;

	world->logs = calloc(WORLD_PROGRAMS, WORLD_LOG_LEN);
	if (!world->logs)
		return -ENOMEM;
	for (i = 0; i < WORLD_PROGRAMS && !err; i++) {
		err = bpf_program__set_log_level(programs[i], LOG_STATS);
		if (!err)
			err = bpf_program__set_log_buf(programs[i], world->logs + i * WORLD_LOG_LEN,
						       WORLD_LOG_LEN);
	}
	return err;
}

static int load(struct world *world, const struct world_size *size)
{
	struct bpf_program *programs[WORLD_PROGRAMS];
	struct jiffies jiffies;
	size_t i;
	int err;

	err = jiffies_measure(&jiffies);
	if (err)
		return fail("cannot load a BPF program", err);
	world->skel = bench_prog__open();
	if (!world->skel)
		return fail("cannot open the BPF object", -errno);
	world->skel->rodata->sluice_hz = jiffies.hz;
	world->skel->rodata->sluice_host_netns = size->host_netns;
	world->skel->rodata->sluice_calls_writer = tail_calls_mix(); /* as loader.c */
	world->skel->rodata->sluice_knows_mptcp = size->host_netns && cgroup_knows_mptcp();
	err = set_entries(world, size);
	if (err)
		return fail("table sizes", err);
	err = choose_programs(world, size->steps);
	if (err)
		return fail("programs", err);
	find_programs(world, programs);
	err = keep_logs(world, programs);
	if (err)
		return fail("verifier's log", err);
	err = bench_prog__load(world->skel);
	if (err)
		return fail("cannot load the BPF programs", err);
	for (i = 0; i < WORLD_PROGRAMS; i++)
		world->program_fd[i] = bpf_program__fd(programs[i]);
	return 0;
}

static int adopt(struct world *world)
{
	char error[512] = "";
	int fds[MAPS_COUNT], err;
	size_t i;

	for (i = 0; i < MAPS_COUNT; i++)
		fds[i] = bpf_map__fd(
			bpf_object__find_map_by_name(world->skel->obj, maps_kinds[i].name));
	err = maps_adopt(&world->maps, fds, MAPS_ROOT, error, sizeof(error));
	if (err) {
		fprintf(stderr, "bench-prog: %s\n", error);
		return err;
	}
	err = peers_widen(bpf_map__fd(world->skel->maps.sluice_peers), &world->maps,
			  world->skel->rodata->sluice_port_min,
			  world->skel->rodata->sluice_port_max);
	return err ? fail("map " SLUICE_MAP_PEERS, err) : 0;
}

/* --- services and backends --- */

static void add_backend(struct world *world, uint32_t slot, unsigned service, uint32_t i)
{
	struct sluice_backend *backend = &world->maps.backends[slot];

	backend->generation = JOB_GENERATION;
	backend->port = htons((uint16_t)(JOB_FIRST_PORT + i));
	backend->service = (uint16_t)service;
	backend->state = SLUICE_BACKEND_UP;
	backend->weight = 1;
}

static int add_service(struct world *world, uint32_t index, uint16_t port)
{
	const struct sluice_port entry = { .service = (uint16_t)index };
	struct sluice_service service = { .port = htons(port) };
	uint32_t key = port;

	snprintf(service.name, sizeof(service.name), "s%u", index);
	if (bpf_map_update_elem(world->maps.services_fd, &index, &service, BPF_ANY) ||
	    bpf_map_update_elem(world->maps.ports_fd, &key, &entry, BPF_ANY))
		return -errno;
	return 0;
}

/* A service with so many backends in the slots from first on. Maglev's table is always full. */
static int add_balanced(struct world *world, unsigned index, uint16_t port, uint8_t balance,
			uint32_t first, uint32_t backends)
{
	static struct sluice_set set;
	uint32_t i;
	int err;

	err = add_service(world, index, port);
	if (err)
		return err;
	for (i = 0; i < backends; i++)
		add_backend(world, first + i, index, i);
	memset(&set, 0, sizeof(set));
	set.balance = balance;
	set.len = balance == SLUICE_BALANCE_SOURCE ? SLUICE_SET_TABLE : backends;
	for (i = 0; i < set.len; i++)
		set.table[i] = (uint16_t)(first + i * 2654435761u % backends);
	if (balance != SLUICE_BALANCE_SOURCE)
		for (i = 0; i < set.len; i++)
			set.table[i] = (uint16_t)(first + i);
	return maps_publish_set(&world->maps, index, &set, 0);
}

static int add_services(struct world *world)
{
	uint32_t index = JOB_SERVICE, slot = 1;
	uint8_t balance;
	int err;

	err = add_balanced(world, index++, JOB_SERVICE_PORT, SLUICE_BALANCE_ROUNDROBIN, slot,
			   JOB_BACKENDS);
	for (slot += JOB_BACKENDS, balance = SLUICE_BALANCE_ROUNDROBIN;
	     !err && balance <= SLUICE_BALANCE_SOURCE; balance++) {
		err = add_balanced(world, index++, WORLD_NEW_PORT(balance, 0), balance, slot,
				   WORLD_FEW);
		slot += WORLD_FEW;
		if (!err)
			err = add_balanced(world, index++, WORLD_NEW_PORT(balance, 1), balance,
					   slot, WORLD_MANY);
		slot += WORLD_MANY;
	}
	return err;
}

static int add_addresses(struct world *world)
{
	const __be32 address4 = htonl(FRAME_LOCAL4);
	struct sluice_addr6 address6;
	const uint32_t one = 1;

	frame_local6(address6.word);
	if (bpf_map_update_elem(world->maps.addrs4_fd, &address4, &one, BPF_ANY) ||
	    bpf_map_update_elem(world->maps.addrs6_fd, &address6, &one, BPF_ANY))
		return -errno;
	return 0;
}

static void add_hports(struct world *world)
{
	unsigned i;

	for (i = 0; i < JOB_BACKENDS; i++) {
		world->maps.hports[JOB_FIRST_PORT + i].slot = (uint16_t)(1 + i);
		world->maps.hports[JOB_FIRST_PORT + i].service_port = htons(JOB_SERVICE_PORT);
	}
}

static int add_flows(struct world *world, unsigned family, uint32_t flows)
{
	struct world_run run = {
		.program = WORLD_FILL,
		.order = JOB_FRESH,
		.family = family,
		.kind = FRAME_IN,
		.service_port = JOB_SERVICE_PORT,
	};
	double ns;

	world->skel->bss->job.fresh = world->flows;
	return world_measure(world, &run, flows - world->flows, &ns);
}

int world_fill(struct world *world, uint32_t flows)
{
	int err = add_flows(world, 4, flows);

	if (!err)
		err = add_flows(world, 6, flows);
	if (err)
		return fail("cannot fill the flow tables", err);
	world->flows = flows;
	return 0;
}

int world_open(struct world *world, const struct world_size *size)
{
	int err;

	memset(world, 0, sizeof(*world));
	err = load(world, size);
	if (err)
		goto out;
	err = adopt(world);
	if (err)
		goto out;
	err = add_services(world);
	if (!err)
		err = add_addresses(world);
	if (err) {
		fail("cannot fill the maps", err);
		goto out;
	}
	add_hports(world);
out:
	if (err)
		world_release(world);
	return err;
}

void world_release(struct world *world)
{
	maps_release(&world->maps);
	bench_prog__destroy(world->skel);
	world->skel = NULL;
	free(world->logs);
	world->logs = NULL;
}

const char *world_log(const struct world *world, enum world_program program)
{
	return world->logs + program * WORLD_LOG_LEN;
}

void world_limit(struct world *world, bool full)
{
	unsigned i;

	for (i = 1; i <= SLUICE_MAX_BACKENDS; i++)
		world->maps.backends[i].local = full;
	for (i = 0; i < (SLUICE_MAX_SERVICES + 1) * SLUICE_SET_RING; i++) {
		if (!world->maps.sets[i].version)
			continue;
		world->maps.sets[i].maxconn = full;
		world->maps.sets[i].on_full = SLUICE_FULL_RESET;
	}
}

void world_settle(struct world *world)
{
	unsigned slot;

	for (slot = 1; slot <= SLUICE_MAX_BACKENDS; slot++)
		memset(&world->maps.backends[slot].half_open, 0,
		       sizeof(world->maps.backends[slot].half_open));
}

/* --- run --- */

static struct bpf_program *program_of(const struct world *world, const struct world_run *run)
{
	struct bpf_program *programs[WORLD_PROGRAMS];
	char name[32];

	if (run->step) {
		snprintf(name, sizeof(name), STEP_PREFIX "%s", run->step);
		return bpf_object__find_program_by_name(world->skel->obj, name);
	}
	find_programs(world, programs);
	return programs[run->program];
}

double world_cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

int world_measure(struct world *world, const struct world_run *run, uint32_t repeat, double *ns)
{
	struct job *job = &world->skel->bss->job;
	const struct bpf_program *program = program_of(world, run);
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	uint8_t out[FRAME_MAX];
	struct frame frame;
	uint32_t pass;
	double before;
	int err;

	if (!program)
		return -ENOENT;
	pass = bpf_program__type(program) == BPF_PROG_TYPE_XDP ? XDP_PASS : (uint32_t)TC_ACT_UNSPEC;
	frame_build(&frame, run->family, run->kind, run->service_port);
	job->order = run->order;
	job->flows = run->flows;
	job->family = run->family;
	job->sum = frame.sum;
	job->service_port = htons(run->service_port);
	job->misses = 0;
	opts.data_in = frame.bytes;
	opts.data_size_in = (uint32_t)frame.len;
	opts.data_out = out;
	opts.data_size_out = sizeof(out);
	opts.repeat = (int)repeat;
	before = world_cpu_ns();
	err = bpf_prog_test_run_opts(bpf_program__fd(program), &opts);
	*ns = (world_cpu_ns() - before) / repeat;
	if (err)
		return err;
	if (opts.retval != pass)
		return fail("the program did not pass the packet", -EPROTO);
	if (job->misses)
		return fail("a flow was not found, or could not be inserted", -ENOENT);
	return 0;
}
