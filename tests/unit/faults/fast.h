/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Time that runs faster. This program's clock_gettime() and epoll_wait() stand before libc's, so for all that is in the
 * process, the daemon's parts, libevent and libcurl, pauses and time-outs pass so many times as fast as they would. The
 * wall clock, and other processes, go as ever.
 */
#ifndef TESTS_FAULTS_FAST_H
#define TESTS_FAULTS_FAST_H

#include <stdint.h>

/* From here on, for good. 1: as ever, for a process that was forked. */
void fast_begin(unsigned times);

/* Milliseconds since some moment, as they really pass. */
int64_t fast_real_ms(void);

#endif
