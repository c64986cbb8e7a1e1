/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One setter for each kind of value, and the table that ties keys to setters and fields. A setter stores through the
 * table's offset, so its field's type must be the one that it writes; the table is the place to check that.
 */
#include "config_keys.h"

#include <errno.h>
#include <net/if.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "config.h"
#include "config_value.h"

#define HALF_FLOWS_MIN (1u << 18)
#define FLOWS_MIN (1u << 10)
#define FLOWS_MAX (1u << 26)
#define PORT_INDEX_MAX 31
#define RATE_MAX 1000000 /* times the clock's rate it must fit into 32 bits */

/* --- what the keys take --- */

#define FIELD(type) ((type *)((char *)base + key->offset))

static int replace(char **field, const char *text, const char **why)
{
	char *copy = strdup(text);

	if (!copy) {
		*why = "out of memory";
		return -ENOMEM;
	}
	free(*field);
	*field = copy;
	return 0;
}

static int set_choice(const struct config_key *key, void *base, const char *text, const char **why)
{
	const struct config_choice *choice;

	for (choice = key->choices; choice->word; choice++) {
		if (strcmp(choice->word, text) != 0)
			continue;
		*FIELD(int) = choice->value;
		return 0;
	}
	*why = "none of the words that stand here";
	return -EINVAL;
}

static int set_path(const struct config_key *key, void *base, const char *text, const char **why)
{
	int err = config_value_path(text, why);

	return err ? err : replace(FIELD(char *), text, why);
}

static int set_listen(const struct config_key *key, void *base, const char *text, const char **why)
{
	int err;

	if (!strcmp(text, "off"))
		return replace(FIELD(char *), "", why);
	err = config_value_listen(text, why);
	return err ? err : replace(FIELD(char *), text, why);
}

static int set_word(const struct config_key *key, void *base, const char *text, const char **why)
{
	int err = config_value_word(text, why);

	return err ? err : replace(FIELD(char *), text, why);
}

static int set_url(const struct config_key *key, void *base, const char *text, const char **why)
{
	int err = config_value_url(text, key->section == CONFIG_SECTION_CONSUL, why);

	if (!err && key->section == CONFIG_SECTION_CONSUL)
		((struct config *)base)->consul_used = true;
	return err ? err : replace(FIELD(char *), text, why);
}

static int set_duration(const struct config_key *key, void *base, const char *text,
			const char **why)
{
	return config_value_duration(text, FIELD(uint64_t), why);
}

static int set_resync(const struct config_key *key, void *base, const char *text, const char **why)
{
	uint64_t ms;
	int err = config_value_duration(text, &ms, why);

	if (err)
		return err;
	if (ms < 1000) {
		*why = "shorter than a second";
		return -EINVAL;
	}
	*FIELD(uint64_t) = ms;
	return 0;
}

static int set_timeout(const struct config_key *key, void *base, const char *text, uint64_t min_ms,
		       uint64_t max_ms, const char *range, const char **why)
{
	uint64_t ms;
	int err = config_value_duration(text, &ms, why);

	if (err)
		return err;
	if (ms < min_ms || ms > max_ms) {
		*why = range;
		return -EINVAL;
	}
	*FIELD(uint64_t) = ms;
	return 0;
}

static int set_half_open(const struct config_key *key, void *base, const char *text,
			 const char **why)
{
	return set_timeout(key, base, text, TIMEOUTS_SHORTEST_MS, TIMEOUTS_HALF_OPEN_MAX_MS,
			   "not a time for a handshake (1s to 10m)", why);
}

static int set_idle(const struct config_key *key, void *base, const char *text, const char **why)
{
	return set_timeout(key, base, text, TIMEOUTS_IDLE_MIN_MS, UINT64_MAX,
			   "not a time that a connection may be quiet (10s to 24h)", why);
}

static int set_lingering(const struct config_key *key, void *base, const char *text,
			 const char **why)
{
	return set_timeout(key, base, text, TIMEOUTS_SHORTEST_MS, UINT64_MAX,
			   "not a time for a connection's end (1s to 24h)", why);
}

