/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Pinned links. Declared in links.h.
 */
#include "links.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

int links_open(const char *path, int *fd, struct bpf_link_info *info)
{
	__u32 len = sizeof(*info);
	int err = 0;

	memset(info, 0, sizeof(*info));
	*fd = bpf_obj_get(path);
	if (*fd < 0) {
		err = errno == ENOENT ? 0 : -errno;
		*fd = -1;
		return err;
	}
	if (bpf_obj_get_info_by_fd(*fd, info, &len) < 0) {
		err = -errno;
		close(*fd);
		*fd = -1;
	}
	return err;
}

/* Detach first: the last close of a link detaches it only some time later. */
int links_drop(int fd, const char *path)
{
	/* ENOLINK: its interface is gone */
	if (bpf_link_detach(fd) < 0 && errno != ENOLINK && errno != EOPNOTSUPP)
		return -errno;
	return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

int links_create(const char *path, int prog_fd, int target, enum bpf_attach_type type,
		 unsigned flags)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .flags = flags);
	int fd = bpf_link_create(prog_fd, target, type, &options), err = 0;

	if (fd < 0)
		return -errno;
	if (bpf_obj_pin(fd, path) < 0) {
		err = -errno;
		bpf_link_detach(fd);
	}
	close(fd);
	return err;
}
