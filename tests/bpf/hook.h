/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One packet through one direction's hooks, in the order in which the kernel runs them, and what
 * came of it. Also the invariants that hold for every packet, judged from the bytes alone.
 */
#ifndef TESTS_HOOK_H
#define TESTS_HOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/reasons.h>

#include "frame.h"
#include "world.h"

enum hook_verdict { HOOK_PASS, HOOK_DROP, HOOK_ANSWER, HOOK_UNKNOWN };

struct hook_result {
	enum hook_verdict verdict;
	uint32_t tc_verdict, xdp_verdict; /* valid if that program ran */
	bool xdp_ran, xdp_passed, xdp_changed;
	int reasons[SLUICE_REASON_COUNT]; /* by how much each counter moved, over all programs that
					     ran */
	size_t len;			  /* valid unless dropped, as frame */
	uint8_t frame[FRAME_MAX];
};

/*
 * Run a frame. in_xdp: on the way in XDP comes first, and tc sees what it passes up. *result is
 * static storage, overwritten by the next call. 0 or the negative errno of the test run.
 */
int hook_run(struct world *world, bool out, bool in_xdp, const uint8_t *frame, size_t len,
	     struct hook_result **result);

/* The same, but result->reasons stays zero. Before the next hook_run() hook_count() must be called. */
int hook_run_uncounted(struct world *world, bool out, bool in_xdp, const uint8_t *frame, size_t len,
		       struct hook_result **result);

/* By how much each counter moved since they were last read, here or by hook_run(). */
int hook_count(struct world *world, int moved[SLUICE_REASON_COUNT]);

/* NULL, or what is wrong: of a packet that passes only ports and checksum may change, the checksum stays as right or wrong
 * as it was, the port in range. */
const char *hook_broken_invariant(bool out, const uint8_t *sent, size_t len,
				  const struct hook_result *result);

#endif
