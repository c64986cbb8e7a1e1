/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Attach and detach as a whole: from a configuration to programs on interfaces, and back to nothing. The order of the
 * steps, which mode `auto` means, and what is undone if a step fails are decided here; the steps are elsewhere
 * (pins, loader, services, hooks). For root.
 */
#ifndef SLUICE_ATTACH_H
#define SLUICE_ATTACH_H

#include <stdbool.h>
#include <stddef.h>

#include <sluice/abi.h>

struct config;

struct attach_options {
	bool no_tcx;
	bool keep_leave; /* a `detach --wait` that is under way goes on; else attaching ends it */
};

struct attach_report {
	enum sluice_mode mode;
	char why[160]; /* why this mode, for the user */
	bool replaced; /* programs were there already and have been replaced; maps and flows were kept */
	bool leaving;	     /* new connections pass to the host: a leave was kept */
	bool local;	     /* clients on this host are balanced */
	char local_why[240]; /* why not */
};

/*
 * Load the programs, fill services and addresses, and attach; run again, replace. Refused without any change if an
 * interface does not exist or somebody else's XDP program sits on one. If a later step of a first attach fails,
 * everything is removed again; of a repeated one, what was in force stays so. error has one line for the user.
 */
int attach_run(const struct config *config, const struct attach_options *options,
	       struct attach_report *report, char *error, size_t len);

/* Remove all that attach made below pin_dir. *was: there was something. Nothing there is no error. */
int attach_undo(const char *pin_dir, bool *was, char *error, size_t len);

/* The same, but -ECANCELED and without any change if somebody has ended the leave by attaching again. */
int attach_undo_leave(const char *pin_dir, char *error, size_t len);

/*
 * From now on new connections pass to the host, and flows live on: the first half of a `detach --wait`. Only another
 * attach ends it. -ENOENT: nothing is attached; -EPROTO: something of another version is.
 */
int attach_leave(const char *pin_dir, char *error, size_t len);

/* Which mode would be tried, and why: fills mode and why. `auto` still falls back to tc if the driver refuses. */
void attach_choose_mode(const struct config *config, struct attach_report *report);

const char *attach_mode_name(enum sluice_mode mode);

#endif
