/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kernel features, by trying them where that leaves nothing behind, never by the version. A link to an interface that cannot be says
 * whether the kernel knows that kind of link: it looks at the kind first.
 */
#include "preflight.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <errno.h>
#include <grp.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup.h"
#include "config.h"
#include "loader.h"
#include "realtime.h"

#define TCX_INGRESS 46 /* enum bpf_attach_type of Linux 6.6, unknown to libbpf 1.1 */
#define NO_INTERFACE 0x7fffffff
#define NOBODY 65534

static int load_trivial(enum bpf_prog_type type)
{
	const struct bpf_insn pass[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd = bpf_prog_load(type, "sluice_probe", "GPL", pass, 2, NULL);

	return fd < 0 ? -errno : fd;
}

static void check_tcx(struct preflight *preflight)
{
	int prog = load_trivial(BPF_PROG_TYPE_SCHED_CLS), link, err;

	if (prog < 0) {
		preflight_add(preflight, PREFLIGHT_SKIPPED, "kernel.tcx",
			      "cannot load a program to try it with: %s", strerror(-prog));
		return;
	}
	link = bpf_link_create(prog, NO_INTERFACE, (enum bpf_attach_type)TCX_INGRESS, NULL);
	err = link < 0 ? -errno : 0;
	if (link >= 0)
		close(link);
	close(prog);
	preflight_add(preflight, PREFLIGHT_OK, "kernel.tcx",
		      err == -ENODEV ? "tc programs are attached by tcx links"
				     : "there is no tcx: the clsact qdisc is used");
}

/* The kernel's own type information names the link type; without it there is no harmless way to find out. */
static void check_btf(struct preflight *preflight)
{
	struct btf *btf = btf__load_vmlinux_btf();

	if (!btf) {
		preflight_add(preflight, PREFLIGHT_OK, "kernel.btf",
			      "none; the programs do not need it");
		preflight_add(preflight, PREFLIGHT_SKIPPED, "kernel.xdp_link",
			      "cannot tell without BTF");
		return;
	}
	preflight_add(preflight, PREFLIGHT_OK, "kernel.btf", "there");
	if (btf__find_by_name_kind(btf, "bpf_xdp_link", BTF_KIND_STRUCT) > 0)
		preflight_add(preflight, PREFLIGHT_OK, "kernel.xdp_link",
			      "XDP programs are attached by links");
	else
		preflight_add(preflight,
			      preflight->config->mode == CONFIG_MODE_TC ? PREFLIGHT_WARNING
									: PREFLIGHT_BLOCK,
			      "kernel.xdp_link", "there are no XDP links: only mode tc works");
	btf__free(btf);
}

/* What sluiced meets: a process of another user without capabilities. Asks for a pin that is not there. */
static int try_as_nobody(void)
{
	int status;
	pid_t child = fork();

	if (child < 0)
		return -errno;
	if (!child) {
		if (!geteuid() && (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
				   setresuid(NOBODY, NOBODY, NOBODY)))
			_exit(255);
		_exit(bpf_obj_get("/nonexistent/sluice") < 0 ? errno : 0);
	}
	if (waitpid(child, &status, 0) < 0)
		return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
}

static void check_unprivileged(struct preflight *preflight)
{
	int result = try_as_nobody();

	if (result == ENOENT)
		preflight_add(preflight, PREFLIGHT_OK, "kernel.unprivileged",
			      "sluiced needs no capability to use the maps");
	else if (result == EPERM)
		preflight_add(
			preflight, PREFLIGHT_WARNING, "kernel.unprivileged",
			"bpf(2) is for CAP_BPF alone here (before Linux 5.19): give it to sluiced");
	else
		preflight_add(preflight, PREFLIGHT_SKIPPED, "kernel.unprivileged",
			      "cannot tell: %s", strerror(result < 0 ? -result : result));
}

/* What the kernel made of a trivial program: the sysctl can be read in the first network namespace alone. */
static void check_jit(struct preflight *preflight)
{
	struct bpf_prog_info info = {};
	int prog = load_trivial(BPF_PROG_TYPE_SCHED_CLS), err = prog < 0 ? prog : 0;
	__u32 len = sizeof(info);

	if (!err && bpf_obj_get_info_by_fd(prog, &info, &len) < 0)
		err = -errno;
	if (prog >= 0)
		close(prog);
	if (err)
		preflight_add(preflight, PREFLIGHT_SKIPPED, "kernel.jit",
			      "cannot load a program to see: %s", strerror(-err));
	else if (info.jited_prog_len)
		preflight_add(preflight, PREFLIGHT_OK, "kernel.jit", "on");
	else
		preflight_add(preflight, PREFLIGHT_WARNING, "kernel.jit",
			      "off: programs are interpreted (sysctl net.core.bpf_jit_enable=1)");
}

/* What can be said before the programs are loaded; fills what loading them takes. */
static bool check_cgroup(struct preflight *preflight, struct loader_options *options)
{
	const char *cgroup = preflight->config->cgroup;
	char error[200];
	int fd;

	if (!strcmp(cgroup, "off")) {
		preflight_add(preflight, PREFLIGHT_OK, "kernel.cgroup",
			      "[node] cgroup = off: clients on this host are not balanced");
		return false;
	}
	fd = cgroup_open(cgroup, error, sizeof(error));
	if (fd >= 0 && !cgroup_netns(&options->host_netns, error, sizeof(error))) {
		options->local = true;
	} else {
		preflight_add(preflight,
			      strcmp(cgroup, "auto") != 0 ? PREFLIGHT_BLOCK : PREFLIGHT_WARNING,
			      "kernel.cgroup", "clients on this host will not be balanced: %s",
			      error);
	}
	if (fd >= 0)
		close(fd);
	return options->local;
}

/*
 * The programs for a cgroup are loaded on top of those that have been loaded without; that tells whose fault it is if
 * the kernel takes them not.
 */
static void check_local(struct preflight *preflight, struct loader_options *options)
{
	struct loader loader;
	char error[200];

	if (!check_cgroup(preflight, options))
		return;
	if (loader_load(&loader, options, error, sizeof(error))) {
		preflight_add(preflight,
			      strcmp(preflight->config->cgroup, "auto") != 0 ? PREFLIGHT_BLOCK
									     : PREFLIGHT_WARNING,
			      "kernel.cgroup", "clients on this host will not be balanced: %s",
			      error);
		return;
	}
	loader_release(&loader);
	preflight_add(preflight, PREFLIGHT_OK, "kernel.cgroup",
		      "clients on this host will be balanced: the processes of %s%s%s",
		      strcmp(preflight->config->cgroup, "auto") != 0
			      ? preflight->config->cgroup
			      : "the root of cgroup v2, which are all",
		      options->host_netns ? "" : "; the initial network namespace is the host's",
		      cgroup_knows_mptcp() ? "" : "; a Multipath TCP client's stays counted");
}

/* The real programs, with tables of the least size, pinned nowhere. */
static void check_load(struct preflight *preflight)
{
	struct loader_options options = {
		.port_min = preflight->config->port_min,
		.port_max = preflight->config->port_max,
		.flows = 1024,
		.half_flows = 1024,
		.timeouts = preflight->config->timeouts,
	};
	struct loader loader;
	char error[512];

	if (geteuid()) {
		preflight_add(preflight, PREFLIGHT_SKIPPED, "kernel.load",
			      "only root can try to load the programs");
		return;
	}
	if (loader_load(&loader, &options, error, sizeof(error))) {
		preflight_add(preflight, PREFLIGHT_BLOCK, "kernel.load", "%s", error);
		return;
	}
	loader_release(&loader);
	preflight_add(preflight, PREFLIGHT_OK, "kernel.load", "the programs load");
	check_local(preflight, &options);
}

static void check_realtime(struct preflight *preflight)
{
	if (realtime_is_running())
		preflight_add(preflight, PREFLIGHT_BLOCK, "kernel.realtime", "%s", realtime_reason);
	else
		preflight_add(preflight, PREFLIGHT_OK, "kernel.realtime",
			      "not built with PREEMPT_RT");
}

void preflight_kernel(struct preflight *preflight)
{
	check_realtime(preflight);
	check_load(preflight);
	check_btf(preflight);
	check_tcx(preflight);
	check_unprivileged(preflight);
	check_jit(preflight);
}
