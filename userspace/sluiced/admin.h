/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The admin socket: a Unix stream socket on which sluicectl asks. One line in, "VERB [ARG...]"; one JSON document out, then the end. Knows
 * no verb; the handler does.
 */
#ifndef SLUICED_ADMIN_H
#define SLUICED_ADMIN_H

struct admin;
struct event_base;

/* The answer to one request, a string that admin frees; NULL: no memory. Called from the loop. */
typedef char *(*admin_handler)(void *ctx, int argc, char **argv);

/*
 * Listen on PATH, which is replaced if nobody answers there. Mode 0660: the group may ask. Its folder must exist, or
 * be one that we may make. NULL with errno set; EADDRINUSE: another daemon answers.
 */
struct admin *admin_new(struct event_base *base, const char *path, admin_handler handler,
			void *ctx);
/*
 * Listen there from now on; clients of the old place are still answered. 0, or negative errno: it
 * listens where it did.
 */
int admin_move(struct admin *admin, const char *path);
/* Closes and removes the socket. Accepts NULL. */
void admin_free(struct admin *admin);

#endif
