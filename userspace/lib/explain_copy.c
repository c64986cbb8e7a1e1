/* SPDX-License-Identifier: GPL-2.0-only */
/* See explain_copy.h. The copy is loaded once; its maps are filled anew for each run. */
#include "explain_copy.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "maps.h"
#include "sluice.skel.h"
#include "tail_calls.h"

#define BACKENDS_LEN ((SLUICE_MAX_BACKENDS + 1) * sizeof(struct sluice_backend)) /* bytes */

struct explain_copy {
	const struct maps *live;
	int rates_fd, cursor_fd; /* the live ones */
	struct sluice_bpf *skel;
	int half_fd[2], est_fd[2]; /* private ones; index 1 is IPv6 */
	int private_rates_fd, private_cursor_fd, reasons_fd;
	struct sluice_backend *backends; /* private, memory mapped */
	bool has_rates;			 /* something is in the private rates */
};

/* --- loading --- */

/* What the programs only read. */
static const char *const shared_maps[] = {
	SLUICE_MAP_META,    SLUICE_MAP_PORTS,  SLUICE_MAP_SERVICES, SLUICE_MAP_ACTIVE,
	SLUICE_MAP_SETS,    SLUICE_MAP_LABELS, SLUICE_MAP_HPORTS,   SLUICE_MAP_OVERRIDE,
	SLUICE_MAP_CHANGES, SLUICE_MAP_ADDRS4, SLUICE_MAP_ADDRS6,   SLUICE_MAP_ALLOW4,
	SLUICE_MAP_ALLOW6,
};

/* What would be large, and has to hold one connection's entries here. */
static const char *const small_maps[] = {
	SLUICE_MAP_HALF4,
	SLUICE_MAP_HALF6,
	SLUICE_MAP_EST4,
	SLUICE_MAP_EST6,
};

static int live_fd(const struct maps *live, const char *name)
{
	size_t i;

	for (i = 0; i < MAPS_COUNT; i++) {
		if (!strcmp(maps_kinds[i].name, name))
			return *(const int *)((const char *)live + maps_kinds[i].fd_offset);
	}
	return -ENOENT;
}

static int prepare_maps(struct explain_copy *copy)
{
	/* an LRU's free entries lie in portions of 128 with the CPUs: so many that none is ever evicted */
	const uint32_t small = 512 * copy->live->cpus;
	struct bpf_map *map;
	int err = 0;
	size_t i;

	for (i = 0; i < sizeof(shared_maps) / sizeof(shared_maps[0]) && !err; i++) {
		map = bpf_object__find_map_by_name(copy->skel->obj, shared_maps[i]);
		err = map ? bpf_map__reuse_fd(map, live_fd(copy->live, shared_maps[i])) : -ENOENT;
	}
	for (i = 0; i < sizeof(small_maps) / sizeof(small_maps[0]) && !err; i++) {
		map = bpf_object__find_map_by_name(copy->skel->obj, small_maps[i]);
		err = map ? bpf_map__set_max_entries(map, small) : -ENOENT;
	}
	return err;
}

/* As loader.c, which has to make the same program of it: is_attached_program() compares them. */
static int prepare_program(struct explain_copy *copy)
{
	const struct sluice_meta *meta = &copy->live->meta;
	struct bpf_program *program;

	bpf_object__for_each_program(program, copy->skel->obj) bpf_program__set_autoload(
		program, program == copy->skel->progs.sluice_tc_in ||
				 program == copy->skel->progs.sluice_tc_write);
	copy->skel->rodata->sluice_port_min = meta->port_min;
	copy->skel->rodata->sluice_port_max = meta->port_max;
	copy->skel->rodata->sluice_hz = meta->hz;
	copy->skel->rodata->sluice_timeouts = meta->timeouts;
	return tail_calls_mix() ? 0 : tail_calls_drop(copy->skel->progs.sluice_tc_in);
}

