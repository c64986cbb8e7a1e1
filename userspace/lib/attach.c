/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The steps of attach; attach_undo.c has the way back. Checks come first and change nothing; then maps and services, so that programs find them
 * filled; then the way out before the way in, so that no connection is taken in hand whose replies would not be;
 * what is no longer wanted is detached last.
 */
#include "attach.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cgroup.h"
#include "config.h"
#include "hooks.h"
#include "loader.h"
#include "nic.h"
#include "own_addresses.h"
#include "pins.h"
#include "realtime.h"
#include "services.h"

struct attach {
	const struct config *config;
	const struct attach_options *options;
	struct attach_report *report;
	struct hooks hooks;
	unsigned ifindex[SLUICE_MAX_IFINDEX];
	gid_t gid;
	int cgroup_fd; /* -1: none */
	char *error;
	size_t len;
};

const char *attach_mode_name(enum sluice_mode mode)
{
	static const char *const names[] = { "unset", "native", "generic", "tc" };

	return (unsigned)mode < sizeof(names) / sizeof(names[0]) ? names[mode] : "unknown";
}

/* --- checks --- */

static int check_kernel(struct attach *attach)
{
	if (!realtime_is_running())
		return 0;
	snprintf(attach->error, attach->len, "%s", realtime_reason);
	return -EOPNOTSUPP;
}

static int check_interfaces(struct attach *attach)
{
	const struct config *config = attach->config;
	unsigned i;
	int err = 0;

	if (!config->interface_count) {
		snprintf(
			attach->error, attach->len,
			"%s: [node] interface: not given, and this host has no default route to tell it",
			config->file);
		return -EINVAL;
	}
	for (i = 0; i < config->interface_count; i++) {
		attach->ifindex[i] = if_nametoindex(config->interface[i]);
		if (!attach->ifindex[i]) {
			snprintf(attach->error, attach->len,
				 "%s: [node] interface = %s: no such interface", config->file,
				 config->interface[i]);
			return -ENODEV;
		}
	}
	for (i = 0; i < config->interface_count && !err; i++)
		err = hooks_check_xdp(&attach->hooks, config->interface[i], attach->ifindex[i],
				      attach->error, attach->len);
	return err;
}

static int check_group(struct attach *attach)
{
	int err = pins_group(attach->config->group, &attach->gid);

	if (err)
		snprintf(
			attach->error, attach->len,
			"%s: [node] group = %s: no such group (groupadd --system %s, or give a number)",
			attach->config->file, attach->config->group, attach->config->group);
	return err;
}

/* --- mode --- */

static void decide(struct attach_report *report, enum sluice_mode mode, const char *what,
		   const char *text)
{
	report->mode = mode;
	snprintf(report->why, sizeof(report->why), "%.60s%.95s", what, text);
}

void attach_choose_mode(const struct config *config, struct attach_report *report)
{
	struct nic nic;
	unsigned i;

	switch (config->mode) {
	case CONFIG_MODE_NATIVE:
		decide(report, SLUICE_MODE_NATIVE, "[node] mode = ", "native");
		return;
	case CONFIG_MODE_GENERIC:
		decide(report, SLUICE_MODE_GENERIC, "[node] mode = ", "generic");
		return;
	case CONFIG_MODE_TC:
		decide(report, SLUICE_MODE_TC, "[node] mode = ", "tc");
		return;
	case CONFIG_MODE_AUTO:
		break;
	}
	for (i = 0; i < config->interface_count; i++) {
		if (!nic_read(config->interface[i], &nic) &&
		    nic_against_native(config->interface[i], &nic, report->why,
				       sizeof(report->why))) {
			report->mode = SLUICE_MODE_TC;
			return;
		}
	}
	decide(report, SLUICE_MODE_NATIVE, config->interface_count ? config->interface[0] : "it",
	       " is no virtual device, and nothing is known against XDP in its driver");
}

/* --- programs --- */

