/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Links to a cgroup, since Linux 5.7; the last of the hooks to come, sock_release, since 5.9. Attached in the order of
 * enum cgroup_hook, so that nothing is remembered that would not be forgotten; detached in the opposite one.
 */
#include "cgroup.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "links.h"
#include "pins.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71 /* Linux 5.14 */
#endif

static const struct {
	const char *entry;
	enum bpf_attach_type type;
} hooks[CGROUP_HOOKS] = {
	[CGROUP_RELEASE] = { "cgroup-release", BPF_CGROUP_INET_SOCK_RELEASE },
	[CGROUP_PEER4] = { "cgroup-peer4", BPF_CGROUP_INET4_GETPEERNAME },
	[CGROUP_PEER6] = { "cgroup-peer6", BPF_CGROUP_INET6_GETPEERNAME },
	[CGROUP_CONNECT4] = { "cgroup-connect4", BPF_CGROUP_INET4_CONNECT },
	[CGROUP_CONNECT6] = { "cgroup-connect6", BPF_CGROUP_INET6_CONNECT },
};

/* --- which cgroup --- */

static int open_folder(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* Only the root has no file that tells of its events; another folder may be what a container sees as its root. */
static bool is_root(int fd)
{
	return faccessat(fd, "cgroup.events", F_OK, 0) < 0 && errno == ENOENT;
}

/* Where some cgroup v2 is mounted with its root; -ENOENT: nowhere. */
static int open_mounted(void)
{
	struct mntent entry;
	char buffer[4096];
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	int fd = -ENOENT;

	while (mounts && fd < 0 && getmntent_r(mounts, &entry, buffer, sizeof(buffer))) {
		if (strcmp(entry.mnt_type, "cgroup2") != 0)
			continue;
		fd = open_folder(entry.mnt_dir);
		if (fd >= 0 && !is_root(fd)) {
			close(fd);
			fd = -ENOENT;
		}
	}
	if (mounts)
		endmntent(mounts);
	return fd < 0 ? -ENOENT : fd;
}

/*
 * A host that uses cgroup v1 alone mounts it nowhere, yet every process is in its root. A mount that hangs nowhere does
 * for our purpose (fsmount(2), Linux 5.2).
 */
static int open_unmounted(void)
{
	int context = fsopen("cgroup2", FSOPEN_CLOEXEC), mount = -1, fd, err;

	if (context < 0)
		return -errno;
	if (fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0) {
		fd = -errno;
		goto out;
	}
	mount = fsmount(context, FSMOUNT_CLOEXEC, 0);
	if (mount < 0) {
		fd = -errno;
		goto out;
	}
	fd = openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	err = -errno;
	if (fd < 0)
		fd = err;
	else if (!is_root(fd)) {
		close(fd);
		fd = -EPERM;
	}
out:
	if (mount >= 0)
		close(mount);
	close(context);
	return fd;
}

static int open_auto(char *error, size_t len)
{
	int fd = open_mounted();

	if (fd < 0)
		fd = open_unmounted();
	if (fd < 0)
		snprintf(error, len, "the root of cgroup v2 is not to be had here: %s",
			 fd == -ENODEV ? "the kernel has none" : strerror(-fd));
	return fd;
}

int cgroup_open(const char *cgroup, char *error, size_t len)
{
	struct statfs info;
	int fd, err = 0;

	if (!strcmp(cgroup, "auto"))
		return open_auto(error, len);
	fd = open_folder(cgroup);
	if (fd < 0)
		err = fd;
	else if (fstatfs(fd, &info) < 0)
		err = -errno;
	else if ((uint32_t)info.f_type != CGROUP2_SUPER_MAGIC)
		err = -ENOTSUP;
	if (!err)
		return fd;
	snprintf(error, len, "[node] cgroup = %s: %s", cgroup,
		 err == -ENOTSUP ? "no cgroup of version 2" : strerror(-err));
	if (fd >= 0)
		close(fd);
	return err;
}

/* The inode's number is the kernel's own id (kernfs, Linux 5.5; on 64-bit machines). */
uint64_t cgroup_id(int fd)
{
	struct stat info;

	return fstat(fd, &info) < 0 ? 0 : info.st_ino;
}

/* --- which network namespace --- */

static bool is_initial_netns(void)
{
	struct stat own, first;

	return !stat("/proc/self/ns/net", &own) && !stat("/proc/1/ns/net", &first) &&
	       own.st_ino == first.st_ino && own.st_dev == first.st_dev;
}

int cgroup_netns(uint64_t *cookie, char *error, size_t len)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err = 0;
	socklen_t cookie_len = sizeof(*cookie);

	*cookie = 0;
	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, cookie, &cookie_len) < 0)
		err = -errno;
	if (fd >= 0)
		close(fd);
	if (err == -ENOPROTOOPT)
		err = is_initial_netns() ? 0 : -EOPNOTSUPP;
	if (err)
		snprintf(
			error, len, "which network namespace is the host's cannot be told: %s",
			err == -EOPNOTSUPP
				? "the kernel has no SO_NETNS_COOKIE, and it is not the initial one"
				: strerror(-err));
	return err;
}

