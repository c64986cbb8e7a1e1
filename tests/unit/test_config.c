/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The configuration file: a good one gives every key its value, and each kind of bad one gives one message with the
 * exact line and text.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"
#include "config_file.h"
#include "config_value.h"

/* said: what follows the file's name */
static void refuse(const char *text, const char *said)
{
	char error[CONFIG_ERROR_LEN], expected[CONFIG_ERROR_LEN];
	struct config *config;

	config_file_write(config_file, text, strlen(text));
	errno = 0;
	config = config_load(config_file, error);
	if (config)
		fail_msg("accepted: %s", text);
	assert_int_equal(errno, EINVAL);
	snprintf(expected, sizeof(expected), "%s:%s", config_file, said);
	assert_string_equal(error, expected);
}

static void test_defaults(void **state)
{
	struct config *config = config_file_load("");

	(void)state;
	assert_string_equal(config->file, config_file);
	assert_int_equal(config->name_count, 0);
	assert_int_equal(config->interface_count, 0);
	assert_int_equal(config->mode, CONFIG_MODE_AUTO);
	assert_string_equal(config->pin_dir, "/sys/fs/bpf/sluice");
	assert_string_equal(config->cgroup, "auto");
	assert_int_equal(config->port_min, 31000);
	assert_int_equal(config->port_max, 32000);
	assert_string_equal(config->group, "sluice");
	assert_int_equal(config->flows, 262144);
	assert_int_equal(config->half_flows, 262144);
	assert_int_equal(config->timeouts.half_open_ms, 75000);
	assert_int_equal(config->timeouts.idle_ms, 7200000);
	assert_int_equal(config->timeouts.closing_ms, 300000);
	assert_int_equal(config->timeouts.closed_ms, 60000);
	assert_int_equal(config->service_count, 0);
	assert_false(config->marathon_used);
	assert_int_equal(config->events, CONFIG_EVENTS_SSE);
	assert_string_equal(config->user_file, "");
	assert_int_equal(config->resync_ms, 60000);
	assert_false(config->consul_used);
	assert_true(config->consul_register);
	assert_true(config->warning_is_up);
	assert_int_equal(config->guards.mass_share, 50);
	assert_int_equal(config->guards.mass_count, 2);
	assert_int_equal(config->guards.flap_count, 3);
	assert_int_equal(config->guards.flap_hold_ms, 10000);
	assert_int_equal(config->guards.flap_hold_max_ms, 300000);
	assert_int_equal(config->guards.health_expires_ms, 180000);
	assert_string_equal(config->admin_socket, "/run/sluice/admin.sock");
	assert_string_equal(config->metrics_listen, "127.0.0.1:9180");
	config_free(config);
}

static const char whole[] = "# everything\n"
			    "[node]\n"
			    "name = slave-1.example.com, 10.80.0.2   ; how Marathon names it\n"
			    "  interface = eth0,eth1\n"
			    "mode = native\n"
			    "pin_dir = /sys/fs/bpf/other\n"
			    "cgroup = off\n"
			    "ports = 20000-20100\n"
			    "group = 64080\n"
			    "flows = 2048\n"
			    "half_flows = 300000\n"
			    "half_open_timeout = 10m\n"
			    "idle_timeout = 10s\n"
			    "closing_timeout = 1500ms\n"
			    "closed_timeout = 24h\n"
			    "\n"
			    "[service web]\n"
			    "port = 80\n"
			    "address = 10.80.0.2, 10.80.0.9\n"
			    "allow = 10.0.0.0/8, fd00:80::/32, 192.0.2.7,::/0\n"
			    "rate = 1000000\n"
			    "rate_prefix = 0\n"
			    "rate_prefix6 = 128\n"
			    "marathon_app = /rails/front\n"
			    "port_index = 1\n"
			    "consul_service =      ; the default\n"
			    "balance = leastconn\n"
			    "on_empty = pass\n"
			    "on_full = reset\n"
			    "all_down = last\n"
			    "slowstart = 1500ms\n"
			    "drain_timeout = 2m\n"
			    "maxconn = 100\n"
			    "[ service api.v1 ]\r\n"
			    "port = 8080\r\n"
			    "consul_service = api\r\n"
			    "balance = random\r\n"
			    "[service ops]\n"
			    "port = 81\n"
			    "marathon_app = /ops\n"
			    "[marathon]\n"
			    "url = http://m1:8080, https://m2/x\n"
			    "events = callback\n"
			    "callback_listen = 10.80.0.2:8081\n"
			    "callback_url = http://slave-1.example.com:8081/events\n"
			    "callback_from = 10.80.0.3/32, 10.96.0.0/12, 10.1.2.3\n"
			    "user_file = /etc/sluice/user\n"
			    "ca_file = /etc/sluice/marathon.pem\n"
			    "resync = 90s\n"
			    "[consul]\n"
			    "url = unix:///run/consul.sock\n"
			    "register = no\n"
			    "token_file = /etc/sluice/token\n"
			    "ca_file = /etc/sluice/ca.pem\n"
			    "warning = down\n"
			    "[guards]\n"
			    "mass_share = 30\n"
			    "mass_count = 3\n"
			    "flap_count = 5\n"
			    "flap_hold = 0\n"
			    "flap_hold_max = 1h\n"
			    "health_expires = 2m\n"
			    "[admin]\n"
			    "socket = /tmp/admin.sock\n"
			    "metrics_listen = off\n";

