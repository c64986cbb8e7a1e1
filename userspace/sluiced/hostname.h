/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Does the resolver answer for this host's own name? Right after boot it may not, and then the host does not know yet by which name
 * Marathon speaks of it. Asks again and again, beside the loop, until it is answered.
 */
#ifndef SLUICED_HOSTNAME_H
#define SLUICED_HOSTNAME_H

#include <stdbool.h>

struct event_base;
struct hostname;

/*
 * Ask for name now, and then every few seconds. answered is called from the loop, when the resolver has told the name or has told
 * that there is none. true: that will do, and it may have called hostname_free(); false: ask again. NULL with errno set.
 */
struct hostname *hostname_new(struct event_base *base, const char *name,
			      bool (*answered)(void *ctx), void *ctx);
/* A question under way ends by itself and reaches nobody. Accepts NULL. */
void hostname_free(struct hostname *hostname);

#endif
