/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The resolver's name for a host, asked in a thread, since it may take half a minute to fail: a host whose DNS does not answer must
 * hold up neither attach nor the daemon's loop.
 */
#ifndef SLUICE_CANONICAL_H
#define SLUICE_CANONICAL_H

#include <stddef.h>

/*
 * Ask for host's name. The descriptor that becomes readable with the answer, or a negative errno. It is the caller's to close, before
 * the answer too: the question then ends by itself and reaches nobody.
 */
int canonical_ask(const char *host);

/*
 * The answer to canonical_ask(), of a readable fd. name (len bytes, at most 512 are used; NULL with 0: not wanted) is the canonical
 * name, or "" if there is none. 0: the resolver has spoken, if only to say that it knows none; -EAGAIN: it has not.
 */
int canonical_answer(int fd, char *name, size_t len);

/*
 * Both at once, waiting patience_ms at most; if it is not answered in time, the last answer about
 * this host that canonical_answer() has read counts. As canonical_answer(), -EAGAIN if there is
 * none; another negative errno: it could not be asked, and name is "".
 */
int canonical_name(const char *host, int patience_ms, char *name, size_t len);

#endif
