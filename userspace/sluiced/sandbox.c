/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Capabilities by the plain system calls, bpf(2) by a seccomp filter. The rest of the system calls is left to the service manager's
 * filter, which is stricter than anything that could be hard-wired here.
 */
#include "sandbox.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log.h"

/* Since 5.8; not every distribution's header has it. */
#define SANDBOX_CAP_BPF 39

/* Everything that bpf(2) may still be asked for. */
static const int allowed[] = {
	BPF_MAP_LOOKUP_ELEM,  BPF_MAP_UPDATE_ELEM,
	BPF_MAP_DELETE_ELEM,  BPF_MAP_GET_NEXT_KEY,
	BPF_OBJ_GET,	      BPF_OBJ_GET_INFO_BY_FD,
	BPF_MAP_LOOKUP_BATCH, BPF_MAP_LOOKUP_AND_DELETE_BATCH,
	BPF_MAP_UPDATE_BATCH, BPF_MAP_DELETE_BATCH,
};

struct capabilities {
	uint64_t effective, permitted, inheritable;
};

static int get_capabilities(struct capabilities *caps)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { 0 } };

	if (syscall(SYS_capget, &header, data))
		return -errno;
	caps->effective = data[0].effective | (uint64_t)data[1].effective << 32;
	caps->permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
	caps->inheritable = data[0].inheritable | (uint64_t)data[1].inheritable << 32;
	return 0;
}

static int set_capabilities(uint64_t effective, uint64_t permitted)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {
		{ .effective = (uint32_t)effective, .permitted = (uint32_t)permitted },
		{ .effective = (uint32_t)(effective >> 32),
		  .permitted = (uint32_t)(permitted >> 32) },
	};

	return syscall(SYS_capset, &header, data) ? -errno : 0;
}

/* Does bpf(2) work for us as we are? A descriptor that is none is refused with EBADF where it does. */
static bool bpf_works(void)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.map_fd = (uint32_t)-1;
	return syscall(SYS_bpf, BPF_MAP_GET_NEXT_KEY, &attr, sizeof(attr)) == 0 || errno != EPERM;
}

/* Drop all, except CAP_BPF on a kernel that leaves no other way. */
static int drop_capabilities(char *error, size_t len)
{
	const uint64_t bpf = UINT64_C(1) << SANDBOX_CAP_BPF;
	struct capabilities caps = { 0 };
	int err;

	err = get_capabilities(&caps);
	if (err) {
		snprintf(error, len, "cannot read the process's capabilities: %s", strerror(-err));
		return err;
	}
	/* May fail without CAP_SETPCAP, and then there is nothing in it that could be used: no_new_privs is set. */
	for (int cap = 0; cap < 64; cap++)
		prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	err = set_capabilities(0, caps.permitted & bpf);
	if (err) {
		snprintf(error, len, "cannot drop capabilities: %s", strerror(-err));
		return err;
	}
	if (bpf_works())
		return caps.permitted & bpf ? set_capabilities(0, 0) : 0;
	if (!(caps.permitted & bpf)) {
		snprintf(
			error, len,
			"this kernel (before 5.19?) refuses bpf(2) to a process without CAP_BPF: grant it, "
			"in the unit by AmbientCapabilities=CAP_BPF");
		return -EPERM;
	}
	err = set_capabilities(bpf, bpf);
	if (err) {
		snprintf(error, len, "cannot keep CAP_BPF: %s", strerror(-err));
		return err;
	}
	log_event(LOG_NOTICE, "capabilities",
		  " kept=CAP_BPF reason=\"this kernel refuses bpf(2) without it\"");
	return 0;
}

static bool is_allowed(int command)
{
	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
		if (allowed[i] == command)
			return true;
	return false;
}

/* Whatever is not allowed is EPERM: each lower command by name, and all above the highest, 64-bit wide. */
static int filter_bpf(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int highest = 0, err = 0;

	if (!filter)
		return -ENOMEM;
	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
		highest = allowed[i] > highest ? allowed[i] : highest;
	for (int command = 0; command < highest && !err; command++)
		if (!is_allowed(command))
			err = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(bpf), 1,
					       SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)command));
	if (!err)
		err = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(bpf), 1,
				       SCMP_A0(SCMP_CMP_GT, (scmp_datum_t)highest));
	if (!err)
		err = seccomp_load(filter);
	seccomp_release(filter);
	return err;
}

int sandbox_enter(char *error, size_t len)
{
	int err;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) {
		err = -errno;
		snprintf(error, len, "cannot set no_new_privs: %s", strerror(-err));
		return err;
	}
	err = drop_capabilities(error, len);
	if (err)
		return err;
	err = filter_bpf();
	if (err)
		snprintf(error, len, "cannot load the seccomp filter: %s", strerror(-err));
	return err;
}
