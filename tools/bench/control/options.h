/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The command line that the measurements of the control plane have in common: the measurement's
 * name, the pinned maps, and numbers that run (beside this) gives: they are not checked further.
 */
#ifndef BENCH_CONTROL_OPTIONS_H
#define BENCH_CONTROL_OPTIONS_H

#include <stdint.h>
#include <sys/types.h>

#include "maps.h"

struct options {
	const char *pins, *host, *consul;
	pid_t pid;	/* the daemon's */
	unsigned count; /* turns, changes, or seconds of idleness */
	uint16_t port;	/* host order, of the Marathon that we are */
};

struct measurement {
	const char *name;
	/* Returns main()'s exit status. */
	int (*measure)(const struct options *options, const struct maps *maps);
};

/*
 * Over the defaults that options holds. Returns the one measurement that was named, of a list that
 * ends with an empty one; NULL for wrong usage: a measurement that there is not, no pins, count 0,
 * or the option (without dashes) that this program does not take.
 */
const struct measurement *options_parse(struct options *options, const char *not_taken,
					const struct measurement *measurements, int argc,
					char **argv);
/* Opens the maps for reading and measures. Returns main()'s exit status. */
int options_measure(const struct options *options, const struct measurement *measurement);
/* PROGRAM: what, to stderr. Returns EXIT_FAILURE. */
int options_failed(const char *what);

#endif
