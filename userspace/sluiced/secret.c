/* SPDX-License-Identifier: GPL-2.0-only */
/* See secret.h. */
#include "secret.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http.h"

#define TOKEN "X-Consul-Token: "
#define LEAST_LEN 4

static int add(struct secrets *secrets, char *text)
{
	for (size_t i = 0; i < SECRET_MAX; i++) {
		if (secrets->text[i])
			continue;
		secrets->text[i] = text;
		return text ? 0 : -ENOMEM;
	}
	free(text);
	return -ENOSPC;
}

/* RFC 4648, section 4: as basic authentication sends it. */
static char *base64(const char *text)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t len = strlen(text);
	char *out = malloc((len + 2) / 3 * 4 + 1), *to = out;

	for (size_t i = 0; out && i < len; i += 3) {
		unsigned long bits = (unsigned long)(unsigned char)text[i] << 16;

		if (i + 1 < len)
			bits |= (unsigned long)(unsigned char)text[i + 1] << 8;
		if (i + 2 < len)
			bits |= (unsigned char)text[i + 2];
		*to++ = digits[bits >> 18];
		*to++ = digits[bits >> 12 & 63];
		*to++ = i + 1 < len ? digits[bits >> 6 & 63] : '=';
		*to++ = i + 2 < len ? digits[bits & 63] : '=';
	}
	if (out)
		*to = '\0';
	return out;
}

int secrets_of(const struct http_request *request, struct secrets *secrets)
{
	const char *password = request->user ? strchr(request->user, ':') : NULL;
	int err = 0;

	memset(secrets, 0, sizeof(*secrets));
	for (int i = 0; i < HTTP_MAX_HEADERS && request->headers[i] && !err; i++)
		if (strncasecmp(request->headers[i], TOKEN, strlen(TOKEN)) == 0)
			err = add(secrets, strdup(request->headers[i] + strlen(TOKEN)));
	if (request->user && !err)
		err = add(secrets, base64(request->user));
	if (password && !err)
		err = add(secrets, strdup(password + 1));
	if (err)
		secrets_release(secrets);
	return err;
}

void secrets_release(struct secrets *secrets)
{
	for (size_t i = 0; i < SECRET_MAX; i++) {
		if (secrets->text[i])
			explicit_bzero(secrets->text[i], strlen(secrets->text[i]));
		free(secrets->text[i]);
	}
	memset(secrets, 0, sizeof(*secrets));
}

void secrets_hide(const struct secrets *secrets, char *text, size_t len)
{
	for (size_t i = 0; i < SECRET_MAX && secrets->text[i]; i++) {
		size_t secret = strlen(secrets->text[i]);
		char *at = text;

		while (secret >= LEAST_LEN &&
		       (at = memmem(at, len - (size_t)(at - text), secrets->text[i], secret)))
			memset(at, '*', secret);
	}
}
