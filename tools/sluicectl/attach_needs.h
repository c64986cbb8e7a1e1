/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Does what is attached differ from what the configuration says? The maps tell what was attached, whatever file it was
 * attached with.
 */
#ifndef SLUICECTL_ATTACH_NEEDS_H
#define SLUICECTL_ATTACH_NEEDS_H

#include <stdbool.h>
#include <stddef.h>

struct config;
struct maps;

/* what is filled with the first key that differs, as "node.ports"; it becomes empty if none does. */
bool attach_needs(const struct maps *maps, const struct config *config, char *what, size_t len);

#endif
