/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From a haproxy.cfg to services of sluice.conf, and a verdict on each of its lines. Pure: text in, result out; any bytes are
 * accepted. What is not understood is said to block, never left out.
 */
#ifndef SLUICE_HAPROXY_IMPORT_H
#define SLUICE_HAPROXY_IMPORT_H

#include <stddef.h>
#include <stdint.h>

#include <sluice/abi.h>

#include "haproxy_words.h"

struct haproxy_verdict {
	unsigned line;
	const char *text; /* the line, without blanks around and control characters */
	enum haproxy_class class;
	char reason[320];
};

struct haproxy_service {
	char name[SLUICE_NAME_LEN];
	unsigned line; /* of its frontend or listen */
	uint16_t port;
	__be32 address[SLUICE_MAX_ADDRESS];
	unsigned address_count; /* 0: every address of the host */
	const char *balance;	/* roundrobin, leastconn, random, source */
	char app[64];		/* guessed from the backend's name */
	char consul[64];	/* as a server-template names it; "" */
	char slowstart[16];	/* "" */
	char allow[256];	/* "" */
	uint32_t maxconn;
};

struct haproxy_import {
	struct haproxy_file file;
	struct haproxy_verdict *verdict; /* one for each line of file, in its order */
	struct haproxy_service service[SLUICE_MAX_SERVICES];
	unsigned service_count;
	uint16_t port_min, port_max; /* of the servers' ports; 0: none is known */
};

/* 0 or -ENOMEM; *import is valid after either and is to be released. */
int haproxy_import(struct haproxy_import *import, const char *text, size_t len);
void haproxy_import_release(struct haproxy_import *import);

/* How many lines have this verdict. */
unsigned haproxy_import_count(const struct haproxy_import *import, enum haproxy_class class);

#endif
