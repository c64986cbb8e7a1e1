/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Open, configure, load, pin. A map that is pinned is reused if everything about it is as this program would make it,
 * else loading is refused: a map of another layout under the same programs would be read as nonsense.
 */
#include "loader.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "jiffies.h"
#include "peers.h"
#include "pins.h"
#include "sluice.skel.h"
#include "tail_calls.h"

/* libbpf's print function has no context. The first warning of a load is nearly always the cause. */
static char first_warning[256];

static int keep_warning(enum libbpf_print_level level, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));

static int keep_warning(enum libbpf_print_level level, const char *format, va_list args)
{
	char *end;

	if (level == LIBBPF_WARN && !first_warning[0]) {
		vsnprintf(first_warning, sizeof(first_warning), format, args);
		end = first_warning + strcspn(first_warning, "\n");
		*end = '\0';
	}
	return 0;
}

static const char *warning(void)
{
	return first_warning[0] ? first_warning : "no reason given";
}

/* --- maps that are pinned already --- */

static uint32_t wanted_entries(const struct maps_kind *kind, const struct loader_options *options)
{
	if (!strcmp(kind->name, SLUICE_MAP_EST4) || !strcmp(kind->name, SLUICE_MAP_EST6))
		return options->flows;
	if (!strcmp(kind->name, SLUICE_MAP_HALF4) || !strcmp(kind->name, SLUICE_MAP_HALF6))
		return options->half_flows;
	return kind->entries;
}

static struct sluice_timeouts wanted_timeouts(const struct loader_options *options, uint32_t hz)
{
	const struct timeouts otherwise = TIMEOUTS_DEFAULT;

	return timeouts_in_jiffies(options->timeouts.half_open_ms ? &options->timeouts : &otherwise,
				   hz);
}

static int check_reuse(const struct maps_kind *kind, const char *path, const struct bpf_map *map,
		       const struct bpf_map_info *info, char *error, size_t len)
{
	if (info->type != bpf_map__type(map) || info->key_size != kind->key_size ||
	    info->value_size != kind->value_size || info->map_flags != bpf_map__map_flags(map)) {
		snprintf(
			error, len,
			"%s: was made by another version (this program has ABI %d): run `sluicectl detach` first, which ends its flows",
			path, SLUICE_ABI);
		return -EPROTO;
	}
	if (info->max_entries != bpf_map__max_entries(map)) {
		snprintf(
			error, len,
			"%s: has %u entries, %u are wanted: table sizes change only by `sluicectl detach`, which ends the flows",
			path, info->max_entries, bpf_map__max_entries(map));
		return -EPROTO;
	}
	return 0;
}

/* An ABI that differs shows in meta, also where all sizes are the same. */
static int check_meta(int fd, const char *path, char *error, size_t len)
{
	struct sluice_meta meta = {};
	__u32 key = 0;

	if (bpf_map_lookup_elem(fd, &key, &meta) < 0)
		return -errno;
	if (!meta.magic || (meta.magic == SLUICE_MAGIC && meta.abi == SLUICE_ABI))
		return 0;
	snprintf(
		error, len,
		"%s: what is attached has ABI %u, this program has ABI %d: run `sluicectl detach` first, which ends its flows",
		path, meta.abi, SLUICE_ABI);
	return -EPROTO;
}

static int reuse_map(struct bpf_map *map, const struct maps_kind *kind, const char *path,
		     char *error, size_t len)
{
	struct bpf_map_info info = {};
	__u32 info_len = sizeof(info);
	int fd = bpf_obj_get(path), err = 0;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (bpf_obj_get_info_by_fd(fd, &info, &info_len) < 0)
		err = -errno;
	if (!err)
		err = check_reuse(kind, path, map, &info, error, len);
	if (!err && kind == maps_kinds)
		err = check_meta(fd, path, error, len);
	if (!err)
		err = bpf_map__reuse_fd(map, fd);
	close(fd);
	return err;
}

static int pin_path(const struct loader_options *options, const struct maps_kind *kind,
		    char path[PINS_PATH_LEN])
{
	return snprintf(path, PINS_PATH_LEN, "%s/%s", options->pin_dir, kind->name) < PINS_PATH_LEN
		       ? 0
		       : -ENAMETOOLONG;
}

/* Is it one of those whose size is a setting? */
static bool holds_flows(const struct maps_kind *kind)
{
	const struct loader_options sizes = { .flows = 1, .half_flows = 1 };

	return !kind->entries && wanted_entries(kind, &sizes);
}

