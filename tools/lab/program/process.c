/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The process's own signals and limits; see process.h.
 */
#define _GNU_SOURCE
#include "process.h"

#include <sys/resource.h>

volatile sig_atomic_t process_told_to_stop;

static void on_signal(int number)
{
	(void)number;
	process_told_to_stop = 1;
}

void process_stop_on_signals(void)
{
	const struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
}

void process_open_many(void)
{
	struct rlimit files;

	if (!getrlimit(RLIMIT_NOFILE, &files)) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}
