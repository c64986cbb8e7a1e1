/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the maps say, as people want to see it: backends, flows and services with names, exact counts and ages. Reads
 * only maps, so it works with the daemon dead. Knows nothing about JSON or tables; the caller prints.
 */
#ifndef SLUICE_VIEWS_H
#define SLUICE_VIEWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/abi.h>
#include <sluice/flow_rules.h>
#include <sluice/reasons.h>

struct maps;

struct views_backend {
	unsigned slot;
	char service[SLUICE_NAME_LEN]; /* "" if attach no longer knows the service */
	uint16_t port;		       /* host order, as all ports here */
	uint32_t generation;
	enum sluice_backend_state state;
	uint32_t weight;
	char task[SLUICE_TASK_LEN];
	char app[SLUICE_APP_LEN];
	char reason[SLUICE_REASON_LEN];
	char source[16];
	uint32_t port_index;
	uint32_t half_open, active; /* flows, counted by a scan; active: established and closing */
	struct sluice_stats stats;  /* of this generation */
	uint64_t state_since_ms;    /* how long it has been in its state */
};

struct views_flow {
	int family; /* AF_INET or AF_INET6 */
	enum sluice_origin origin;
	uint64_t cookie;	    /* of a local client's socket, else 0 */
	__be32 client[4], local[4]; /* IPv4 in the first word */
	uint16_t client_port, service_port, port;
	char service[SLUICE_NAME_LEN];
	uint32_t generation;
	unsigned slot;
	enum sluice_flow_state state;
	uint64_t age_ms, idle_ms;
};

struct views_service {
	unsigned index;
	char name[SLUICE_NAME_LEN];
	uint16_t port;
	__be32 address[SLUICE_MAX_ADDRESS];
	unsigned address_count;
	bool leaving; /* detach --wait: new connections pass to the host */
	bool synced;  /* it has had a set since attach; balance and on_empty are valid */
	enum sluice_balance balance;
	enum sluice_on_empty on_empty;
	unsigned waiting, up, down, draining, gone;
	uint32_t half_open, active;
	struct sluice_stats stats;
};

/* Each makes a list, sorted, that the caller frees; *list is NULL if it is empty. 0 or negative errno. */
int views_backends(const struct maps *maps, struct views_backend **list, size_t *count);
int views_flows(const struct maps *maps, struct views_flow **list,
		size_t *count); /* no retired ones */
int views_services(const struct maps *maps, struct views_service **list, size_t *count);

/* The words of the contract: up, half-open, leastconn, ... */
const char *views_backend_state(enum sluice_backend_state state);
const char *views_flow_state(enum sluice_flow_state state);
const char *views_origin(enum sluice_origin origin);
const char *views_balance(enum sluice_balance balance);
const char *views_on_empty(enum sluice_on_empty on_empty);
const char *views_reason_name(enum sluice_reason reason);
const char *views_reason_help(enum sluice_reason reason);

#endif
