/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What maps_scan.c offers maps_count.c beyond maps.h: to know which table a flow comes from.
 */
#ifndef SLUICE_MAPS_SCAN_H
#define SLUICE_MAPS_SCAN_H

#include "maps.h"

/*
 * Before a table's flows: which one, below MAPS_TABLES as maps_count() orders them, and its map. 0,
 * or a negative errno that ends all.
 */
typedef int (*maps_begin_table)(void *ctx, unsigned table, int fd);

/*
 * As maps_scan_flows(). Half-open ones come first: a flow that is promoted meanwhile is seen twice
 * rather than never. begin may be NULL.
 */
int maps_scan_tables(const struct maps *maps, maps_begin_table begin, maps_visit_flow visit,
		     void *ctx);

#endif
