/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Random sequences of packets, set changes, backends that come and go, and time, on the programs and
 * on the model: both must come to the same verdict, frame, counters and flows. A sequence is a list
 * of concrete steps, so that it can be played again without some of them.
 */
#ifndef TESTS_SEQUENCE_H
#define TESTS_SEQUENCE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "model.h"
#include "world.h"

#define SEQUENCE_STEPS 120
#define SEQUENCE_FOREVER_MS \
	(33200 * 290) /* nothing that lies untouched for so long counts for anything */

enum sequence_kind {
	SEQUENCE_IN,
	SEQUENCE_OUT,
	SEQUENCE_AGE,
	SEQUENCE_SET,	  /* publish */
	SEQUENCE_STATE,	  /* of a backend */
	SEQUENCE_BACKEND, /* a new one in the slot; its predecessor is retired */
	SEQUENCE_RETIRE,
	SEQUENCE_TEAR,	/* the service's set */
	SEQUENCE_ALLOW, /* value: last byte of the address, 0: its whole network */
	SEQUENCE_LEAVE, /* value: 1 new connections pass to the host, 0 no longer */
	SEQUENCE_RATE,	/* one connection a second from each address */
};

struct sequence_step {
	enum sequence_kind kind;
	unsigned slot, service;
	uint32_t value; /* milliseconds, state or port */
	uint32_t weight;
	struct model_set set;
	struct frame frame;
};

struct sequence {
	unsigned family;
	bool xdp;
	enum model_lie lie;
	unsigned count;
	struct sequence_step steps[SEQUENCE_STEPS];
};

enum sequence_result {
	SEQUENCE_SAME,
	SEQUENCE_DIFFERENT,
	SEQUENCE_DISTURBED, /* took so long that the clock got between the two */
};

struct sequence_dice {
	uint64_t state;
};

/* The next step, by chance and by what the model holds; the first ones make a world. */
void sequence_choose(struct sequence_dice *dice, struct model *model, unsigned family,
		     unsigned number, struct sequence_step *step);

/* One sequence as it is played. */
struct sequence_play {
	struct world *world;
	struct model model;
	struct sluice_stats base[MODEL_SLOTS];
	int64_t start_ms;
};

/* From an empty world. 0 or negative errno. */
int sequence_begin(struct sequence_play *play, struct world *world,
		   const struct sequence *sequence);

/* One step on both. report gets what differs. */
enum sequence_result sequence_step(struct sequence_play *play, const struct sequence *sequence,
				   const struct sequence_step *step, FILE *report);

/* What is compared when all is over: traffic counters, and the daemon's scan with the programs' counts. */
enum sequence_result sequence_end(struct sequence_play *play, FILE *report);

/* One line. */
void sequence_print(const struct sequence_step *step, unsigned number, FILE *to);

struct sequence_options {
	uint64_t seed;
	unsigned long steps;
};

/* Play steps/variants sequences in one variant. False after a difference was printed on stdout. */
bool sequence_run(struct world *world, const struct sequence_options *options, unsigned family,
		  bool xdp);

/* Can that mistake show in such a world? */
bool sequence_lie_shows(enum model_lie lie, enum world_room room);

/*
 * Against a model that makes this mistake, no longer than a few thousand steps: a difference must be found. False, and
 * a line on stdout, if there is none.
 */
bool sequence_canary(struct world *world, enum model_lie lie);

#endif
