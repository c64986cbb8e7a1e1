/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which changes of the file wait for attach: each key that attach builds in, and no other. What the maps themselves say is
 * asked end to end (sources.bats).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "attach_needs.h"
#include "config.h"
#include "config_file.h"
#include "services.h"

#define SERVICE "[service web]\nport = 80\n"

static void node_is(const struct attach_made *made, const char *keys, const char *expected)
{
	char text[512];
	struct config *config;
	const char *key;

	snprintf(text, sizeof(text), "[node]\n%s" SERVICE, keys);
	config = config_file_load(text);
	key = attach_needs_node(made, config);
	assert_string_equal(key ? key : "", expected);
	config_free(config);
}

#define LO "interface = lo\ngroup = 77\n"

static void each_key_of_node(void **state)
{
	struct attach_made made = {
		.meta = { .mode = SLUICE_MODE_TC,
			  .port_min = 31000,
			  .port_max = 32000,
			  .ifindex_count = 1,
			  .ifindex = { if_nametoindex("lo") },
			  .hz = 250,
			  .timeouts = { .half_open = 75 * 250,
					.idle = 7200 * 250,
					.closing = 300 * 250,
					.closed = 60 * 250 } },
		.group = 77,
		.flows = 1u << 18,
		.half_flows = 1u << 18,
	};
	char keys[128];
	struct stat root;

	(void)state;
	node_is(&made, LO, "");
	node_is(&made, LO "name = x, y\nmode = tc\n", "");
	node_is(&made, LO "mode = native\n", "node.mode");
	node_is(&made, LO "mode = generic\n", "node.mode");
	node_is(&made, "group = 77\ninterface = no-such\n", "node.interface");
	node_is(&made, "group = 77\ninterface = lo, eth0\n", "node.interface");
	node_is(&made, LO "ports = 31000-31999\n", "node.ports");
	node_is(&made, LO "ports = 30999-32000\n", "node.ports");
	node_is(&made, "interface = lo\ngroup = 78\n", "node.group");
	node_is(&made, "interface = lo\ngroup = no-such-group\n", "node.group");
	node_is(&made, LO "flows = 2048\n", "node.flows");
	node_is(&made, LO "half_flows = 300000\n", "node.half_flows");
	node_is(&made, LO "half_open_timeout = 3s\n", "node.half_open_timeout");
	node_is(&made, LO "idle_timeout = 1h\n", "node.idle_timeout");
	node_is(&made, LO "idle_timeout = 7200003ms\n", ""); /* less than a tick */
	node_is(&made, LO "closing_timeout = 10m\n", "node.closing_timeout");
	node_is(&made, LO "closed_timeout = 61s\n", "node.closed_timeout");
	/* a cgroup: auto is content with what attach took, off and a path are not */
	assert_int_equal(stat("/", &root), 0);
	made.meta.cgroup = root.st_ino;
	node_is(&made, LO "cgroup = auto\n", "");
	node_is(&made, LO "cgroup = /\n", "");
	node_is(&made, LO "cgroup = off\n", "node.cgroup");
	made.meta.cgroup = root.st_ino + 1;
	snprintf(keys, sizeof(keys), LO "cgroup = /\n");
	node_is(&made, keys, "node.cgroup");
	/* and one table alone */
	made.meta.cgroup = 0;
	made.flows--;
	node_is(&made, LO, "node.flows");
}

static void service_is(const struct sluice_service *is, const char *keys, const char *expected)
{
	char text[256];
	struct config *config;
	const char *key;

	snprintf(text, sizeof(text), "[service web]\n%s", keys);
	config = config_file_load(text);
	key = services_differing_key(is, &config->service[0]);
	assert_string_equal(key ? key : "", expected);
	config_free(config);
}

static void each_key_of_a_service(void **state)
{
	struct config *config = config_file_load(SERVICE);
	struct sluice_service is = {
		.name = "web",
		.port = htons(80),
		.rate_prefix4 = (__u8)config->service[0].rate_prefix4,
		.rate_prefix6 = (__u8)config->service[0].rate_prefix6,
	};

	(void)state;
	config_free(config);
	service_is(&is, "port = 80\n", "");
	service_is(&is,
		   "port = 80\nmarathon_app = /x\nbalance = random\nmaxconn = 3\n"
		   "on_empty = pass\nslowstart = 3s\n",
		   "");
	service_is(&is, "port = 81\n", "port");
	service_is(&is, "port = 80\naddress = 10.0.0.1\n", "address");
	service_is(&is, "port = 80\nallow = 10.0.0.0/8\n", "allow");
	service_is(&is, "port = 80\nrate = 5\n", "rate");
	service_is(&is, "port = 80\nrate_prefix = 8\n", "rate_prefix");
	service_is(&is, "port = 80\nrate_prefix6 = 48\n", "rate_prefix6");
	is.flags = SLUICE_SERVICE_RESTRICTED;
	service_is(&is, "port = 80\n", "allow");
	service_is(&is, "port = 80\nallow = 10.0.0.0/8\n", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_key_of_node),
		cmocka_unit_test(each_key_of_a_service),
	};

	return cmocka_run_group_tests(tests, config_file_set_up, config_file_tear_down);
}
