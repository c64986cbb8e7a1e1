/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A tail call in a program that calls functions as well: not every kernel takes that, and one that
 * does not must not even be shown it. Works on programs that are open and not loaded yet; must not
 * know which ones these are.
 */
#ifndef SLUICE_TAIL_CALLS_H
#define SLUICE_TAIL_CALLS_H

#include <stdbool.h>

struct bpf_program;

/*
 * Does the kernel take both in one program? Tried, because it depends on the architecture, the JIT
 * and the version: kernel/bpf/verifier.c, allow_tail_call_in_subprogs(). As root.
 */
bool tail_calls_mix(void);

/*
 * Put `r0 = 0` in place of each tail call, which is what one is that finds no program. A branch
 * that is never taken is not enough: since Linux 6.12 the verifier judges by all instructions, dead
 * ones too, whether an interpreter can have the program (check_subprogs() and
 * check_max_stack_depth_subprog(); then fixup_call_args() says EINVAL). 0 or negative errno.
 */
int tail_calls_drop(struct bpf_program *program);

#endif