static void test_whole_node(void **state)
{
	struct config *config = config_file_load(whole);

	(void)state;
	assert_int_equal(config->name_count, 2);
	assert_string_equal(config->name[0], "slave-1.example.com");
	assert_string_equal(config->name[1], "10.80.0.2");
	assert_int_equal(config->interface_count, 2);
	assert_string_equal(config->interface[0], "eth0");
	assert_string_equal(config->interface[1], "eth1");
	assert_int_equal(config->mode, CONFIG_MODE_NATIVE);
	assert_string_equal(config->pin_dir, "/sys/fs/bpf/other");
	assert_string_equal(config->cgroup, "off");
	assert_int_equal(config->port_min, 20000);
	assert_int_equal(config->port_max, 20100);
	assert_string_equal(config->group, "64080");
	assert_int_equal(config->flows, 2048);
	assert_int_equal(config->half_flows, 300000);
	assert_int_equal(config->timeouts.half_open_ms, 600000);
	assert_int_equal(config->timeouts.idle_ms, 10000);
	assert_int_equal(config->timeouts.closing_ms, 1500);
	assert_int_equal(config->timeouts.closed_ms, 86400000);
	assert_string_equal(config->admin_socket, "/tmp/admin.sock");
	assert_string_equal(config->metrics_listen, "");
	config_free(config);
}

static void test_whole_services(void **state)
{
	struct config *config = config_file_load(whole);
	const struct config_service *web = config_service_by_name(config, "web");
	const struct config_service *api = config_service_by_name(config, "api.v1");
	const struct config_service *ops = config_service_by_name(config, "ops");

	(void)state;
	assert_int_equal(config->service_count, 3);
	assert_null(config_service_by_name(config, "we"));
	assert_ptr_equal(web, &config->service[0]);
	assert_int_equal(web->line, 17);
	assert_int_equal(web->port, 80);
	assert_int_equal(web->address_count, 2);
	assert_int_equal(web->address[0], htonl(0x0a500002));
	assert_int_equal(web->address[1], htonl(0x0a500009));
	assert_int_equal(web->allow_count, 4);
	assert_int_equal(web->allow[0].six, 0);
	assert_int_equal(web->allow[0].prefix_len, 8);
	assert_int_equal(web->allow[0].network[0], htonl(0x0a000000));
	assert_int_equal(web->allow[1].six, 1);
	assert_int_equal(web->allow[1].prefix_len, 32);
	assert_int_equal(web->allow[1].network[0], htonl(0xfd000080));
	assert_int_equal(web->allow[2].prefix_len, 32);
	assert_int_equal(web->allow[2].network[0], htonl(0xc0000207));
	assert_int_equal(web->allow[3].prefix_len, 0);
	assert_int_equal(web->rate, 1000000);
	assert_int_equal(web->rate_prefix4, 0);
	assert_int_equal(web->rate_prefix6, 128);
	assert_int_equal(api->allow_count, 0);
	assert_int_equal(api->rate, 0);
	assert_int_equal(api->rate_prefix4, 24);
	assert_int_equal(api->rate_prefix6, 64);
	assert_string_equal(web->marathon_app, "/rails/front");
	assert_int_equal(web->port_index, 1);
	assert_string_equal(web->consul_service, "rails-front-1");
	assert_int_equal(web->balance, SLUICE_BALANCE_LEASTCONN);
	assert_int_equal(web->on_empty, SLUICE_EMPTY_PASS);
	assert_int_equal(web->on_full, SLUICE_FULL_RESET);
	assert_int_equal(web->all_down, CONFIG_ALL_DOWN_LAST);
	assert_int_equal(web->slowstart_ms, 1500);
	assert_int_equal(web->drain_timeout_ms, 120000);
	assert_int_equal(web->maxconn, 100);
	assert_non_null(api);
	assert_int_equal(api->port, 8080);
	assert_string_equal(api->marathon_app, "");
	assert_string_equal(api->consul_service, "api");
	assert_int_equal(api->balance, SLUICE_BALANCE_RANDOM);
	assert_int_equal(api->on_empty, SLUICE_EMPTY_RESET);
	assert_int_equal(api->on_full, SLUICE_FULL_DROP);
	assert_int_equal(api->all_down, CONFIG_ALL_DOWN_EMPTY);
	assert_int_equal(api->drain_timeout_ms, 60000);
	assert_int_equal(api->slowstart_ms, 0);
	assert_non_null(ops);
	assert_int_equal(ops->balance, SLUICE_BALANCE_ROUNDROBIN);
	assert_string_equal(ops->consul_service, "ops");
	config_free(config);
}