static int attach_tc(struct attach *attach, const struct loader *loader)
{
	const struct config *config = attach->config;
	unsigned i;
	int err = 0;

	for (i = 0; i < config->interface_count && !err; i++) {
		err = hooks_attach_tc(&attach->hooks, HOOK_TC_OUT, config->interface[i],
				      attach->ifindex[i], loader_tc_out_fd(loader), attach->error,
				      attach->len);
		if (!err)
			err = hooks_attach_tc(&attach->hooks, HOOK_TC_IN, config->interface[i],
					      attach->ifindex[i], loader_tc_in_fd(loader),
					      attach->error, attach->len);
	}
	return err;
}

static int attach_xdp(struct attach *attach, const struct loader *loader)
{
	const struct config *config = attach->config;
	enum sluice_mode mode = attach->report->mode;
	unsigned i;
	int err = 0;

	if (mode == SLUICE_MODE_TC)
		return 0;
	for (i = 0; i < config->interface_count && !err; i++)
		err = hooks_attach_xdp(&attach->hooks, config->interface[i], attach->ifindex[i],
				       loader_xdp_fd(loader), mode == SLUICE_MODE_NATIVE,
				       attach->error, attach->len);
	if (err && config->mode == CONFIG_MODE_AUTO) {
		/* The driver has a reason against it; tc works everywhere. */
		decide(attach->report, SLUICE_MODE_TC, "", attach->error);
		err = 0;
	}
	return err;
}

static bool is_wanted(const void *ctx, enum hook hook, const char *ifname)
{
	const struct attach *attach = ctx;
	unsigned i;

	if (hook == HOOK_XDP && attach->report->mode == SLUICE_MODE_TC)
		return false;
	for (i = 0; i < attach->config->interface_count; i++) {
		if (!strcmp(attach->config->interface[i], ifname))
			return true;
	}
	return false;
}

static int write_meta(struct attach *attach, struct loader *loader)
{
	struct sluice_meta *meta = &loader->maps.meta;
	struct timespec now;
	unsigned i;
	int err;

	clock_gettime(CLOCK_BOOTTIME, &now);
	meta->mode = attach->report->mode;
	meta->ifindex_count = attach->config->interface_count;
	memset(meta->ifindex, 0, sizeof(meta->ifindex));
	for (i = 0; i < attach->config->interface_count; i++)
		meta->ifindex[i] = attach->ifindex[i];
	meta->cgroup = attach->report->local ? cgroup_id(attach->cgroup_fd) : 0;
	meta->attached_at_ns = (__u64)now.tv_sec * 1000000000 + (__u64)now.tv_nsec;
	err = loader_write_meta(loader);
	if (err)
		snprintf(attach->error, attach->len, "map " SLUICE_MAP_META ": %s", strerror(-err));
	return err;
}

static int add_addresses(struct attach *attach, const struct loader *loader)
{
	int err = own_addresses_add(&loader->maps);

	if (err)
		snprintf(attach->error, attach->len,
			 "cannot write this host's addresses into the maps: %s", strerror(-err));
	return err;
}

/* --- clients on this host --- */

/* Without them there is still all else, if the configuration leaves it to us. */
static int do_without(struct attach *attach, int err)
{
	if (strcmp(attach->config->cgroup, "auto") != 0)
		return err;
	attach->report->local = false;
	snprintf(attach->report->local_why, sizeof(attach->report->local_why), "%.239s",
		 attach->error);
	attach->error[0] = '\0';
	return 0;
}

/* The cgroup and the namespace that are meant. */
static int prepare_local(struct attach *attach, struct loader_options *options)
{
	int err = 0;

	if (!strcmp(attach->config->cgroup, "off")) {
		snprintf(attach->report->local_why, sizeof(attach->report->local_why),
			 "[node] cgroup = off");
		return 0;
	}
	attach->cgroup_fd = cgroup_open(attach->config->cgroup, attach->error, attach->len);
	if (attach->cgroup_fd < 0)
		err = attach->cgroup_fd;
	if (!err)
		err = cgroup_netns(&options->host_netns, attach->error, attach->len);
	if (err)
		return do_without(attach, err);
	attach->report->local = options->local = true;
	return 0;
}

