/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The resolver's name for a host, asked with a bound: a host whose DNS does not answer must not hold up attach or a reload.
 */
#ifndef SLUICE_CANONICAL_H
#define SLUICE_CANONICAL_H

#include <stddef.h>

/*
 * name (len bytes, at most 512 are used) is the canonical name of host, or "" if the resolver knows none or has not said
 * so within patience_ms. 0: it has spoken, if only to say that it knows none; -EAGAIN: it has not; another negative errno: it could not
 * be asked. A thread that still waits then is left to its end.
 */
int canonical_name(const char *host, int patience_ms, char *name, size_t len);

#endif
