/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The pinned maps, opened once and typed. The one place that knows how a map is reached from user
 * space: which are memory mapped, which are read-only for the daemon, how sets are published. Knows
 * nothing about Marathon, Consul or the config file.
 *
 * Opening needs no capability (Linux 5.19 and later; before that CAP_BPF), only the file
 * permissions that attach gave.
 */
#ifndef SLUICE_MAPS_H
#define SLUICE_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/abi.h>
#include <sluice/reasons.h>

enum maps_access {
	/* nothing is written, memory is PROT_READ; for the group that may write: sluicectl's reads */
	MAPS_READ,
	MAPS_DAEMON, /* backends, sets, active, labels, hports, override, changes, addrs writable; the rest read-only */
	MAPS_ROOT, /* everything writable: attach and tests */
};

struct maps {
	enum maps_access access;
	int meta_fd, ports_fd, services_fd, active_fd, sets_fd, backends_fd, labels_fd, hports_fd,
		override_fd, changes_fd, addrs4_fd, addrs6_fd, allow4_fd, allow6_fd;
	int half4_fd, half6_fd, est4_fd, est6_fd, local_fd, bstats_fd, sstats_fd, reasons_fd;
	struct sluice_meta meta; /* as it was when opened */
	unsigned cpus;		 /* possible CPUs: values per element of a per-CPU map */
	/*
	 * Shared memory of the array maps, PROT_READ unless access allows more. Index as in abi.h.
	 */
	struct sluice_active *active;
	struct sluice_set *sets;
	struct sluice_backend *backends;
	struct sluice_label *labels;
	struct sluice_hport *hports;
	struct sluice_change *changes; /* see changes.h */
};

/* What is fixed about each map. abi.h has the layouts, bpf/maps.h the definitions. */
struct maps_kind {
	const char *name;
	size_t fd_offset;     /* of its descriptor in struct maps */
	size_t memory_offset; /* of its pointer in struct maps; 0: it is not memory mapped */
	uint32_t key_size, value_size;
	uint32_t entries;   /* 0: attach decides */
	bool daemon_writes; /* decides the mode of the pin as well */
};

#define MAPS_COUNT 22
extern const struct maps_kind maps_kinds[MAPS_COUNT];

/*
 * Maps that outlive a replaced program too, but belong to the programs and to root: no part of struct maps.
 */
#define MAPS_ROOT_COUNT 5
extern const struct maps_kind maps_root_kinds[MAPS_ROOT_COUNT];

/*
 * Open the maps below PIN_DIR. 0; -ENOENT: not attached; -EPROTO: another ABI (meta.abi tells
 * which); else negative errno (-EACCES: not in the group). On failure error (CONFIG_ERROR_LEN-sized
 * or larger, len bytes) has one line for the user, and maps is released.
 */
int maps_open(struct maps *maps, const char *pin_dir, enum maps_access access, char *error,
	      size_t len);
/* Accepts a zeroed structure and leaves one behind. */
void maps_release(struct maps *maps);

/*
 * The same with descriptors that the caller has, in the order of maps_kinds; they stay the caller's, and every one must
 * allow what access says. Nothing is asked of meta: it may be unwritten. For attach and tests.
 */
int maps_adopt(struct maps *maps, const int fds[MAPS_COUNT], enum maps_access access, char *error,
	       size_t len);

/*
 * Services as attach wrote them: services must hold SLUICE_MAX_SERVICES + 1 entries, index 0
 * unused.
 */
int maps_read_services(const struct maps *maps, struct sluice_service *services);

/*
 * Publish a set for a service index (1..SLUICE_MAX_SERVICES): one writer at a time. set->version is
 * ignored, the next one is taken; so are its members, which follow from its table. len > SLUICE_SET_TABLE is -EINVAL.
 */
int maps_publish_set(struct maps *maps, unsigned service, const struct sluice_set *set,
		     uint64_t now_boot_ns);

/* The set in force, copied; false if the service is unsynced. */
bool maps_read_set(const struct maps *maps, unsigned service, struct sluice_set *set);

/* Sum over CPUs. index: slot, service, or enum sluice_reason. */
int maps_read_bstats(const struct maps *maps, unsigned slot, struct sluice_stats *sum);
int maps_read_sstats(const struct maps *maps, unsigned service, struct sluice_stats *sum);
int maps_read_reasons(const struct maps *maps, uint64_t counts[SLUICE_REASON_COUNT]);
/* The same of any map laid out as SLUICE_MAP_REASONS is; cpus: as in struct maps. 0 or negative errno. */
int maps_sum_reasons(int fd, unsigned cpus, uint64_t counts[SLUICE_REASON_COUNT]);

/* One value by its key. 0 or negative errno. */
int maps_lookup(int fd, const void *key, void *value);

/* Now in the flows' clock. */
uint32_t maps_jiffies(const struct maps *maps);

