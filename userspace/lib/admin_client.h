/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The asking side of sluiced's admin socket: one line out, one JSON document in. Knows nothing about verbs.
 */
#ifndef SLUICE_ADMIN_CLIENT_H
#define SLUICE_ADMIN_CLIENT_H

/*
 * Send REQUEST (without its newline) and wait up to timeout_ms for the whole answer, a string that the caller frees. -ENOENT or
 * -ECONNREFUSED: no daemon is there; -EACCES; -ETIMEDOUT; -EMSGSIZE: more than a megabyte.
 */
int admin_client_call(const char *socket_path, const char *request, unsigned timeout_ms,
		      char **answer);

#endif