/* Consul's answers come once in a minute if nothing changes: shorter would expire what is well. */
static int set_expiry(const struct config_key *key, void *base, const char *text, const char **why)
{
	uint64_t ms;
	int err = config_value_duration(text, &ms, why);

	if (err)
		return err;
	if (ms && ms < 120 * 1000) {
		*why = "shorter than two minutes, and not 0";
		return -EINVAL;
	}
	*FIELD(uint64_t) = ms;
	return 0;
}

static int set_share(const struct config_key *key, void *base, const char *text, const char **why)
{
	return config_value_number(text, 1, 100, FIELD(unsigned), why);
}

static int set_count(const struct config_key *key, void *base, const char *text, const char **why)
{
	return config_value_number(text, 1, 1000, FIELD(unsigned), why);
}

static int set_bool(const struct config_key *key, void *base, const char *text, const char **why)
{
	return config_value_bool(text, FIELD(bool), why);
}

static int set_warning(const struct config_key *key, void *base, const char *text, const char **why)
{
	if (!strcmp(text, "up")) {
		*FIELD(bool) = true;
		return 0;
	}
	if (!strcmp(text, "down")) {
		*FIELD(bool) = false;
		return 0;
	}
	*why = "neither up nor down";
	return -EINVAL;
}

static int set_socket(const struct config_key *key, void *base, const char *text, const char **why)
{
	int err = config_value_path(text, why);

	if (!err && strlen(text) >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
		*why = "longer than a socket's path can be (107)";
		err = -EINVAL;
	}
	return err ? err : replace(FIELD(char *), text, why);
}

static int set_port(const struct config_key *key, void *base, const char *text, const char **why)
{
	return config_value_port(text, FIELD(uint16_t), why);
}

static int set_ports(const struct config_key *key, void *base, const char *text, const char **why)
{
	struct config *config = base;

	(void)key;
	return config_value_ports(text, &config->port_min, &config->port_max, why);
}

static int set_maxconn(const struct config_key *key, void *base, const char *text, const char **why)
{
	return config_value_number(text, 0, 1000000, FIELD(uint32_t), why);
}

static int set_rate(const struct config_key *key, void *base, const char *text, const char **why)
{
	return config_value_number(text, 0, RATE_MAX, FIELD(uint32_t), why);
}

static int set_prefix4(const struct config_key *key, void *base, const char *text, const char **why)
{
	int err = config_value_number(text, 0, 32, FIELD(uint32_t), why);

	if (err)
		*why = "not the length of an IPv4 prefix (0..32)";
	return err;
}

static int set_prefix6(const struct config_key *key, void *base, const char *text, const char **why)
{
	int err = config_value_number(text, 0, 128, FIELD(uint32_t), why);

	if (err)
		*why = "not the length of an IPv6 prefix (0..128)";
	return err;
}

static int set_port_index(const struct config_key *key, void *base, const char *text,
			  const char **why)
{
	uint32_t number;
	int err = config_value_number(text, 0, PORT_INDEX_MAX, &number, why);

	if (err) {
		*why = "not a port index (0..31)";
		return err;
	}
	*FIELD(unsigned) = number;
	return 0;
}

static int set_flows(const struct config_key *key, void *base, const char *text, const char **why)
{
	int err = config_value_number(text, FLOWS_MIN, FLOWS_MAX, FIELD(uint32_t), why);

	if (err)
		*why = "not a table size (1024..67108864)";
	return err;
}

static int set_half_flows(const struct config_key *key, void *base, const char *text,
			  const char **why)
{
	int err = config_value_number(text, HALF_FLOWS_MIN, FLOWS_MAX, FIELD(uint32_t), why);

	if (err)
		*why = "not a table size (262144..67108864)";
	return err;
}

static int set_cgroup(const struct config_key *key, void *base, const char *text, const char **why)
{
	if (strcmp(text, "auto") != 0 && strcmp(text, "off") != 0) {
		int err = config_value_path(text, why);

		if (err) {
			*why = "neither auto, off nor an absolute path";
			return err;
		}
	}
	return replace(FIELD(char *), text, why);
}

static int set_app(const struct config_key *key, void *base, const char *text, const char **why)
{
	int err = config_value_app(text, why);

	return err ? err : replace(FIELD(char *), text, why);
}

