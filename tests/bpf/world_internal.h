/* SPDX-License-Identifier: GPL-2.0-only */
/* What the world's files share and nobody else needs: the tables that are walked. */
#ifndef TESTS_WORLD_INTERNAL_H
#define TESTS_WORLD_INTERNAL_H

#include <stdbool.h>

struct world;

/* The flow tables need not be large here; preallocated they would cost 100 MB. */
enum { WORLD_FLOW_ENTRIES = 2560 };

/* family: 4 or 6. The world's own, not to be closed. */
int world_flows_fd(const struct world *world, unsigned family, bool established);
/* For root and the programs alone, so no part of struct maps. */
int world_rates_fd(const struct world *world);

#endif
