/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Asks nft and iptables for their rules, where they are there, and says what was looked at. What the rules mean is
 * userspace/lib/firewall.h's guess.
 */
#include "preflight.h"

#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "firewall.h"
#include "program.h"

static void check_iptables(struct preflight *preflight, const char *command)
{
	const struct config *config = preflight->config;
	char *name = strdup(command), *argv[] = { name, NULL };
	char *rules = name ? program_output(argv) : NULL;
	char reason[160];

	if (!rules)
		preflight_add(preflight, PREFLIGHT_SKIPPED, "firewall",
			      "%s: not there, or not allowed", command);
	else if (firewall_rules_drop(rules, config->port_min, config->port_max, reason,
				     sizeof(reason)))
		preflight_add(preflight, PREFLIGHT_WARNING, "firewall",
			      "%s: host-ports seem to be dropped: %s", command, reason);
	else
		preflight_add(preflight, PREFLIGHT_OK, "firewall",
			      "%s: nothing in filter INPUT drops host-ports", command);
	free(rules);
	free(name);
}

static void check_nft(struct preflight *preflight)
{
	static char nft[] = "nft", json[] = "-j", list[] = "list", ruleset[] = "ruleset";
	const struct config *config = preflight->config;
	char *argv[] = { nft, json, list, ruleset, NULL }, *rules = program_output(argv);
	char reason[160];
	bool understood = false;

	if (rules && firewall_ruleset_drops(rules, config->port_min, config->port_max, reason,
					    sizeof(reason), &understood))
		preflight_add(
			preflight, PREFLIGHT_WARNING, "firewall",
			"%s seems to drop host-ports: netfilter sees those, not the service's port",
			reason);
	else if (understood)
		preflight_add(preflight, PREFLIGHT_OK, "firewall",
			      "nft: no chain at input drops host-ports (jumps were not followed)");
	else
		preflight_add(preflight, PREFLIGHT_SKIPPED, "firewall",
			      "nft: not there, or not allowed");
	free(rules);
}

void preflight_firewall(struct preflight *preflight)
{
	check_nft(preflight);
	check_iptables(preflight, "iptables-save");
	check_iptables(preflight, "ip6tables-save");
}
