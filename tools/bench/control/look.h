/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Looks at the pinned maps as the BPF programs do, often: is the backend on this host-port in the
 * set in force? So what is timed is the moment from which a connection would or would not go there,
 * not what the daemon says of itself.
 */
#ifndef BENCH_CONTROL_LOOK_H
#define BENCH_CONTROL_LOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "maps.h"

/* Is the newest backend on port (host order) in its service's set in force, and up? */
bool look_is_usable(const struct maps *maps, uint16_t port);

/*
 * Look every 50 us until it is, or is not. Returns CLOCK_MONOTONIC ns of the first look that finds
 * it so; 0: not within limit_ms.
 */
uint64_t look_until(const struct maps *maps, uint16_t port, bool usable, unsigned limit_ms);

#endif
