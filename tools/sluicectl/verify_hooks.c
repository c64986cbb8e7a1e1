/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is attached against what attach left: programs, their order, and that they use the maps that are pinned. For root; others are told that it was
 * not looked at.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "attach.h"
#include "config.h"
#include "hooks.h"
#include "maps.h"
#include "verify.h"

#define ATTACH "run `sluicectl attach` again"
#define MAX_MAPS 64 /* of a program */
#define TAG_LEN 8

static const char *const titles[HOOK_COUNT] = { "XDP", "tc ingress", "tc egress" };

static __u32 map_id(int fd)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.id;
}

/* Is it the program whose tag attach wrote down, on the maps that are pinned? */
static void check_program(struct verify *verify, enum hook hook, unsigned id, const char *where)
{
	__u32 ids[MAX_MAPS] = { 0 }, backends = map_id(verify->maps->backends_fd), len;
	struct bpf_prog_info info = { .nr_map_ids = MAX_MAPS, .map_ids = (__u64)(uintptr_t)ids };
	const __u8 *tag = &verify->maps->meta.program_hash[(unsigned)hook * TAG_LEN];
	int fd = bpf_prog_get_fd_by_id(id);
	bool ours = false;

	len = sizeof(info);
	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len)) {
		verify_unseen(verify, "%s: program %u: %s", where, id, strerror(errno));
		goto out;
	}
	if (memcmp(info.tag, tag, TAG_LEN) != 0)
		verify_add(verify, "program.tag", ATTACH, where,
			   "program %u (%.15s) is not the one that " SLUICE_MAP_META " names", id,
			   info.name);
	for (__u32 i = 0; i < info.nr_map_ids && i < MAX_MAPS; i++)
		ours |= ids[i] == backends;
	if (!ours)
		verify_add(verify, "program.maps", "`sluicectl detach`, then attach again", where,
			   "program %u does not use the " SLUICE_MAP_BACKENDS " that is pinned",
			   id);
out:
	if (fd >= 0)
		close(fd);
}

static void check_hook(struct verify *verify, enum hook hook, const char *ifname, unsigned ifindex)
{
	const struct hooks hooks = { .pin_dir = verify->config->pin_dir };
	enum sluice_mode mode = verify->maps->meta.mode;
	struct hooks_seen seen;
	char where[64];
	int err = hooks_look(&hooks, hook, ifname, ifindex, &seen);

	snprintf(where, sizeof(where), "%s %s", ifname, titles[hook]);
	if (err) {
		verify_unseen(verify, "%s: %s%s", where, strerror(-err),
			      err == -EACCES || err == -EPERM ? ": only root can look" : "");
		return;
	}
	if (hook == HOOK_XDP && mode == SLUICE_MODE_TC) {
		if (seen.pinned)
			verify_add(verify, "hook.mode", ATTACH, where,
				   "a program is pinned, and the mode is tc");
		return;
	}
	if (!seen.pinned)
		verify_add(verify, "hook.pin", ATTACH, where, "no program is pinned for it");
	else if (seen.attached != seen.pinned)
		verify_add(verify, "hook.attached", ATTACH, where,
			   "program %u is pinned and does not run there", seen.pinned);
	else
		check_program(verify, hook, seen.pinned, where);
	if (hook == HOOK_XDP && seen.pinned && seen.attached == seen.pinned &&
	    seen.native != (mode == SLUICE_MODE_NATIVE))
		verify_add(verify, "hook.mode", ATTACH, where,
			   "it runs in the %s, and the mode is %s",
			   seen.native ? "driver" : "stack", attach_mode_name(mode));
	if (seen.before_count)
		verify_add(
			verify, "hook.order",
			"attach Sluice first, or see that the other passes packets on (TCX_NEXT)",
			where, "program %u runs before ours and may keep packets from it",
			seen.before[0]);
}

void verify_hooks(struct verify *verify)
{
	struct sluice_meta meta;
	const __u32 zero = 0;
	char ifname[IF_NAMESIZE], where[64];

	if (maps_lookup(verify->maps->meta_fd, &zero, &meta)) {
		verify_unseen(verify, SLUICE_MAP_META ": cannot be read");
		return;
	}
	if (meta.magic != SLUICE_MAGIC || meta.abi != SLUICE_ABI || !meta.ifindex_count ||
	    meta.ifindex_count > SLUICE_MAX_IFINDEX) {
		verify_add(verify, "meta.values", ATTACH, SLUICE_MAP_META,
			   "magic %x, ABI %u, %u interfaces: not what attach writes", meta.magic,
			   meta.abi, meta.ifindex_count);
		return;
	}
	verify->maps->meta = meta;
	for (unsigned i = 0; i < meta.ifindex_count; i++) {
		snprintf(where, sizeof(where), "interface %u", meta.ifindex[i]);
		if (!if_indextoname(meta.ifindex[i], ifname)) {
			verify_add(verify, "hook.interface", ATTACH, where,
				   "it is gone, and its programs with it");
			continue;
		}
		for (enum hook hook = 0; hook < HOOK_COUNT; hook++)
			check_hook(verify, hook, ifname, meta.ifindex[i]);
	}
}
