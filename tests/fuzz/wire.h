/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A client of a server that lives in this process and runs on libevent: says its bytes in pieces, gives the server its turn after each, and
 * keeps what is answered. Waits for nothing: on loopback and on Unix sockets what was sent is there at once.
 */
#ifndef FUZZ_WIRE_H
#define FUZZ_WIRE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct event_base;

struct wire_answer {
	size_t len;
	char text[1 << 16]; /* NUL behind it */
};

/* Connect, say data cut as pieces.h says, end, and read to the end. */
void wire_talk(struct event_base *base, const struct sockaddr *address, socklen_t address_len,
	       const uint8_t *data, size_t len, unsigned way, struct wire_answer *answer);

#endif
