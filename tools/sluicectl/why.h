/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What `sluicectl why` has gathered of one host-port or task, and how it is shown.
 */
#ifndef SLUICECTL_WHY_H
#define SLUICECTL_WHY_H

#include <stddef.h>
#include <stdint.h>

#include <sluice/abi.h>

#include "behind.h"

struct cJSON;
struct config;
struct maps;
struct views_backend;

struct why {
	const struct config *config;
	const struct maps *maps;
	/* what is asked for: a port, of one service or any ("" ); or a task, port 0 if it is in no map */
	char service[SLUICE_NAME_LEN];
	uint16_t port;
	const char *task; /* NULL: asked by port */

	struct views_backend *backends; /* that the maps have there */
	size_t backend_count;
	struct sluice_override *overrides; /* of each */
	struct sluice_change *changes;	   /* the last ones, oldest first */
	size_t change_count;
	struct cJSON *status, *facts; /* of sluiced; NULL: it is not there */
	char no_daemon[160];
	struct behind behind; /* if port is not 0 */
};

/* The claims to the port that sluiced knows, an array or NULL. */
const struct cJSON *why_claims(const struct why *why);

/* One claim by its task; NULL: sluiced does not know it. */
const struct cJSON *why_claim_of(const struct why *why, const char *task);

/* Each prints all of it. The program's exit status. */
int why_print_json(const struct why *why);
int why_print_text(const struct why *why);

#endif
