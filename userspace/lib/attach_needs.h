/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Does what is attached differ from what the configuration says? The maps tell what was attached, whatever file it was
 * attached with.
 */
#ifndef SLUICE_ATTACH_NEEDS_H
#define SLUICE_ATTACH_NEEDS_H

#include <stdbool.h>
#include <stddef.h>

struct config;
struct maps;
struct sluice_meta;

/* The first key of [node] that meta does not agree with, as "node.ports"; NULL: none. For who reads services his own way. */
const char *attach_needs_node(const struct sluice_meta *meta, const struct config *config);

/* what is filled with the first key that differs, as "node.ports"; it becomes empty if none does. */
bool attach_needs(const struct maps *maps, const struct config *config, char *what, size_t len);

#endif
