/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The first set of a service. Until there is one packets pass, to whoever served before; so when it is held back, why is told.
 */
#include "model_internal.h"

#define FIRST_SET_MS 10000 /* how long a first, empty set waits for Consul */

/* NULL: it may be published, even if nobody is in it. */
static const char *what_is_missing(const struct model *model, const struct model_service *service,
				   int64_t now_ms)
{
	bool by_marathon = model_by_marathon(model, service),
	     by_consul = model_by_consul(model, service);

	if (!model->names_known)
		return "no backend yet, and the names of this host are not known";
	if (by_marathon && !service->marathon_answered)
		return "no backend yet, and Marathon has not answered";
	if (!by_marathon && !service->consul_answered)
		return by_consul ? "no backend yet, and Consul has not answered"
				 : "no registry is asked for it";
	if (!service->mentioned)
		return "no backend yet, and no registry has named it";
	if (by_consul && !service->consul_answered &&
	    now_ms - service->first_answer_ms < FIRST_SET_MS)
		return "no backend yet, and Consul has not answered: waits for it for a moment";
	return NULL;
}

/*
 * A first set is published as soon as it has somebody in it; an empty one turns clients away that somebody else may still serve,
 * so it needs a registry that names the service, and every registry that is in use or a while without the missing one. A name in
 * the configuration that no registry has ever heard of is as likely a mistake, or a registry that has just lost everything.
 */
void guard_first_set(const struct model *model, struct model_service *service, int64_t now_ms)
{
	const char *waits = NULL;

	for (struct model_backend *b = service->backends; b; b = b->next)
		service->synced |= model_usable(b);
	if (!service->synced)
		waits = what_is_missing(model, service, now_ms);
	if (waits && !service->first_set_waits)
		service->first_set_since_ms = now_ms;
	service->first_set_waits = waits;
	service->synced |= !waits;
}
