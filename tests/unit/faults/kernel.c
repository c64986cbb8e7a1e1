/* SPDX-License-Identifier: GPL-2.0-only */
/* See kernel.h. Descriptors are numbers that no file has. */
#include "kernel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <bpf/bpf.h>

#include "timeouts.h"

#define FIRST_FD (1 << 20)
#define HZ 250
#define CPUS 2
#define WEB 1
#define WORDS 16

static struct {
	struct sluice_meta meta;
	struct sluice_service services[SLUICE_MAX_SERVICES + 1];
	struct sluice_active actives[SLUICE_MAX_SERVICES + 1];
	struct sluice_set sets[(SLUICE_MAX_SERVICES + 1) * SLUICE_SET_RING];
	struct sluice_backend backends[SLUICE_MAX_BACKENDS + 1];
	struct sluice_label labels[SLUICE_MAX_BACKENDS + 1];
	struct sluice_hport hports[65536];
	struct sluice_change changes[SLUICE_CHANGES];
	struct {
		struct sluice_override_key key;
		struct sluice_override override;
	} word[WORDS]; /* slot 0: free */
	struct maps maps;
} kernel;

static int *fd_of(struct maps *maps, size_t i)
{
	return (int *)((char *)maps + maps_kinds[i].fd_offset);
}

void kernel_attach(uint16_t port_min, uint16_t port_max)
{
	struct timespec now;

	memset(&kernel, 0, sizeof(kernel));
	clock_gettime(CLOCK_MONOTONIC, &now);
	kernel.meta = (struct sluice_meta){
		.magic = SLUICE_MAGIC,
		.abi = SLUICE_ABI,
		.hz = HZ,
		.port_min = port_min,
		.port_max = port_max,
		.attached_at_ns = 1,
		.clock_ktime_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec,
		.timeouts = timeouts_in_jiffies(&TIMEOUTS_DEFAULT, HZ),
	};
	snprintf(kernel.services[WEB].name, sizeof(kernel.services[WEB].name), "web");
	kernel.services[WEB].port = htons(80);
	kernel.maps = (struct maps){ .access = MAPS_DAEMON,
				     .meta = kernel.meta,
				     .cpus = CPUS,
				     .active = kernel.actives,
				     .sets = kernel.sets,
				     .backends = kernel.backends,
				     .labels = kernel.labels,
				     .hports = kernel.hports,
				     .changes = kernel.changes };
	for (size_t i = 0; i < MAPS_COUNT; i++)
		*fd_of(&kernel.maps, i) = FIRST_FD + (int)i;
}

void kernel_open(struct maps *maps)
{
	*maps = kernel.maps;
}

/* --- looking --- */

unsigned kernel_slot(uint16_t port)
{
	return kernel.hports[port].slot;
}

enum sluice_backend_state kernel_state(uint16_t port)
{
	unsigned slot = kernel_slot(port);

	return kernel.backends[slot].generation ? kernel.backends[slot].state : SLUICE_BACKEND_FREE;
}

static const struct sluice_set *set_in_force(void)
{
	uint64_t version = kernel.actives[WEB].version;

	return version ? &kernel.sets[WEB * SLUICE_SET_RING + version % SLUICE_SET_RING] : NULL;
}

bool kernel_serves(uint16_t port)
{
	const struct sluice_set *set = set_in_force();
	unsigned slot = kernel_slot(port);

	for (unsigned i = 0; set && slot && i < set->members; i++)
		if (set->member[i] == slot)
			return true;
	return false;
}

int kernel_balance(void)
{
	const struct sluice_set *set = set_in_force();

	return set ? (int)set->balance : -1;
}

/* --- the operator's words --- */

static size_t find_word(const struct sluice_override_key *key)
{
	size_t i = 0;

	while (i < WORDS && memcmp(&kernel.word[i].key, key, sizeof(*key)) != 0)
		i++;
	return i;
}

void kernel_override(uint16_t port, const struct sluice_override *override)
{
	struct sluice_override_key key = { .slot = kernel_slot(port) };
	size_t i;

	key.generation = kernel.backends[key.slot].generation;
	i = find_word(&key);
	for (size_t j = 0; i == WORDS && j < WORDS; j++)
		if (!kernel.word[j].key.slot)
			i = j;
	kernel.word[i].key = key;
	kernel.word[i].override = *override;
}

/* --- before libbpf --- */

static int fails(int err)
{
	errno = err;
	return -err;
}

int bpf_map_lookup_elem(int fd, const void *key, void *value)
{
	const struct maps *maps = &kernel.maps;
	size_t i;

	if (fd == maps->meta_fd) {
		memcpy(value, &kernel.meta, sizeof(kernel.meta));
	} else if (fd == maps->override_fd) {
		i = find_word(key);
		if (i == WORDS)
			return fails(ENOENT);
		memcpy(value, &kernel.word[i].override, sizeof(kernel.word[i].override));
	} else if (fd == maps->bstats_fd || fd == maps->sstats_fd) {
		memset(value, 0, CPUS * sizeof(struct sluice_stats));
	} else if (fd == maps->reasons_fd) {
		memset(value, 0, CPUS * sizeof(__u64));
	} else {
		return fails(ENOENT);
	}
	return 0;
}

int bpf_map_get_next_key(int fd, const void *key, void *next)
{
	size_t i = 0;

	if (fd != kernel.maps.override_fd)
		return fails(ENOENT);
	if (key)
		i = find_word(key) + 1;
	while (i < WORDS && !kernel.word[i].key.slot)
		i++;
	if (i >= WORDS)
		return fails(ENOENT);
	memcpy(next, &kernel.word[i].key, sizeof(kernel.word[i].key));
	return 0;
}

int bpf_map_delete_elem(int fd, const void *key)
{
	size_t i = fd == kernel.maps.override_fd ? find_word(key) : WORDS;

	if (i == WORDS)
		return fails(ENOENT);
	memset(&kernel.word[i], 0, sizeof(kernel.word[i]));
	return 0;
}

/* Own addresses: nobody looks at them here. */
int bpf_map_update_elem(int fd, const void *key, const void *value, __u64 flags)
{
	(void)fd;
	(void)key;
	(void)value;
	(void)flags;
	return 0;
}

/* All services at once; the tables of flows are empty. */
int bpf_map_lookup_batch(int fd, void *in, void *out, void *keys, void *values, __u32 *count,
			 const struct bpf_map_batch_opts *opts)
{
	(void)in;
	(void)out;
	(void)keys;
	(void)opts;
	if (fd == kernel.maps.services_fd)
		memcpy(values, kernel.services, sizeof(kernel.services));
	else
		*count = 0;
	return fails(ENOENT);
}

/* What is pinned is what is open. */
int bpf_obj_get_opts(const char *path, const struct bpf_obj_get_opts *opts)
{
	(void)path;
	(void)opts;
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

int bpf_obj_get_info_by_fd(int fd, void *info, __u32 *len)
{
	(void)fd;
	(void)len;
	((struct bpf_map_info *)info)->id = 1;
	((struct bpf_map_info *)info)->max_entries = 1 << 18;
	return 0;
}
