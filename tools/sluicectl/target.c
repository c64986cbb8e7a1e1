/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Names to slots. Only maps are asked, so it works with the daemon dead.
 */
#include "target.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_value.h"
#include "maps.h"

#define NEAR_MAX 8 /* names that an error lists */

static void fill(struct target *target, const struct target_list *list, const struct maps *maps,
		 unsigned slot)
{
	const struct sluice_backend *backend = &maps->backends[slot];
	const struct sluice_label *label = &maps->labels[slot];

	*target = (struct target){ .slot = slot,
				   .generation = backend->generation,
				   .service = backend->service <= SLUICE_MAX_SERVICES
						      ? backend->service
						      : 0,
				   .port = ntohs(backend->port) };
	snprintf(target->name, sizeof(target->name), "%.*s/%u", SLUICE_NAME_LEN - 1,
		 target->service ? list->services[target->service].name : "?", target->port);
	if (label->generation == target->generation)
		snprintf(target->task, sizeof(target->task), "%.*s", SLUICE_TASK_LEN - 1,
			 label->task);
}

static int by_name(const void *a, const void *b)
{
	const struct target *x = a, *y = b;

	if (x->service != y->service)
		return x->service < y->service ? -1 : 1;
	return (x->port > y->port) - (x->port < y->port);
}

int target_all(struct target_list *list, const struct maps *maps)
{
	int err = maps_read_services(maps, list->services);

	list->count = 0;
	list->target = calloc(SLUICE_MAX_BACKENDS, sizeof(*list->target));
	if (!list->target)
		return -ENOMEM;
	for (unsigned slot = 1; !err && slot <= SLUICE_MAX_BACKENDS; slot++)
		if (maps->backends[slot].generation)
			fill(&list->target[list->count++], list, maps, slot);
	qsort(list->target, list->count, sizeof(*list->target), by_name);
	return err;
}

void target_release(struct target_list *list)
{
	free(list->target);
	list->target = NULL;
	list->count = 0;
}

/* Those of the service, or all if there is no such service. */
static void list_near(const struct target_list *list, unsigned service, char *text, size_t len)
{
	size_t used = 0, shown = 0;

	text[0] = '\0';
	for (size_t i = 0; i < list->count && used < len; i++) {
		if (service && list->target[i].service != service)
			continue;
		if (++shown > NEAR_MAX) {
			snprintf(text + used, len - used, ", ...");
			return;
		}
		used += (size_t)snprintf(text + used, len - used, "%s%s", shown > 1 ? ", " : "",
					 list->target[i].name);
	}
	if (!shown)
		snprintf(text, len, "none");
}

static unsigned find_service(const struct target_list *list, const char *name, size_t len)
{
	for (unsigned i = 1; i <= SLUICE_MAX_SERVICES; i++)
		if (len && strlen(list->services[i].name) == len &&
		    !strncmp(list->services[i].name, name, len))
			return i;
	return 0;
}

/* The newest of those that stand on the port. NULL: nobody. */
static const struct target *newest(const struct target_list *list, const struct maps *maps,
				   unsigned service, uint16_t port)
{
	const struct target *best = NULL;

	for (size_t i = 0; i < list->count; i++) {
		const struct target *one = &list->target[i];

		if (one->service == service && one->port == port &&
		    (!best ||
		     maps->backends[one->slot].created_ns > maps->backends[best->slot].created_ns))
			best = one;
	}
	return best;
}

bool target_choose(struct target_list *list, const struct maps *maps, const char *name, char *error,
		   size_t len)
{
	const char *slash = strrchr(name, '/'), *why;
	const struct target *found = NULL;
	unsigned service = 0;
	char near[512];
	uint16_t port;

	if (!slash || config_value_port(slash + 1, &port, &why)) {
		snprintf(error, len, "%.64s: a backend is named SERVICE/PORT, as web/31005", name);
		return false;
	}
	service = find_service(list, name, (size_t)(slash - name));
	if (service)
		found = newest(list, maps, service, port);
	if (found) {
		list->target[0] = *found;
		list->count = 1;
		return true;
	}
	list_near(list, service, near, sizeof(near));
	snprintf(error, len, "%.64s: no such %s; there is: %s", name,
		 service ? "backend" : "service", near);
	return false;
}

bool target_has_ended(const struct target *target, const struct maps *maps)
{
	return __atomic_load_n(&maps->backends[target->slot].generation, __ATOMIC_ACQUIRE) !=
	       target->generation;
}
