/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where the host's Consul agent is and how to speak to it: TCP, TLS or a Unix socket, and the
 * token. Shared by the reader (consul) and the writer (registrar). The token is read anew when it
 * is asked for, so that a corrected file needs no reload; it never appears in a URL, a message or a
 * log line.
 */
#ifndef SLUICED_AGENT_H
#define SLUICED_AGENT_H

#include "http.h"

#include <stdbool.h>
#include <stddef.h>

struct config;

struct agent {
	const struct config *config;
	char *base;	    /* http://host:port, no slash at the end */
	char *unix_socket;  /* NULL: TCP */
	char *token_header; /* NULL: no token */
};

/* config must outlive agent and have [consul]. 0 or -ENOMEM. */
int agent_init(struct agent *agent, const struct config *config);
void agent_release(struct agent *agent);

/*
 * Is the agent that calls itself node at address this host's: is the address one of this host's (loopback too), or one of them
 * among the names that the configuration gives it? Registering at another host's agent would send that host's clients here.
 */
bool agent_is_own(const struct config *config, const char *node, const char *address);

/* Read the token file, if there is one. 0 or negative errno; the last token stays then. */
int agent_read_token(struct agent *agent);

/*
 * Fill in request all that is the agent's: transport and headers. path begins with a slash. url is
 * a buffer of len bytes that must live until the call is started. 0, or -ENAMETOOLONG.
 */
int agent_request(const struct agent *agent, const char *path, char *url, size_t len,
		  struct http_request *request);

#endif
