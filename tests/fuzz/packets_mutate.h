/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Changes inputs of the packets target so that they stay inputs: whole records come, go and trade
 * places, and frames change field by field, mostly with a checksum that is right again.
 */
#ifndef TESTS_FUZZ_PACKETS_MUTATE_H
#define TESTS_FUZZ_PACKETS_MUTATE_H

#include <stddef.h>
#include <stdint.h>

#include "packets_input.h"

/* raw: libFuzzer's own mutator, for what has no structure. */
void packets_mutate(struct packets_input *input, unsigned seed,
		    size_t (*raw)(uint8_t *data, size_t len, size_t room));

/* Some of one, then some of the other. */
void packets_cross(struct packets_input *to, const struct packets_input *other, unsigned seed);

#endif
