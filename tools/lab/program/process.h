/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the lab's programs are as processes: how many files they may open, and the signals that end
 * their work early but in good order.
 */
#ifndef LAB_PROGRAM_PROCESS_H
#define LAB_PROGRAM_PROCESS_H

#include <signal.h>

/*
 * From then on SIGTERM and SIGINT end nothing but set process_told_to_stop, and interrupt what
 * waits.
 */
void process_stop_on_signals(void);
extern volatile sig_atomic_t process_told_to_stop;

/* As many descriptors as the hard limit allows. What the kernel refuses shows when they run out. */
void process_open_many(void);

#endif
