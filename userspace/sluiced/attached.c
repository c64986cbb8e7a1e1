/* SPDX-License-Identifier: GPL-2.0-only */
/* Services by name, as attach gives them their indexes. */
#include "attached.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

static const struct sluice_service *find(const struct sluice_service *services, const char *name)
{
	for (unsigned i = 1; i <= SLUICE_MAX_SERVICES; i++)
		if (services[i].name[0] &&
		    !strncmp(services[i].name, name, sizeof(services[i].name)))
			return &services[i];
	return NULL;
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

bool attached_all_configured(const struct sluice_service *services, const struct config *config)
{
	for (unsigned i = 1; i <= SLUICE_MAX_SERVICES; i++) {
		char name[sizeof(services[i].name) + 1] = "";

		memcpy(name, services[i].name, sizeof(services[i].name));
		if (name[0] && !config_service_by_name(config, name))
			return false;
	}
	return true;
}
