/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Plays a packet case against the loaded programs and compares everything that can be seen:
 * verdict, whole frame, counters, flows, backends. Knows the packet's way only as the cases tell
 * it, plus the invariants that hold for every packet.
 */
#ifndef TESTS_PLAY_H
#define TESTS_PLAY_H

#include <stdbool.h>
#include <stdio.h>

#include "cases.h"
#include "world.h"

enum play_variant {
	PLAY_TC,  /* sluice_tc_in alone */
	PLAY_XDP, /* sluice_xdp, then sluice_tc_in on what it passed up */
	PLAY_TC6, /* the same in IPv6 */
	PLAY_XDP6,
	PLAY_VARIANT_COUNT,
};

static inline bool play_variant_is_xdp(enum play_variant variant)
{
	return variant == PLAY_XDP || variant == PLAY_XDP6;
}

static inline unsigned play_variant_family(enum play_variant variant)
{
	return variant >= PLAY_TC6 ? 6 : 4;
}

/* Does the case make sense in this variant? */
bool play_wants(const struct test_case *test, enum play_variant variant);

extern const char *const play_variant_names[PLAY_VARIANT_COUNT];

enum play_result { PLAY_PASSED, PLAY_FAILED, PLAY_SKIPPED };

/*
 * Play one case from an empty world. report gets the reason of a failure or skip, beginning with
 * the line's place. verbose prints every packet to report.
 */
enum play_result play_case(struct world *world, const struct test_case *test,
			   enum play_variant variant, bool verbose, FILE *report);

#endif
