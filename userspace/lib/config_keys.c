/* SPDX-License-Identifier: GPL-2.0-only */
/* The table ties keys to setters and fields: it is the place to check that a setter and its field's type agree. */
#include "config_keys.h"

#include <string.h>

#include "config.h"
#include "config_set.h"

static const struct config_choice modes[] = {
	{ "auto", CONFIG_MODE_AUTO },
	{ "native", CONFIG_MODE_NATIVE },
	{ "tc", CONFIG_MODE_TC },
	{ "generic", CONFIG_MODE_GENERIC },
	{ NULL, 0 },
};
static const struct config_choice balances[] = {
	{ "roundrobin", SLUICE_BALANCE_ROUNDROBIN },
	{ "leastconn", SLUICE_BALANCE_LEASTCONN },
	{ "random", SLUICE_BALANCE_RANDOM },
	{ "source", SLUICE_BALANCE_SOURCE },
	{ NULL, 0 },
};
static const struct config_choice on_empties[] = {
	{ "reset", SLUICE_EMPTY_RESET },
	{ "pass", SLUICE_EMPTY_PASS },
	{ "drop", SLUICE_EMPTY_DROP },
	{ NULL, 0 },
};
static const struct config_choice on_fulls[] = {
	{ "drop", SLUICE_FULL_DROP },
	{ "reset", SLUICE_FULL_RESET },
	{ NULL, 0 },
};
static const struct config_choice all_downs[] = {
	{ "empty", CONFIG_ALL_DOWN_EMPTY },
	{ "last", CONFIG_ALL_DOWN_LAST },
	{ NULL, 0 },
};
static const struct config_choice events[] = {
	{ "sse", CONFIG_EVENTS_SSE },
	{ "callback", CONFIG_EVENTS_CALLBACK },
	{ "off", CONFIG_EVENTS_OFF },
	{ NULL, 0 },
};

#define KEY(section, name, type, field, set, choices)                                      \
	{                                                                                  \
		CONFIG_SECTION_##section, name, offsetof(struct type, field), set, choices \
	}