static int adopt_maps(struct explain_copy *copy)
{
	const struct sluice_bpf *skel = copy->skel;
	void *memory;

	copy->half_fd[0] = bpf_map__fd(skel->maps.sluice_half4);
	copy->half_fd[1] = bpf_map__fd(skel->maps.sluice_half6);
	copy->est_fd[0] = bpf_map__fd(skel->maps.sluice_est4);
	copy->est_fd[1] = bpf_map__fd(skel->maps.sluice_est6);
	copy->private_rates_fd = bpf_map__fd(skel->maps.sluice_rates);
	copy->private_cursor_fd = bpf_map__fd(skel->maps.sluice_cursor);
	copy->reasons_fd = bpf_map__fd(skel->maps.sluice_reasons);
	memory = mmap(NULL, BACKENDS_LEN, PROT_READ | PROT_WRITE, MAP_SHARED,
		      bpf_map__fd(skel->maps.sluice_backends), 0);
	if (memory == MAP_FAILED)
		return -errno;
	copy->backends = memory;
	return 0;
}

/* attach leaves the tags of its programs in the order XDP, in, out. */
static bool is_attached_program(const struct explain_copy *copy)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);

	return !bpf_obj_get_info_by_fd(bpf_program__fd(copy->skel->progs.sluice_tc_in), &info,
				       &len) &&
	       !memcmp(info.tag, copy->live->meta.program_hash + sizeof(info.tag),
		       sizeof(info.tag));
}

int explain_copy_new(struct explain_copy **copy, const struct maps *live, int rates_fd,
		     int cursor_fd, bool *same_program)
{
	struct explain_copy *made = calloc(1, sizeof(*made));
	int err = -ENOMEM;

	if (!made)
		goto out;
	made->live = live;
	made->rates_fd = rates_fd;
	made->cursor_fd = cursor_fd;
	made->skel = sluice_bpf__open();
	err = made->skel ? 0 : -errno;
	if (err)
		goto out;
	err = prepare_program(made);
	if (err)
		goto out;
	err = prepare_maps(made);
	if (err)
		goto out;
	err = sluice_bpf__load(made->skel);
	if (err)
		goto out;
	err = adopt_maps(made);
	if (err)
		goto out;
	*same_program = is_attached_program(made);
	*copy = made;
out:
	if (err)
		explain_copy_free(made);
	return err;
}

void explain_copy_free(struct explain_copy *copy)
{
	if (!copy)
		return;
	if (copy->backends)
		munmap(copy->backends, BACKENDS_LEN);
	sluice_bpf__destroy(copy->skel);
	free(copy);
}

/* --- copying --- */

static int copy_entry(int from, int to, const void *key, void *value, bool *found)
{
	if (bpf_map_delete_elem(to, key) < 0 && errno != ENOENT)
		return -errno;
	*found = bpf_map_lookup_elem(from, key, value) == 0;
	if (!*found)
		return errno == ENOENT ? 0 : -errno;
	return bpf_map_update_elem(to, key, value, BPF_ANY) < 0 ? -errno : 0;
}

/*
 * The flow, in whichever table it stands, or in both while it moves; what the programs find first
 * is what is told.
 */
static int copy_flow(const struct explain_copy *copy, const struct explain_copy_key *key,
		     struct sluice_flow *flow, bool *has_flow)
{
	const struct maps *live = copy->live;
	struct sluice_half half = {};
	bool in_half, in_est;
	int err;

	err = copy_entry(key->six ? live->half6_fd : live->half4_fd, copy->half_fd[key->six],
			 &key->key, &half, &in_half);
	if (err)
		return err;
	err = copy_entry(key->six ? live->est6_fd : live->est4_fd, copy->est_fd[key->six],
			 &key->key, flow, &in_est);
	if (err)
		return err;
	if (in_half && !in_est)
		*flow = half.flow;
	*has_flow = in_half || in_est;
	return 0;
}

