/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Links where the kernel has them: they can be replaced in place and outlive us by their pin. XDP has had them since
 * 5.9, tc since 6.6 (tcx); libbpf 1.1 does not know tcx's attach types, so their numbers stand here.
 */
#include "hooks.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clsact.h"
#include "links.h"
#include "pins.h"

/* enum bpf_attach_type of Linux 6.6; also the two ends of the uapi's promise that it never renumbers */
#define ATTACH_TCX_INGRESS 46
#define ATTACH_TCX_EGRESS 47

#define ENTRY_LEN (IFNAMSIZ + 12)
#define CLSACT_PREFIX "clsact-"

static const char *const prefixes[HOOK_COUNT] = { "xdp-", "tc_in-", "tc_out-" };

/* bpffs allows no dot in a name, an interface's name has no colon: eth0.7 becomes eth0:7. */
static void entry_name(const char *prefix, const char *ifname, char entry[ENTRY_LEN])
{
	char *dot = entry;

	snprintf(entry, ENTRY_LEN, "%s%.15s", prefix, ifname);
	while ((dot = strchr(dot, '.')))
		*dot = ':';
}

int hooks_pin_path(const struct hooks *hooks, enum hook hook, const char *ifname,
		   char path[PINS_PATH_LEN])
{
	char entry[ENTRY_LEN];

	entry_name(prefixes[hook], ifname, entry);
	return pins_attach_path(hooks->pin_dir, entry, path);
}

/* Only the name of its anonymous inode tells. */
bool hooks_is_link(int fd)
{
	char path[64], target[64] = "";

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (readlink(path, target, sizeof(target) - 1) < 0)
		return false;
	return strstr(target, "bpf_link") || strstr(target, "bpf-link");
}

/* --- XDP --- */

static __u32 attached_xdp(const struct bpf_xdp_query_opts *query)
{
	if (query->drv_prog_id)
		return query->drv_prog_id;
	return query->skb_prog_id ? query->skb_prog_id : query->hw_prog_id;
}

static void describe_program(__u32 id, char *text, size_t len)
{
	int fd = bpf_prog_get_fd_by_id(id);
	struct bpf_prog_info info = {};
	__u32 info_len = sizeof(info);

	if (fd >= 0)
		bpf_obj_get_info_by_fd(fd, &info, &info_len);
	if (fd >= 0)
		close(fd);
	snprintf(text, len, "program %u%s%.15s%s", id, info.name[0] ? " (" : "", info.name,
		 info.name[0] ? ")" : "");
}

int hooks_check_xdp(const struct hooks *hooks, const char *ifname, unsigned ifindex, char *error,
		    size_t len)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	struct bpf_link_info info;
	char path[PINS_PATH_LEN], other[64];
	int err = bpf_xdp_query((int)ifindex, 0, &query), fd = -1;
	bool ours;

	if (!err && !attached_xdp(&query))
		return 0;
	if (!err)
		err = hooks_pin_path(hooks, HOOK_XDP, ifname, path);
	if (!err)
		err = links_open(path, &fd, &info);
	if (err) {
		snprintf(error, len, "%s: cannot ask for its XDP program: %s", ifname,
			 strerror(-err));
		return err;
	}
	ours = fd >= 0 && info.xdp.ifindex == ifindex && info.prog_id == attached_xdp(&query);
	if (fd >= 0)
		close(fd);
	if (ours)
		return 0;
	describe_program(attached_xdp(&query), other, sizeof(other));
	snprintf(error, len,
		 "%s: another XDP program sits on the interface: %s; nothing was changed", ifname,
		 other);
	return -EBUSY;
}

static unsigned xdp_flags(bool native)
{
	return native ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE;
}

/* A link has one mode for life. What the new mode's refusal would cost us is put back. */
static int change_xdp(int link_fd, const char *path, unsigned ifindex, int prog_fd, bool native,
		      bool was_ours)
{
	int err = links_drop(link_fd, path);

	if (!err)
		err = links_create(path, prog_fd, (int)ifindex, BPF_XDP, xdp_flags(native));
	if (err && was_ours)
		links_create(path, prog_fd, (int)ifindex, BPF_XDP, xdp_flags(!native));
	return err;
}

static int attach_xdp(const char *path, unsigned ifindex, int prog_fd, bool native)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	struct bpf_link_info info;
	int fd, err = links_open(path, &fd, &info);
	bool ours;

	if (err)
		return err;
	if (fd < 0)
		return links_create(path, prog_fd, (int)ifindex, BPF_XDP, xdp_flags(native));
	/* A link whose interface is gone has interface 0. */
	ours = info.xdp.ifindex == ifindex && !bpf_xdp_query((int)ifindex, 0, &query) &&
	       info.prog_id == attached_xdp(&query);
	if (ours && info.prog_id == (native ? query.drv_prog_id : query.skb_prog_id))
		err = bpf_link_update(fd, prog_fd, NULL) < 0 ? -errno : 0;
	else
		err = change_xdp(fd, path, ifindex, prog_fd, native, ours);
	close(fd);
	return err;
}

