/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a client on this host pays: connect(2), or a connection from socket(2) to close(2), with the programs on its cgroup
 * and without any. A round measures both, one right after the other. The client is a process of its own, in a network
 * namespace and a cgroup of its own; nobody else's connects meet the programs.
 */
#ifndef BENCH_PROG_CONNECT_H
#define BENCH_PROG_CONNECT_H

#define CONNECT_ROWS 4

/* Nanoseconds of CPU time for one; medians. */
struct connect_figures {
	const char *name; /* NULL: the row was not asked for, or cannot be measured here */
	double without_ns, with_ns;
	double more_ns;	  /* median of the differences within a round */
	double spread_ns; /* half of them lie so close together */
	unsigned others; /* programs of others on connect(2), at most: their part of the kernel's way is in without_ns too */
};

/*
 * The rows that have the word in their names (NULL: all), in so many rounds, each run of about run_ns. 0, also where the
 * kernel cannot tell network namespaces (before 5.14), which is printed; or negative errno, which has been printed.
 */
int connect_measure(const char *word, unsigned rounds, double run_ns,
		    struct connect_figures figures[CONNECT_ROWS]);

#endif
