/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What tests of a silent resolver share: namespaces of their own, in which a nameserver is bound
 * that takes every question and never answers, and the host is called "slave1". The resolver gives
 * up after 30 s. Nobody needs to assert a time: a call that is over while its resolver still waits
 * has not waited for it.
 */
#ifndef TEST_SILENCE_H
#define TEST_SILENCE_H

#include <stdbool.h>

/*
 * Runs play in a child process in that world and gives what it gives, 0 to 63. Skips the test where
 * no namespaces of one's own may be made. nameserver is the socket that questions arrive at. The
 * child ends at once, since a resolver's thread may still be there and own memory.
 */
int silence_play(int (*play)(int nameserver));

/* How many threads this process has. */
unsigned silence_threads(void);

/*
 * Is a thread beside the caller's at work? One that has just had its answer gets a moment to end
 * first.
 */
bool silence_resolver_waits(void);

#endif
