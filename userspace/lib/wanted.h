/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the maps should say, as plain values: the model writes it, the plan compares it with what the maps do say. Strings and arrays
 * belong to the model and are valid until its next call.
 */
#ifndef SLUICE_WANTED_H
#define SLUICE_WANTED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/abi.h>

struct wanted_service {
	const char *name; /* as in sluice_services, which has its port */
	uint8_t balance, on_empty, on_full;
	uint32_t maxconn;
	bool synced; /* false: too little is known for a first publication; a set in force is kept right anyway */
};

struct wanted_backend {
	size_t service; /* position in struct wanted's services */
	const char *task;
	const char *formerly; /* its other name, which the maps may still have; NULL: none */
	const char *app;
	unsigned port_index;
	uint16_t port; /* host order */
	enum sluice_backend_state state;
	uint32_t weight; /* 0..256 */
	const char *reason;
	const char *source;
};

/* No port stands here twice, and no service, task and port index together do. */
struct wanted {
	size_t service_count;
	const struct wanted_service *service;
	size_t backend_count;
	const struct wanted_backend *backend;
};

#endif