static int copy_rates(struct explain_copy *copy, unsigned service)
{
	struct sluice_rate_key key, *last = NULL;
	struct sluice_service entry;
	struct sluice_rate rate;
	__u32 index = service;

	while (copy->has_rates && !bpf_map_get_next_key(copy->private_rates_fd, NULL, &key))
		bpf_map_delete_elem(copy->private_rates_fd, &key);
	copy->has_rates = false;
	if (bpf_map_lookup_elem(copy->live->services_fd, &index, &entry) < 0)
		return -errno;
	if (!entry.rate)
		return 0;
	copy->has_rates = true;
	while (!bpf_map_get_next_key(copy->rates_fd, last, &key)) {
		last = &key;
		if (key.service == service && !bpf_map_lookup_elem(copy->rates_fd, &key, &rate) &&
		    bpf_map_update_elem(copy->private_rates_fd, &key, &rate, BPF_ANY) < 0)
			return -errno;
	}
	return 0;
}

static int copy_cursor(const struct explain_copy *copy, unsigned service)
{
	struct sluice_cursor cursor;
	__u32 index = service;

	if (bpf_map_lookup_elem(copy->cursor_fd, &index, &cursor) < 0 ||
	    bpf_map_update_elem(copy->private_cursor_fd, &index, &cursor, BPF_ANY) < 0)
		return -errno;
	return 0;
}

/* What the programs believe for the rest of a jiffy may have changed since the last question. */
static int forget(struct explain_copy *copy)
{
	const struct bpf_map *maps[] = { copy->skel->maps.sluice_scratch,
					 copy->skel->maps.sluice_vain };
	int err = 0;
	size_t i;

	for (i = 0; i < sizeof(maps) / sizeof(maps[0]) && !err; i++)
		err = maps_clear_percpu(bpf_map__fd(maps[i]), bpf_map__max_entries(maps[i]),
					bpf_map__value_size(maps[i]));
	return err;
}

int explain_copy_fill(struct explain_copy *copy, const struct sluice_backend *backends,
		      unsigned service, const struct explain_copy_key *key,
		      struct sluice_flow *flow, bool *has_flow)
{
	int err;

	memcpy(copy->backends, backends, BACKENDS_LEN);
	*has_flow = false;
	err = forget(copy);
	if (!err && service)
		err = copy_cursor(copy, service);
	if (!err && service)
		err = copy_rates(copy, service);
	return err ? err : copy_flow(copy, key, flow, has_flow);
}

/* --- running --- */

int explain_copy_run(const struct explain_copy *copy, const uint8_t *frame, size_t frame_len,
		     uint8_t *out, size_t out_len, struct explain_copy_result *result)
{
	uint64_t before[SLUICE_REASON_COUNT], after[SLUICE_REASON_COUNT];
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = (__u32)frame_len,
		    .data_out = out, .data_size_out = (__u32)out_len);
	unsigned i;
	int err;

	err = maps_sum_reasons(copy->reasons_fd, copy->live->cpus, before);
	if (!err)
		err = bpf_prog_test_run_opts(bpf_program__fd(copy->skel->progs.sluice_tc_in),
					     &options);
	if (!err)
		err = maps_sum_reasons(copy->reasons_fd, copy->live->cpus, after);
	if (err)
		return err;
	for (i = 0; i < SLUICE_REASON_COUNT; i++)
		result->counted[i] = after[i] != before[i];
	result->retval = options.retval;
	return 0;
}

int explain_copy_flow(const struct explain_copy *copy, const struct explain_copy_key *key,
		      struct sluice_flow *flow)
{
	struct sluice_half half;

	if (!bpf_map_lookup_elem(copy->est_fd[key->six], &key->key, flow))
		return 0;
	if (bpf_map_lookup_elem(copy->half_fd[key->six], &key->key, &half) < 0)
		return -errno;
	*flow = half.flow;
	return 0;
}