int hooks_attach_xdp(const struct hooks *hooks, const char *ifname, unsigned ifindex, int prog_fd,
		     bool native, char *error, size_t len)
{
	char path[PINS_PATH_LEN];
	const char *hint = "";
	int err = hooks_pin_path(hooks, HOOK_XDP, ifname, path);

	if (!err)
		err = attach_xdp(path, ifindex, prog_fd, native);
	if (err == -ERANGE || err == -EINVAL)
		hint = " (is its MTU too large for XDP?)";
	else if (err == -EOPNOTSUPP)
		hint = " (its driver has no XDP)";
	if (err)
		snprintf(error, len, "%s: cannot attach XDP in %s mode: %s%s", ifname,
			 native ? "native" : "generic", strerror(-err), hint);
	return err;
}

/* --- tc --- */

/* Is the pin a clsact filter's program? Then its id, else 0. */
static __u32 filter_program(int fd)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);

	if (fd < 0 || hooks_is_link(fd) || bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
		return 0;
	return info.id;
}

/* Take away what the pin names, link or filter, and the pin. */
static int drop_hook(const struct hooks *hooks, enum hook hook, const char *ifname)
{
	unsigned ifindex = if_nametoindex(ifname);
	char path[PINS_PATH_LEN];
	int err = hooks_pin_path(hooks, hook, ifname, path), fd;

	if (err)
		return err;
	fd = bpf_obj_get(path);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (hooks_is_link(fd)) {
		err = links_drop(fd, path);
	} else {
		err = ifindex ? clsact_detach(ifindex, hook == HOOK_TC_OUT, filter_program(fd)) : 0;
		if (!err && unlink(path) < 0)
			err = -errno;
	}
	close(fd);
	return err;
}

/* -EINVAL: the kernel has no tcx. */
static int attach_tcx(const struct hooks *hooks, enum hook hook, const char *ifname,
		      unsigned ifindex, int prog_fd, const char *path)
{
	enum bpf_attach_type type = hook == HOOK_TC_IN ? ATTACH_TCX_INGRESS : ATTACH_TCX_EGRESS;
	char beside[PINS_PATH_LEN + 4];
	struct bpf_link_info info;
	int fd, err = links_open(path, &fd, &info);

	if (err)
		return err;
	/* libbpf 1.1's bpf_link_info has no tcx; its only member that counts, ifindex, is where xdp has its own */
	if (fd >= 0 && hooks_is_link(fd) && info.xdp.ifindex == ifindex) {
		err = bpf_link_update(fd, prog_fd, NULL) < 0 ? -errno : 0;
		close(fd);
		return err;
	}
	if (fd >= 0)
		close(fd);
	/* A clsact filter may be at work: the link comes first, then the filter goes. */
	snprintf(beside, sizeof(beside), "%s:new", path);
	if (unlink(beside) < 0 && errno != ENOENT)
		return -errno;
	err = links_create(beside, prog_fd, (int)ifindex, type, 0);
	if (!err)
		err = drop_hook(hooks, hook, ifname);
	if (!err && rename(beside, path) < 0)
		err = -errno;
	return err;
}

static int clsact_path(const struct hooks *hooks, const char *ifname, char path[PINS_PATH_LEN])
{
	char entry[ENTRY_LEN];

	entry_name(CLSACT_PREFIX, ifname, entry);
	return pins_attach_path(hooks->pin_dir, entry, path);
}

static int mark_clsact(const struct hooks *hooks, const char *ifname)
{
	char path[PINS_PATH_LEN];
	int err = clsact_path(hooks, ifname, path);

	if (!err && mkdir(path, 0700) < 0 && errno != EEXIST)
		err = -errno;
	return err;
}

static int attach_clsact(const struct hooks *hooks, enum hook hook, const char *ifname,
			 unsigned ifindex, int prog_fd, const char *path)
{
	bool created = false, link;
	int old = bpf_obj_get(path), err;

	link = old >= 0 && hooks_is_link(old);
	err = clsact_attach(ifindex, hook == HOOK_TC_OUT, prog_fd, filter_program(old), &created);
	if (created && !err)
		err = mark_clsact(hooks, ifname);
	if (!err && link)
		err = links_drop(old, path);
	if (!err && unlink(path) < 0 && errno != ENOENT)
		err = -errno;
	if (!err && bpf_obj_pin(prog_fd, path) < 0)
		err = -errno;
	if (old >= 0)
		close(old);
	return err;
}

