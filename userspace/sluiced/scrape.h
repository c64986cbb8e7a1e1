/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The little of HTTP/1.1 that a scrape needs: GET or HEAD of one path, one request a connection, which is closed after the
 * answer. Callers are few and have seconds; what a page says is its writer's business.
 */
#ifndef SLUICED_SCRAPE_H
#define SLUICED_SCRAPE_H

struct evbuffer;
struct event_base;
struct scrape;

/* Append the page as it is now. 0, or negative errno: the caller gets a 500, whatever stands in the buffer. */
typedef int (*scrape_write)(void *ctx, struct evbuffer *page);

/* Listen on "ADDRESS:PORT"; path is borrowed. NULL with errno set. */
struct scrape *scrape_new(struct event_base *base, const char *listen, const char *path,
			  scrape_write write, void *ctx);
void scrape_free(struct scrape *scrape);

#endif
