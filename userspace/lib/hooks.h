/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Programs on an interface's hooks, each remembered by one pin in PIN_DIR/attach:
 *
 *   xdp-IFNAME                    the XDP link
 *   tc_in-IFNAME, tc_out-IFNAME   the tcx link; where the kernel has none, the program of a clsact filter
 *   clsact-IFNAME                 an empty folder: the clsact qdisc is ours to remove
 *
 * A program that is there already is replaced in place, so that no packet goes by without one. What others put on a hook
 * is never touched. For root; the caller holds the lock of pins.h.
 */
#ifndef SLUICE_HOOKS_H
#define SLUICE_HOOKS_H

#include <stdbool.h>
#include <stddef.h>

enum hook {
	HOOK_XDP,
	HOOK_TC_IN,
	HOOK_TC_OUT,
	HOOK_COUNT,
};

struct hooks {
	const char *pin_dir;
	bool no_tcx; /* use clsact although the kernel may have tcx */
};

/*
 * -EBUSY with error filled if an XDP program of somebody else sits on the interface. Changes nothing.
 */
int hooks_check_xdp(const struct hooks *hooks, const char *ifname, unsigned ifindex, char *error,
		    size_t len);

/* Attach or replace. native: in the driver, else in the stack; of meaning for HOOK_XDP only. */
int hooks_attach_xdp(const struct hooks *hooks, const char *ifname, unsigned ifindex, int prog_fd,
		     bool native, char *error, size_t len);
int hooks_attach_tc(const struct hooks *hooks, enum hook hook, const char *ifname, unsigned ifindex,
		    int prog_fd, char *error, size_t len);

/*
 * Detach all that is remembered in PIN_DIR/attach and for which keep() says false (all if keep is NULL), and forget it. An
 * interface that is gone took its hooks along. *count, if not NULL, is how many programs were detached.
 */
int hooks_detach(const struct hooks *hooks,
		 bool (*keep)(const void *ctx, enum hook hook, const char *ifname), const void *ctx,
		 unsigned *count, char *error, size_t len);

#endif
