/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Opening the pinned maps, and reading what is small. Sets are maps_sets.c's, flows maps_scan.c's
 * and maps_count.c's.
 *
 * Descriptors are never 0, 1 or 2, so that a zeroed struct maps can be released.
 */
#include "maps.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PATH_LEN 512

#define KIND(map, fd, value, count, writes)                                                    \
	{                                                                                      \
		map, offsetof(struct maps, fd), 0, sizeof(__u32), sizeof(value), count, writes \
	}
#define MAPPED(map, fd, memory, value, count)                                                 \
	{                                                                                     \
		map, offsetof(struct maps, fd), offsetof(struct maps, memory), sizeof(__u32), \
			sizeof(value), count, true                                            \
	}

const struct maps_kind maps_kinds[MAPS_COUNT] = {
	KIND(SLUICE_MAP_META, meta_fd, struct sluice_meta, 1, false),
	KIND(SLUICE_MAP_PORTS, ports_fd, struct sluice_port, 65536, false),
	KIND(SLUICE_MAP_SERVICES, services_fd, struct sluice_service, SLUICE_MAX_SERVICES + 1,
	     false),
	MAPPED(SLUICE_MAP_ACTIVE, active_fd, active, struct sluice_active, SLUICE_MAX_SERVICES + 1),
	MAPPED(SLUICE_MAP_SETS, sets_fd, sets, struct sluice_set,
	       (SLUICE_MAX_SERVICES + 1) * SLUICE_SET_RING),
	MAPPED(SLUICE_MAP_BACKENDS, backends_fd, backends, struct sluice_backend,
	       SLUICE_MAX_BACKENDS + 1),
	MAPPED(SLUICE_MAP_LABELS, labels_fd, labels, struct sluice_label, SLUICE_MAX_BACKENDS + 1),
	MAPPED(SLUICE_MAP_HPORTS, hports_fd, hports, struct sluice_hport, 65536),
	MAPPED(SLUICE_MAP_CHANGES, changes_fd, changes, struct sluice_change, SLUICE_CHANGES),
	{ SLUICE_MAP_OVERRIDE, offsetof(struct maps, override_fd), 0,
	  sizeof(struct sluice_override_key), sizeof(struct sluice_override),
	  SLUICE_MAX_BACKENDS + 1, true },
	{ SLUICE_MAP_ADDRS4, offsetof(struct maps, addrs4_fd), 0, sizeof(__be32), sizeof(__u32), 0,
	  true },
	{ SLUICE_MAP_ADDRS6, offsetof(struct maps, addrs6_fd), 0, sizeof(struct sluice_addr6),
	  sizeof(__u32), 0, true },
	{ SLUICE_MAP_ALLOW4, offsetof(struct maps, allow4_fd), 0, sizeof(struct sluice_allow_key4),
	  sizeof(__u32), 0, false },
	{ SLUICE_MAP_ALLOW6, offsetof(struct maps, allow6_fd), 0, sizeof(struct sluice_allow_key6),
	  sizeof(__u32), 0, false },
	{ SLUICE_MAP_HALF4, offsetof(struct maps, half4_fd), 0, sizeof(struct sluice_flow_key4),
	  sizeof(struct sluice_half), 0, false },
	{ SLUICE_MAP_HALF6, offsetof(struct maps, half6_fd), 0, sizeof(struct sluice_flow_key6),
	  sizeof(struct sluice_half), 0, false },
	{ SLUICE_MAP_EST6, offsetof(struct maps, est6_fd), 0, sizeof(struct sluice_flow_key6),
	  sizeof(struct sluice_flow), 0, false },
	{ SLUICE_MAP_EST4, offsetof(struct maps, est4_fd), 0, sizeof(struct sluice_flow_key4),
	  sizeof(struct sluice_flow), 0, false },
	{ SLUICE_MAP_LOCAL, offsetof(struct maps, local_fd), 0, sizeof(__u64),
	  sizeof(struct sluice_local), 0, false },
	KIND(SLUICE_MAP_BSTATS, bstats_fd, struct sluice_stats, SLUICE_MAX_BACKENDS + 1, false),
	KIND(SLUICE_MAP_SSTATS, sstats_fd, struct sluice_stats, SLUICE_MAX_SERVICES + 1, false),
	KIND(SLUICE_MAP_REASONS, reasons_fd, __u64, SLUICE_REASON_COUNT, false),
};

