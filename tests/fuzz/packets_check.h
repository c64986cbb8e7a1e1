/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What must hold for every packet, whatever came before it: judged from the bytes that went in and
 * came out and from the maps. Shares no code with the programs. Knows no expected verdict; the model
 * (tests/bpf/model.h) does.
 */
#ifndef TESTS_FUZZ_PACKETS_CHECK_H
#define TESTS_FUZZ_PACKETS_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frame.h"
#include "hook.h"
#include "world.h"

enum { PACKETS_SYNS = 128, PACKETS_SYN_MAX = 256 };

/* SYNs that came in, as they came: a redispatch may send one of them again. */
struct packets_syns {
	unsigned count;
	struct {
		size_t len;
		uint8_t frame[PACKETS_SYN_MAX];
	} syns[PACKETS_SYNS];
};

/* The flow that a packet belongs to, as the maps have it. */
struct packets_flow {
	bool in_half, in_est;
	struct sluice_flow flow; /* valid if one of these; of the established one if both */
};

/* By the TCP ports and addresses of the frame, or of what an ICMP error quotes. */
void packets_find_flow(struct world *world, bool out, const uint8_t *frame, size_t len,
		       struct packets_flow *found);

void packets_remember_syn(struct packets_syns *syns, const uint8_t *frame, size_t len);

/* NULL, or what is wrong. `after` is the packet's flow when the programs have had it. */
const char *packets_broken(struct world *world, bool out, const uint8_t *sent, size_t len,
			   const struct hook_result *result, const struct packets_syns *syns,
			   const struct packets_flow *after);

#endif
