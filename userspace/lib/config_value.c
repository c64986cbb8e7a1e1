/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Parsers of single configuration values. All of them take text that inih has already stripped of white space
 * and comments, refuse everything that is not wholly understood, and name no limit that depends on the key.
 */
#include "config_value.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>

#define DURATION_MAX_MS (24 * 3600 * UINT64_C(1000))

static int refuse(const char **why, const char *reason)
{
	*why = reason;
	return -EINVAL;
}

/* strtoull takes signs, spaces and other bases: none of them is a number here. */
static bool parse_digits(const char *text, size_t len, uint64_t *number)
{
	uint64_t value = 0;
	size_t i;

	if (!len || len > 12)
		return false;
	for (i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		value = value * 10 + (uint64_t)(text[i] - '0');
	}
	*number = value;
	return true;
}

static bool parse_port(const char *text, size_t len, uint16_t *port)
{
	uint64_t value;

	if (!parse_digits(text, len, &value) || !value || value > 65535)
		return false;
	*port = (uint16_t)value;
	return true;
}

int config_value_port(const char *text, uint16_t *port, const char **why)
{
	if (!parse_port(text, strlen(text), port))
		return refuse(why, "not a port (1..65535)");
	return 0;
}

int config_value_ports(const char *text, uint16_t *min, uint16_t *max, const char **why)
{
	const char *dash = strchr(text, '-');
	uint16_t low, high;

	if (!dash) {
		if (!parse_port(text, strlen(text), &low))
			return refuse(why, "not a range of ports (MIN-MAX)");
		high = low;
	} else if (!parse_port(text, (size_t)(dash - text), &low) ||
		   !parse_port(dash + 1, strlen(dash + 1), &high)) {
		return refuse(why, "not a range of ports (MIN-MAX)");
	}
	if (low > high)
		return refuse(why, "the range ends before it begins");
	*min = low;
	*max = high;
	return 0;
}

int config_value_number(const char *text, uint32_t min, uint32_t max, uint32_t *number,
			const char **why)
{
	uint64_t value;

	if (!parse_digits(text, strlen(text), &value))
		return refuse(why, "not a number");
	if (value < min)
		return refuse(why, "too small");
	if (value > max)
		return refuse(why, "too large");
	*number = (uint32_t)value;
	return 0;
}

int config_value_duration(const char *text, uint64_t *ms, const char **why)
{
	static const struct {
		const char *unit;
		uint64_t ms;
	} units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60 * 1000 }, { "h", 3600 * 1000 } };
	size_t digits = strspn(text, "0123456789");
	uint64_t number;
	size_t i;

	if (!strcmp(text, "0")) {
		*ms = 0;
		return 0;
	}
	if (!parse_digits(text, digits, &number))
		return refuse(why, "not a duration (such as 500ms, 10s, 2m)");
	if (!text[digits])
		return refuse(why, "a duration without a unit (ms, s, m or h)");
	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(text + digits, units[i].unit) != 0)
			continue;
		if (number > DURATION_MAX_MS / units[i].ms)
			return refuse(why, "longer than a day");
		*ms = number * units[i].ms;
		return 0;
	}
	return refuse(why, "not a duration (such as 500ms, 10s, 2m)");
}

int config_value_bool(const char *text, bool *value, const char **why)
{
	if (!strcmp(text, "yes"))
		*value = true;
	else if (!strcmp(text, "no"))
		*value = false;
	else
		return refuse(why, "neither yes nor no");
	return 0;
}

int config_value_address(const char *text, __be32 *address, const char **why)
{
	struct in_addr parsed;

	if (inet_pton(AF_INET, text, &parsed) != 1)
		return refuse(why, "not an IPv4 address");
	if (!parsed.s_addr || IN_MULTICAST(ntohl(parsed.s_addr)) ||
	    parsed.s_addr == INADDR_BROADCAST)
		return refuse(why, "not the address of one host");
	*address = parsed.s_addr;
	return 0;
}

int config_value_network(const char *text, struct config_network *network, const char **why)
{
	char address[INET_ADDRSTRLEN] = "";
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	uint64_t prefix_len = 32;
	struct in_addr parsed;
	uint32_t mask;

	if (len >= sizeof(address))
		return refuse(why, "not an IPv4 network (such as 10.0.0.0/8)");
	memcpy(address, text, len);
	if (inet_pton(AF_INET, address, &parsed) != 1)
		return refuse(why, "not an IPv4 network (such as 10.0.0.0/8)");
	if (slash && (!parse_digits(slash + 1, strlen(slash + 1), &prefix_len) || prefix_len > 32))
		return refuse(why, "not an IPv4 network (such as 10.0.0.0/8)");
	mask = prefix_len ? UINT32_MAX << (32 - prefix_len) : 0;
	if (ntohl(parsed.s_addr) & ~mask)
		return refuse(why, "address bits to the right of the prefix");
	network->address = parsed.s_addr;
	network->prefix_len = (unsigned)prefix_len;
	return 0;
}

