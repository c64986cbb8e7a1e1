/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's half of the maps, in this process's memory: what the daemon maps is memory as it is, and libbpf's calls on
 * the other maps (kernel.c stands before libbpf) find what attach would have left. One service, web on port 80. No
 * packet passes: tables of flows are empty and counters zero.
 */
#ifndef TESTS_FAULTS_KERNEL_H
#define TESTS_FAULTS_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "maps.h"

/* As after attach, and nobody has published anything. */
void kernel_attach(uint16_t port_min, uint16_t port_max);
/* As maps_open() would fill it. Not for maps_release(): zero it. */
void kernel_open(struct maps *maps);

/* The slot that a host-port leads to, and its backend's state; SLUICE_BACKEND_FREE if there is none. */
unsigned kernel_slot(uint16_t port);
enum sluice_backend_state kernel_state(uint16_t port);
/* Do new connections of web go there? */
bool kernel_serves(uint16_t port);
/* How the set of web in force balances; -1: there is none. */
int kernel_balance(void);

/* The operator's word about the backend of a host-port, as sluicectl writes it. */
void kernel_override(uint16_t port, const struct sluice_override *override);

#endif
