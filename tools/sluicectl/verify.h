/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sluicectl verify: do maps, hooks, kernel and daemon agree? Each check adds findings; what it could not look at it says instead of being
 * silent. Checks run on a live host: one look may see something half done, so a finding counts only if several looks agree on it.
 */
#ifndef SLUICECTL_VERIFY_H
#define SLUICECTL_VERIFY_H

#include <stddef.h>

#include <sluice/abi.h>

struct config;
struct maps;

struct verify_finding {
	const char *
		check; /* a constant, as "set.slot": with where it says whether two findings are the same */
	char where[64]; /* service, backend or interface */
	char text[240];
	const char *advice;
};

#define VERIFY_MAX 256

struct verify {
	const struct config *config;
	struct maps *maps;
	struct sluice_service services[SLUICE_MAX_SERVICES + 1];
	struct verify_finding *finding; /* VERIFY_MAX */
	size_t count; /* those above VERIFY_MAX are dropped: there are that many only if all is wrong */
	char unseen[4][160]; /* what could not be looked at, one line each */
	size_t unseen_count;
	char note[320]; /* the daemon is not there, a leave is under way; "" */
};

/* Once for each check and place. */
void verify_add(struct verify *verify, const char *check, const char *advice, const char *where,
		const char *format, ...) __attribute__((format(printf, 5, 6)));
void verify_unseen(struct verify *verify, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* "web/31005", or what can be said of a slot that is in no order. */
void verify_name(const struct verify *verify, unsigned slot, char name[64]);

void verify_sets(struct verify *verify);
void verify_backends(struct verify *verify);
void verify_ports(struct verify *verify);
void verify_addresses(struct verify *verify);
void verify_listeners(struct verify *verify);
void verify_flows(struct verify *verify);
void verify_hooks(struct verify *verify);
void verify_daemon(struct verify *verify);

#endif
