/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Filters through libbpf. It cannot list them, so whether the qdisc is empty is asked by rtnetlink here.
 */
#include "clsact.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/netlink.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HANDLE 1
#define PRIORITY 1
#define NAME_PREFIX "sluice_tc_"

static struct bpf_tc_hook hook_of(unsigned ifindex, bool egress)
{
	return (struct bpf_tc_hook){
		.sz = sizeof(struct bpf_tc_hook),
		.ifindex = (int)ifindex,
		.attach_point = egress ? BPF_TC_EGRESS : BPF_TC_INGRESS,
	};
}

/* Id of the program at our place; *id 0 if there is none. */
static int query(const struct bpf_tc_hook *hook, __u32 *id)
{
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = HANDLE, .priority = PRIORITY);
	int err = bpf_tc_query(hook, &options);

	*id = 0;
	/* ENOENT: no such filter; EINVAL: no qdisc */
	if (err == -ENOENT || err == -EINVAL || err == -ENODEV)
		return 0;
	*id = options.prog_id;
	return err;
}

/* Left behind when the pins were lost (an unmounted bpffs): the name tells. */
static bool has_our_name(__u32 id)
{
	int fd = bpf_prog_get_fd_by_id(id);
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);
	bool ours;

	if (fd < 0)
		return false;
	ours = !bpf_obj_get_info_by_fd(fd, &info, &len) &&
	       !strncmp(info.name, NAME_PREFIX, strlen(NAME_PREFIX));
	close(fd);
	return ours;
}

int clsact_attach(unsigned ifindex, bool egress, int prog_fd, __u32 known, bool *created)
{
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = HANDLE, .priority = PRIORITY,
		    .prog_fd = prog_fd, .flags = BPF_TC_F_REPLACE);
	struct bpf_tc_hook hook = hook_of(ifindex, egress);
	__u32 id;
	int err = bpf_tc_hook_create(&hook);

	*created = !err;
	if (err && err != -EEXIST)
		return err;
	err = query(&hook, &id);
	if (err)
		return err;
	if (id && id != known && !has_our_name(id))
		return -EBUSY;
	return bpf_tc_attach(&hook, &options);
}

int clsact_detach(unsigned ifindex, bool egress, __u32 known)
{
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = HANDLE, .priority = PRIORITY);
	struct bpf_tc_hook hook = hook_of(ifindex, egress);
	__u32 id;
	int err = query(&hook, &id);

	if (err || !id || id != known)
		return err;
	return bpf_tc_detach(&hook, &options);
}

/* 1: there is a filter, 0: there is none. */
static int has_filter(int fd, unsigned ifindex, __u32 parent)
{
	struct {
		struct nlmsghdr header;
		struct tcmsg tc;
	} request = {
		.header = { .nlmsg_len = sizeof(request),
			    .nlmsg_type = RTM_GETTFILTER,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.tc = { .tcm_family = AF_UNSPEC, .tcm_ifindex = (int)ifindex, .tcm_parent = parent },
	};
	char answer[16384] __attribute__((aligned(NLMSG_ALIGNTO)));
	bool found = false;

	if (send(fd, &request, sizeof(request), 0) < 0)
		return -errno;
	for (;;) {
		ssize_t len = recv(fd, answer, sizeof(answer), 0);
		struct nlmsghdr *header = (struct nlmsghdr *)answer;

		if (len < 0)
			return -errno;
		for (; NLMSG_OK(header, (size_t)len); header = NLMSG_NEXT(header, len)) {
			if (header->nlmsg_type == NLMSG_DONE)
				return found;
			if (header->nlmsg_type == NLMSG_ERROR)
				return ((struct nlmsgerr *)NLMSG_DATA(header))->error;
			if (header->nlmsg_type == RTM_NEWTFILTER)
				found = true;
		}
	}
}

int clsact_remove_if_empty(unsigned ifindex)
{
	struct bpf_tc_hook hook = hook_of(ifindex, false);
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), in, out;

	if (fd < 0)
		return -errno;
	in = has_filter(fd, ifindex, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS));
	out = has_filter(fd, ifindex, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS));
	close(fd);
	if (in < 0 || out < 0)
		return in < 0 ? in : out;
	if (in || out)
		return 0;
	hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
	return bpf_tc_hook_destroy(&hook);
}
