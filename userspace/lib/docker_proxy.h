/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * docker-proxy's command line: which host-port it serves, and for which container. Pure; who reads
 * /proc/PID/cmdline is the callers'.
 */
#ifndef SLUICE_DOCKER_PROXY_H
#define SLUICE_DOCKER_PROXY_H

#include <stddef.h>
#include <stdint.h>

/* Texts point into the command line; NULL: not given. */
struct docker_proxy {
	const char *host_ip, *container_ip, *container_port;
	uint16_t host_port; /* 0: not given, or no port */
};

/* text: len bytes, its words ended by NUL, and one more NUL behind them. */
void docker_proxy_read(const char *text, size_t len, struct docker_proxy *proxy);

#endif
