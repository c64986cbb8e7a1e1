/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tc before Linux 6.6: a program as a filter of the clsact qdisc, at handle 1 and priority 1. Only a filter that is known to
 * be ours, by the program's id or name, is ever replaced or removed. For root.
 */
#ifndef SLUICE_CLSACT_H
#define SLUICE_CLSACT_H

#include <linux/types.h>
#include <stdbool.h>

/*
 * Attach or replace. known: id of the program that we attached before, 0 if there is none. *created: the qdisc was not there and
 * is now. -EBUSY: somebody else's filter has the place.
 */
int clsact_attach(unsigned ifindex, bool egress, int prog_fd, __u32 known, bool *created);

/* Remove the filter if it still is that program; another one, or none, is no error. */
int clsact_detach(unsigned ifindex, bool egress, __u32 known);

/* Remove the qdisc if no filter is left on it. 0 also if one is. */
int clsact_remove_if_empty(unsigned ifindex);

#endif
