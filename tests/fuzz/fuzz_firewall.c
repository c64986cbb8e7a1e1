/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fuzz target: what iptables-save and nft print, as preflight reads it. Any text gets an answer; where it is yes, there is a reason.
 */
#include <stdint.h>
#include <string.h>

#include "firewall.h"
#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text = malloc(len + 1), reason[128];
	bool understood;

	must(text);
	memcpy(text, data, len);
	text[len] = 0;
	reason[0] = 0;
	if (firewall_rules_drop(text, 31000, 32000, reason, sizeof(reason)))
		must(reason[0] && memchr(reason, 0, sizeof(reason)));
	reason[0] = 0;
	understood = false;
	if (firewall_ruleset_drops(text, 31000, 32000, reason, sizeof(reason), &understood))
		must(understood && reason[0] && memchr(reason, 0, sizeof(reason)));
	free(text);
	return 0;
}