/* Walk a list; store() takes part number i, and returns 0 or negative errno with *why set. */
static int each_part(void *base, const char *text, unsigned max, unsigned *count, const char **why,
		     int (*store)(void *base, unsigned i, const char *part, const char **why))
{
	const char *rest = text;
	unsigned i;
	int err;

	for (i = 0; rest; i++) {
		char *part = config_value_next(&rest);

		if (!part) {
			*why = "out of memory";
			return -ENOMEM;
		}
		if (i == max) {
			*why = "too many of them";
			err = -E2BIG;
		} else {
			err = store(base, i, part, why);
		}
		free(part);
		if (err)
			return err;
		*count = i + 1; /* as we go, so that config_free() finds what was stored */
	}
	return 0;
}

static int store_name(void *base, unsigned i, const char *part, const char **why)
{
	int err = config_value_word(part, why);

	if (!err && strlen(part) > 255) {
		*why = "longer than a host's name can be (255)";
		err = -EINVAL;
	}
	return err ? err : replace(&((struct config *)base)->name[i], part, why);
}

static int set_names(const struct config_key *key, void *base, const char *text, const char **why)
{
	(void)key;
	return each_part(base, text, CONFIG_MAX_NAMES, &((struct config *)base)->name_count, why,
			 store_name);
}

static int store_interface(void *base, unsigned i, const char *part, const char **why)
{
	struct config *config = base;
	unsigned j;
	int err = config_value_word(part, why);

	if (err)
		return err;
	if (strlen(part) >= IFNAMSIZ) {
		*why = "longer than an interface's name can be (15)";
		return -EINVAL;
	}
	for (j = 0; j < i; j++) {
		if (!strcmp(config->interface[j], part)) {
			*why = "the same interface twice";
			return -EINVAL;
		}
	}
	return replace(&config->interface[i], part, why);
}

static int set_interfaces(const struct config_key *key, void *base, const char *text,
			  const char **why)
{
	(void)key;
	return each_part(base, text, SLUICE_MAX_IFINDEX, &((struct config *)base)->interface_count,
			 why, store_interface);
}

static int store_url(void *base, unsigned i, const char *part, const char **why)
{
	int err = config_value_url(part, false, why);

	return err ? err : replace(&((struct config *)base)->marathon_url[i], part, why);
}

static int set_urls(const struct config_key *key, void *base, const char *text, const char **why)
{
	struct config *config = base;

	(void)key;
	config->marathon_used = true;
	return each_part(base, text, CONFIG_MAX_URLS, &config->marathon_url_count, why, store_url);
}

static int store_from(void *base, unsigned i, const char *part, const char **why)
{
	return config_value_network(part, &((struct config *)base)->callback_from[i], why);
}

static int set_from(const struct config_key *key, void *base, const char *text, const char **why)
{
	(void)key;
	return each_part(base, text, CONFIG_MAX_FROM, &((struct config *)base)->callback_from_count,
			 why, store_from);
}

static int store_address(void *base, unsigned i, const char *part, const char **why)
{
	struct config_service *service = base;
	unsigned j;
	int err = config_value_address(part, &service->address[i], why);

	if (err)
		return err;
	for (j = 0; j < i; j++) {
		if (service->address[j] == service->address[i]) {
			*why = "the same address twice";
			return -EINVAL;
		}
	}
	return 0;
}

static int set_addresses(const struct config_key *key, void *base, const char *text,
			 const char **why)
{
	(void)key;
	return each_part(base, text, SLUICE_MAX_ADDRESS,
			 &((struct config_service *)base)->address_count, why, store_address);
}

static int store_allow(void *base, unsigned i, const char *part, const char **why)
{
	struct config_service *service = base;
	unsigned j;
	int err = config_value_source(part, &service->allow[i], why);

	if (err)
		return err;
	for (j = 0; j < i; j++) {
		if (!memcmp(&service->allow[j], &service->allow[i], sizeof(service->allow[i]))) {
			*why = "the same network twice";
			return -EINVAL;
		}
	}
	return 0;
}

static int set_allow(const struct config_key *key, void *base, const char *text, const char **why)
{
	(void)key;
	return each_part(base, text, CONFIG_MAX_ALLOW,
			 &((struct config_service *)base)->allow_count, why, store_allow);
}

