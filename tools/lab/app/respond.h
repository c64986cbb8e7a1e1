/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the app answers: the pages of the lab's contract. Counts requests and switches health; touches no socket.
 */
#ifndef APP_RESPOND_H
#define APP_RESPOND_H

#include <stdbool.h>
#include <stddef.h>

#include "request.h"
#include "server.h"

struct response {
	char *bytes; /* head and, for small ones, body; owned */
	size_t len;
	size_t filler_len; /* this many bytes of the pattern after the bytes */
	size_t sent;
	unsigned delay_ms; /* before the first byte is sent */
	bool last;	   /* the connection ends after it */
};

/*
 * Build the answer to one request. is_client is the connection's own mark, kept between calls: it is set, and the
 * connection counted, by its first request that is not about health or counts. 0 or negative errno.
 */
int respond(struct server *server, const struct request *request, const char *body, bool *is_client,
	    struct response *response);
void response_release(struct response *response);

#endif
