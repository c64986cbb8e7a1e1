/* SPDX-License-Identifier: GPL-2.0-only */
/* docker-proxy -proto tcp -host-ip :: -host-port 31005 -container-ip 172.17.0.2 -container-port 80 */
#include "docker_proxy.h"

#include <stdlib.h>
#include <string.h>

static uint16_t read_port(const char *text)
{
	char *end;
	unsigned long port = strtoul(text, &end, 10);

	return *text >= '0' && *text <= '9' && !*end && port <= UINT16_MAX ? (uint16_t)port : 0;
}

void docker_proxy_read(const char *text, size_t len, struct docker_proxy *proxy)
{
	const char *word, *value, *end = text + len;

	*proxy = (struct docker_proxy){ 0 };
	for (word = text; word < end; word += strlen(word) + 1) {
		value = word + strlen(word) + 1;
		if (value >= end)
			break;
		if (!strcmp(word, "-host-ip"))
			proxy->host_ip = value;
		else if (!strcmp(word, "-host-port"))
			proxy->host_port = read_port(value);
		else if (!strcmp(word, "-container-ip"))
			proxy->container_ip = value;
		else if (!strcmp(word, "-container-port"))
			proxy->container_port = value;
	}
}
