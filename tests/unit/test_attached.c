/* SPDX-License-Identifier: GPL-2.0-only */
/* A service that left the file but not the kernel is kept right meanwhile. */
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
		cmocka_unit_test(what_is_carried_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
