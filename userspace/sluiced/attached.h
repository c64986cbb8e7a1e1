/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Services that are no longer configured but still attached, so that they must be kept right until attach is run.
 */
#ifndef SLUICED_ATTACHED_H
#define SLUICED_ATTACHED_H

#include <stdbool.h>

#include <sluice/abi.h>

struct config;

/*
 * Copy into config those services of old that it does not have and that are still attached. 0 or -ENOMEM, after which
 * config may have some of them.
 */
int attached_carry_over(const struct sluice_service *services, const struct config *old,
			struct config *config);

/* Has config each of the services that are attached? */
bool attached_all_configured(const struct sluice_service *services, const struct config *config);

#endif
