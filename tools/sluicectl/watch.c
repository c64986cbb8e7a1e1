/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A loop over rtnetlink's messages. An interface that was deleted took its hooks along, so RTM_DELLINK is remembered even if
 * the name is back under the same index before we look. An address may come long after its interface, and a daemon that is
 * down cannot tell the maps: RTM_NEWADDR is written by us too. Messages that the kernel had to drop mean: attach again, which
 * replaces in place and costs nothing. What somebody detached on purpose stays detached: then the watch ends.
 */
#include "watch.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "command.h"
#include "config.h"
#include "maps.h"
#include "own_addresses.h"

#define SETTLE_MS 100 /* a new interface is named, addressed and brought up in several steps */
#define AGAIN_MS 2000 /* after an attach that failed */

struct watch {
	const struct command *command;
	struct config *config;
	int link_fd, signal_fd;
	unsigned ifindex[SLUICE_MAX_IFINDEX]; /* attached to; 0: the interface is gone or unknown */
	bool stop, failed, reread, new_address;
};

/* --- what has happened --- */

static void forget_all(struct watch *watch)
{
	memset(watch->ifindex, 0, sizeof(watch->ifindex));
}

static void note_message(struct watch *watch, struct nlmsghdr *message)
{
	const struct ifinfomsg *link = NLMSG_DATA(message);
	unsigned i;

	if (message->nlmsg_type == RTM_NEWADDR)
		watch->new_address = true;
	/* a bridge says AF_BRIDGE when a port of its leaves it */
	if (message->nlmsg_type != RTM_DELLINK || link->ifi_family != AF_UNSPEC)
		return;
	for (i = 0; i < SLUICE_MAX_IFINDEX; i++) {
		if (watch->ifindex[i] == (unsigned)link->ifi_index)
			watch->ifindex[i] = 0;
	}
}

static void read_links(struct watch *watch)
{
	char buffer[16384] __attribute__((aligned(NLMSG_ALIGNTO)));
	ssize_t len;

	while ((len = recv(watch->link_fd, buffer, sizeof(buffer), MSG_DONTWAIT)) != 0) {
		struct nlmsghdr *message = (struct nlmsghdr *)buffer;
		size_t rest = (size_t)len;

		if (len < 0 && errno == ENOBUFS) {
			forget_all(watch);
			continue;
		}
		if (len < 0)
			return;
		for (; NLMSG_OK(message, rest); message = NLMSG_NEXT(message, rest))
			note_message(watch, message);
	}
}

static void read_signals(struct watch *watch)
{
	struct signalfd_siginfo info;

	while (read(watch->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGHUP)
			watch->reread = true;
		else
			watch->stop = true;
	}
}

/* --- what is to be done --- */

/* Is an interface there on which we are not? And none missing, without which attach would only refuse. */
static bool is_due(const struct watch *watch)
{
	const struct config *config = watch->config;
	bool due = watch->reread;
	unsigned i;

	for (i = 0; i < config->interface_count; i++) {
		unsigned now = if_nametoindex(config->interface[i]);

		if (!now && !watch->reread)
			return false;
		due = due || now != watch->ifindex[i];
	}
	return due;
}

static bool was_detached(const struct watch *watch)
{
	char path[512];

	snprintf(path, sizeof(path), "%.400s/" SLUICE_MAP_META, watch->config->pin_dir);
	return access(path, F_OK) < 0 && errno == ENOENT;
}

/* The file as it is now: who edits it and attaches by hand must not find the old one back in force. */
static void read_again(struct watch *watch)
{
	struct config *config = command_config(watch->command);

	watch->reread = false;
	if (!config)
		return; /* it was said why; the good one stays */
	config_free(watch->config);
	watch->config = config;
}

static int attach_now(struct watch *watch)
{
	unsigned before[SLUICE_MAX_IFINDEX] = { 0 }, i;
	int err;

	/* asked before: what changes meanwhile is found to differ */
	for (i = 0; i < watch->config->interface_count; i++)
		before[i] = if_nametoindex(watch->config->interface[i]);
	err = attach_and_tell(watch->command, watch->config);
	fflush(stdout);
	watch->failed = err != 0;
	if (!err)
		memcpy(watch->ifindex, before, sizeof(before));
	return err;
}

static void add_addresses(struct watch *watch)
{
	char error[CONFIG_ERROR_LEN];
	struct maps maps;
	int err;

	if (!watch->new_address)
		return;
	watch->new_address = false;
	if (watch->failed || was_detached(watch))
		return; /* the next attach reads them all */
	err = maps_open(&maps, watch->config->pin_dir, MAPS_ROOT, error, sizeof(error));
	if (!err) {
		err = own_addresses_add(&maps);
		if (err)
			snprintf(error, sizeof(error), "%s", strerror(-err));
		maps_release(&maps);
	}
	if (err)
		command_error("attach --watch: an address is new, but cannot be told: %s", error);
}

static int open_sources(struct watch *watch)
{
	struct sockaddr_nl local = { .nl_family = AF_NETLINK,
				     .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR |
						  RTMGRP_IPV6_IFADDR };
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	watch->signal_fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
	if (watch->signal_fd < 0 || sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
		return -errno;
	watch->link_fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (watch->link_fd < 0 || bind(watch->link_fd, (struct sockaddr *)&local, sizeof(local)))
		return -errno;
	return 0;
}

/* Waits, and returns when things have been quiet for a moment. */
static void wait_for_change(struct watch *watch)
{
	struct pollfd fds[] = {
		{ .fd = watch->signal_fd, .events = POLLIN },
		{ .fd = watch->link_fd, .events = POLLIN },
	};
	int timeout_ms = watch->failed ? AGAIN_MS : -1;

	while (!watch->stop && poll(fds, 2, timeout_ms) > 0) {
		read_signals(watch);
		read_links(watch);
		timeout_ms = SETTLE_MS;
	}
}

static int watch_loop(struct watch *watch)
{
	int err = attach_now(watch);

	if (err && err != -ENODEV)
		return EXIT_FAILURE; /* its cause will not go by waiting for an interface */
	sd_notify(0, "READY=1");
	for (;;) {
		wait_for_change(watch);
		if (watch->stop)
			return EXIT_SUCCESS;
		if (!is_due(watch)) {
			add_addresses(watch);
			continue;
		}
		if (!watch->failed && was_detached(watch)) {
			puts("detached meanwhile: nothing to keep attached");
			return EXIT_SUCCESS;
		}
		read_again(watch);
		attach_now(watch);
	}
}

int watch_run(const struct command *command, struct config *config)
{
	struct watch watch = {
		.command = command,
		.config = config,
		.link_fd = -1,
		.signal_fd = -1,
	};
	int err = open_sources(&watch), status = EXIT_FAILURE;

	if (err)
		command_error("attach --watch: cannot follow the interfaces: %s", strerror(-err));
	else
		status = watch_loop(&watch);
	if (watch.link_fd >= 0)
		close(watch.link_fd);
	if (watch.signal_fd >= 0)
		close(watch.signal_fd);
	config_free(watch.config);
	return status;
}
