/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What stands behind a host-port: listening sockets with their processes, and rules of the packet filter that give its connections to a
 * container.
 */
#ifndef SLUICECTL_BEHIND_H
#define SLUICECTL_BEHIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dnat.h"
#include "listening.h"

struct cJSON;

#define BEHIND_SOCKETS 8
#define BEHIND_RULES 3 /* one of each tool */

struct behind {
	int sockets_err; /* 0, or why the sockets could not be looked at */
	size_t socket_count;
	struct {
		struct sock_diag_socket at;
		struct listening_owner owner;
	} socket[BEHIND_SOCKETS];
	size_t rule_count;
	struct {
		const char *tool;
		char to[DNAT_TO_LEN];
	} rule[BEHIND_RULES];
	size_t tools; /* that could be asked for their rules; 0: nothing is known of rules */
};

void behind_look(struct behind *behind, uint16_t port);

/* {sockets: [{address, pid or null, process, uid, forwards or null}], dnat: [{tool, to}], sockets_known, rules_known} */
struct cJSON *behind_json(const struct behind *behind);
/* "  behind: ..." lines to stdout */
void behind_print(const struct behind *behind);

/* The packet filters' rules, read once and asked for many ports. Accepts a zeroed structure. */
struct behind_rules {
	struct {
		const char *tool;
		char *text; /* NULL: not there, or not allowed */
	} list[BEHIND_RULES];
};
void behind_rules_read(struct behind_rules *rules);
void behind_rules_release(struct behind_rules *rules);
size_t behind_rules_known(const struct behind_rules *rules);
/* Does the tool number i send the port anywhere? */
bool behind_rules_send(const struct behind_rules *rules, size_t i, uint16_t port,
		       char to[DNAT_TO_LEN]);

#endif
