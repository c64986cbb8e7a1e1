/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The configuration against what attach made of an earlier one: which services are waiting for `sluicectl attach`, and which are no longer
 * configured but still served, so that they must be kept right until attach is run.
 */
#ifndef SLUICED_ATTACHED_H
#define SLUICED_ATTACHED_H

#include <stdbool.h>
#include <stddef.h>

#include <sluice/abi.h>

struct config;

/*
 * Does config say something else than what attach left? Then what names the first such key. services as maps_read_services() fills
 * them. Which networks may connect is not among it: the lists are in maps that only root changes.
 */
bool attached_differs(const struct sluice_meta *meta, const struct sluice_service *services,
		      const struct config *config, char *what, size_t len);

/*
 * Copy into config those services of old that it does not have and that are still attached. 0 or -ENOMEM, after which
 * config may have some of them.
 */
int attached_carry_over(const struct sluice_service *services, const struct config *old,
			struct config *config);

#endif