static void test_whole_sources(void **state)
{
	struct config *config = config_file_load(whole);

	(void)state;
	assert_int_equal(config->guards.mass_share, 30);
	assert_int_equal(config->guards.mass_count, 3);
	assert_int_equal(config->guards.flap_count, 5);
	assert_int_equal(config->guards.flap_hold_ms, 0);
	assert_int_equal(config->guards.flap_hold_max_ms, 3600000);
	assert_int_equal(config->guards.health_expires_ms, 120000);
	assert_string_equal(config->marathon_ca_file, "/etc/sluice/marathon.pem");
	assert_true(config->marathon_used);
	assert_int_equal(config->marathon_url_count, 2);
	assert_string_equal(config->marathon_url[0], "http://m1:8080");
	assert_string_equal(config->marathon_url[1], "https://m2/x");
	assert_int_equal(config->events, CONFIG_EVENTS_CALLBACK);
	assert_string_equal(config->callback_listen, "10.80.0.2:8081");
	assert_string_equal(config->callback_url, "http://slave-1.example.com:8081/events");
	assert_int_equal(config->callback_from_count, 3);
	assert_int_equal(config->callback_from[0].address, htonl(0x0a500003));
	assert_int_equal(config->callback_from[0].prefix_len, 32);
	assert_int_equal(config->callback_from[1].address, htonl(0x0a600000));
	assert_int_equal(config->callback_from[1].prefix_len, 12);
	assert_int_equal(config->callback_from[2].prefix_len, 32);
	assert_string_equal(config->user_file, "/etc/sluice/user");
	assert_int_equal(config->resync_ms, 90000);
	assert_true(config->consul_used);
	assert_string_equal(config->consul_url, "unix:///run/consul.sock");
	assert_false(config->consul_register);
	assert_string_equal(config->token_file, "/etc/sluice/token");
	assert_string_equal(config->ca_file, "/etc/sluice/ca.pem");
	assert_false(config->warning_is_up);
	config_free(config);
}

/* An empty value is as if the key were not there, for every key. */
static void test_empty_values(void **state)
{
	struct config *config = config_file_load(
		"[node]\nname=\ninterface=\nmode=\npin_dir=\ncgroup=\nports=\ngroup=\nflows=\nhalf_flows=\n"
		"half_open_timeout=\nidle_timeout=\nclosing_timeout=\nclosed_timeout=\n"
		"[service a]\nport=80\naddress=\nallow=\nrate=\nrate_prefix=\nrate_prefix6=\nmarathon_app=\nport_index=\nconsul_service=\nbalance=\n"
		"on_empty=\non_full=\nall_down=\nslowstart=\ndrain_timeout=\nmaxconn=\n"
		"[marathon]\nurl=\nevents=\ncallback_listen=\ncallback_url=\ncallback_from=\nuser_file=\nresync=\n"
		"[consul]\nurl=\nregister=\ntoken_file=\nca_file=\nwarning=\n[admin]\nsocket=\nmetrics_listen=\n");

	(void)state;
	assert_false(config->marathon_used);
	assert_false(config->consul_used);
	assert_int_equal(config->port_min, 31000);
	assert_int_equal(config->service[0].balance, SLUICE_BALANCE_ROUNDROBIN);
	assert_string_equal(config->metrics_listen, "127.0.0.1:9180");
	config_free(config);
}

static void test_bad_structure(void **state)
{
	(void)state;
	refuse("port = 80\n", "1: port: stands before the first [section]");
	refuse("\n[nodes]\n",
	       "2: [nodes]: no such section (node, service NAME, marathon, consul, guards, admin)");
	refuse("[service]\n",
	       "1: [service]: no such section (node, service NAME, marathon, consul, guards, admin)");
	refuse("[service web\nport = 80\n", "1: a [section] without its ]");
	refuse("[node] mode = tc\n", "1: something stands behind a [section]");
	refuse("[node]\nmode\n", "2: neither [section], key = value nor a comment");
	refuse("[node]\nmode = tc\n  ports\n", "3: neither [section], key = value nor a comment");
	refuse("[node]\n[admin]\n[node]\n", "3: [node]: the section is already there in line 1");
	refuse("[node]\nmode = tc\nmode = tc\n", "3: [node] mode: already given in line 2");
	refuse("[node]\nmode =\nmode = tc\n", "3: [node] mode: already given in line 2");
	refuse("[service web]\nprot = 80\n",
	       "2: [service web] prot: no such key; did you mean port?");
	refuse("[service web]\nmarathonapp = /a\n",
	       "2: [service web] marathonapp: no such key; did you mean marathon_app?");
	refuse("[node]\nport = 80\n", "2: [node] port: no such key; did you mean ports?");
	refuse("[consul]\nzzzzzzz = 80\n", "2: [consul] zzzzzzz: no such key");
	refuse("[consul]\nurl = http://a\n = 3\n", "3: [consul] : no such key");
}

