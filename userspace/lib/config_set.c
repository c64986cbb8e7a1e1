/* SPDX-License-Identifier: GPL-2.0-only */
/* Lists count as they go, so that config_free() finds what was stored before a part was refused. */
#include "config_set.h"

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

int config_set_choice(const struct config_key *key, void *base, const char *text, const char **why)
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

int config_set_path(const struct config_key *key, void *base, const char *text, const char **why)
{
	int err = config_value_path(text, why);

	return err ? err : replace(FIELD(char *), text, why);
}

int config_set_listen(const struct config_key *key, void *base, const char *text, const char **why)
{
	int err;

	if (!strcmp(text, "off"))
		return replace(FIELD(char *), "", why);
	err = config_value_listen(text, why);
	return err ? err : replace(FIELD(char *), text, why);
}

int config_set_word(const struct config_key *key, void *base, const char *text, const char **why)
{
	int err = config_value_word(text, why);

	return err ? err : replace(FIELD(char *), text, why);
}

int config_set_url(const struct config_key *key, void *base, const char *text, const char **why)
{
	int err = config_value_url(text, key->section == CONFIG_SECTION_CONSUL, why);

	if (!err && key->section == CONFIG_SECTION_CONSUL)
		((struct config *)base)->consul_used = true;
	return err ? err : replace(FIELD(char *), text, why);
}

int config_set_duration(const struct config_key *key, void *base, const char *text,
			const char **why)
{
	return config_value_duration(text, FIELD(uint64_t), why);
}

/* Stores what is from min_ms to max_ms; anything else is what range says. */
static int set_duration_within(const struct config_key *key, void *base, const char *text,
			       uint64_t min_ms, uint64_t max_ms, const char *range,
			       const char **why)
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

int config_set_resync(const struct config_key *key, void *base, const char *text, const char **why)
{
	return set_duration_within(key, base, text, 1000, UINT64_MAX, "shorter than a second", why);
}

int config_set_half_open(const struct config_key *key, void *base, const char *text,
			 const char **why)
{
	return set_duration_within(key, base, text, TIMEOUTS_SHORTEST_MS, TIMEOUTS_HALF_OPEN_MAX_MS,
				   "not a time for a handshake (1s to 10m)", why);
}

int config_set_idle(const struct config_key *key, void *base, const char *text, const char **why)
{
	return set_duration_within(key, base, text, TIMEOUTS_IDLE_MIN_MS, UINT64_MAX,
				   "not a time that a connection may be quiet (10s to 24h)", why);
}

int config_set_lingering(const struct config_key *key, void *base, const char *text,
			 const char **why)
{
	return set_duration_within(key, base, text, TIMEOUTS_SHORTEST_MS, UINT64_MAX,
				   "not a time for a connection's end (1s to 24h)", why);
}

/* Consul's answers come once in a minute if nothing changes: shorter would expire what is well. */
int config_set_expiry(const struct config_key *key, void *base, const char *text, const char **why)
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

int config_set_share(const struct config_key *key, void *base, const char *text, const char **why)
{
	return config_value_number(text, 1, 100, FIELD(unsigned), why);
}

int config_set_count(const struct config_key *key, void *base, const char *text, const char **why)
{
	return config_value_number(text, 1, 1000, FIELD(unsigned), why);
}

int config_set_bool(const struct config_key *key, void *base, const char *text, const char **why)
{
	return config_value_bool(text, FIELD(bool), why);
}

int config_set_warning(const struct config_key *key, void *base, const char *text, const char **why)
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

int config_set_socket(const struct config_key *key, void *base, const char *text, const char **why)
{
	int err = config_value_path(text, why);

	if (!err && strlen(text) >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
		*why = "longer than a socket's path can be (107)";
		err = -EINVAL;
	}
	return err ? err : replace(FIELD(char *), text, why);
}

int config_set_port(const struct config_key *key, void *base, const char *text, const char **why)
{
	return config_value_port(text, FIELD(uint16_t), why);
}

int config_set_ports(const struct config_key *key, void *base, const char *text, const char **why)
{
	struct config *config = base;

	(void)key;
	return config_value_ports(text, &config->port_min, &config->port_max, why);
}

int config_set_maxconn(const struct config_key *key, void *base, const char *text, const char **why)
{
	return config_value_number(text, 0, 1000000, FIELD(uint32_t), why);
}

int config_set_rate(const struct config_key *key, void *base, const char *text, const char **why)
{
	return config_value_number(text, 0, RATE_MAX, FIELD(uint32_t), why);
}

/* The same for numbers: the reason names the range, whatever is wrong. */
static int set_number_within(const struct config_key *key, void *base, const char *text,
			     uint32_t min, uint32_t max, const char *range, const char **why)
{
	int err = config_value_number(text, min, max, FIELD(uint32_t), why);

	if (err)
		*why = range;
	return err;
}

int config_set_prefix4(const struct config_key *key, void *base, const char *text, const char **why)
{
	return set_number_within(key, base, text, 0, 32, "not the length of an IPv4 prefix (0..32)",
				 why);
}

int config_set_prefix6(const struct config_key *key, void *base, const char *text, const char **why)
{
	return set_number_within(key, base, text, 0, 128,
				 "not the length of an IPv6 prefix (0..128)", why);
}

int config_set_port_index(const struct config_key *key, void *base, const char *text,
			  const char **why)
{
	return set_number_within(key, base, text, 0, PORT_INDEX_MAX, "not a port index (0..31)",
				 why);
}

int config_set_flows(const struct config_key *key, void *base, const char *text, const char **why)
{
	return set_number_within(key, base, text, FLOWS_MIN, FLOWS_MAX,
				 "not a table size (1024..67108864)", why);
}

int config_set_half_flows(const struct config_key *key, void *base, const char *text,
			  const char **why)
{
	return set_number_within(key, base, text, HALF_FLOWS_MIN, FLOWS_MAX,
				 "not a table size (262144..67108864)", why);
}

int config_set_cgroup(const struct config_key *key, void *base, const char *text, const char **why)
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

int config_set_app(const struct config_key *key, void *base, const char *text, const char **why)
{
	int err = config_value_app(text, why);

	return err ? err : replace(FIELD(char *), text, why);
}

/* --- lists --- */

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

int config_set_names(const struct config_key *key, void *base, const char *text, const char **why)
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

int config_set_interfaces(const struct config_key *key, void *base, const char *text,
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

int config_set_urls(const struct config_key *key, void *base, const char *text, const char **why)
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

int config_set_from(const struct config_key *key, void *base, const char *text, const char **why)
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

int config_set_addresses(const struct config_key *key, void *base, const char *text,
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

int config_set_allow(const struct config_key *key, void *base, const char *text, const char **why)
{
	(void)key;
	return each_part(base, text, CONFIG_MAX_ALLOW,
			 &((struct config_service *)base)->allow_count, why, store_allow);
}