const struct maps_kind maps_root_kinds[MAPS_ROOT_COUNT] = {
	{ SLUICE_MAP_EVENTS, 0, 0, 0, 0, SLUICE_EVENTS_BYTES, false },
	{ SLUICE_MAP_RATES, 0, 0, sizeof(struct sluice_rate_key), sizeof(struct sluice_rate), 0,
	  false },
	{ SLUICE_MAP_CURSOR, 0, 0, sizeof(__u32), sizeof(struct sluice_cursor),
	  SLUICE_MAX_SERVICES + 1, false },
	{ SLUICE_MAP_WRITER, 0, 0, sizeof(__u32), sizeof(__u32), 1, false },
	{ SLUICE_MAP_PEERS, 0, 0, sizeof(__u32), sizeof(struct sluice_peers), 1, false },
};

/* --- opening --- */

static int *fd_of(struct maps *maps, const struct maps_kind *kind)
{
	return (int *)((char *)maps + kind->fd_offset);
}

static void **memory_of(struct maps *maps, const struct maps_kind *kind)
{
	return (void **)((char *)maps + kind->memory_offset);
}

static size_t memory_len(const struct maps_kind *kind)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), len = (size_t)kind->value_size * kind->entries;

	return (len + page - 1) / page * page;
}

static bool may_write(enum maps_access access, const struct maps_kind *kind)
{
	return access == MAPS_ROOT || (access == MAPS_DAEMON && kind->daemon_writes);
}

/* An index out of a map of another size, or a field of another layout, would be read as something else. */
static int check_kind(const struct maps_kind *kind, int fd)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
		return -errno;
	if (info.key_size != kind->key_size || info.value_size != kind->value_size ||
	    (kind->entries && info.max_entries != kind->entries))
		return -EPROTO;
	return 0;
}

static int map_memory(struct maps *maps, const struct maps_kind *kind)
{
	int protection = PROT_READ | (may_write(maps->access, kind) ? PROT_WRITE : 0);
	void *memory = mmap(NULL, memory_len(kind), protection, MAP_SHARED, *fd_of(maps, kind), 0);

	if (memory == MAP_FAILED)
		return -errno;
	*memory_of(maps, kind) = memory;
	return 0;
}

/* The descriptor, or the negative errno in its place, is maps' from here on. 0 or negative errno. */
static int take(struct maps *maps, const struct maps_kind *kind, int fd)
{
	int err;

	if (fd < 0)
		return fd;
	*fd_of(maps, kind) = fd;
	err = check_kind(kind, fd);
	if (!err && kind->memory_offset)
		err = map_memory(maps, kind);
	return err;
}