static void test_bad_services(void **state)
{
	(void)state;
	refuse("[service ]\n",
	       "1: [service]: no such section (node, service NAME, marathon, consul, guards, admin)");
	refuse("[service a b]\n",
	       "1: [service a b]: a service's name has no characters other than letters, digits and . _ : -");
	refuse("[service a/b]\n",
	       "1: [service a/b]: a service's name has no characters other than letters, digits and . _ : -");
	refuse("[service aaaaaaaaaabbbbbbbbbbccccccccccdd]\n",
	       "1: [service aaaaaaaaaabbbbbbbbbbccccccccccdd]: a service's name has at most 31 characters");
	refuse("[service a]\nport = 80\n[service a]\n",
	       "3: [service a]: the section is already there in line 1");
	refuse("[service a]\n", "1: [service a]: no port is given");
	refuse("[service a]\nport = 80\n[service b]\nmaxconn = 0\nport = 80\n",
	       "5: [service b] port = 80: [service a] has it too (line 2)");
	refuse("[service a]\nport = 80\naddress = 10.0.0.1\n[service b]\nport = 80\naddress = 10.0.0.2,10.0.0.1\n",
	       "5: [service b] port = 80: [service a] has it too (line 2)");
	refuse("[service a]\nport = 80\naddress = 10.0.0.1\n[service b]\nport = 80\naddress = 10.0.0.2\n",
	       "5: [service b] port = 80: [service a] has it too (line 2); one port for two services by address is not built yet");
	refuse("[service a]\nport = 31000\n",
	       "2: [service a] port = 31000: lies in the range of host-ports (31000-32000, [node] ports)");
	refuse("[service a]\nport = 80\n[node]\nports = 80-90\n",
	       "2: [service a] port = 80: lies in the range of host-ports (80-90, [node] ports)");
}

static void test_too_many_services(void **state)
{
	char text[SLUICE_MAX_SERVICES * 40 + 80];
	struct config *config;
	size_t len = 0;
	int i;

	(void)state;
	for (i = 1; i <= SLUICE_MAX_SERVICES; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
					"[service s%d]\nport = %d\n", i, i);
	config = config_file_load(text);
	assert_int_equal(config->service_count, SLUICE_MAX_SERVICES);
	config_free(config);
	snprintf(text + len, sizeof(text) - len, "[service more]\nport = %d\n", i);
	refuse(text, "129: [service more]: more than 64 services");
}

