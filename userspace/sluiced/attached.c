/* SPDX-License-Identifier: GPL-2.0-only */
/* Services by name, as attach gives them their indexes. */
#include "attached.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attach_needs.h"
#include "config.h"

static const struct sluice_service *find(const struct sluice_service *services, const char *name)
{
	for (unsigned i = 1; i <= SLUICE_MAX_SERVICES; i++)
		if (services[i].name[0] &&
		    !strncmp(services[i].name, name, sizeof(services[i].name)))
			return &services[i];
	return NULL;
}

static const char *differing_service_key(const struct sluice_service *is,
					 const struct config_service *config)
{
	if (!is)
		return "";
	if (ntohs(is->port) != config->port)
		return ".port";
	if (is->address_count != config->address_count ||
	    memcmp(is->address, config->address,
		   config->address_count * sizeof(config->address[0])) != 0)
		return ".address";
	if (!(is->flags & SLUICE_SERVICE_RESTRICTED) != !config->allow_count)
		return ".allow";
	if (is->rate != config->rate)
		return ".rate";
	if (is->rate_prefix4 != config->rate_prefix4)
		return ".rate_prefix";
	if (is->rate_prefix6 != config->rate_prefix6)
		return ".rate_prefix6";
	return NULL;
}

bool attached_differs(const struct sluice_meta *meta, const struct sluice_service *services,
		      const struct config *config, char *what, size_t len)
{
	const char *key = attach_needs_node(meta, config);

	if (key) {
		snprintf(what, len, "%s", key);
		return true;
	}
	for (unsigned i = 0; i < config->service_count; i++) {
		const char *name = config->service[i].name;

		key = differing_service_key(find(services, name), &config->service[i]);
		if (!key)
			continue;
		snprintf(what, len, "service.%s%s", name, key);
		return true;
	}
	for (unsigned i = 1; i <= SLUICE_MAX_SERVICES; i++) {
		if (!services[i].name[0] || config_service_by_name(config, services[i].name))
			continue;
		snprintf(what, len, "service.%s", services[i].name);
		return true;
	}
	return false;
}

int attached_carry_over(const struct sluice_service *services, const struct config *old,
			struct config *config)
{
	for (unsigned i = 0; i < old->service_count; i++) {
		const struct config_service *from = &old->service[i];
		struct config_service *grown, *to;
		char *app, *consul;

		if (config_service_by_name(config, from->name) || !find(services, from->name))
			continue;
		grown = realloc(config->service, (config->service_count + 1) * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		config->service = grown;
		app = strdup(from->marathon_app);
		consul = strdup(from->consul_service);
		if (!app || !consul) {
			free(app);
			free(consul);
			return -ENOMEM;
		}
		/* in front: a configured service that attach has not made must not take its ports away */
		memmove(grown + 1, grown, config->service_count++ * sizeof(*grown));
		to = grown;
		*to = *from;
		to->marathon_app = app;
		to->consul_service = consul;
	}
	return 0;
}