/* Are all bits to the right of the prefix zero? */
static bool is_network(const __be32 words[4], unsigned prefix_len)
{
	unsigned i;

	for (i = 0; i < 4; i++, prefix_len -= prefix_len < 32 ? prefix_len : 32) {
		uint32_t mask = prefix_len >= 32 ? 0 : UINT32_MAX >> prefix_len;

		if (ntohl(words[i]) & mask)
			return false;
	}
	return true;
}

int config_value_source(const char *text, struct config_source *source, const char **why)
{
	static const char *const wrong = "not a network (such as 10.0.0.0/8 or fd00::/8)";
	const bool six = strchr(text, ':');
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	struct config_source parsed = { .six = six };
	uint64_t prefix_len = six ? 128 : 32;
	char address[INET6_ADDRSTRLEN] = "";

	if (len >= sizeof(address))
		return refuse(why, wrong);
	memcpy(address, text, len);
	if (inet_pton(six ? AF_INET6 : AF_INET, address, parsed.network) != 1)
		return refuse(why, wrong);
	if (slash && (!parse_digits(slash + 1, strlen(slash + 1), &prefix_len) ||
		      prefix_len > (six ? 128 : 32)))
		return refuse(why, wrong);
	if (!is_network(parsed.network, (unsigned)prefix_len))
		return refuse(why, "address bits to the right of the prefix");
	if (six && IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)parsed.network))
		return refuse(why, "an IPv4 network in IPv6's clothes: write it as IPv4");
	parsed.prefix_len = (__u32)prefix_len;
	*source = parsed;
	return 0;
}

int config_value_listen(const char *text, const char **why)
{
	static const char *const wrong = "not ADDRESS:PORT (such as 127.0.0.1:9180 or [::1]:9180)";
	char address[INET6_ADDRSTRLEN] = "";
	const char *colon = strrchr(text, ':');
	bool six = text[0] == '[';
	struct in6_addr parsed;
	uint16_t port;
	size_t len;

	if (!colon || !parse_port(colon + 1, strlen(colon + 1), &port))
		return refuse(why, wrong);
	len = (size_t)(colon - text);
	if (six && (len < 2 || text[len - 1] != ']'))
		return refuse(why, wrong);
	if (six) {
		text++;
		len -= 2;
	}
	if (len >= sizeof(address))
		return refuse(why, wrong);
	memcpy(address, text, len);
	if (inet_pton(six ? AF_INET6 : AF_INET, address, &parsed) != 1)
		return refuse(why, wrong);
	return 0;
}

int config_value_url(const char *text, bool unix_too, const char **why)
{
	const char *host;
	size_t len;

	for (host = text; *host; host++) {
		if ((unsigned char)*host <= ' ' || (unsigned char)*host >= 0x7f)
			return refuse(why, "a URL with white space or control characters in it");
	}
	if (unix_too && !strncmp(text, "unix://", 7))
		return text[7] == '/' && text[8] ? 0 : refuse(why, "not a URL (unix:///PATH)");
	if (!strncmp(text, "http://", 7))
		host = text + 7;
	else if (!strncmp(text, "https://", 8))
		host = text + 8;
	else
		return refuse(why, unix_too ? "not a URL (http://, https:// or unix:///)"
					    : "not a URL (http:// or https://)");
	len = strcspn(host, "/?#");
	if (!len || host[0] == ':')
		return refuse(why, "a URL without a host");
	if (memchr(host, '@', len))
		return refuse(why, "a URL with a user in it; use user_file");
	return 0;
}

int config_value_path(const char *text, const char **why)
{
	if (text[0] != '/')
		return refuse(why, "not an absolute path");
	return 0;
}

int config_value_app(const char *text, const char **why)
{
	if (text[0] != '/' || !text[1])
		return refuse(why, "not an absolute app path (such as /rails)");
	if (strstr(text, "//") || text[strlen(text) - 1] == '/')
		return refuse(why, "an app path with an empty part");
	if (text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-")])
		return refuse(why, "an app path with characters that Marathon does not allow");
	return 0;
}

int config_value_word(const char *text, const char **why)
{
	if (!text[0])
		return refuse(why, "an empty part");
	for (; *text; text++) {
		if (!isalnum((unsigned char)*text) && !strchr("._:-", *text))
			return refuse(why, "characters other than letters, digits and . _ : -");
	}
	return 0;
}

char *config_value_next(const char **list)
{
	const char *start = *list + strspn(*list, " \t");
	const char *comma = strchr(start, ',');
	size_t len = comma ? (size_t)(comma - start) : strlen(start);

	*list = comma ? comma + 1 : NULL;
	while (len && (start[len - 1] == ' ' || start[len - 1] == '\t'))
		len--;
	return strndup(start, len);
}
