/* SPDX-License-Identifier: GPL-2.0-only */
/* See config_defaults.h. config_free() is config.h's and stands here beside what it frees. */
#include "config_defaults.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

/* 0 or -ENOMEM; what was filled until then is config_free()'s. */
static int fill_strings(struct config *config, const char *file)
{
	const struct {
		char **field;
		const char *value;
	} strings[] = {
		{ &config->file, file },
		{ &config->pin_dir, "/sys/fs/bpf/sluice" },
		{ &config->cgroup, "auto" },
		{ &config->group, "sluice" },
		{ &config->callback_listen, "0.0.0.0:8081" },
		{ &config->callback_url, "" },
		{ &config->user_file, "" },
		{ &config->marathon_ca_file, "" },
		{ &config->consul_url, "" },
		{ &config->token_file, "" },
		{ &config->ca_file, "" },
		{ &config->admin_socket, "/run/sluice/admin.sock" },
		{ &config->metrics_listen, "127.0.0.1:9180" },
	};
	size_t i;

	for (i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
		*strings[i].field = strdup(strings[i].value);
		if (!*strings[i].field)
			return -ENOMEM;
	}
	return 0;
}

struct config *config_defaults_new(const char *file)
{
	struct config *config = calloc(1, sizeof(*config));

	if (!config)
		return NULL;
	config->service = calloc(SLUICE_MAX_SERVICES, sizeof(*config->service));
	if (!config->service || fill_strings(config, file)) {
		config_free(config);
		errno = ENOMEM;
		return NULL;
	}
	config->port_min = CONFIG_PORT_MIN;
	config->port_max = CONFIG_PORT_MAX;
	config->flows = 1u << 18;
	config->half_flows = 1u << 18;
	config->timeouts = TIMEOUTS_DEFAULT;
	config->resync_ms = 60 * 1000;
	config->consul_register = true;
	config->warning_is_up = true;
	config->guards = (struct config_guards){ .mass_share = 50,
						 .mass_count = 2,
						 .flap_count = 3,
						 .flap_hold_ms = 10 * 1000,
						 .flap_hold_max_ms = 300 * 1000,
						 .health_expires_ms = 180 * 1000 };
	return config;
}

int config_defaults_service(struct config_service *service)
{
	char *marathon_app = strdup(""), *consul_service = strdup("");

	if (!marathon_app || !consul_service) {
		free(marathon_app);
		free(consul_service);
		return -ENOMEM;
	}
	*service = (struct config_service){ .marathon_app = marathon_app,
					    .consul_service = consul_service,
					    .balance = SLUICE_BALANCE_ROUNDROBIN,
					    .drain_timeout_ms = 60 * 1000,
					    .rate_prefix4 = 24,
					    .rate_prefix6 = 64 };
	return 0;
}

int config_defaults_consul(struct config_service *service)
{
	char *name, *slash;

	if (service->consul_service[0] || !service->marathon_app[0])
		return 0;
	if (service->port_index) {
		if (asprintf(&name, "%s-%u", service->marathon_app + 1, service->port_index) < 0)
			return -ENOMEM;
	} else {
		name = strdup(service->marathon_app + 1);
		if (!name)
			return -ENOMEM;
	}
	for (slash = name; (slash = strchr(slash, '/'));)
		*slash = '-';
	free(service->consul_service);
	service->consul_service = name;
	return 0;
}

void config_free(struct config *config)
{
	unsigned i;

	if (!config)
		return;
	for (i = 0; i < CONFIG_MAX_NAMES; i++)
		free(config->name[i]);
	for (i = 0; i < SLUICE_MAX_IFINDEX; i++)
		free(config->interface[i]);
	for (i = 0; i < CONFIG_MAX_URLS; i++)
		free(config->marathon_url[i]);
	for (i = 0; i < config->service_count; i++) {
		free(config->service[i].marathon_app);
		free(config->service[i].consul_service);
	}
	free(config->service);
	free(config->file);
	free(config->pin_dir);
	free(config->cgroup);
	free(config->group);
	free(config->callback_listen);
	free(config->callback_url);
	free(config->user_file);
	free(config->marathon_ca_file);
	free(config->consul_url);
	free(config->token_file);
	free(config->ca_file);
	free(config->admin_socket);
	free(config->metrics_listen);
	free(config);
}
