/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Packet cases as data, and their reader. A case is a name and a list of steps; every step knows
 * the line it was written on. tests/bpf/README.md describes the language. Reading is all that
 * happens here: nothing is run.
 */
#ifndef TESTS_CASES_H
#define TESTS_CASES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/abi.h>
#include <sluice/reasons.h>

#include "frame.h"

#define CASES_MAX_TABLE 64
#define CASES_MAX_SHARES 16
#define CASES_REASON_MAY (-1) /* the counter may move or not */

enum step_kind {
	STEP_SERVICE,
	STEP_LOCAL,
	STEP_ALLOW,
	STEP_RATE,
	STEP_LEAVE,
	STEP_BACKEND,
	STEP_SET,
	STEP_TEAR,
	STEP_RETIRE,
	STEP_AGE,
	STEP_PACKET,
	STEP_SPREAD,
	STEP_FLOW,
	STEP_FLOWS,
	STEP_CHECK_BACKEND,
	STEP_CHECK_STATS,
	STEP_SCAN,
	STEP_RECOUNT,
	STEP_LEFTOVER,
};

/* Which backend a step means. */
enum backend_ref_kind {
	REF_SLOT,  /* that slot */
	REF_ANY,   /* one of the published set */
	REF_SAME,  /* the one that the last `to` found */
	REF_OTHER, /* one of the published set, but not the one that the last `to` found */
};

struct backend_ref {
	enum backend_ref_kind kind;
	unsigned slot;
};

enum expect_kind {
	EXPECT_PASS, /* the frame as it came */
	EXPECT_TO,   /* passes with the destination port of a backend */
	EXPECT_AS,   /* passes with another source port */
	EXPECT_DROP,
	EXPECT_RESET,	  /* a reset goes back where the frame came from */
	EXPECT_AGAIN,	  /* the client's last SYN from that port comes in again */
	EXPECT_CHALLENGE, /* it goes on as a challenge ACK */
};

/* Key and value of a field that the expected frame differs in beyond what the verdict implies. */
struct cases_change {
	char *key, *value;
};

struct step_packet {
	bool out;
	struct frame frame;
	bool has_from; /* out: source port is that of a backend */
	struct backend_ref from;
	enum expect_kind expect;
	struct backend_ref to;
	uint16_t as_port;
	struct cases_change *changes;
	unsigned change_count;
	int reasons[SLUICE_REASON_COUNT]; /* how much each counter moves */
	bool xdp_untouched;		  /* XDP must leave it to tc */
	bool no_sweep;			  /* do not run its truncations */
};

/* COUNT new connections from consecutive ports; how many each backend gets. */
struct step_spread {
	struct frame frame;
	unsigned count;
	bool in_order; /* and in the order of the set's table, from wherever the cursor stood */
	struct {
		unsigned slot, least, most;
	} share[CASES_MAX_SHARES];
	unsigned share_count;
	int reasons[SLUICE_REASON_COUNT];
};

/* A number that is only looked at, or written, if the case gives it. */
struct cases_number {
	bool set;
	uint32_t value;
};

struct step_backend {
	struct backend_ref ref;
	char service[SLUICE_NAME_LEN]; /* empty: an existing backend is changed */
	uint16_t port;
	struct cases_number generation, state, weight, active, half_open, suspect, suspect_ms,
		hport;
	struct cases_number count; /* so many, in consecutive slots and ports */
};

struct step_set {
	char service[SLUICE_NAME_LEN];
	uint8_t balance, on_empty, on_full;
	uint32_t maxconn;
	bool has_table;
	uint16_t table[CASES_MAX_TABLE];
	unsigned len;
	unsigned repeat; /* publish it so often */
};

enum flow_where { FLOW_NOWHERE, FLOW_HALF, FLOW_EST };

struct step_flow {
	enum flow_where where;
	struct frame key; /* src, dst, sport, dport as the client's packets have them */
	bool has_ref;
	struct backend_ref ref;
	struct cases_number state, generation, in_marks, out_marks, client_isn, next_isn,
		server_isn, server_next, client_fin, server_fin, rst, port, redispatched, done;
};

struct step_stats {
	char service[SLUICE_NAME_LEN]; /* empty: of a backend */
	struct backend_ref ref;
	struct cases_number connections, picks, packets_in, bytes_in, packets_out, bytes_out;
};

struct step {
	enum step_kind kind;
	char *where; /* "file:line", with the macro's line if there is one */
	union {
		struct {
			char name[SLUICE_NAME_LEN];
			uint16_t port;
			struct frame_address address[SLUICE_MAX_ADDRESS];
			unsigned address_count; /* 0: every address of the host */
		} service;
		struct {
			struct frame_address address;
			bool remove;
		} local;
		struct {
			char service[SLUICE_NAME_LEN];
			struct frame_address network;
			unsigned prefix;
		} allow;
		struct {
			char service[SLUICE_NAME_LEN];
			uint32_t rate;
			unsigned prefix; /* IPv4's; IPv6's is 96 longer */
		} rate;
		struct {
			char service[SLUICE_NAME_LEN];
			bool ends;
		} leave;
		struct step_backend backend;
		struct step_set set;
		char tear[SLUICE_NAME_LEN];
		struct backend_ref retire;
		uint32_t age_ms;
		struct step_packet *packet;
		struct step_spread *spread;
		struct step_flow *flow;
		struct {
			unsigned half, est;
		} flows;
		struct step_stats stats;
	};
};

struct test_case {
	char *name;
	char *where;
	char *must_fail;   /* NULL, or text that the reason of its failure must contain */
	bool only_tc;	   /* not run through XDP */
	bool only4, only6; /* played in one family alone */
	bool quick;	   /* with the time-outs WORLD_QUICK */
	struct step *steps;
	unsigned step_count;
};

struct cases {
	struct test_case *cases;
	unsigned count;
	unsigned errors;
};

/* Add the cases of a file. 0, or negative errno after every bad line was reported on stderr. */
int cases_load(struct cases *cases, const char *file);
void cases_release(struct cases *cases);

#endif
