/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The configured Marathon masters, see masters.h. URLs are taken apart by libcurl, so that it and
 * we agree on what they mean.
 */
#include "masters.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>

#define CONNECT_MS 5000

static void release_master(struct master *master)
{
	free(master->base);
	curl_free(master->scheme);
	curl_free(master->host);
	curl_free(master->port);
	memset(master, 0, sizeof(*master));
}

static int read_master(struct master *master, const char *url)
{
	CURLU *parts = curl_url();
	size_t len;
	int err = 0;

	memset(master, 0, sizeof(*master));
	if (!parts)
		return -ENOMEM;
	if (curl_url_set(parts, CURLUPART_URL, url, 0) ||
	    curl_url_get(parts, CURLUPART_SCHEME, &master->scheme, 0) ||
	    curl_url_get(parts, CURLUPART_HOST, &master->host, 0) ||
	    curl_url_get(parts, CURLUPART_PORT, &master->port, CURLU_DEFAULT_PORT))
		err = -EINVAL;
	curl_url_cleanup(parts);
	if (!err) {
		master->base = strdup(url);
		err = master->base ? 0 : -ENOMEM;
	}
	if (err) {
		release_master(master);
		return err;
	}
	for (len = strlen(master->base); len && master->base[len - 1] == '/'; len--)
		master->base[len - 1] = '\0';
	return 0;
}

int masters_init(struct masters *masters, const struct config *config)
{
	int err;

	memset(masters, 0, sizeof(*masters));
	masters->config = config;
	for (unsigned i = 0; i < config->marathon_url_count; i++) {
		err = read_master(&masters->master[i], config->marathon_url[i]);
		if (err) {
			masters_release(masters);
			return err;
		}
		masters->count++;
	}
	return 0;
}

static void wipe(char **secret)
{
	if (*secret)
		explicit_bzero(*secret, strlen(*secret));
	free(*secret);
	*secret = NULL;
}

void masters_release(struct masters *masters)
{
	for (unsigned i = 0; i < masters->count; i++)
		release_master(&masters->master[i]);
	wipe(&masters->user);
	memset(masters, 0, sizeof(*masters));
}

int masters_read_user(struct masters *masters)
{
	char *user;
	int err;

	if (!masters->config->user_file || !*masters->config->user_file)
		return 0;
	err = config_read_secret(masters->config->user_file, &user);
	if (err)
		return err;
	wipe(&masters->user);
	masters->user = user;
	return 0;
}

const char *masters_base(const struct masters *masters, unsigned number)
{
	return masters->master[number].base;
}

const char *masters_current(const struct masters *masters)
{
	return masters_base(masters, masters->current);
}

void masters_rotate(struct masters *masters, unsigned failed)
{
	if (masters->current == failed)
		masters->current = (masters->current + 1) % masters->count;
}

bool masters_switch(struct masters *masters, const char *url)
{
	struct master named;
	bool found = false;

	if (read_master(&named, url))
		return false;
	for (unsigned i = 0; i < masters->count && !found; i++) {
		const struct master *own = &masters->master[i];

		if (i == masters->current || strcasecmp(own->scheme, named.scheme) != 0 ||
		    strcasecmp(own->host, named.host) != 0 || strcmp(own->port, named.port) != 0)
			continue;
		masters->current = i;
		found = true;
	}
	release_master(&named);
	return found;
}

int masters_request(const struct masters *masters, const char *path, char *url, size_t len,
		    struct http_request *request)
{
	int n = snprintf(url, len, "%s%s", masters_current(masters), path);

	if (n < 0 || (size_t)n >= len)
		return -ENAMETOOLONG;
	request->url = url;
	request->user = masters->user;
	if (masters->config->marathon_ca_file && *masters->config->marathon_ca_file)
		request->ca_file = masters->config->marathon_ca_file;
	request->connect_ms = CONNECT_MS;
	return 0;
}
