/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Plays an input of the packets target on the loaded programs, from an empty world, and checks every
 * packet. Says what is broken; prints the packet that broke it.
 */
#ifndef TESTS_FUZZ_PACKETS_PLAY_H
#define TESTS_FUZZ_PACKETS_PLAY_H

#include "packets_input.h"
#include "world.h"

/*
 * NULL, or what is wrong (and the packet is on stderr). seen(state) is called for every packet with a number that
 * tells what became of it: direction, verdict, counters, the flow before and after.
 */
const char *packets_play(struct world *world, const struct packets_input *input,
			 void (*seen)(uint32_t state));

#endif