static void test_bad_values(void **state)
{
	static const struct {
		const char *section, *text, *why;
	} cases[] = {
		{ "service web", "port = 99999", "not a port (1..65535)" },
		{ "service web", "port = 0", "not a port (1..65535)" },
		{ "service web", "port = -80", "not a port (1..65535)" },
		{ "service web", "port = 80x", "not a port (1..65535)" },
		{ "service web", "port = 4294967376", "not a port (1..65535)" },
		{ "service web", "port = 18446744073709551696", "not a port (1..65535)" },
		{ "service web", "address = example.com", "not an IPv4 address" },
		{ "service web", "address = 0.0.0.0", "not the address of one host" },
		{ "service web", "address = 224.0.0.1", "not the address of one host" },
		{ "service web", "address = 10.0.0.1, 10.0.0.1", "the same address twice" },
		{ "service web", "address = 10.0.0.1,", "not an IPv4 address" },
		{ "service web", "address = 10.0.0.1,10.0.0.2,10.0.0.3,10.0.0.4,10.0.0.5",
		  "too many of them" },
		{ "service web", "allow = 10.0.0.1/8", "address bits to the right of the prefix" },
		{ "service web", "allow = fd00::1/64", "address bits to the right of the prefix" },
		{ "service web", "allow = 10.0.0.0/33",
		  "not a network (such as 10.0.0.0/8 or fd00::/8)" },
		{ "service web", "allow = fd00::/129",
		  "not a network (such as 10.0.0.0/8 or fd00::/8)" },
		{ "service web", "allow = example.com",
		  "not a network (such as 10.0.0.0/8 or fd00::/8)" },
		{ "service web", "allow = 10.0.0.0/8,",
		  "not a network (such as 10.0.0.0/8 or fd00::/8)" },
		{ "service web", "allow = 10.0.0.0/",
		  "not a network (such as 10.0.0.0/8 or fd00::/8)" },
		{ "service web", "allow = ::ffff:10.0.0.0/104",
		  "an IPv4 network in IPv6's clothes: write it as IPv4" },
		{ "service web", "allow = 10.0.0.1, 10.0.0.1/32", "the same network twice" },
		{ "service web", "rate = -1", "not a number" },
		{ "service web", "rate = 1000001", "too large" },
		{ "service web", "rate_prefix = 33", "not the length of an IPv4 prefix (0..32)" },
		{ "service web", "rate_prefix6 = 129",
		  "not the length of an IPv6 prefix (0..128)" },
		{ "service web", "marathon_app = rails",
		  "not an absolute app path (such as /rails)" },
		{ "service web", "marathon_app = /", "not an absolute app path (such as /rails)" },
		{ "service web", "marathon_app = /a//b", "an app path with an empty part" },
		{ "service web", "marathon_app = /a/", "an app path with an empty part" },
		{ "service web", "marathon_app = /a?b",
		  "an app path with characters that Marathon does not allow" },
		{ "service web", "port_index = 32", "not a port index (0..31)" },
		{ "service web", "consul_service = a/b",
		  "characters other than letters, digits and . _ : -" },
		{ "service web", "balance = best",
		  "none of the words that stand here: roundrobin, leastconn, random, source" },
		{ "service web", "on_empty = 503",
		  "none of the words that stand here: reset, pass, drop" },
		{ "service web", "on_full = wait",
		  "none of the words that stand here: drop, reset" },
		{ "service web", "all_down = first",
		  "none of the words that stand here: empty, last" },
		{ "service web", "slowstart = 10", "a duration without a unit (ms, s, m or h)" },
		{ "service web", "slowstart = s", "not a duration (such as 500ms, 10s, 2m)" },
		{ "service web", "slowstart = 1.5s", "not a duration (such as 500ms, 10s, 2m)" },
		{ "service web", "slowstart = 10 s", "not a duration (such as 500ms, 10s, 2m)" },
		{ "service web", "drain_timeout = 25h", "longer than a day" },
		{ "service web", "drain_timeout = 999999999999h", "longer than a day" },
		{ "service web", "maxconn = many", "not a number" },
		{ "service web", "maxconn = 1000001", "too large" },
		{ "node", "name = a b", "characters other than letters, digits and . _ : -" },
		{ "node", "name = a,,b", "an empty part" },
		{ "node", "interface = averyveryverylongname",
		  "longer than an interface's name can be (15)" },
		{ "node", "interface = eth0, eth0", "the same interface twice" },
		{ "node", "interface = a,b,c,d,e,f,g,h,i", "too many of them" },
		{ "node", "mode = xdp",
		  "none of the words that stand here: auto, native, tc, generic" },
		{ "node", "pin_dir = sluice", "not an absolute path" },
		{ "node", "cgroup = docker", "neither auto, off nor an absolute path" },
		{ "node", "cgroup = no", "neither auto, off nor an absolute path" },
		{ "node", "ports = 31000-", "not a range of ports (MIN-MAX)" },
		{ "node", "ports = 32000-31000", "the range ends before it begins" },
		{ "node", "ports = 1-65536", "not a range of ports (MIN-MAX)" },
		{ "node", "group = a b", "characters other than letters, digits and . _ : -" },
		{ "node", "flows = 1", "not a table size (1024..67108864)" },
		{ "node", "half_flows = 262143", "not a table size (262144..67108864)" },
		{ "node", "half_open_timeout = 999ms", "not a time for a handshake (1s to 10m)" },
		{ "node", "half_open_timeout = 11m", "not a time for a handshake (1s to 10m)" },
		{ "node", "half_open_timeout = 0", "not a time for a handshake (1s to 10m)" },
		{ "node", "idle_timeout = 9s",
		  "not a time that a connection may be quiet (10s to 24h)" },
		{ "node", "idle_timeout = 7200", "a duration without a unit (ms, s, m or h)" },
		{ "node", "idle_timeout = 25h", "longer than a day" },
		{ "node", "closing_timeout = 0", "not a time for a connection's end (1s to 24h)" },
		{ "node", "closed_timeout = 500ms",
		  "not a time for a connection's end (1s to 24h)" },
		{ "marathon", "url = marathon:8080", "not a URL (http:// or https://)" },
		{ "marathon", "url = http://a, ftp://b", "not a URL (http:// or https://)" },
		{ "marathon", "url = http://", "a URL without a host" },
		{ "marathon", "url = http://:80/", "a URL without a host" },
		{ "marathon", "url = http://a b",
		  "a URL with white space or control characters in it" },
		{ "marathon", "url = http://u:p@host/", "a URL with a user in it; use user_file" },
		{ "marathon", "events = poll",
		  "none of the words that stand here: sse, callback, off" },
		{ "marathon", "callback_listen = 8081",
		  "not ADDRESS:PORT (such as 127.0.0.1:9180 or [::1]:9180)" },
		{ "marathon", "callback_from = 10.0.0.1/8",
		  "address bits to the right of the prefix" },
		{ "marathon", "callback_from = 10.0.0.0/33",
		  "not an IPv4 network (such as 10.0.0.0/8)" },
		{ "marathon", "user_file = secret", "not an absolute path" },
		{ "marathon", "resync = 10ms", "shorter than a second" },
		{ "guards", "health_expires = 1m", "shorter than two minutes, and not 0" },
		{ "consul", "url = consul", "not a URL (http://, https:// or unix:///)" },
		{ "consul", "url = unix://run", "not a URL (unix:///PATH)" },
		{ "consul", "register = true", "neither yes nor no" },
		{ "consul", "warning = maybe", "neither up nor down" },
		{ "admin", "socket = admin.sock", "not an absolute path" },
		{ "admin", "metrics_listen = localhost:9180",
		  "not ADDRESS:PORT (such as 127.0.0.1:9180 or [::1]:9180)" },
		{ "admin", "metrics_listen = 127.0.0.1:0",
		  "not ADDRESS:PORT (such as 127.0.0.1:9180 or [::1]:9180)" },
		{ "admin", "metrics_listen = [::1:9180",
		  "not ADDRESS:PORT (such as 127.0.0.1:9180 or [::1]:9180)" },
	};
	char text[300], said[300];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), "; first\n\n[%s]\n\n%s ; so\nport = 80\n",
			 cases[i].section, cases[i].text);
		snprintf(said, sizeof(said), "5: [%s] %s: %s", cases[i].section, cases[i].text,
			 cases[i].why);
		refuse(text, said);
	}
}

