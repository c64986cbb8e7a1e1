/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Is this a kernel with PREEMPT_RT? The programs keep what they work on in one place per CPU, and rely on it that
 * softirqs, and what sends with softirqs off, do not interrupt each other there. PREEMPT_RT makes these preemptible
 * threads; whether a lock keeps them apart is for the kernel's builder to say since Linux 6.18
 * (CONFIG_PREEMPT_RT_NEEDS_BH_LOCK), and nothing tells a running program.
 */
#ifndef SLUICE_REALTIME_H
#define SLUICE_REALTIME_H

#include <stdbool.h>

/* version: utsname's, in which every such kernel says so (scripts/mkcompile_h; init/Makefile since Linux 6.1). */
bool realtime_is(const char *version);

/* The running kernel. False also if it cannot be asked. */
bool realtime_is_running(void);

/* What people are told about it. */
extern const char realtime_reason[];

#endif
