/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Allocations that fail at a chosen place. This program's malloc() and its kin stand before the
 * sanitizer's, so every library in the process is refused as well: cJSON, libevent, libcurl, inih,
 * libc. What is done between faults_arm() and faults_disarm() is a play's own matter; faults_each()
 * plays it again for each allocation that it makes.
 */
#ifndef TESTS_FAULTS_ALLOC_H
#define TESTS_FAULTS_ALLOC_H

#include <stdbool.h>

/* What is refused: the AT-th allocation (from 1) alone, or that and all after it. 0: none. */
struct faults_order {
	unsigned long at;
	bool for_good;
};

/* Count allocations from here on, and refuse as the order says. */
void faults_arm(const struct faults_order *order);
void faults_disarm(void);
/* Let all through while something is done that is no part of the play; then go on. */
bool faults_pause(void);
void faults_resume(bool armed);
/* Has any been refused since faults_arm()? */
bool faults_hit(void);
unsigned long faults_counted(void);

/* assert_true() while armed: cmocka needs memory to say what failed. */
#define faults_must(condition)                \
	do {                                  \
		bool armed_ = faults_pause(); \
                                              \
		assert_true(condition);       \
		faults_resume(armed_);        \
	} while (0)

/*
 * Play once with all let through, then with each allocation refused in turn, alone and for good. A
 * play arms, does its work, disarms, checks what it must, and gives everything back: a block that
 * is left over fails the test. Where the play makes more than most allocations, as many of them are
 * chosen, evenly; LONG=1 in the environment takes all.
 */
void faults_each(const char *name, unsigned long most,
		 void (*play)(const struct faults_order *order));

/*
 * The same for plays on something that lives on from one to the next: what it holds may change. What nobody holds fails the
 * test after the last, with LONG=1 after the one that lost it.
 */
void faults_each_alive(const char *name, unsigned long most,
		       void (*play)(const struct faults_order *order));

#endif
