/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The programs under test and their maps: loads them as attach does (but pins nothing and touches
 * no interface), plays the daemon's part in the maps as <sluice/abi.h> tells it, runs one program
 * on one frame. Decides nothing about what is right.
 */
#ifndef TESTS_WORLD_H
#define TESTS_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <sluice/abi.h>
#include <sluice/reasons.h>

#include "frame.h"
#include "loader.h"

enum world_program { WORLD_XDP, WORLD_TC_IN, WORLD_TC_OUT, WORLD_PROGRAM_COUNT };

/* What a flow table does with a new flow. */
enum world_room {
	WORLD_ROOMY, /* there is room for all */
	WORLD_REFUSES, /* few places, and a full table takes no more: no LRU, so that this can be foreseen */
	WORLD_FORGETS, /* few places in LRUs, as they ship: who comes pushes somebody out */
};

/* Places of each half-open and each established table that is not roomy. */
enum { WORLD_FEW_HALF = 3, WORLD_FEW_EST = 2 };

struct world {
	struct loader loader;
	struct maps *maps; /* the loader's */
	int program_fd[WORLD_PROGRAM_COUNT];
	struct timeouts timeouts;
	enum world_room room;
	uint32_t aged; /* jiffies, since the last reset */
	bool limits;   /* a rate was limited since the last reset */
};

/* Other time-outs than the default ones, for the cases that ask for them. */
#define WORLD_QUICK         \
	((struct timeouts){ \
		.half_open_ms = 3000, .idle_ms = 40000, .closing_ms = 10000, .closed_ms = 5000 })

/*
 * Load the programs; timeouts NULL: the default ones. 0 or negative errno, and the reason is on
 * stderr. world_release() accepts a zeroed world.
 */
int world_open(struct world *world, const struct timeouts *timeouts, enum world_room room);
void world_release(struct world *world);

/* As if a backend had so many flows, that nobody knows: their last packet was now. */
void world_set_active(struct world *world, unsigned slot, int32_t active);
void world_set_half_open(struct world *world, unsigned slot, int32_t half_open);

/* Forget everything a case has put into the maps; counters stay. 0 or negative errno. */
int world_reset(struct world *world);

/*
 * The programs believe for the rest of a jiffy what they have just found: that an address is this host's, that a
 * service of many backends is full. Here much happens in a jiffy; to be called when it no longer holds.
 */
int world_forget(struct world *world);

/* Round robin begins anew. */
void world_restart(struct world *world);

/* addresses: count of them, 0 for every address of the host. */
int world_set_service(struct world *world, unsigned index, const char *name, uint16_t port,
		      const struct frame_address *addresses, unsigned count);
int world_read_service(struct world *world, unsigned index, struct sluice_service *service);
/* Index of the service on a port, 0 if there is none. */
unsigned world_service_on(struct world *world, uint16_t port);
int world_add_address(struct world *world, const struct frame_address *address);
int world_remove_address(struct world *world, const struct frame_address *address);

/* Only this network and others that are added may connect. prefix: IPv4's or IPv6's length. */
int world_allow(struct world *world, unsigned service, const struct frame_address *network,
		unsigned prefix);
/* New connections a second from networks of this length; rate 0 changes nothing. */
int world_limit_rate(struct world *world, unsigned service, uint32_t rate, unsigned prefix4,
		     unsigned prefix6);

/* As `detach --wait` does, and as another attach ends it. */
int world_leave(struct world *world, unsigned service, bool leaving);

/* Publish the next version of a set; version and table of *set: table holds set->len entries,
 * version is ignored. */
void world_publish(struct world *world, unsigned service, const struct sluice_set *set);

/* Leave the published set as a writer does that has begun and never ends. */
void world_tear(struct world *world, unsigned service);

/* Make everything that carries a time older. 0 or negative errno. */
int world_age(struct world *world, uint32_t age_ms);

/* A flow's key, of either family. */
struct world_key {
	unsigned family;
	union {
		struct sluice_flow_key4 v4;
		struct sluice_flow_key6 v6;
	};
};

/* Ports in host order. */
void world_make_key(struct world_key *key, unsigned family, const struct frame_address *client,
		    const struct frame_address *local, uint16_t client_port, uint16_t service_port);

/* 0, or -ENOENT. */
int world_find_flow(struct world *world, const struct world_key *key, bool established,
		    struct sluice_half *flow);
/* As a race may leave it: the established flow stands in the half-open table too. 0, or negative errno. */
int world_double_flow(struct world *world, const struct world_key *key);
/* Of both families. */
unsigned world_count_flows(struct world *world, bool established);

/*
 * Does the daemon's scan count for each backend what the programs have counted? 1 if not, and report has a line for each
 * difference; 0; or negative errno.
 */
int world_scan(struct world *world, FILE *report);
/* The daemon's scan, and what it puts right. 0 or negative errno. */
int world_recount(struct world *world);

/*
 * Is a connection that closes, and whose time is over, in a part of the counts that is still in force? It depends on where a
 * period ends.
 */
bool world_counts_late(const struct world *world, const struct sluice_flow *flow);

int world_read_reasons(struct world *world, uint64_t counts[SLUICE_REASON_COUNT]);
int world_read_stats(struct world *world, bool of_service, unsigned index,
		     struct sluice_stats *sum);

/* Now in the flows' clock. */
uint32_t world_jiffies(const struct world *world);

/* Run a program once. out has room for FRAME_MAX bytes. 0 or negative errno of the test run itself.
 */
int world_run(struct world *world, enum world_program program, const uint8_t *in, size_t len,
	      uint8_t *out, size_t *out_len, uint32_t *verdict);

#endif
