/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The command line of options.h.
 */
#define _GNU_SOURCE
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool set(struct options *options, int option, const char *text)
{
	switch (option) {
	case 'd':
		options->pins = text;
		return true;
	case 'n':
		options->count = (unsigned)strtoul(text, NULL, 10);
		return true;
	case 'h':
		options->host = text;
		return true;
	case 'p':
		options->port = (uint16_t)strtoul(text, NULL, 10);
		return true;
	case 'i':
		options->pid = (pid_t)strtol(text, NULL, 10);
		return true;
	case 'c':
		options->consul = text;
		return true;
	default:
		return false;
	}
}

const struct measurement *options_parse(struct options *options, const char *not_taken,
					const struct measurement *measurements, int argc,
					char **argv)
{
	static const struct option names[] = {
		{ "pins", required_argument, NULL, 'd' },
		{ "count", required_argument, NULL, 'n' },
		{ "host", required_argument, NULL, 'h' },
		{ "port", required_argument, NULL, 'p' },
		{ "pid", required_argument, NULL, 'i' },
		{ "consul", required_argument, NULL, 'c' },
		{ NULL, 0, NULL, 0 },
	};
	int option, index;

	while ((option = getopt_long(argc, argv, "", names, &index)) != -1)
		if (option == '?' || !strcmp(names[index].name, not_taken) ||
		    !set(options, option, optarg))
			return NULL;
	if (argc - optind != 1 || !options->pins || !options->count)
		return NULL;
	for (; measurements->name; measurements++)
		if (!strcmp(argv[optind], measurements->name))
			return measurements;
	return NULL;
}

int options_measure(const struct options *options, const struct measurement *measurement)
{
	char error[512];
	struct maps maps;

	if (maps_open(&maps, options->pins, MAPS_READ, error, sizeof(error)))
		return options_failed(error);
	return measurement->measure(options, &maps);
}

int options_failed(const char *what)
{
	fprintf(stderr, "%s: %s\n", program_invocation_short_name, what);
	return EXIT_FAILURE;
}