static int prepare_map(struct loader *loader, const struct loader_options *options,
		       const struct maps_kind *kind, const char *path, char *error, size_t len)
{
	struct bpf_map *map = bpf_object__find_map_by_name(loader->skel->obj, kind->name);
	uint32_t entries = wanted_entries(kind, options);
	int err = 0;

	if (!map) {
		snprintf(error, len, "the BPF object has no map %s", kind->name);
		return -ENOENT;
	}
	if (entries)
		err = bpf_map__set_max_entries(map, entries);
	if (!err && options->flow_type && holds_flows(kind))
		err = bpf_map__set_type(map, options->flow_type);
	if (!err && options->pin_dir)
		err = reuse_map(map, kind, path, error, len);
	if (err && !error[0])
		snprintf(error, len, "map %s: %s", kind->name, strerror(-err));
	return err;
}

static int prepare_maps(struct loader *loader, const struct loader_options *options, char *error,
			size_t len)
{
	char path[PINS_PATH_LEN] = "";
	int err = 0;
	size_t i;

	for (i = 0; i < MAPS_COUNT && !err; i++) {
		if (options->pin_dir)
			err = pin_path(options, &maps_kinds[i], path);
		if (!err)
			err = prepare_map(loader, options, &maps_kinds[i], path, error, len);
	}
	for (i = 0; i < MAPS_ROOT_COUNT && !err; i++) {
		if (options->pin_dir)
			err = pins_root_path(options->pin_dir, maps_root_kinds[i].name, path);
		if (!err)
			err = prepare_map(loader, options, &maps_root_kinds[i], path, error, len);
	}
	if (err && !error[0])
		snprintf(error, len, "[node] pin_dir = %s: %s", options->pin_dir, strerror(-err));
	return err;
}

static int pin_map(struct loader *loader, const char *name, const char *path)
{
	struct bpf_map *map = bpf_object__find_map_by_name(loader->skel->obj, name);

	return access(path, F_OK) < 0 && bpf_obj_pin(bpf_map__fd(map), path) < 0 ? -errno : 0;
}

static int pin_maps(struct loader *loader, const struct loader_options *options, char *error,
		    size_t len)
{
	char path[PINS_PATH_LEN] = "";
	int err = 0;
	size_t i;

	for (i = 0; i < MAPS_COUNT && !err; i++) {
		const struct maps_kind *kind = &maps_kinds[i];

		err = pin_path(options, kind, path);
		if (!err)
			err = pin_map(loader, kind->name, path);
		if (!err)
			err = pins_give(path, options->group, kind->daemon_writes);
	}
	for (i = 0; i < MAPS_ROOT_COUNT && !err; i++) {
		err = pins_root_path(options->pin_dir, maps_root_kinds[i].name, path);
		if (!err)
			err = pin_map(loader, maps_root_kinds[i].name, path);
		if (!err)
			err = pins_give_root(path);
	}
	if (err)
		snprintf(error, len, "%s: cannot be pinned: %s", path, strerror(-err));
	return err;
}

/* --- what goes into the meta map --- */

static int read_tags(const struct loader *loader, __u8 hash[32])
{
	const int fds[] = { loader_xdp_fd(loader), loader_tc_in_fd(loader),
			    loader_tc_out_fd(loader) };
	size_t i;

	memset(hash, 0, 32);
	for (i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		struct bpf_prog_info info = {};
		__u32 len = sizeof(info);

		if (bpf_obj_get_info_by_fd(fds[i], &info, &len) < 0)
			return -errno;
		memcpy(hash + i * sizeof(info.tag), info.tag, sizeof(info.tag));
	}
	return 0;
}

static int fill_meta(struct loader *loader, const struct loader_options *options,
		     const struct jiffies *jiffies)
{
	struct sluice_meta *meta = &loader->maps.meta;

	meta->magic = SLUICE_MAGIC;
	meta->abi = SLUICE_ABI;
	meta->hz = jiffies->hz;
	meta->port_min = options->port_min;
	meta->port_max = options->port_max;
	meta->timeouts = wanted_timeouts(options, jiffies->hz);
	meta->clock_jiffies = jiffies->count;
	meta->clock_ktime_ns = jiffies->ktime_ns;
	return read_tags(loader, meta->program_hash);
}

int loader_write_meta(struct loader *loader)
{
	__u32 key = 0;

	if (bpf_map_update_elem(loader->maps.meta_fd, &key, &loader->maps.meta, BPF_ANY) < 0)
		return -errno;
	return 0;
}

static int adopt_maps(struct loader *loader, char *error, size_t len)
{
	int fds[MAPS_COUNT];
	size_t i;

	for (i = 0; i < MAPS_COUNT; i++)
		fds[i] = bpf_map__fd(
			bpf_object__find_map_by_name(loader->skel->obj, maps_kinds[i].name));
	return maps_adopt(&loader->maps, fds, MAPS_ROOT, error, len);
}

/* --- the whole --- */

