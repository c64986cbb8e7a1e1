/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Secrets that were sent must not come back into logs and errors: a proxy's error page may show the request that it did not like. Knows
 * what of a request is secret, and takes it out of texts.
 */
#ifndef SLUICED_SECRET_H
#define SLUICED_SECRET_H

#include <stddef.h>

struct http_request;

#define SECRET_MAX 4

struct secrets {
	char *text[SECRET_MAX]; /* owned; up to the first NULL */
};

/* Copies of what is secret in the request: its user with the password, in all forms in which it is sent, and Consul's token. 0, -ENOMEM. */
int secrets_of(const struct http_request *request, struct secrets *secrets);
/* Wipes them. Accepts a zeroed structure. */
void secrets_release(struct secrets *secrets);

/* Writes stars over each of them in text, which has len bytes. Shorter ones than 4 characters would hide what is none. */
void secrets_hide(const struct secrets *secrets, char *text, size_t len);

#endif
