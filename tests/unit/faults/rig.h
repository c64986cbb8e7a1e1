/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A daemon that runs: loop, sockets, sources, model and reconciler as daemon_run() puts them together, over maps in memory
 * (kernel.h) and against registries in another process (registries.h). Four tasks, of which the last is played with; that
 * the others always get connections is checked after every round of the loop.
 */
#ifndef TESTS_FAULTS_RIG_H
#define TESTS_FAULTS_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "alloc.h"
#include "daemon_internal.h"
#include "registries.h"

#define RIG_TASKS 4
#define RIG_PLAYED (RIG_TASKS - 1) /* the number of that task, and its bit's */
#define RIG_PLAYED_PORT (REGISTRIES_PORT + RIG_PLAYED)

struct rig {
	struct daemon daemon;
	struct registries *registries;
	const char *balance; /* of the service, in the file: roundrobin or leastconn */
	uint16_t callback_port, metrics_port;
	char folder[64], file[80], socket[80]; /* the configuration's, the admin socket's */
};
extern struct rig rig;

/*
 * events: as in the file; times: so much faster does time run, as far as the patience of who is played with allows. Returns
 * when the sources are connected and all four tasks get connections.
 */
void rig_start(const char *events, unsigned times);
void rig_stop(void);

/* The configuration file as rig's fields say now. */
void rig_write_config(void);
/* The daemon ends and starts again over the maps that it left. */
void rig_restart(void);

/* Run the loop until it is so. The test fails if it is not within half a minute. */
void rig_until(bool (*is)(void));
/* Sources are connected, and what the file says holds. */
bool rig_is_settled(void);

/*
 * Refuse as told while begin() is done and for a moment after the first refusal, or until it has arrived. Then all memory
 * is back, nobody asks for anything, and it arrives.
 */
void rig_play(const struct faults_order *order, void (*begin)(void), bool (*arrived)(void));

/*
 * Write a request to a connected socket, which is closed, and run the loop until the answer has ended. It is in a static
 * buffer, with a NUL after it.
 */
const char *rig_ask(int fd, const char *request);
/* Sockets to the daemon. */
int rig_connect_admin(void);
int rig_connect(uint16_t port);

#endif