static struct bpf_program *cgroup_program(const struct loader *loader, enum cgroup_hook hook)
{
	switch (hook) {
	case CGROUP_RELEASE:
		return loader->skel->progs.sluice_release;
	case CGROUP_PEER4:
		return loader->skel->progs.sluice_peer4;
	case CGROUP_PEER6:
		return loader->skel->progs.sluice_peer6;
	case CGROUP_CONNECT4:
		return loader->skel->progs.sluice_connect4;
	case CGROUP_CONNECT6:
		return loader->skel->progs.sluice_connect6;
	case CGROUP_HOOKS:
		break;
	}
	return NULL;
}

/*
 * The program that writes is called by a tail call, see bpf/rewrite.h. Without it the other two
 * write themselves.
 */
static int prepare_writer(struct loader *loader)
{
	int err = 0;

	loader->skel->rodata->sluice_calls_writer = tail_calls_mix();
	if (!loader->skel->rodata->sluice_calls_writer) {
		err = tail_calls_drop(loader->skel->progs.sluice_tc_in);
		if (!err)
			err = tail_calls_drop(loader->skel->progs.sluice_tc_out);
	}
	return err;
}

static int open_object(struct loader *loader, const struct loader_options *options, uint32_t hz,
		       char *error, size_t len)
{
	int err;

	loader->skel = sluice_bpf__open();
	if (!loader->skel) {
		err = -errno;
		snprintf(error, len, "cannot open the BPF object: %s (%s)", strerror(-err),
			 warning());
		return err;
	}
	loader->skel->rodata->sluice_port_min = options->port_min;
	loader->skel->rodata->sluice_port_max = options->port_max;
	loader->skel->rodata->sluice_hz = hz;
	loader->skel->rodata->sluice_timeouts = wanted_timeouts(options, hz);
	loader->skel->rodata->sluice_host_netns = options->host_netns;
	loader->skel->rodata->sluice_knows_mptcp = options->local && cgroup_knows_mptcp();
	for (int hook = 0; hook < CGROUP_HOOKS; hook++)
		bpf_program__set_autoload(cgroup_program(loader, (enum cgroup_hook)hook),
					  options->local);
	err = prepare_writer(loader);
	if (err)
		snprintf(error, len, "cannot prepare the BPF programs: %s", strerror(-err));
	return err;
}

int loader_load(struct loader *loader, const struct loader_options *options, char *error,
		size_t len)
{
	libbpf_print_fn_t print = libbpf_set_print(keep_warning);
	struct jiffies jiffies;
	int err;

	*loader = (struct loader){};
	first_warning[0] = '\0';
	error[0] = '\0';
	err = jiffies_measure(&jiffies);
	if (err) {
		snprintf(error, len, "cannot load a BPF program: %s", strerror(-err));
		goto out;
	}
	err = open_object(loader, options, jiffies.hz, error, len);
	if (err)
		goto out;
	err = prepare_maps(loader, options, error, len);
	if (err)
		goto out;
	err = sluice_bpf__load(loader->skel);
	if (err) {
		snprintf(error, len, "cannot load the BPF programs: %s (%s)", strerror(-err),
			 warning());
		goto out;
	}
	err = options->pin_dir ? pin_maps(loader, options, error, len) : 0;
	if (err)
		goto out;
	err = adopt_maps(loader, error, len);
	if (err)
		goto out;
	err = peers_widen(bpf_map__fd(loader->skel->maps.sluice_peers), &loader->maps,
			  options->port_min, options->port_max);
	if (err) {
		snprintf(error, len, "map " SLUICE_MAP_PEERS ": %s", strerror(-err));
		goto out;
	}
	err = fill_meta(loader, options, &jiffies);
	if (!err && !options->pin_dir)
		err = loader_write_meta(loader);
	if (err)
		snprintf(error, len, "cannot tell what was loaded: %s", strerror(-err));
out:
	libbpf_set_print(print);
	if (err)
		loader_release(loader);
	return err;
}

void loader_release(struct loader *loader)
{
	maps_release(&loader->maps);
	sluice_bpf__destroy(loader->skel);
	loader->skel = NULL;
}

int loader_xdp_fd(const struct loader *loader)
{
	return bpf_program__fd(loader->skel->progs.sluice_xdp);
}

int loader_tc_in_fd(const struct loader *loader)
{
	return bpf_program__fd(loader->skel->progs.sluice_tc_in);
}

int loader_tc_out_fd(const struct loader *loader)
{
	return bpf_program__fd(loader->skel->progs.sluice_tc_out);
}

int loader_cgroup_fd(const struct loader *loader, enum cgroup_hook hook)
{
	int fd = bpf_program__fd(cgroup_program(loader, hook));

	return fd < 0 ? -1 : fd;
}
