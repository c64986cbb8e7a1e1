/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's list of listening TCP sockets over netlink's sock_diag: the question, and what a
 * datagram of the answer says. Pure but for the sending; who asks, when, and what a missing socket
 * means is the callers'. Needs no capability.
 */
#ifndef SLUICE_SOCK_DIAG_H
#define SLUICE_SOCK_DIAG_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sock_diag_kind {
	SOCK_DIAG_SOCKET, /* socket is valid */
	SOCK_DIAG_DONE,	  /* all of the family have been told */
	SOCK_DIAG_FAILED, /* the dump has ended, and err says why: what was told is not all */
	SOCK_DIAG_OTHER,  /* of no interest */
};

struct sock_diag_socket {
	int family;	   /* AF_INET or AF_INET6 */
	uint16_t port;	   /* host order */
	__be32 address[4]; /* IPv4 in the first word, the rest zero */
	uint32_t inode, uid;
};

struct sock_diag_message {
	enum sock_diag_kind kind;
	uint32_t sequence; /* of the question that it answers */
	bool interrupted;  /* the table changed meanwhile: sockets may be missing */
	int err;	   /* negative errno; -EPROTO: too short to say */
	struct sock_diag_socket socket;
};

/* Ask fd, a NETLINK_SOCK_DIAG socket, for all that listen, of one family. 0 or negative errno. */
int sock_diag_ask(int fd, int family, uint32_t sequence);

/*
 * The next message of a datagram: *bytes and *len move behind it. false: there is no further one,
 * or none that is whole. family: that was asked for; a kernel without IPv6 answers -ENOENT, which
 * is SOCK_DIAG_DONE. bytes need no alignment.
 */
bool sock_diag_next(const char **bytes, size_t *len, int family, struct sock_diag_message *message);

#endif
