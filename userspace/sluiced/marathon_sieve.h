/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Keeps of Marathon's /v2/apps, while it comes in, only the apps that are wanted: a cluster's answer can be hundreds of megabytes, and a host
 * has a handful of apps. What is left is a document of the same shape, for marathon_json_apps(). Memory is bounded by the
 * wanted apps and the largest single one.
 *
 * What is left out is only checked for brackets and strings that fit. Whatever is odd is passed on or refused, never mended: a
 * document that is cut off stays one.
 */
#ifndef SLUICED_MARATHON_SIEVE_H
#define SLUICED_MARATHON_SIEVE_H

#include "marathon_json.h"

#define MARATHON_SIEVE_WORD 256

struct marathon_sieve {
	const struct marathon_filter *filter;
	char *text; /* what is left so far, NUL behind it; NULL before the first byte */
	size_t len, size, most;
	uint64_t fed;
	size_t dropped; /* apps */
	/* where in the document we are */
	unsigned depth;
	uint64_t objects; /* bit DEPTH: that level is an object, else an array */
	bool in_string, escaped, key;
	char word[MARATHON_SIEVE_WORD]; /* the string that is read, if it matters */
	size_t word_len;		/* more than fits: it is none that we look for */
	bool is_apps, in_apps, is_id, decided, dropping, comma;
	size_t app_at, kept;
};

/* filter must outlive the sieve. most: bytes that may be kept. */
void marathon_sieve_init(struct marathon_sieve *sieve, const struct marathon_filter *filter,
			 size_t most);
/* The next piece. 0, -EINVAL with error filled, -ENOMEM; after a failure only the release may follow. */
int marathon_sieve_feed(struct marathon_sieve *sieve, const char *bytes, size_t len,
			struct json_error *error);
/* Accepts a zeroed sieve, and leaves one. */
void marathon_sieve_release(struct marathon_sieve *sieve);

#endif