static int open_pin(const char *pin_dir, const struct maps_kind *kind, bool write)
{
	LIBBPF_OPTS(bpf_obj_get_opts, options, .file_flags = write ? 0 : BPF_F_RDONLY);
	char path[PATH_LEN];
	int fd, high, err = 0;

	if (snprintf(path, sizeof(path), "%s/%s", pin_dir, kind->name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = bpf_obj_get_opts(path, &options);
	if (fd < 0)
		return -errno;
	if (fd > STDERR_FILENO)
		return fd;
	high = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (high < 0)
		err = -errno;
	close(fd);
	return err ? err : high;
}

static void explain(int err, const char *pin_dir, const struct maps_kind *kind, char *error,
		    size_t len)
{
	if (err == -ENOENT && kind == maps_kinds)
		snprintf(error, len, "%s: nothing is attached here (no %s)", pin_dir, kind->name);
	else if (err == -ENOENT)
		snprintf(error, len, "%s: %s is missing: run sluicectl attach again", pin_dir,
			 kind->name);
	else if (err == -EACCES)
		snprintf(
			error, len,
			"%s/%s: permission denied: only root and the group of [node] group may open it",
			pin_dir, kind->name);
	else if (err == -EPERM)
		snprintf(error, len,
			 "%s/%s: bpf(2) is not permitted: before Linux 5.19 it takes CAP_BPF",
			 pin_dir, kind->name);
	else if (err == -EPROTO)
		snprintf(
			error, len,
			"%s/%s: another layout than this program's (ABI %d): detach and attach again",
			pin_dir, kind->name, SLUICE_ABI);
	else
		snprintf(error, len, "%s/%s: %s", pin_dir, kind->name, strerror(-err));
}

static int check_meta(struct maps *maps, const char *pin_dir, char *error, size_t len)
{
	__u32 key = 0;
	int err;

	if (bpf_map_lookup_elem(maps->meta_fd, &key, &maps->meta) < 0) {
		err = -errno;
		explain(err, pin_dir, maps_kinds, error, len);
		return err;
	}
	if (!maps->meta.magic) {
		snprintf(error, len, "%s: attach has not finished here", pin_dir);
		return -ENOENT;
	}
	if (maps->meta.magic != SLUICE_MAGIC || maps->meta.abi != SLUICE_ABI) {
		snprintf(error, len, "%s: what is attached has ABI %u, this program has ABI %d",
			 pin_dir, maps->meta.abi, SLUICE_ABI);
		return -EPROTO;
	}
	return 0;
}

static int count_cpus(struct maps *maps, char *error, size_t len)
{
	int cpus = libbpf_num_possible_cpus();

	if (cpus < 0) {
		snprintf(error, len, "cannot tell how many CPUs there can be: %s", strerror(-cpus));
		return cpus;
	}
	maps->cpus = (unsigned)cpus;
	return 0;
}

int maps_open(struct maps *maps, const char *pin_dir, enum maps_access access, char *error,
	      size_t len)
{
	size_t i;
	int err;

	*maps = (struct maps){ .access = access };
	err = count_cpus(maps, error, len);
	if (err)
		return err;
	for (i = 0; i < MAPS_COUNT; i++) {
		const struct maps_kind *kind = &maps_kinds[i];

		/* The kernel maps no memory of a read-only descriptor (it asks for VM_SHARED, which such a one loses). */
		err = take(maps, kind,
			   open_pin(pin_dir, kind, kind->memory_offset || may_write(access, kind)));
		if (err) {
			explain(err, pin_dir, kind, error, len);
			goto out;
		}
		if (i == 0) {
			err = check_meta(maps, pin_dir, error, len);
			if (err)
				goto out;
		}
	}
	return 0;
out:
	i = maps->meta.abi;
	maps_release(maps);
	maps->meta.abi = (__u32)i;
	return err;
}

int maps_adopt(struct maps *maps, const int fds[MAPS_COUNT], enum maps_access access, char *error,
	       size_t len)
{
	const __u32 key = 0;
	size_t i;
	int err;

	*maps = (struct maps){ .access = access };
	err = count_cpus(maps, error, len);
	if (err)
		return err;
	for (i = 0; i < MAPS_COUNT; i++) {
		const struct maps_kind *kind = &maps_kinds[i];
		int fd = fcntl(fds[i], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

		err = take(maps, kind, fd < 0 ? -errno : fd);
		if (err) {
			snprintf(error, len, "map %s: %s", kind->name, strerror(-err));
			goto out;
		}
	}
	if (bpf_map_lookup_elem(maps->meta_fd, &key, &maps->meta) < 0) {
		err = -errno;
		snprintf(error, len, "map " SLUICE_MAP_META ": %s", strerror(-err));
		goto out;
	}
	return 0;
out:
	maps_release(maps);
	return err;
}

void maps_release(struct maps *maps)
{
	size_t i;

	for (i = 0; i < MAPS_COUNT; i++) {
		const struct maps_kind *kind = &maps_kinds[i];

		if (kind->memory_offset && *memory_of(maps, kind))
			munmap(*memory_of(maps, kind), memory_len(kind));
		if (*fd_of(maps, kind) > STDERR_FILENO)
			close(*fd_of(maps, kind));
	}
	*maps = (struct maps){};
}

int maps_clear_percpu(int fd, uint32_t entries, size_t value_size)
{
	const int cpus = libbpf_num_possible_cpus();
	void *zeros = cpus > 0 ? calloc((size_t)cpus, (value_size + 7) / 8 * 8) : NULL;
	int err = zeros ? 0 : -ENOMEM;
	uint32_t i;

	for (i = 0; i < entries && !err; i++)
		if (bpf_map_update_elem(fd, &i, zeros, BPF_ANY))
			err = -errno;
	free(zeros);
	return err;
}

int maps_lookup(int fd, const void *key, void *value)
{
	return bpf_map_lookup_elem(fd, key, value) < 0 ? -errno : 0;
}

/* --- reading --- */

int maps_read_services(const struct maps *maps, struct sluice_service *services)
{
	__u32 keys[SLUICE_MAX_SERVICES + 1], count = SLUICE_MAX_SERVICES + 1, next;

	/* valgrind does not see what a batch look-up writes */
	memset(services, 0, (SLUICE_MAX_SERVICES + 1) * sizeof(*services));
	/* ENOENT says that there are no more, and all these are filled */
	if (bpf_map_lookup_batch(maps->services_fd, NULL, &next, keys, services, &count, NULL) <
		    0 &&
	    errno != ENOENT)
		return -errno;
	if (count != SLUICE_MAX_SERVICES + 1)
		return -EIO;
	services[0] = (struct sluice_service){};
	for (__u32 i = 1; i <= SLUICE_MAX_SERVICES; i++)
		services[i].name[SLUICE_NAME_LEN - 1] = '\0';
	return 0;
}

static int sum_stats(const struct maps *maps, int fd, __u32 index, struct sluice_stats *sum)
{
	struct sluice_stats *values = calloc(maps->cpus, sizeof(*values));
	int err = 0;
	unsigned i;

	*sum = (struct sluice_stats){};
	if (!values)
		return -ENOMEM;
	if (bpf_map_lookup_elem(fd, &index, values) < 0)
		err = -errno;
	for (i = 0; i < maps->cpus; i++) {
		sum->connections += values[i].connections;
		sum->picks += values[i].picks;
		sum->packets_in += values[i].packets_in;
		sum->bytes_in += values[i].bytes_in;
		sum->packets_out += values[i].packets_out;
		sum->bytes_out += values[i].bytes_out;
	}
	free(values);
	return err;
}

int maps_read_bstats(const struct maps *maps, unsigned slot, struct sluice_stats *sum)
{
	return sum_stats(maps, maps->bstats_fd, slot, sum);
}

int maps_read_sstats(const struct maps *maps, unsigned service, struct sluice_stats *sum)
{
	return sum_stats(maps, maps->sstats_fd, service, sum);
}

int maps_sum_reasons(int fd, unsigned cpus, uint64_t counts[SLUICE_REASON_COUNT])
{
	__u64 *values = calloc(cpus, sizeof(*values));
	__u32 reason;
	int err = 0;
	unsigned i;

	if (!values)
		return -ENOMEM;
	for (reason = 0; reason < SLUICE_REASON_COUNT; reason++) {
		if (bpf_map_lookup_elem(fd, &reason, values) < 0) {
			err = -errno;
			break;
		}
		counts[reason] = 0;
		for (i = 0; i < cpus; i++)
			counts[reason] += values[i];
	}
	free(values);
	return err;
}

int maps_read_reasons(const struct maps *maps, uint64_t counts[SLUICE_REASON_COUNT])
{
	return maps_sum_reasons(maps->reasons_fd, maps->cpus, counts);
}