static void test_bad_combinations(void **state)
{
	(void)state;
	refuse("[marathon]\nurl = http://m\nevents = callback\n",
	       "3: [marathon] events = callback: needs callback_url, which is not given");
	refuse("[marathon]\nurl = http://m\nevents = callback\ncallback_url = http://h/e\n",
	       "3: [marathon] events = callback: needs callback_from, or nobody may call");
}

static void test_bad_bytes(void **state)
{
	static const char nul[] = "[node]\nmode = tc\0\n";
	char error[CONFIG_ERROR_LEN], expected[CONFIG_ERROR_LEN], *line;

	(void)state;
	config_file_write(config_file, nul, sizeof(nul) - 1);
	assert_null(config_load(config_file, error));
	snprintf(expected, sizeof(expected), "%s:2: a NUL byte: this is not a text file",
		 config_file);
	assert_string_equal(error, expected);

	line = malloc(100001);
	assert_non_null(line);
	memset(line, 'x', 100000);
	line[100000] = '\0';
	memcpy(line, "[node]\nname = ", 14);
	refuse(line, "2: a line of more than 4094 characters");
	line[7] = ';'; /* a comment, and a line behind it */
	line[4000] = '\n';
	refuse(line, "3: a line of more than 4094 characters");
	line[7] = 'n';
	line[4000] = '\0';
	line[14] = 'a';
	config_file_write(config_file, line, strlen(line));
	assert_null(config_load(config_file, error));
	assert_true(strlen(error) < 300);
	assert_non_null(strstr(error, ":2: [node] name = axxx"));
	free(line);
}

static void test_no_file(void **state)
{
	char error[CONFIG_ERROR_LEN];

	(void)state;
	assert_null(config_load("/nonexistent/sluice.conf", error));
	assert_int_equal(errno, ENOENT);
	assert_string_equal(error, "/nonexistent/sluice.conf: No such file or directory");
	assert_null(config_load("/tmp", error));
	assert_int_equal(errno, EISDIR);
	assert_string_equal(error, "/tmp: Is a directory");
}

/* Edited and not read again yet, or gone: it is another one, whatever of it is the same. */
static void test_file_that_has_changed(void **state)
{
	struct config *config = config_file_load("[node]\nname = me\n");
	FILE *file;

	(void)state;
	assert_true(config_file_is_same(config));
	file = fopen(config_file, "ae");
	assert_non_null(file);
	fputs("[service web]\nport = 80\n", file);
	fclose(file);
	assert_false(config_file_is_same(config));
	assert_int_equal(unlink(config_file), 0);
	assert_false(config_file_is_same(config));
	config_free(config);
}

