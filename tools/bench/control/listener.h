/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sockets that listen and are never accepted from: what a container looks like to the kernel's list.
 */
#ifndef BENCH_CONTROL_LISTENER_H
#define BENCH_CONTROL_LISTENER_H

#include <stdint.h>

/* On all IPv4 addresses. The descriptor, or negative errno. port: host order. */
int listener_open(uint16_t port);

#endif