int hooks_attach_tc(const struct hooks *hooks, enum hook hook, const char *ifname, unsigned ifindex,
		    int prog_fd, char *error, size_t len)
{
	char path[PINS_PATH_LEN];
	int err = hooks_pin_path(hooks, hook, ifname, path);

	if (!err)
		err = hooks->no_tcx ? -EINVAL
				    : attach_tcx(hooks, hook, ifname, ifindex, prog_fd, path);
	if (err == -EINVAL)
		err = attach_clsact(hooks, hook, ifname, ifindex, prog_fd, path);
	if (err)
		snprintf(error, len, "%s: cannot attach to tc %s: %s%s", ifname,
			 hook == HOOK_TC_IN ? "ingress" : "egress", strerror(-err),
			 err == -EBUSY ? " (another filter has handle 1 at priority 1)" : "");
	return err;
}

/* --- detaching --- */

/* Which hook of which interface does the entry remember? HOOK_COUNT: none, or the mark of a qdisc. */
static enum hook parse_entry(const char *entry, char ifname[IFNAMSIZ])
{
	const char *rest = NULL;
	enum hook hook;

	for (hook = 0; hook < HOOK_COUNT; hook++) {
		size_t len = strlen(prefixes[hook]);

		if (!strncmp(entry, prefixes[hook], len)) {
			rest = entry + len;
			break;
		}
	}
	if (!rest && !strncmp(entry, CLSACT_PREFIX, strlen(CLSACT_PREFIX)))
		rest = entry + strlen(CLSACT_PREFIX);
	snprintf(ifname, IFNAMSIZ, "%.15s", rest ? rest : "");
	for (; *ifname; ifname++) {
		if (*ifname == ':')
			*ifname = '.';
	}
	return hook;
}

/* The qdisc goes with the last of our filters, if we made it. */
static int drop_clsact(const struct hooks *hooks, const char *ifname)
{
	unsigned ifindex = if_nametoindex(ifname);
	char path[PINS_PATH_LEN];
	enum hook hook;
	int err = 0;

	for (hook = HOOK_TC_IN; hook <= HOOK_TC_OUT; hook++) {
		err = hooks_pin_path(hooks, hook, ifname, path);
		if (err || !access(path, F_OK))
			return err;
	}
	if (ifindex)
		err = clsact_remove_if_empty(ifindex);
	if (!err)
		err = clsact_path(hooks, ifname, path);
	if (!err && rmdir(path) < 0)
		err = -errno;
	return err;
}

/* Names first, removals then: a folder that changes while it is read may hide entries. */
#define MAX_ENTRIES 256

static int list_entries(const struct hooks *hooks, char (*entries)[ENTRY_LEN], unsigned *count)
{
	char path[PINS_PATH_LEN];
	struct dirent *entry;
	int err = pins_attach_path(hooks->pin_dir, "", path);
	DIR *folder;

	*count = 0;
	if (err)
		return err;
	folder = opendir(path);
	if (!folder)
		return errno == ENOENT ? 0 : -errno;
	while ((entry = readdir(folder)) && *count < MAX_ENTRIES) {
		if (entry->d_name[0] != '.' && strlen(entry->d_name) < ENTRY_LEN)
			snprintf(entries[(*count)++], ENTRY_LEN, "%.*s", ENTRY_LEN - 1,
				 entry->d_name);
	}
	closedir(folder);
	return 0;
}

int hooks_detach(const struct hooks *hooks,
		 bool (*keep)(const void *ctx, enum hook hook, const char *ifname), const void *ctx,
		 unsigned *count, char *error, size_t len)
{
	char entries[MAX_ENTRIES][ENTRY_LEN], ifname[IFNAMSIZ];
	unsigned found, i, dropped = 0;
	int err = list_entries(hooks, entries, &found), one;

	if (err)
		snprintf(error, len, "%s/" PINS_ATTACH_DIR ": %s", hooks->pin_dir, strerror(-err));
	/* XDP first: what it no longer takes tc still does. */
	for (enum hook hook = 0; hook < HOOK_COUNT; hook++) {
		for (i = 0; i < found; i++) {
			if (parse_entry(entries[i], ifname) != hook ||
			    (keep && keep(ctx, hook, ifname)))
				continue;
			one = drop_hook(hooks, hook, ifname);
			dropped += !one;
			if (!one)
				continue;
			err = one;
			snprintf(error, len, "%s: cannot detach %s: %s", ifname, entries[i],
				 strerror(-err));
		}
	}
	for (i = 0; i < found; i++) {
		if (strncmp(entries[i], CLSACT_PREFIX, strlen(CLSACT_PREFIX)) != 0)
			continue;
		parse_entry(entries[i], ifname);
		one = drop_clsact(hooks, ifname);
		if (!one)
			continue;
		err = one;
		snprintf(error, len, "%s: cannot remove the clsact qdisc: %s", ifname,
			 strerror(-err));
	}
	if (count)
		*count = dropped;
	return err;
}
