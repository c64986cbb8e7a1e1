/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Would the host's packet filter drop connections to host-ports? Netfilter sees those, not the service's port that the client
 * knows. Best effort over what the filters' own tools print; pure, runs nothing.
 */
#ifndef SLUICE_FIREWALL_H
#define SLUICE_FIREWALL_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Do rules, in iptables-save's words, drop new TCP connections to ports min to max, or some of them? Only the table filter's chain
 * INPUT is read. reason has len bytes, and is filled if so.
 */
bool firewall_rules_drop(const char *rules, unsigned min, unsigned max, char *reason, size_t len);

/* The same for `nft -j list ruleset`, chains that hook into input. *understood: it was such a document. */
bool firewall_ruleset_drops(const char *json, unsigned min, unsigned max, char *reason, size_t len,
			    bool *understood);

#endif