/* Programs that the kernel does not take for their hooks' sake would take all others along. */
static int load(struct attach *attach, struct loader_options *options, struct loader *loader)
{
	int err = loader_load(loader, options, attach->error, attach->len);

	if (!err || !options->local || do_without(attach, err))
		return err;
	options->local = false;
	return loader_load(loader, options, attach->error, attach->len);
}

static int attach_local(struct attach *attach, struct loader *loader)
{
	int progs[CGROUP_HOOKS], hook, err;
	bool moved = false;

	if (attach->report->local) {
		for (hook = 0; hook < CGROUP_HOOKS; hook++)
			progs[hook] = loader_cgroup_fd(loader, (enum cgroup_hook)hook);
		err = cgroup_attach(attach->config->pin_dir, attach->cgroup_fd, progs, &moved,
				    attach->error, attach->len);
		if (err) {
			err = do_without(attach, err);
			if (err)
				return err;
		}
	}
	if (!attach->report->local) {
		err = cgroup_detach(attach->config->pin_dir, NULL, attach->error, attach->len);
		if (err)
			return err;
	}
	if (attach->report->local && !moved)
		return 0;
	/* sockets of which nobody will tell us any more that they are closed */
	err = maps_forget_local(&loader->maps);
	if (err)
		snprintf(attach->error, attach->len, "map " SLUICE_MAP_LOCAL ": %s",
			 strerror(-err));
	return err;
}

/* Everything behind the checks, under the lock. */
static int put_in_force(struct attach *attach)
{
	const struct config *config = attach->config;
	struct loader_options options = {
		.pin_dir = config->pin_dir,
		.group = attach->gid,
		.port_min = config->port_min,
		.port_max = config->port_max,
		.flows = config->flows,
		.half_flows = config->half_flows,
		.timeouts = config->timeouts,
	};
	struct loader loader;
	int err = prepare_local(attach, &options);

	if (!err)
		err = load(attach, &options, &loader);
	if (err)
		return err;
	attach->report->replaced = loader.maps.meta.attached_at_ns != 0;
	attach->report->leaving = attach->options->keep_leave && services_are_leaving(&loader.maps);
	err = services_sync(&loader.maps, config, attach->report->leaving, attach->error,
			    attach->len);
	if (!err)
		err = add_addresses(attach, &loader);
	if (!err)
		err = attach_tc(attach, &loader);
	if (!err)
		err = attach_xdp(attach, &loader);
	if (!err)
		err = hooks_detach(&attach->hooks, is_wanted, attach, NULL, attach->error,
				   attach->len);
	if (!err)
		err = attach_local(attach, &loader);
	if (!err)
		err = write_meta(attach, &loader);
	loader_release(&loader);
	return err;
}

/* The first error is the one to tell. */
static void remove_all(struct attach *attach)
{
	char ignored[256];

	cgroup_detach(attach->hooks.pin_dir, NULL, ignored, sizeof(ignored));
	hooks_detach(&attach->hooks, NULL, NULL, NULL, ignored, sizeof(ignored));
	pins_remove(attach->hooks.pin_dir, ignored, sizeof(ignored));
}

int attach_run(const struct config *config, const struct attach_options *options,
	       struct attach_report *report, char *error, size_t len)
{
	struct attach attach = {
		.config = config,
		.options = options,
		.report = report,
		.hooks = { .pin_dir = config->pin_dir, .no_tcx = options->no_tcx },
		.cgroup_fd = -1,
		.error = error,
		.len = len,
	};
	bool pinned;
	int lock, err;

	*report = (struct attach_report){};
	error[0] = '\0';
	err = check_kernel(&attach);
	if (!err)
		err = check_group(&attach);
	if (!err)
		err = check_interfaces(&attach);
	if (err)
		return err;
	err = pins_prepare(config->pin_dir, attach.gid, &lock, error, len);
	if (err)
		return err;
	/* Again, now that nobody else can attach: two first attaches at once must not both find the hooks free. */
	err = check_interfaces(&attach);
	pinned = pins_are_there(config->pin_dir);
	attach_choose_mode(config, report);
	if (!err)
		err = put_in_force(&attach);
	if (err && !pinned)
		remove_all(&attach);
	if (attach.cgroup_fd >= 0)
		close(attach.cgroup_fd);
	close(lock);
	return err;
}
