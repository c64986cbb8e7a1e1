/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The load balancer once more: slow and obvious, written from the packet table of the design and the
 * comments in <sluice/abi.h>. Plain arrays, searched from end to end; no maps, no clock. It shares
 * no code with the BPF programs.
 *
 * Where the design leaves a choice (which of several usable backends), the caller says what was
 * seen, and the model says whether that was allowed. Time is what it is told.
 */
#ifndef TESTS_MODEL_H
#define TESTS_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include <sluice/abi.h>
#include <sluice/reasons.h>

#include "frame.h"
#include "timeouts.h"

#define MODEL_SLOTS 8
#define MODEL_SERVICES 3
#define MODEL_FLOWS 64
#define MODEL_GHOSTS 512 /* more than flows can be made in a sequence */

struct model_flow {
	bool used, lives_in_est;
	struct frame_address client, local;
	uint16_t client_port, service_port;
	unsigned slot, service;
	uint32_t generation;
	uint16_t port;
	uint8_t in_marks, out_marks;
	bool done;
	uint32_t client_isn, next_isn, client_next, client_fin;
	uint32_t server_ack; /* what the backend acknowledged last */
	uint32_t before_ack; /* the same of the connection before on these ports; 0: there was none */
	uint32_t server_isn, server_isn_before, server_next, server_fin;
	uint16_t syn_payload;
	uint64_t picked_ms, touched_ms;
	bool client_rst;
	uint64_t client_rst_ms;
	bool has_syn; /* syn can be sent again */
	struct frame syn;
	unsigned redispatched;
	bool counts_late; /* as seen: it closes, its time is over, and it may still be counted */
};

/* The places of the two tables; 0: more than there can be flows. */
struct model_room {
	unsigned half, est;
	bool forgets; /* a full one pushes somebody out, else it takes no more */
};

/* A flow that a full table has forgotten: nobody takes it back, so it is counted until its time is over. */
struct model_ghost {
	bool active;
	unsigned slot;
	uint32_t generation;
	uint64_t stamp_ms;
};

/* The newest SYN with another ISN that met a connection, by the client's addresses and ports. */
struct model_newer {
	bool used;
	struct frame syn;
	unsigned asked; /* how often its client was */
};

struct model_backend {
	uint32_t generation, last_generation;
	uint16_t port;
	unsigned service;
	enum sluice_backend_state state;
	uint32_t weight;
	int active, half_open;
	bool suspect;
	uint64_t suspect_ms;
	bool has_answered;
	uint64_t answered_ms; /* last SYN-ACK, whoever it was for */
	bool unsure; /* answered and asked in one instant: whether it is a suspect is as seen */
};

struct model_set {
	bool published, torn;
	enum sluice_balance balance;
	enum sluice_on_empty on_empty;
	enum sluice_on_full on_full;
	uint32_t maxconn;
	unsigned len;
	uint16_t table[32];
};

/* Who may connect to a service: networks of 24 bits, or single addresses by their last byte. */
struct model_access {
	bool leaving; /* whoever comes new is the host's own listener's */
	bool restricted, network, client[256];
	bool limited; /* to one new connection a second from each address */
	struct {
		bool used;
		uint64_t taken_ms;
	} bucket[256];
};

/* Deliberate mistakes: a comparison that does not see them is broken. */
enum model_lie {
	MODEL_LIE_NONE,
	MODEL_LIE_ACK,	   /* every ACK completes the handshake */
	MODEL_LIE_MAXCONN, /* one connection fewer */
	MODEL_LIE_RETIRED, /* delivered to the port's new owner */
	MODEL_LIE_LEAVING, /* what comes new is balanced all the same */
	MODEL_LIE_COUNTER, /* a closed flow is not counted */
	MODEL_LIE_ROOM,	   /* a full table takes one flow more */
	MODEL_LIE_GHOST,   /* a forgotten flow is taken back */
	MODEL_LIE_COUNT,
};

struct model {
	enum model_lie lie;
	struct timeouts timeouts;
	struct model_access access[MODEL_SERVICES];
	uint64_t now_ms;
	uint16_t service_port[MODEL_SERVICES]; /* index 0 unused */
	struct model_set sets[MODEL_SERVICES];
	struct model_backend backends[MODEL_SLOTS];
	uint16_t host_port_service[65536]; /* what clients know the port by */
	struct frame_address local;
	struct model_flow flows[MODEL_FLOWS];
	struct model_newer newer[MODEL_FLOWS];
	int reasons[SLUICE_REASON_COUNT]; /* moved by the last packet */
	bool sees_bad_port;		  /* the last pick has met a port outside the range */
	bool may_refuse_port; /* it may have moved out_of_range too: by whom the programs have looked at */
	struct model_room room;
	/* the flow that the last packet has put into a table: half-open, established */
	const struct model_flow *inserted[2];
	struct model_ghost ghosts[MODEL_GHOSTS];
	unsigned ghost_count;
	struct sluice_stats stats[MODEL_SLOTS];
};

enum model_verdict {
	MODEL_PASS,
	MODEL_TO,
	MODEL_AS,
	MODEL_DROP,
	MODEL_RESET,
	MODEL_AGAIN,
	MODEL_CHALLENGE
};

struct model_outcome {
	enum model_verdict verdict;
	uint16_t port;	   /* MODEL_TO: destination; MODEL_AS: source */
	struct frame syn;  /* MODEL_AGAIN: what the client had sent */
	uint32_t seq, ack; /* MODEL_CHALLENGE */
};

/* seen: slot of the packet's flow after the programs had it; 0: it has none. */
struct model_outcome model_in(struct model *model, const struct frame *packet, unsigned seen);
struct model_outcome model_out(struct model *model, const struct frame *packet, unsigned seen);

/* So much time passes. */
void model_age(struct model *model, uint32_t age_ms);

/*
 * Whether a connection that closes is counted still, for a while after its time is over: the
 * programs may do either. NULL if that is no question.
 */
bool *model_counts_late(struct model *model, struct model_flow *flow);
/* After that has changed. */
void model_recount(struct model *model);

/*
 * A table has forgotten the flow. False: that must not have been, for the last packet has put no
 * other flow into that table.
 */
bool model_forgotten(struct model *model, struct model_flow *flow);
/* The same while the world was aged, which counts what is left anew. */
void model_lost(struct model *model, struct model_flow *flow);

/* The flow of a client's addresses and ports, NULL if there is none. */
struct model_flow *model_find(struct model *model, const struct frame_address *client,
			      const struct frame_address *local, uint16_t client_port,
			      uint16_t service_port);

#endif