/* --- what the kernel can --- */

bool cgroup_knows_mptcp(void)
{
	const struct bpf_insn program[] = {
		{ .code = BPF_LDX | BPF_MEM | BPF_DW,
		  .dst_reg = BPF_REG_1,
		  .src_reg = BPF_REG_1,
		  .off = offsetof(struct bpf_sock_addr, sk) },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_skc_to_mptcp_sock },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_CGROUP_INET4_CONNECT);
	int fd = bpf_prog_load(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, "sluice_probe", "GPL", program,
			       sizeof(program) / sizeof(program[0]), &options);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* --- links --- */

static int attach_hook(const char *pin_dir, int fd, enum cgroup_hook hook, int prog, bool *moved)
{
	struct bpf_link_info info;
	char path[PINS_PATH_LEN];
	int link = -1, err = pins_attach_path(pin_dir, hooks[hook].entry, path);

	if (!err)
		err = links_open(path, &link, &info);
	if (err)
		return err;
	if (link >= 0 && info.cgroup.cgroup_id == cgroup_id(fd)) {
		err = bpf_link_update(link, prog, NULL) < 0 ? -errno : 0;
		close(link);
		return err;
	}
	*moved = true;
	if (link >= 0) {
		err = links_drop(link, path);
		close(link);
	}
	return err ? err : links_create(path, prog, fd, hooks[hook].type, 0);
}

int cgroup_attach(const char *pin_dir, int fd, const int progs[CGROUP_HOOKS], bool *moved,
		  char *error, size_t len)
{
	int err = 0, hook;

	*moved = false;
	for (hook = 0; hook < CGROUP_HOOKS && !err; hook++)
		err = attach_hook(pin_dir, fd, (enum cgroup_hook)hook, progs[hook], moved);
	if (err)
		snprintf(error, len, "cannot attach %s to the cgroup: %s%s", hooks[hook - 1].entry,
			 strerror(-err),
			 err == -EPERM ? " (does a program sit there that allows none beside it?)"
				       : "");
	return err;
}

int cgroup_detach(const char *pin_dir, unsigned *count, char *error, size_t len)
{
	int err = 0, hook, one, link;
	struct bpf_link_info info;
	char path[PINS_PATH_LEN];

	for (hook = CGROUP_HOOKS - 1; hook >= 0; hook--) {
		link = -1;
		one = pins_attach_path(pin_dir, hooks[hook].entry, path);
		if (!one)
			one = links_open(path, &link, &info);
		if (!one && link >= 0)
			one = links_drop(link, path);
		if (count)
			*count += link >= 0 && !one;
		if (link >= 0)
			close(link);
		if (!one)
			continue;
		err = one;
		snprintf(error, len, "cannot detach %s: %s", hooks[hook].entry, strerror(-err));
	}
	return err;
}
