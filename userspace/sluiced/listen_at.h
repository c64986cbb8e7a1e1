/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A TCP socket that listens where the configuration says. The address is a number and is never looked up: libevent's own
 * way asks getaddrinfo() with AI_ADDRCONFIG, which refuses 127.0.0.1 on a host whose only other address is just gone.
 */
#ifndef SLUICED_LISTEN_AT_H
#define SLUICED_LISTEN_AT_H

/*
 * at: "ADDRESS:PORT", IPv6 in brackets. A non-blocking, close-on-exec descriptor that the caller closes, or negative errno
 * (-EINVAL: at is no such text).
 */
int listen_at(const char *at);

#endif
