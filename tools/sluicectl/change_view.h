/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How changes of backends are shown, by `changes` and by `why`. The JSON keys are a contract, see sluicectl(8).
 */
#ifndef SLUICECTL_CHANGE_VIEW_H
#define SLUICECTL_CHANGE_VIEW_H

#include <stddef.h>

struct cJSON;
struct sluice_change;

/* An array, oldest first; NULL: no memory. */
struct cJSON *change_view_json(const struct sluice_change *list, size_t count);

/* To stdout. 0, or -ENOMEM. */
int change_view_print(const struct sluice_change *list, size_t count);

#endif
