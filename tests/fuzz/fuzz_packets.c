/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fuzz target: the BPF programs, by BPF_PROG_TEST_RUN, under sequences of packets and changes of the
 * maps. The programs run in the kernel and give libFuzzer no coverage, so what it follows is what
 * became of each packet: verdict, counters, and the flow before and after (packets_play.h). Needs
 * root.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "packets_input.h"
#include "packets_mutate.h"
#include "packets_play.h"
#include "world.h"

enum { COUNTERS = 1 << 14 };

/* libFuzzer looks at this section as if its code had counted there. */
__attribute__((section("__libfuzzer_extra_counters"))) static uint8_t counters[COUNTERS];

static struct world world;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
size_t LLVMFuzzerMutate(uint8_t *data, size_t len, size_t room);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t len, size_t room, unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *one, size_t one_len, const uint8_t *other,
				 size_t other_len, uint8_t *out, size_t room, unsigned seed);

static void seen(uint32_t state)
{
	counters[state % COUNTERS]++;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	if (world_open(&world, NULL, WORLD_ROOMY))
		exit(EXIT_FAILURE);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct packets_input input;

	packets_decode(&input, data, len);
	if (packets_play(&world, &input, seen))
		abort();
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t len, size_t room, unsigned seed)
{
	static struct packets_input input;

	packets_decode(&input, data, len);
	packets_mutate(&input, seed, LLVMFuzzerMutate);
	return packets_encode(&input, data, room);
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t *one, size_t one_len, const uint8_t *other,
				 size_t other_len, uint8_t *out, size_t room, unsigned seed)
{
	static struct packets_input to, from;

	packets_decode(&to, one, one_len);
	packets_decode(&from, other, other_len);
	packets_cross(&to, &from, seed);
	return packets_encode(&to, out, room);
}
