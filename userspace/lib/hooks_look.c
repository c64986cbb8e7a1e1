/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Two questions for each hook: what does the pin say, and what does the interface say. Declared in hooks.h.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "hooks.h"

/* enum bpf_attach_type of Linux 6.6, as in hooks.c */
#define ATTACH_TCX_INGRESS 46
#define ATTACH_TCX_EGRESS 47
#define MAX_PROGRAMS 64 /* more than a tcx chain can hold */

/* The program of a pin, and whether the pin is a link. */
static int read_pin(const char *path, unsigned *prog_id, bool *is_link)
{
	struct bpf_link_info link = { 0 };
	struct bpf_prog_info prog = { 0 };
	__u32 len;
	int fd = bpf_obj_get(path), err;

	*prog_id = 0;
	*is_link = false;
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	*is_link = hooks_is_link(fd);
	len = *is_link ? sizeof(link) : sizeof(prog);
	err = bpf_obj_get_info_by_fd(fd, *is_link ? (void *)&link : (void *)&prog, &len) ? -errno
											 : 0;
	*prog_id = *is_link ? link.prog_id : prog.id;
	close(fd);
	return err;
}

static int look_xdp(unsigned ifindex, struct hooks_seen *seen)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	int err = bpf_xdp_query((int)ifindex, 0, &query);

	if (err)
		return err;
	seen->native = query.drv_prog_id != 0;
	seen->attached = query.drv_prog_id ? query.drv_prog_id : query.skb_prog_id;
	return 0;
}

static int look_tcx(enum hook hook, unsigned ifindex, struct hooks_seen *seen)
{
	enum bpf_attach_type type = hook == HOOK_TC_IN ? ATTACH_TCX_INGRESS : ATTACH_TCX_EGRESS;
	__u32 ids[MAX_PROGRAMS] = { 0 }, count = MAX_PROGRAMS, flags = 0;

	/* libbpf 1.1 says target_fd to what the kernel takes for the interface's index with these types */
	if (bpf_prog_query((int)ifindex, type, 0, &flags, ids, &count) < 0)
		return -errno;
	for (__u32 i = 0; i < count && i < MAX_PROGRAMS; i++) {
		if (ids[i] == seen->pinned) {
			seen->attached = ids[i];
			return 0;
		}
		if (seen->before_count < HOOKS_MAX_BEFORE)
			seen->before[seen->before_count++] = ids[i];
	}
	seen->before_count = 0;
	return 0;
}

/* As clsact.c attaches: handle 1, priority 1, before which nobody can be. */
static int look_clsact(enum hook hook, unsigned ifindex, struct hooks_seen *seen)
{
	LIBBPF_OPTS(bpf_tc_hook, where, .ifindex = (int)ifindex,
		    .attach_point = hook == HOOK_TC_IN ? BPF_TC_INGRESS : BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, filter, .handle = 1, .priority = 1);
	int err = bpf_tc_query(&where, &filter);

	if (!err && filter.prog_id == seen->pinned)
		seen->attached = filter.prog_id;
	return err == -ENOENT || err == -EINVAL ? 0 : err;
}

int hooks_look(const struct hooks *hooks, enum hook hook, const char *ifname, unsigned ifindex,
	       struct hooks_seen *seen)
{
	char path[PINS_PATH_LEN];
	bool is_link;
	int err = hooks_pin_path(hooks, hook, ifname, path);

	*seen = (struct hooks_seen){ 0 };
	if (!err)
		err = read_pin(path, &seen->pinned, &is_link);
	if (err)
		return err;
	if (hook == HOOK_XDP)
		return look_xdp(ifindex, seen);
	if (!seen->pinned)
		return 0;
	return is_link ? look_tcx(hook, ifindex, seen) : look_clsact(hook, ifindex, seen);
}
