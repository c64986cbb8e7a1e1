/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where does the host's packet filter send connections to a host-port? Docker publishes ports so. Best effort over what the filters' own
 * tools print, as in firewall.h; pure, runs nothing.
 */
#ifndef SLUICE_DNAT_H
#define SLUICE_DNAT_H

#include <stdbool.h>
#include <stdint.h>

#define DNAT_TO_LEN 80

/*
 * The first rule, in iptables-save's words, that gives TCP connections to this port another destination: "172.17.0.2:80". Only the table
 * nat is read; jumps are not followed, since each chain's rules are read.
 */
bool dnat_in_rules(const char *rules, uint16_t port, char to[DNAT_TO_LEN]);

/* The same for `nft -j list ruleset`; rules and maps of nft itself, not those of iptables-nft. */
bool dnat_in_ruleset(const char *json, uint16_t port, char to[DNAT_TO_LEN]);

#endif
