/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The HTTP server that an old Marathon posts its events to. Anybody can forge a callback, so an
 * event is only handed on as text and can do no more than a hint does. Refuses by address (403,
 * before a byte is read), method (405), size (413) and rate (503), answers 200 before the work is
 * done, and closes. Connections, their duration and all bodies together are bounded; what does not
 * fit is reported as lost.
 */
#ifndef SLUICED_CALLBACK_H
#define SLUICED_CALLBACK_H

#include <stddef.h>

struct callback;
struct config;
struct event_base;

struct callback_handler {
	void *ctx;
	/* one event, as posted; not terminated by NUL. Called from the event loop */
	void (*event)(void *ctx, const char *json, size_t len);
	/* events were refused or dropped: the receiver should ask for everything */
	void (*lost)(void *ctx);
	unsigned call_ms; /* how long a call may take from accept to close, whatever comes meanwhile; 0: 10 s */
};

/*
 * Listen on config's callback_listen. config must outlive the object; handler is copied. Returns
 * NULL with errno set (EINVAL: callback_listen is not an address and a port).
 */
struct callback *callback_new(struct event_base *base, const struct config *config,
			      const struct callback_handler *handler);
void callback_free(struct callback *callback);

#endif