/*
 * Zeros in all entries of a per-CPU array, on all CPUs: for the programs' short memories, which no pin names (own
 * addresses and full services, for the rest of a jiffy). 0 or negative errno.
 */
int maps_clear_percpu(int fd, uint32_t entries, size_t value_size);

/*
 * Call visit for every flow of all tables, by batch look-up. It may see a flow twice or miss one
 * that moves meanwhile (kernel Documentation/bpf/map_hash.rst). visit returns false to stop. 0 or
 * negative errno.
 *
 * A connection of this host's own comes as a flow too: established, touched just now; all else that only packets can
 * tell is 0, and its client's address and port are, if they were not known when it connected.
 */
struct maps_flow {
	int family; /* AF_INET or AF_INET6 */
	enum sluice_origin origin;
	__u64 cookie;		    /* of the socket; 0 if the client is not of this host */
	__be32 client[4], local[4]; /* IPv4 in the first word */
	__be16 client_port, service_port;
	bool established;		/* stands in an established table */
	const struct sluice_flow *flow; /* valid during the call */
};
typedef bool (*maps_visit_flow)(void *ctx, const struct maps_flow *flow);
int maps_scan_flows(const struct maps *maps, maps_visit_flow visit, void *ctx);

/*
 * How full each flow table is. Entries whose time is over hold a place until it is needed, and are the first to go: they
 * press nobody. The last is the map of local connections, where none is over.
 */
struct maps_occupancy {
	const char *name; /* half-open4, half-open6, established4, established6, local */
	uint32_t entries; /* whose time is not over */
	uint32_t held;	  /* all of them */
	uint32_t capacity;
};
#define MAPS_TABLES 5
/* By batch look-up; 0 or negative errno. */
int maps_count_entries(const struct maps *maps, struct maps_occupancy tables[MAPS_TABLES]);
unsigned maps_percent(const struct maps_occupancy *table); /* of entries, rounded down */
#define MAPS_PRESSURE_LOW 80
#define MAPS_PRESSURE_HIGH 95
/*
 * The share that calls for attention: MAPS_PRESSURE_LOW or _HIGH when it has been reached since the last call, else 0. It is
 * said again only after the table was below 75 %. *level is the caller's memory of the table, 0 at first.
 */
unsigned maps_pressure(const struct maps_occupancy *table, unsigned *level);

/*
 * Flows by slot, for flows of the slot's present generation that are not closed. Arrays of
 * SLUICE_MAX_BACKENDS + 1.
 */
struct maps_flow_counts {
	/* half_open: not older than a handshake can be; one that was given up stays in the LRU for longer */
	uint32_t half_open[SLUICE_MAX_BACKENDS + 1];
	uint32_t active[SLUICE_MAX_BACKENDS + 1]; /* established and closing, not idle for too long */
	/* as the programs count them (sluice_flow_counts_as): by period modulo their number, and clients of this host */
	uint32_t half_open_part[SLUICE_MAX_BACKENDS + 1][SLUICE_TALLY_PARTS];
	uint32_t active_part[SLUICE_MAX_BACKENDS + 1][SLUICE_TALLY_PARTS];
	/* not among active_part: quiet for too long, and taken back by nobody yet */
	uint32_t expired_part[SLUICE_MAX_BACKENDS + 1][SLUICE_TALLY_PARTS];
	uint32_t local[SLUICE_MAX_BACKENDS + 1];
	/* what the programs said when the scan began */
	struct {
		__s32 active[SLUICE_TALLY_PARTS], half_open[SLUICE_TALLY_PARTS];
		__s32 local;
	} before[SLUICE_MAX_BACKENDS + 1];
	uint32_t now; /* jiffies when the scan began */
};
int maps_count_flows(const struct maps *maps, struct maps_flow_counts *counts);
/* Both of it in one walk. counts may be NULL. */
int maps_count(const struct maps *maps, struct maps_flow_counts *counts,
	       struct maps_occupancy tables[MAPS_TABLES]);

/* The sum of a slot's active parts and clients of this host: what the programs should say. */
uint32_t maps_counted_active(const struct maps_flow_counts *counts, unsigned slot);
/* Those that the programs may say besides, until publish_counts() or time has taken them back. */
uint32_t maps_counted_expired(const struct maps_flow_counts *counts, unsigned slot);
/* The same of its half-open parts. */
uint32_t maps_counted_half_open(const struct maps_flow_counts *counts, unsigned slot);

/* What the programs have counted for a backend, or for a copy of it; see sluice_tally_sum(). */
int32_t maps_active(const struct maps *maps, const struct sluice_backend *backend);
int32_t maps_half_open(const struct maps *maps, const struct sluice_backend *backend);

/* Forget all connections of this host's own, and count them no longer (MAPS_ROOT). 0 or negative errno. */
int maps_forget_local(struct maps *maps);

#endif
