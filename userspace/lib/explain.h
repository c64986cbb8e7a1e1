/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where would this connection go? Asks the program itself: tc's way in is loaded a second time,
 * from the object that attach loads, and given the packets that the client would send
 * (explain_copy.h). So the answer is the program's, and nothing that is in force can change by
 * asking, not even the order of an LRU. Nothing is pinned or attached. For root; knows nothing
 * about printing.
 */
#ifndef SLUICE_EXPLAIN_H
#define SLUICE_EXPLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/abi.h>
#include <sluice/flow_rules.h>
#include <sluice/reasons.h>

struct explain;
struct maps;

struct explain_connection {
	int family;		    /* AF_INET or AF_INET6 */
	__be32 client[4], local[4]; /* IPv4 in the first word */
	uint16_t client_port, port; /* host order */
	bool has_isn;
	uint32_t isn; /* of the SYN; without: that of a half-open flow, else a new one */
};

enum explain_verdict {
	EXPLAIN_PASS, /* untouched, to the host's own stack */
	EXPLAIN_BACKEND,
	EXPLAIN_DROP,
	EXPLAIN_RESET,
};

struct explain_outcome {
	enum explain_verdict verdict;
	bool counted[SLUICE_REASON_COUNT]; /* the counters that it would move */
	/* valid with EXPLAIN_BACKEND */
	uint16_t port; /* host order */
	unsigned slot;
	uint32_t generation;
};

/* Why a backend is not, or could not be, the one. */
enum explain_why {
	EXPLAIN_WHY_ELIGIBLE, /* it could be: the algorithm, or the flow, chose another */
	EXPLAIN_WHY_STATE,
	EXPLAIN_WHY_WEIGHT,
	EXPLAIN_WHY_NOT_IN_SET,
	EXPLAIN_WHY_RANGE,
	EXPLAIN_WHY_FULL,
	EXPLAIN_WHY_SUSPECT, /* only if there is nobody else */
};

struct explain_answer {
	uint16_t service_port; /* host order; the client's word for port, which may be a backend's own */
	unsigned service; /* index; 0: no service has the port, and nothing but syn.verdict is valid */
	bool by_chance; /* the algorithm draws: another SYN may go elsewhere */
	bool has_flow;
	/* valid with has_flow */
	struct sluice_flow flow;
	enum sluice_flow_state flow_state;
	bool retired;			/* its backend's generation has ended */
	struct explain_outcome segment; /* what the client would send next; not for a closed flow */
	struct explain_outcome syn;	/* valid always */
};

/*
 * live: maps to look at, at least MAPS_READ, which outlive the explain; rates_fd and cursor_fd: the
 * same for two maps that are root's. *same_program: what is attached is this very program. On
 * failure error has one line for the user.
 */
int explain_new(struct explain **explain, const struct maps *live, int rates_fd, int cursor_fd,
		bool *same_program, char *error, size_t len);
/* Accepts NULL. */
void explain_free(struct explain *explain);

/* 0 or negative errno, that of a test run too. */
int explain_ask(struct explain *explain, const struct explain_connection *connection,
		struct explain_answer *answer);

/* The backends as the last explain_ask() found them; indexed by slot. */
const struct sluice_backend *explain_backends(const struct explain *explain);
/* What was counted for one of them, as picks compare it. */
uint32_t explain_active(const struct explain *explain, unsigned slot);
uint32_t explain_half_open(const struct explain *explain, unsigned slot);
/* The set in force at the last explain_ask() that found a service; version 0: it has none. */
const struct sluice_set *explain_set(const struct explain *explain);
/* What the packet's way would make of one of these backends, by the same set. */
enum explain_why explain_why(const struct explain *explain, unsigned slot);

#endif