static void test_default_file(void **state)
{
	(void)state;
	unsetenv("SLUICE_CONFIG");
	assert_string_equal(config_default_file(), "/etc/sluice/sluice.conf");
	setenv("SLUICE_CONFIG", "/x", 1);
	assert_string_equal(config_default_file(), "/x");
	setenv("SLUICE_CONFIG", "", 1);
	assert_string_equal(config_default_file(), "/etc/sluice/sluice.conf");
	unsetenv("SLUICE_CONFIG");
}

/* --- beyond the file --- */

static void test_fill_defaults(void **state)
{
	struct config *config = config_file_load("[node]\nname = me\ninterface = eth7\n");
	char error[CONFIG_ERROR_LEN] = "";

	(void)state;
	assert_int_equal(config_fill_defaults(config, error), 0);
	assert_int_equal(config->name_count, 1);
	assert_string_equal(config->name[0], "me");
	assert_string_equal(config->interface[0], "eth7");
	config_free(config);
	config = config_file_load("");
	assert_int_equal(config_fill_defaults(config, error), 0);
	assert_true(config->interface_count <= 1);
	for (unsigned i = 0; i < config->name_count; i++) {
		assert_string_not_equal(config->name[i], "127.0.0.1");
		assert_string_not_equal(config->name[i], "localhost");
	}
	assert_string_equal(error, "");
	config_free(config);
}

enum resolver { SILENT, KNOWS_NONE, TOLD_FULL };

static struct config *named(const char *text, enum resolver resolver)
{
	struct config *config = config_file_load(text);

	config->names_defaulted = true;
	config->names_unsure = resolver == SILENT;
	config->names_full = resolver == TOLD_FULL;
	return config;
}

/* old and next become a list of names; it must be said. */
static void keeps(const char *old_text, struct config *next, const char *called, const char *said)
{
	struct config *old = named(old_text, TOLD_FULL);
	char names[256] = "";

	assert_int_equal(config_keep_names(next, old, called), 0);
	for (unsigned i = 0; i < next->name_count; i++)
		snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s", i ? " " : "",
			 next->name[i]);
	assert_string_equal(names, said);
	config_free(next);
	config_free(old);
}

static void test_keep_names(void **state)
{
	const char *old = "[node]\nname = slave-1.example.com, slave-1, 10.80.0.2\n";
	char many[512] = "[node]\nname = a0", expected[512] = "a0";
	struct config *next;

	(void)state;
	/* the resolver is silent, and the interface is away */
	keeps(old, named("[node]\nname = slave-1\n", SILENT), "",
	      "slave-1.example.com slave-1 10.80.0.2");
	keeps(old, named("[node]\nname = slave-2, 10.80.0.3\n", SILENT), "",
	      "slave-1.example.com slave-1 slave-2 10.80.0.3 10.80.0.2");
	/* it says that there is no such name, or knows the plain one: no other full name */
	keeps(old, named("[node]\nname = slave-1, 10.80.0.2\n", KNOWS_NONE), "",
	      "slave-1.example.com slave-1 10.80.0.2");
	/* it has spoken: the name is another one; only an address may come back */
	keeps(old, named("[node]\nname = slave-2.example.com, slave-2\n", TOLD_FULL), "",
	      "slave-2.example.com slave-2 10.80.0.2");
	/* what the file says is all */
	next = named("[node]\nname = slave-2\n", SILENT);
	next->names_defaulted = false;
	keeps(old, next, "", "slave-2");
	/* no more than there is room for */
	for (int i = 1; i < CONFIG_MAX_NAMES; i++) {
		snprintf(many + strlen(many), sizeof(many) - strlen(many), ", a%d", i);
		snprintf(expected + strlen(expected), sizeof(expected) - strlen(expected), " a%d",
			 i);
	}
	keeps(many, named("[node]\nname = slave-2\n", SILENT), "", expected);
}

