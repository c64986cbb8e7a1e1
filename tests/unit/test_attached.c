/* SPDX-License-Identifier: GPL-2.0-only */
/* What waits for attach, and that a service which left the file but not the kernel is kept right meanwhile. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "attached.h"
#include "config.h"

static struct config *config_of(const char *name, uint16_t port)
{
	struct config *config = calloc(1, sizeof(*config));

	assert_non_null(config);
	config->service = calloc(1, sizeof(*config->service));
	assert_non_null(config->service);
	config->service_count = 1;
	snprintf(config->service[0].name, sizeof(config->service[0].name), "%s", name);
	config->service[0].port = port;
	config->service[0].marathon_app = strdup("/app");
	config->service[0].consul_service = strdup("app");
	config->cgroup = strdup("auto");
	return config;
}

static void what_waits(void **unused)
{
	static struct sluice_service services[SLUICE_MAX_SERVICES + 1];
	struct config *config = config_of("web", 80);
	struct sluice_meta meta = { .port_min = 31000, .port_max = 32000 };
	char what[64] = "";

	(void)unused;
	config->mode = CONFIG_MODE_AUTO;
	config->port_min = 31000;
	config->port_max = 32000;
	assert_true(attached_differs(&meta, services, config, what, sizeof(what)));
	assert_string_equal(what, "service.web");
	snprintf(services[3].name, sizeof(services[3].name), "%s", "web");
	services[3].port = htons(81);
	assert_true(attached_differs(&meta, services, config, what, sizeof(what)));
	assert_string_equal(what, "service.web.port");
	services[3].port = htons(80);
	assert_false(attached_differs(&meta, services, config, what, sizeof(what)));
	meta.cgroup = 1; /* attached to one, and now there should be none */
	snprintf(config->cgroup, sizeof("auto"), "off");
	assert_true(attached_differs(&meta, services, config, what, sizeof(what)));
	assert_string_equal(what, "node.cgroup");
	meta.cgroup = 0;
	/* each key that attach wrote, whatever the configuration was before */
	services[3].rate = 5;
	assert_true(attached_differs(&meta, services, config, what, sizeof(what)));
	assert_string_equal(what, "service.web.rate");
	config->service[0].rate = 5;
	services[3].flags = SLUICE_SERVICE_RESTRICTED;
	assert_true(attached_differs(&meta, services, config, what, sizeof(what)));
	assert_string_equal(what, "service.web.allow");
	config->service[0].allow_count = 1;
	snprintf(services[4].name, sizeof(services[4].name), "%s", "old");
	assert_true(attached_differs(&meta, services, config, what, sizeof(what)));
	assert_string_equal(what, "service.old"); /* still served */
	services[4].name[0] = 0;
	meta.mode = SLUICE_MODE_TC;
	assert_false(attached_differs(&meta, services, config, what, sizeof(what)));
	config->mode = CONFIG_MODE_NATIVE;
	assert_true(attached_differs(&meta, services, config, what, sizeof(what)));
	assert_string_equal(what, "node.mode");
	meta.port_max = 31999;
	config->mode = CONFIG_MODE_TC;
	assert_true(attached_differs(&meta, services, config, what, sizeof(what)));
	assert_string_equal(what, "node.ports");
	meta.ifindex_count = 1;
	assert_true(attached_differs(&meta, services, config, what, sizeof(what)));
	assert_string_equal(what, "node.interface");
	config_free(config);
}

static void what_is_carried_over(void **unused)
{
	static struct sluice_service services[SLUICE_MAX_SERVICES + 1];
	struct config *old = config_of("web", 80), *config = config_of("other", 81);

	(void)unused;
	assert_int_equal(attached_carry_over(services, old, config), 0);
	assert_int_equal(config->service_count, 1); /* attach no longer has it */
	snprintf(services[1].name, sizeof(services[1].name), "%s", "web");
	assert_int_equal(attached_carry_over(services, old, config), 0);
	assert_int_equal(config->service_count, 2);
	assert_string_equal(config->service[0].name,
			    "web"); /* first, so that the new one cannot take its ports */
	assert_string_equal(config->service[0].marathon_app, "/app");
	assert_string_equal(config->service[1].name, "other");
	assert_int_equal(attached_carry_over(services, old, config), 0);
	assert_int_equal(config->service_count, 2);
	config_free(old); /* each owns its strings */
	config_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_waits),
		cmocka_unit_test(what_is_carried_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
