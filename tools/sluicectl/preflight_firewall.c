/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Asks nft and iptables for their rules, where they are there, and says what was looked at. What the rules mean is
 * userspace/lib/firewall.h's guess.
 */
#include "preflight.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config.h"
#include "firewall.h"

#define OUTPUT_MAX (1 << 20)

/* Output of the command into a new string, NULL if it is not there or fails. */
static char *output_of(char *const argv[])
{
	posix_spawn_file_actions_t actions;
	char *text = calloc(1, OUTPUT_MAX);
	int pipes[2], status = 1, err;
	size_t len = 0;
	ssize_t got;
	pid_t child;

	if (!text || pipe2(pipes, O_CLOEXEC) < 0) {
		free(text);
		return NULL;
	}
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, pipes[1], STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	err = posix_spawnp(&child, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(pipes[1]);
	while (!err && len < OUTPUT_MAX - 1 &&
	       (got = read(pipes[0], text + len, OUTPUT_MAX - 1 - len)) > 0)
		len += (size_t)got;
	close(pipes[0]);
	if (!err && waitpid(child, &status, 0) == child && !status)
		return text;
	free(text);
	return NULL;
}

static void check_iptables(struct preflight *preflight, const char *command)
{
	const struct config *config = preflight->config;
	char *name = strdup(command), *argv[] = { name, NULL };
	char *rules = name ? output_of(argv) : NULL;
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
	char *argv[] = { nft, json, list, ruleset, NULL }, *rules = output_of(argv);
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
