/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The operator's word on backends: written into the pinned map of overrides, and put in force by the daemon, or by ourselves while it is down.
 */
#ifndef SLUICECTL_OVERRIDE_H
#define SLUICECTL_OVERRIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config;
struct maps;
struct target;

enum override_word {
	OVERRIDE_DRAIN,
	OVERRIDE_UNDRAIN,
	OVERRIDE_WEIGHT,
};

/* Write one word, with no other sluicectl in between. 0; -ESTALE: the backend has just ended, and nothing is left of it; else negative errno. */
int override_write(struct maps *maps, const struct config *config, const struct target *target,
		   enum override_word word, uint32_t weight);

/*
 * Have all overrides put in force. 0 with *by_daemon set; else negative errno and one line in error: what was written stays written,
 * and holds once the daemon looks.
 */
int override_enforce(struct maps *maps, const struct config *config, bool *by_daemon, char *error,
		     size_t len);

/* Entries that say nothing any more go. After override_enforce(). */
void override_forget(struct maps *maps, const struct config *config, const struct target *target);

#endif
