/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fuzz target: what this host says in text or bytes. The first byte tells which reader gets the
 * rest: sock_diag's datagrams, /proc/net/route, docker-proxy's command line, or nft's and iptables'
 * rules for Docker. Nothing is read beyond, nothing is made up.
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "dnat.h"
#include "docker_proxy.h"
#include "iface.h"
#include "must.h"
#include "sock_diag.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Each message moves on, and whatever is told lies within the datagram. */
static void read_datagram(const char *bytes, size_t len, int family)
{
	struct sock_diag_message message;
	size_t left = len, before = len;
	const char *at = bytes;

	while (sock_diag_next(&at, &left, family, &message)) {
		must(left < before && at == bytes + (len - left));
		before = left;
		must((message.kind == SOCK_DIAG_FAILED) == (message.err != 0));
		must(message.err <= 0);
		if (message.kind != SOCK_DIAG_SOCKET)
			continue;
		must(message.socket.family == AF_INET || message.socket.family == AF_INET6);
		must(message.socket.family == AF_INET6 ||
		     (!message.socket.address[1] && !message.socket.address[3]));
	}
	must(left == before);
}

static void read_routes(char *text, size_t len)
{
	char name[IFNAMSIZ];
	FILE *file = len ? fmemopen(text, len, "r") : NULL;

	if (!file)
		return;
	memset(name, 0xff, sizeof(name));
	if (!iface_read_routes(file, name))
		must(name[0] && memchr(name, 0, sizeof(name)));
	else
		must((unsigned char)name[0] == 0xff);
	fclose(file);
}

static bool is_within(const char *word, const char *text, size_t len)
{
	return !word || (word >= text && word + strlen(word) <= text + len);
}

static void read_proxy(const char *text, size_t len)
{
	struct docker_proxy proxy;

	docker_proxy_read(text, len, &proxy);
	must(is_within(proxy.host_ip, text, len) && is_within(proxy.container_ip, text, len) &&
	     is_within(proxy.container_port, text, len));
}

static void read_rules(const char *text)
{
	char to[DNAT_TO_LEN];

	to[0] = 0;
	if (dnat_in_rules(text, 31005, to))
		must(to[0] && memchr(to, 0, sizeof(to)));
	to[0] = 0;
	if (dnat_in_ruleset(text, 31005, to))
		must(memchr(to, 0, sizeof(to)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text;

	if (!len)
		return 0;
	text = malloc(len); /* without the first byte, and a NUL behind */
	must(text);
	memcpy(text, data + 1, len - 1);
	text[len - 1] = 0;
	switch (data[0]) {
	case 's':
		/* a copy of its own length, so that ASan sees a read behind the datagram */
		read_datagram(text, len - 1, AF_INET);
		read_datagram(text, len - 1, AF_INET6);
		break;
	case 'r':
		read_routes(text, len - 1);
		break;
	case 'p':
		read_proxy(text, len - 1);
		break;
	case 'n':
		read_rules(text);
		break;
	}
	free(text);
	return 0;
}