/* In the order of the manual page. */
static const struct config_key keys[] = {
	KEY(NODE, "name", config, name, config_set_names, NULL),
	KEY(NODE, "interface", config, interface, config_set_interfaces, NULL),
	KEY(NODE, "mode", config, mode, config_set_choice, modes),
	KEY(NODE, "pin_dir", config, pin_dir, config_set_path, NULL),
	KEY(NODE, "cgroup", config, cgroup, config_set_cgroup, NULL),
	KEY(NODE, "ports", config, port_min, config_set_ports, NULL),
	KEY(NODE, "group", config, group, config_set_word, NULL),
	KEY(NODE, "flows", config, flows, config_set_flows, NULL),
	KEY(NODE, "half_flows", config, half_flows, config_set_half_flows, NULL),
	KEY(NODE, "half_open_timeout", config, timeouts.half_open_ms, config_set_half_open, NULL),
	KEY(NODE, "idle_timeout", config, timeouts.idle_ms, config_set_idle, NULL),
	KEY(NODE, "closing_timeout", config, timeouts.closing_ms, config_set_lingering, NULL),
	KEY(NODE, "closed_timeout", config, timeouts.closed_ms, config_set_lingering, NULL),
	KEY(SERVICE, "port", config_service, port, config_set_port, NULL),
	KEY(SERVICE, "address", config_service, address, config_set_addresses, NULL),
	KEY(SERVICE, "allow", config_service, allow, config_set_allow, NULL),
	KEY(SERVICE, "rate", config_service, rate, config_set_rate, NULL),
	KEY(SERVICE, "rate_prefix", config_service, rate_prefix4, config_set_prefix4, NULL),
	KEY(SERVICE, "rate_prefix6", config_service, rate_prefix6, config_set_prefix6, NULL),
	KEY(SERVICE, "marathon_app", config_service, marathon_app, config_set_app, NULL),
	KEY(SERVICE, "port_index", config_service, port_index, config_set_port_index, NULL),
	KEY(SERVICE, "consul_service", config_service, consul_service, config_set_word, NULL),
	KEY(SERVICE, "balance", config_service, balance, config_set_choice, balances),
	KEY(SERVICE, "on_empty", config_service, on_empty, config_set_choice, on_empties),
	KEY(SERVICE, "on_full", config_service, on_full, config_set_choice, on_fulls),
	KEY(SERVICE, "all_down", config_service, all_down, config_set_choice, all_downs),
	KEY(SERVICE, "slowstart", config_service, slowstart_ms, config_set_duration, NULL),
	KEY(SERVICE, "drain_timeout", config_service, drain_timeout_ms, config_set_duration, NULL),
	KEY(SERVICE, "maxconn", config_service, maxconn, config_set_maxconn, NULL),
	KEY(MARATHON, "url", config, marathon_url, config_set_urls, NULL),
	KEY(MARATHON, "events", config, events, config_set_choice, events),
	KEY(MARATHON, "callback_listen", config, callback_listen, config_set_listen, NULL),
	KEY(MARATHON, "callback_url", config, callback_url, config_set_url, NULL),
	KEY(MARATHON, "callback_from", config, callback_from, config_set_from, NULL),
	KEY(MARATHON, "user_file", config, user_file, config_set_path, NULL),
	KEY(MARATHON, "ca_file", config, marathon_ca_file, config_set_path, NULL),
	KEY(MARATHON, "resync", config, resync_ms, config_set_resync, NULL),
	KEY(CONSUL, "url", config, consul_url, config_set_url, NULL),
	KEY(CONSUL, "register", config, consul_register, config_set_bool, NULL),
	KEY(CONSUL, "token_file", config, token_file, config_set_path, NULL),
	KEY(CONSUL, "ca_file", config, ca_file, config_set_path, NULL),
	KEY(CONSUL, "warning", config, warning_is_up, config_set_warning, NULL),
	KEY(GUARDS, "mass_share", config, guards.mass_share, config_set_share, NULL),
	KEY(GUARDS, "mass_count", config, guards.mass_count, config_set_count, NULL),
	KEY(GUARDS, "flap_count", config, guards.flap_count, config_set_count, NULL),
	KEY(GUARDS, "flap_hold", config, guards.flap_hold_ms, config_set_duration, NULL),
	KEY(GUARDS, "flap_hold_max", config, guards.flap_hold_max_ms, config_set_duration, NULL),
	KEY(GUARDS, "health_expires", config, guards.health_expires_ms, config_set_expiry, NULL),
	KEY(ADMIN, "socket", config, admin_socket, config_set_socket, NULL),
	KEY(ADMIN, "metrics_listen", config, metrics_listen, config_set_listen, NULL),
};

#define KEY_COUNT (sizeof(keys) / sizeof(keys[0]))
_Static_assert(KEY_COUNT <= CONFIG_KEYS_MAX, "arrays by key are too small");

size_t config_keys_index(const struct config_key *key)
{
	return (size_t)(key - keys);
}

const struct config_key *config_keys_find(enum config_section section, const char *name)
{
	size_t i;

	for (i = 0; i < KEY_COUNT; i++) {
		if (keys[i].section == section && !strcmp(keys[i].name, name))
			return &keys[i];
	}
	return NULL;
}

/* Edits that make one word the other (Levenshtein); key names are short, so one row of this size is enough. */
static size_t distance(const char *a, const char *b)
{
	size_t row[32], len = strlen(b), i, j;

	for (j = 0; j <= len; j++)
		row[j] = j;
	for (i = 1; *a; a++, i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (j = 1; j <= len; j++) {
			size_t best = diagonal + (*a != b[j - 1]);

			diagonal = row[j];
			if (diagonal + 1 < best)
				best = diagonal + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[len];
}

const struct config_key *config_keys_nearest(enum config_section section, const char *name)
{
	const struct config_key *nearest = NULL;
	size_t best = strlen(name) / 3 + 1, i;

	for (i = 0; i < KEY_COUNT; i++) {
		size_t edits;

		if (keys[i].section != section)
			continue;
		edits = distance(name, keys[i].name);
		if (edits < best || (edits == best && !nearest)) {
			best = edits;
			nearest = &keys[i];
		}
	}
	return nearest;
}
