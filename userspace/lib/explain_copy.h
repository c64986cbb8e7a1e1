/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The second copy of the program that explain.h asks, and why asking it changes nothing: it shares
 * the maps that programs only read; each map that a program writes is a private one here, into
 * which what concerns one connection is copied first. Must not know which packet is asked about,
 * nor what the answer means.
 *
 * A map that this file does not know is private and empty: forgetting one makes an answer poorer,
 * never a question dangerous.
 */
#ifndef SLUICE_EXPLAIN_COPY_H
#define SLUICE_EXPLAIN_COPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/abi.h>
#include <sluice/reasons.h>

struct explain_copy;
struct maps;

/* A flow's key in the tables of its family. */
struct explain_copy_key {
	bool six;
	struct sluice_flow_key6 key; /* IPv4: a struct sluice_flow_key4 at its beginning */
};

/* What one run of the program did. */
struct explain_copy_result {
	uint32_t retval; /* tc's: TC_ACT_* */
	bool counted[SLUICE_REASON_COUNT];
};

/*
 * Loads; as root. live and the two descriptors, see explain_new(), outlive the copy. *same_program:
 * what is attached is this very program. 0 or negative errno.
 */
int explain_copy_new(struct explain_copy **copy, const struct maps *live, int rates_fd,
		     int cursor_fd, bool *same_program);
/* Accepts NULL. */
void explain_copy_free(struct explain_copy *copy);

/*
 * Before each run: the private maps say what the live ones do of a service (index; 0: of none) and
 * of one flow, and have these backends, an array of SLUICE_MAX_BACKENDS + 1. *flow is valid with
 * *has_flow. 0 or negative errno.
 */
int explain_copy_fill(struct explain_copy *copy, const struct sluice_backend *backends,
		      unsigned service, const struct explain_copy_key *key,
		      struct sluice_flow *flow, bool *has_flow);

/*
 * Gives the program a frame; out, of out_len bytes, gets what it made of it. 0 or negative errno.
 */
int explain_copy_run(const struct explain_copy *copy, const uint8_t *frame, size_t frame_len,
		     uint8_t *out, size_t out_len, struct explain_copy_result *result);

/* The flow that the program has left, or found. 0 or negative errno; -ENOENT: none. */
int explain_copy_flow(const struct explain_copy *copy, const struct explain_copy_key *key,
		      struct sluice_flow *flow);

#endif
