/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sluicectl preflight: what speaks for and against attaching here. A check looks, changes nothing that outlives it, and adds its
 * findings; whoever cannot look says so instead of being silent.
 */
#ifndef SLUICECTL_PREFLIGHT_H
#define SLUICECTL_PREFLIGHT_H

struct config;

enum preflight_level {
	PREFLIGHT_OK,
	PREFLIGHT_SKIPPED, /* could not be looked at; the text says why */
	PREFLIGHT_WARNING, /* attach will work, but read this */
	PREFLIGHT_BLOCK,   /* attach will be refused */
};

struct preflight_finding {
	enum preflight_level level;
	const char *check; /* a constant, as "kernel.tcx" */
	char text[240];
};

#define PREFLIGHT_MAX 128

struct preflight {
	const struct config *config;
	struct preflight_finding finding[PREFLIGHT_MAX];
	unsigned count; /* those above PREFLIGHT_MAX are dropped: there are that many only if all go wrong */
};

void preflight_add(struct preflight *preflight, enum preflight_level level, const char *check,
		   const char *format, ...) __attribute__((format(printf, 4, 5)));

void preflight_kernel(struct preflight *preflight);	/* what bpf(2) can do here */
void preflight_interfaces(struct preflight *preflight); /* drivers, hooks, and the way back */
void preflight_host(struct preflight *preflight);	/* ports, docker-proxy, folders, group */
void preflight_firewall(struct preflight *preflight); /* rules that would drop the rewritten port */

#endif
