/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reading of numbers and addresses as words of a command line; see arguments.h.
 */
#define _GNU_SOURCE
#include "arguments.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void arguments_die(const char *what, const char *text)
{
	fprintf(stderr, "%s: %s: \"%s\"\n", program_invocation_short_name, what, text);
	exit(2);
}

void arguments_usage(const char *usage, bool asked)
{
	fputs(usage, asked ? stdout : stderr);
	exit(asked ? 0 : 2);
}

double arguments_number(const char *what, const char *text, double least, double most)
{
	char *end;
	const double value = strtod(text, &end);

	if (end == text || *end || !(value >= least && value <= most))
		arguments_die(what, text);
	return value;
}

bool arguments_whole(const char *text, uint64_t least, uint64_t most, uint64_t *value)
{
	char *end;

	errno = 0;
	*value = strtoull(text, &end, 10);
	return !errno && end != text && !*end && *text != '-' && *value >= least && *value <= most;
}

bool arguments_ipv4(const char *text, const char *end, struct in_addr *address)
{
	char alone[INET_ADDRSTRLEN];
	size_t len;

	if (!end)
		return false;
	len = (size_t)(end - text);
	if (len >= sizeof(alone))
		return false;
	memcpy(alone, text, len);
	alone[len] = '\0';
	return inet_pton(AF_INET, alone, address) == 1;
}