/* --- the table of keys --- */

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
	KEY(NODE, "name", config, name, set_names, NULL),
	KEY(NODE, "interface", config, interface, set_interfaces, NULL),
	KEY(NODE, "mode", config, mode, set_choice, modes),
	KEY(NODE, "pin_dir", config, pin_dir, set_path, NULL),
	KEY(NODE, "cgroup", config, cgroup, set_cgroup, NULL),
	KEY(NODE, "ports", config, port_min, set_ports, NULL),
	KEY(NODE, "group", config, group, set_word, NULL),
	KEY(NODE, "flows", config, flows, set_flows, NULL),
	KEY(NODE, "half_flows", config, half_flows, set_half_flows, NULL),
	KEY(NODE, "half_open_timeout", config, timeouts.half_open_ms, set_half_open, NULL),
	KEY(NODE, "idle_timeout", config, timeouts.idle_ms, set_idle, NULL),
	KEY(NODE, "closing_timeout", config, timeouts.closing_ms, set_lingering, NULL),
	KEY(NODE, "closed_timeout", config, timeouts.closed_ms, set_lingering, NULL),
	KEY(SERVICE, "port", config_service, port, set_port, NULL),
	KEY(SERVICE, "address", config_service, address, set_addresses, NULL),
	KEY(SERVICE, "allow", config_service, allow, set_allow, NULL),
	KEY(SERVICE, "rate", config_service, rate, set_rate, NULL),
	KEY(SERVICE, "rate_prefix", config_service, rate_prefix4, set_prefix4, NULL),
	KEY(SERVICE, "rate_prefix6", config_service, rate_prefix6, set_prefix6, NULL),
	KEY(SERVICE, "marathon_app", config_service, marathon_app, set_app, NULL),
	KEY(SERVICE, "port_index", config_service, port_index, set_port_index, NULL),
	KEY(SERVICE, "consul_service", config_service, consul_service, set_word, NULL),
	KEY(SERVICE, "balance", config_service, balance, set_choice, balances),
	KEY(SERVICE, "on_empty", config_service, on_empty, set_choice, on_empties),
	KEY(SERVICE, "on_full", config_service, on_full, set_choice, on_fulls),
	KEY(SERVICE, "all_down", config_service, all_down, set_choice, all_downs),
	KEY(SERVICE, "slowstart", config_service, slowstart_ms, set_duration, NULL),
	KEY(SERVICE, "drain_timeout", config_service, drain_timeout_ms, set_duration, NULL),
	KEY(SERVICE, "maxconn", config_service, maxconn, set_maxconn, NULL),
	KEY(MARATHON, "url", config, marathon_url, set_urls, NULL),
	KEY(MARATHON, "events", config, events, set_choice, events),
	KEY(MARATHON, "callback_listen", config, callback_listen, set_listen, NULL),
	KEY(MARATHON, "callback_url", config, callback_url, set_url, NULL),
	KEY(MARATHON, "callback_from", config, callback_from, set_from, NULL),
	KEY(MARATHON, "user_file", config, user_file, set_path, NULL),
	KEY(MARATHON, "ca_file", config, marathon_ca_file, set_path, NULL),
	KEY(MARATHON, "resync", config, resync_ms, set_resync, NULL),
	KEY(CONSUL, "url", config, consul_url, set_url, NULL),
	KEY(CONSUL, "register", config, consul_register, set_bool, NULL),
	KEY(CONSUL, "token_file", config, token_file, set_path, NULL),
	KEY(CONSUL, "ca_file", config, ca_file, set_path, NULL),
	KEY(CONSUL, "warning", config, warning_is_up, set_warning, NULL),
	KEY(GUARDS, "mass_share", config, guards.mass_share, set_share, NULL),
	KEY(GUARDS, "mass_count", config, guards.mass_count, set_count, NULL),
	KEY(GUARDS, "flap_count", config, guards.flap_count, set_count, NULL),
	KEY(GUARDS, "flap_hold", config, guards.flap_hold_ms, set_duration, NULL),
	KEY(GUARDS, "flap_hold_max", config, guards.flap_hold_max_ms, set_duration, NULL),
	KEY(GUARDS, "health_expires", config, guards.health_expires_ms, set_expiry, NULL),
	KEY(ADMIN, "socket", config, admin_socket, set_socket, NULL),
	KEY(ADMIN, "metrics_listen", config, metrics_listen, set_listen, NULL),
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
