/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Each interface of the configuration: is it there, what does its driver take, who else sits on its hooks; and does the
 * default route lead out by one of them.
 */
#include "preflight.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "hooks.h"
#include "nic.h"

/* enum bpf_attach_type of Linux 6.6, unknown to libbpf 1.1 */
#define TCX_INGRESS 46
#define TCX_EGRESS 47
#define MAX_PROGRAMS 16

static void check_card(struct preflight *preflight, const char *name, const struct nic *nic)
{
	const enum config_mode mode = preflight->config->mode;
	char why[160];

	preflight_add(preflight, PREFLIGHT_OK, "interface.driver", "%s: %s%s", name,
		      nic->driver[0] ? nic->driver : "no driver",
		      nic->is_virtual ? ", virtual" : "");
	if (nic->max_channels)
		preflight_add(preflight, PREFLIGHT_OK, "interface.channels", "%s: %u of %u", name,
			      nic->channels, nic->max_channels);
	if (nic->mtu > nic_xdp_mtu(nic))
		preflight_add(preflight,
			      mode == CONFIG_MODE_NATIVE && !strcmp(nic->driver, "ena")
				      ? PREFLIGHT_BLOCK
				      : PREFLIGHT_WARNING,
			      "interface.mtu", "%s: MTU %u, and native XDP takes %u at most", name,
			      nic->mtu, nic_xdp_mtu(nic));
	else
		preflight_add(preflight, PREFLIGHT_OK, "interface.mtu", "%s: MTU %u", name,
			      nic->mtu);
	if (nic->lro)
		preflight_add(preflight, PREFLIGHT_WARNING, "interface.lro",
			      "%s: LRO is on, some drivers then refuse XDP (ethtool -K %s lro off)",
			      name, name);
	if (nic_against_native(name, nic, why, sizeof(why)))
		preflight_add(preflight,
			      mode == CONFIG_MODE_NATIVE ? PREFLIGHT_WARNING : PREFLIGHT_OK,
			      "interface.native", "against native XDP: %s", why);
	else
		preflight_add(preflight, PREFLIGHT_OK, "interface.native",
			      "%s: nothing is known against native XDP", name);
}

/* Ours are known by their names: whoever calls his own so is on his own. */
static void check_tcx_programs(struct preflight *preflight, const char *name, unsigned ifindex,
			       bool egress)
{
	__u32 ids[MAX_PROGRAMS], count = MAX_PROGRAMS, flags, i;
	const int type = egress ? TCX_EGRESS : TCX_INGRESS;

	if (bpf_prog_query((int)ifindex, (enum bpf_attach_type)type, 0, &flags, ids, &count) < 0)
		return; /* no tcx here: kernel.tcx has said so */
	for (i = 0; i < count; i++) {
		struct bpf_prog_info info = {};
		__u32 len = sizeof(info);
		int fd = bpf_prog_get_fd_by_id(ids[i]);

		if (fd >= 0)
			bpf_obj_get_info_by_fd(fd, &info, &len);
		if (fd >= 0)
			close(fd);
		if (strncmp(info.name, "sluice_tc_", 10) != 0)
			preflight_add(preflight, PREFLIGHT_WARNING, "interface.hooks",
				      "%s: program %u (%.15s) sits on tc %s too, %s ours", name,
				      ids[i], info.name, egress ? "egress" : "ingress",
				      i ? "and runs beside" : "and runs before");
	}
}

static void check_hooks(struct preflight *preflight, const char *name, unsigned ifindex)
{
	const struct hooks hooks = { .pin_dir = preflight->config->pin_dir };
	unsigned before = preflight->count;
	char error[256];
	int err = hooks_check_xdp(&hooks, name, ifindex, error, sizeof(error));

	if (err == -EBUSY)
		preflight_add(preflight, PREFLIGHT_BLOCK, "interface.hooks", "%s", error);
	else if (err)
		preflight_add(preflight, PREFLIGHT_SKIPPED, "interface.hooks", "%s", error);
	check_tcx_programs(preflight, name, ifindex, false);
	check_tcx_programs(preflight, name, ifindex, true);
	if (preflight->count == before)
		preflight_add(
			preflight, PREFLIGHT_OK, "interface.hooks",
			"%s: nobody else's program on XDP and tcx (clsact filters were not looked at)",
			name);
}

static void check_way_back(struct preflight *preflight)
{
	const struct config *config = preflight->config;
	char name[IFNAMSIZ];
	unsigned i;
	int err = iface_of_default_route(name);

	if (err) {
		preflight_add(
			preflight, PREFLIGHT_OK, "route.back",
			"there is no IPv4 default route: only clients on the links of the interfaces are answered");
		return;
	}
	for (i = 0; i < config->interface_count; i++) {
		if (!strcmp(config->interface[i], name)) {
			preflight_add(preflight, PREFLIGHT_OK, "route.back",
				      "the default route leads out by %s", name);
			return;
		}
	}
	preflight_add(
		preflight, PREFLIGHT_WARNING, "route.back",
		"the default route leads out by %s, which is not in [node] interface: replies that take it keep the host-port",
		name);
}

void preflight_interfaces(struct preflight *preflight)
{
	const struct config *config = preflight->config;
	unsigned i;

	if (!config->interface_count)
		preflight_add(
			preflight, PREFLIGHT_BLOCK, "interface",
			"[node] interface is not given, and there is no default route to tell it");
	for (i = 0; i < config->interface_count; i++) {
		const char *name = config->interface[i];
		struct nic nic;

		if (nic_read(name, &nic) < 0) {
			preflight_add(preflight, PREFLIGHT_BLOCK, "interface",
				      "%s: no such interface", name);
			continue;
		}
		check_card(preflight, name, &nic);
		check_hooks(preflight, name, if_nametoindex(name));
	}
	check_way_back(preflight);
}
