/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the daemon gives up before it reads a byte from the network: every capability, the way back to any, and all of bpf(2) but
 * the map commands. Irreversible, for this process and its children.
 */
#ifndef SLUICED_SANDBOX_H
#define SLUICED_SANDBOX_H

#include <stddef.h>

/*
 * Enter. 0, or negative errno with one line for the user in error. -EPERM: this kernel (before 5.19) refuses
 * bpf(2) to a process without CAP_BPF, and the process has none to keep.
 */
int sandbox_enter(char *error, size_t len);

#endif
