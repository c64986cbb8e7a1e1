/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The handful of frames that the programs are measured with, always those of flow 0. Checksums are
 * right. Knows nothing about programs and maps.
 */
#ifndef BENCH_PROG_FRAME_H
#define BENCH_PROG_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "job.h"

#define FRAME_MAX 256

enum frame_kind {
	FRAME_IN,	 /* a segment with 32 bytes of data from the client to the service */
	FRAME_REWRITTEN, /* the same to the backend's port, as XDP leaves it */
	/* from the backend; headers alone are linear in what TCP sends, and a test run's data are not */
	FRAME_OUT,
	FRAME_SYN,   /* with the options that Linux sends */
	FRAME_OTHER, /* FRAME_IN between two ports that are none of ours */
	FRAME_UDP,   /* a datagram to the service's port number */
};

#define FRAME_OTHER_PORT 9999
#define FRAME_ISN 1000 /* of the client */

struct frame {
	size_t len;
	uint32_t sum; /* for struct job */
	uint8_t bytes[FRAME_MAX];
};

/* family: 4 or 6. service_port in host order; what the client's packets are for. */
void frame_build(struct frame *frame, unsigned family, enum frame_kind kind, uint16_t service_port);

/* This host's address, which the frames carry, in the form of sluice_addrs4 and sluice_addrs6. */
#define FRAME_LOCAL4 0x0a500002 /* host order */
void frame_local6(__be32 address[4]);

#endif