/* Only by which name Marathon calls this host tells that an address which is away was not the one. */
static void test_keep_addresses(void **state)
{
	const char *old = "[node]\nname = slave-1.example.com, slave-1, 10.80.0.2\n";
	const char *new = "[node]\nname = slave-1.example.com, slave-1, 10.80.0.3\n";
	static const struct {
		const char *called, *said;
	} cases[] = {
		{ "", "slave-1.example.com slave-1 10.80.0.3 10.80.0.2" },
		{ "10.80.0.2", "slave-1.example.com slave-1 10.80.0.3 10.80.0.2" },
		{ "10.80.0.9", "slave-1.example.com slave-1 10.80.0.3 10.80.0.2" },
		{ "10.80.0.3", "slave-1.example.com slave-1 10.80.0.3" },
		{ "Slave-1", "slave-1.example.com slave-1 10.80.0.3" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		keeps(old, named(new, i % 2 ? TOLD_FULL : SILENT), cases[i].called, cases[i].said);
}

static void test_names_fit(void **state)
{
	struct config *config = named("[node]\nname = slave-1, 10.80.0.2, 10.80.1.2\n", TOLD_FULL);
	const char *const both[] = { "10.80.1.2", "10.80.0.2" }, *const other[] = { "10.80.0.3" };

	(void)state;
	assert_true(config_names_fit(config, both, 2, "slave-1"));
	assert_false(config_names_fit(config, other, 1, "")); /* a new one */
	/* one is away: that matters when Marathon is known to mean another */
	assert_true(config_names_fit(config, both, 1, ""));
	assert_true(config_names_fit(config, both, 1, "10.80.0.2"));
	assert_true(config_names_fit(config, both, 1, "slave-9"));
	assert_false(config_names_fit(config, both, 1, "10.80.1.2"));
	assert_false(config_names_fit(config, both, 1, "slave-1"));
	/* the file's names are nobody else's business */
	config->names_defaulted = false;
	assert_true(config_names_fit(config, other, 1, "slave-1"));
	config_free(config);
	/* what there is no room for is not missed */
	config = named("[node]\nname = 10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.4, 10.0.0.5, 10.0.0.6,"
		       " 10.0.0.7, 10.0.0.8, 10.0.0.9, a, b, c, d, e, f, g\n",
		       TOLD_FULL);
	assert_int_equal(config->name_count, CONFIG_MAX_NAMES);
	assert_true(config_names_fit(config, other, 1, ""));
	config_free(config);
}

static void test_secrets(void **state)
{
	static char secret_path[] = "/tmp/sluice-test-secret-XXXXXX";
	char text[200], error[CONFIG_ERROR_LEN], expected[CONFIG_ERROR_LEN], *secret;
	int fd = mkstemp(secret_path);
	struct config *config;

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	snprintf(text, sizeof(text), "[marathon]\nuser_file = %s\n[consul]\ntoken_file = %s\n",
		 secret_path, secret_path);
	config = config_file_load(text);

	config_file_write(secret_path, "joe:pw\r\nmore\n", 13);
	assert_int_equal(config_read_secret(secret_path, &secret), 0);
	assert_string_equal(secret, "joe:pw");
	free(secret);
	assert_int_equal(config_check_files(config, error), 0);

	config_file_write(secret_path, "token", 5);
	assert_int_equal(config_read_secret(secret_path, &secret), 0);
	assert_string_equal(secret, "token");
	free(secret);
	assert_int_equal(config_check_files(config, error), -EINVAL);
	snprintf(
		expected, sizeof(expected),
		"%s: [marathon] user_file = %s: cannot be used: its first line is not USER:PASSWORD",
		config_file, secret_path);
	assert_string_equal(error, expected);

	config_file_write(secret_path, "\nx:y\n", 5);
	assert_int_equal(config_read_secret(secret_path, &secret), -ENODATA);
	assert_int_equal(config_check_files(config, error), -ENODATA);
	snprintf(expected, sizeof(expected),
		 "%s: [marathon] user_file = %s: cannot be used: its first line is empty",
		 config_file, secret_path);
	assert_string_equal(error, expected);

	assert_int_equal(unlink(secret_path), 0);
	assert_int_equal(config_read_secret(secret_path, &secret), -ENOENT);
	assert_int_equal(config_check_files(config, error), -ENOENT);
	snprintf(expected, sizeof(expected),
		 "%s: [marathon] user_file = %s: cannot be used: No such file or directory",
		 config_file, secret_path);
	assert_string_equal(error, expected);
	config_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_whole_node),
		cmocka_unit_test(test_whole_services),
		cmocka_unit_test(test_whole_sources),
		cmocka_unit_test(test_empty_values),
		cmocka_unit_test(test_bad_structure),
		cmocka_unit_test(test_bad_services),
		cmocka_unit_test(test_too_many_services),
		cmocka_unit_test(test_bad_values),
		cmocka_unit_test(test_bad_combinations),
		cmocka_unit_test(test_bad_bytes),
		cmocka_unit_test(test_no_file),
		cmocka_unit_test(test_file_that_has_changed),
		cmocka_unit_test(test_default_file),
		cmocka_unit_test(test_fill_defaults),
		cmocka_unit_test(test_keep_names),
		cmocka_unit_test(test_keep_addresses),
		cmocka_unit_test(test_names_fit),
		cmocka_unit_test(test_secrets),
	};

	return cmocka_run_group_tests(tests, config_file_set_up, config_file_tear_down);
}
