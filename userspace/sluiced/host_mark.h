/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What tells this host's registrations from another host's when its name and its boot are others by
 * now: a mark made of the machine's id and of the pin folder, so that two daemons on one host have
 * two. It tells nobody the machine's id, which is to be kept to the host (machine-id(5)).
 */
#ifndef SLUICED_HOST_MARK_H
#define SLUICED_HOST_MARK_H

/*
 * New string, "" where the host has no id: then nothing is told by it. NULL: no memory. pin_dir may
 * be NULL.
 */
char *host_mark(const char *pin_dir);

#endif
