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

#include "pins.h"

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

/* Where the hook of the interface is pinned. -ENAMETOOLONG. */
int hooks_pin_path(const struct hooks *hooks, enum hook hook, const char *ifname,
		   char path[PINS_PATH_LEN]);

/* Is the pin a link (as opposed to a clsact filter's program)? */
bool hooks_is_link(int fd);

#define HOOKS_MAX_BEFORE 8

/* What is really at work on a hook, next to what its pin says. Ids are the kernel's, 0: none. */
struct hooks_seen {
	unsigned pinned;   /* the program that the pin names */
	unsigned attached; /* the same if it runs on the interface; for XDP whatever runs there */
	bool native;	   /* XDP: in the driver */
	unsigned before[HOOKS_MAX_BEFORE]; /* tcx: other programs that run before ours */
	unsigned before_count;
};

/* hooks_look.c: changes nothing. For root. 0 or negative errno. */
int hooks_look(const struct hooks *hooks, enum hook hook, const char *ifname, unsigned ifindex,
	       struct hooks_seen *seen);

#endif
