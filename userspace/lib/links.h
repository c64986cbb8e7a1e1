/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One BPF link behind one pin: programs that stay attached when we exit, and can be replaced in place by
 * bpf_link_update(). Knows nothing of what it is attached to.
 */
#ifndef SLUICE_LINKS_H
#define SLUICE_LINKS_H

#include <linux/bpf.h>

/*
 * The pinned link and what the kernel says of it; the caller closes *fd, which is -1 if there is no such pin. 0 or
 * negative errno.
 */
int links_open(const char *path, int *fd, struct bpf_link_info *info);

/* Attach and pin. target: an interface's index, or a cgroup's descriptor. 0 or negative errno; then nothing is left. */
int links_create(const char *path, int prog_fd, int target, enum bpf_attach_type type,
		 unsigned flags);

/* Detach and unpin; fd stays the caller's. A link whose target is gone is no error. */
int links_drop(int fd, const char *path);

#endif
