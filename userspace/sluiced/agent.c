/* SPDX-License-Identifier: GPL-2.0-only */
/* The Consul agent's address and credentials, see agent.h. */
#include "agent.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config.h"

#define UNIX_SCHEME "unix://"
#define CONNECT_MS 5000

static void wipe(char **secret)
{
	if (*secret)
		explicit_bzero(*secret, strlen(*secret));
	free(*secret);
	*secret = NULL;
}

int agent_init(struct agent *agent, const struct config *config)
{
	const char *url = config->consul_url;
	size_t len;

	memset(agent, 0, sizeof(*agent));
	agent->config = config;
	if (strncmp(url, UNIX_SCHEME, strlen(UNIX_SCHEME)) == 0) {
		agent->unix_socket = strdup(url + strlen(UNIX_SCHEME));
		agent->base = strdup("http://localhost");
		if (!agent->unix_socket)
			goto no_memory;
	} else {
		agent->base = strdup(url);
	}
	if (!agent->base)
		goto no_memory;
	for (len = strlen(agent->base); len && agent->base[len - 1] == '/'; len--)
		agent->base[len - 1] = '\0';
	return 0;

no_memory:
	agent_release(agent);
	return -ENOMEM;
}

void agent_release(struct agent *agent)
{
	free(agent->base);
	free(agent->unix_socket);
	wipe(&agent->token_header);
	memset(agent, 0, sizeof(*agent));
}

int agent_read_token(struct agent *agent)
{
	char *token, *header;
	int err;

	if (!agent->config->token_file || !*agent->config->token_file)
		return 0;
	err = config_read_secret(agent->config->token_file, &token);
	if (err)
		return err;
	err = asprintf(&header, "X-Consul-Token: %s", token) < 0 ? -ENOMEM : 0;
	wipe(&token);
	if (err)
		return err;
	wipe(&agent->token_header);
	agent->token_header = header;
	return 0;
}

static bool is_address_of(const struct ifaddrs *item, int family, const void *address)
{
	if (!item->ifa_addr || item->ifa_addr->sa_family != family)
		return false;
	if (family == AF_INET)
		return !memcmp(
			&((const struct sockaddr_in *)(const void *)item->ifa_addr)->sin_addr,
			address, sizeof(struct in_addr));
	return !memcmp(&((const struct sockaddr_in6 *)(const void *)item->ifa_addr)->sin6_addr,
		       address, sizeof(struct in6_addr));
}

static bool has_address(const char *text)
{
	struct ifaddrs *list = NULL;
	struct in6_addr address; /* room for either */
	int family = strchr(text, ':') ? AF_INET6 : AF_INET;
	bool found = false;

	if (inet_pton(family, text, &address) != 1 || getifaddrs(&list))
		return false;
	for (const struct ifaddrs *item = list; item && !found; item = item->ifa_next)
		found = is_address_of(item, family, &address);
	freeifaddrs(list);
	return found;
}

bool agent_is_own(const struct config *config, const char *node, const char *address)
{
	for (unsigned i = 0; i < config->name_count; i++)
		if (!strcasecmp(config->name[i], node) || !strcasecmp(config->name[i], address))
			return true;
	return has_address(address);
}

int agent_request(const struct agent *agent, const char *path, char *url, size_t len,
		  struct http_request *request)
{
	int n = snprintf(url, len, "%s%s", agent->base, path);

	if (n < 0 || (size_t)n >= len)
		return -ENAMETOOLONG;
	request->url = url;
	request->unix_socket = agent->unix_socket;
	if (agent->config->ca_file && *agent->config->ca_file)
		request->ca_file = agent->config->ca_file;
	request->connect_ms = CONNECT_MS;
	request->headers[0] = "Accept: application/json";
	request->headers[1] = agent->token_header;
	return 0;
}
