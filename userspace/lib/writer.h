/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One writer at a time: who publishes into the maps holds this lock, the daemon for as long as it lives, sluicectl for the moment in which it
 * stands in for a daemon that is down.
 */
#ifndef SLUICE_WRITER_H
#define SLUICE_WRITER_H

#include <stddef.h>

/*
 * Lock the folder of pins, waiting up to wait_ms for another holder. A descriptor to close, or -EBUSY, or another negative errno; then
 * error has one line for the user.
 */
int writer_lock(const char *pin_dir, unsigned wait_ms, char *error, size_t len);

#endif
