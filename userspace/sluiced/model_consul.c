/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What comes in from Consul: which entries are this host's and speak for which backend. Beside Marathon an entry only adds its status to a
 * task; alone, the entries of one port are the backend. Nothing is decided here.
 */
#include "model_internal.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_own_address(const struct model *model, const char *address)
{
	for (size_t i = 0; i < model->address_count; i++)
		if (!strcasecmp(model->address[i], address))
			return true;
	return !address[0] || model_is_local_name(model, address);
}

/* Without a check of its own an entry says less than one that passes. */
static int badness(enum facts_status status)
{
	switch (status) {
	case FACTS_STATUS_NONE:
		return 0;
	case FACTS_STATUS_PASSING:
		return 1;
	case FACTS_STATUS_WARNING:
		return 2;
	case FACTS_STATUS_CRITICAL:
		return 3;
	case FACTS_STATUS_MAINT:
		return 4;
	}
	return 3;
}

static bool is_ghost(const struct model *model, const struct facts_entry *entry)
{
	return entry->ours && model->boot_id[0] && strcmp(entry->boot_id, model->boot_id);
}

/* The entry that speaks for this task's port: our own registration of it, else the worst of others'. */
static const struct facts_entry *speaker(const struct facts_entry *const *entries, size_t count,
					 const struct model_backend *backend)
{
	const struct facts_entry *worst = NULL;

	for (size_t i = 0; i < count; i++) {
		const struct facts_entry *entry = entries[i];

		if (entry->ours) {
			if (entry->port_index == backend->port_index &&
			    !strcmp(entry->task, backend->task))
				return entry;
			continue; /* of an earlier task on this port */
		}
		if (entry->port != backend->port)
			continue;
		if (!worst || badness(entry->status) > badness(worst->status))
			worst = entry;
	}
	return worst;
}

/* An answer without anything in it ends no complaint: that is an agent which has lost everything, or a token. */
static void end_complaint(struct model_backend *backend, int64_t now_ms)
{
	if (backend->c_kept_lacks && now_ms - backend->c_kept_ms < MODEL_SECOND_MS)
		return;
	backend->c_kept_ms = now_ms;
	if (++backend->c_kept_lacks >= 2)
		backend->c = FACTS_STATUS_NONE;
}

static void lack_entry(struct model_backend *backend, const struct facts_consul *answer,
		       int64_t now_ms)
{
	backend->c_present = false;
	if (answer->entry_count && model_c_is_kept(backend))
		end_complaint(backend, now_ms);
	if (backend->c_lacks && now_ms - backend->c_lack_ms < MODEL_SECOND_MS)
		return;
	backend->c_lacks++;
	backend->c_lack_ms = now_ms;
}

static void take_entry(struct model_backend *backend, const struct facts_entry *entry)
{
	size_t i;

	backend->c_present = backend->c_ever = true;
	backend->c_lacks = backend->c_kept_lacks = 0;
	backend->c_ours = entry->ours;
	backend->c = entry->status;
	/* One line of printable text: it ends up in labels and logs. */
	for (i = 0; i + 1 < sizeof(backend->c_output) && entry->output[i]; i++)
		backend->c_output[i] = isprint((unsigned char)entry->output[i]) ? entry->output[i]
										: ' ';
	backend->c_output[i] = 0;
}

/*
 * The backend that a group of entries on one port has been so far: one of them gave it its name, or stood beside that one in the
 * last answer. So a second registrar that goes away does not make another backend of the same process. An id that is registered again
 * on another port is a new backend there: what it left behind drains like any that is no longer listed.
 */
static struct model_backend *known_group(const struct model_service *service,
					 const struct facts_entry *const *entries, size_t count,
					 uint16_t port)
{
	struct model_backend *backend, *beside = NULL;

	for (size_t i = 0; i < count; i++) {
		if (entries[i]->port != port)
			continue;
		for (backend = service->backends; backend; backend = backend->next) {
			if (backend->retired || backend->port != port)
				continue;
			if (!strcmp(backend->task, entries[i]->id))
				return backend;
			if (backend->beside && !strcmp(backend->beside, entries[i]->id))
				beside = backend;
		}
	}
	return beside;
}

/* Which entry names a new group (ours, else the first by id), and which decides for it (ours, else the worst). */
static void judge_group(const struct facts_entry *const *entries, size_t count, uint16_t port,
			const struct facts_entry **name, const struct facts_entry **decides)
{
	*name = *decides = NULL;
	for (size_t i = 0; i < count; i++) {
		const struct facts_entry *entry = entries[i];

		if (entry->port != port)
			continue;
		if (!*name || (entry->ours != (*name)->ours ? entry->ours
							    : strcmp(entry->id, (*name)->id) < 0))
			*name = entry;
		if (!*decides || (entry->ours != (*decides)->ours
					  ? entry->ours
					  : badness(entry->status) > badness((*decides)->status)))
			*decides = entry;
	}
}

/* NULL: no memory */
static struct model_backend *new_group(struct model *model, struct model_service *service,
				       const struct facts_entry *entry)
{
	const struct model_new_name name = { .by = MODEL_NAMED_BY_CONSUL,
					     .task = entry->id,
					     .app = entry->app,
					     .port = entry->port };
	struct model_backend *backend;

	if (model_rename(model, service, &name, &backend))
		return NULL;
	return backend ? backend
		       : model_add(model, service, entry->id, entry->app,
				   service->config->port_index, entry->port);
}

static int remember_beside(struct model_backend *backend, const struct facts_entry *const *entries,
			   size_t count)
{
	char *beside = NULL;

	for (size_t i = 0; i < count && !beside; i++) {
		if (entries[i]->port != backend->port || !strcmp(entries[i]->id, backend->task))
			continue;
		beside = strdup(entries[i]->id);
		if (!beside)
			return -ENOMEM;
	}
	free(backend->beside);
	backend->beside = beside;
	return 0;
}

/*
 * Where Consul alone knows the service, being listed is being alive, and the status is that of the group. An entry whose checks have not
 * run yet is waited for; one without checks never says more than that it is there.
 */
static int consul_only(struct model *model, struct model_service *service,
		       const struct facts_consul *answer, const struct facts_entry *const *entries,
		       size_t count, int64_t now_ms)
{
	const struct facts_entry *name, *decides;
	struct model_backend *backend;
	int err = 0;

	for (backend = service->backends; backend; backend = backend->next)
		backend->seen = false;
	for (size_t i = 0; i < count; i++) {
		judge_group(entries, count, entries[i]->port, &name, &decides);
		backend = known_group(service, entries, count, entries[i]->port);
		if (backend && backend->seen)
			continue;
		if (!backend)
			backend = new_group(model, service, name);
		if (!backend || remember_beside(backend, entries, count)) {
			err = -ENOMEM;
			continue;
		}
		backend->seen = true;
		backend->named = MODEL_NAMED_BY_CONSUL;
		backend->m_last = STATE_M_RUNNING;
		backend->health = decides->status == FACTS_STATUS_NONE && !decides->has_checks
					  ? FACTS_HEALTH_NO_CHECKS
					  : FACTS_HEALTH_UNKNOWN;
		model_m_has(backend);
		take_entry(backend, decides);
	}
	if (!err)
		model_m_anybody(service, count > 0, now_ms);
	for (backend = service->backends; backend && !err; backend = backend->next) {
		if (backend->seen)
			continue;
		model_m_lacks(backend, now_ms);
		lack_entry(backend, answer, now_ms);
	}
	return err;
}

/*
 * Our own registrations name tasks that Marathon has not told of (it may be down since this daemon started). If it has
 * answered without them, they are left-overs: gone, and to be deregistered.
 */
static int meet_registered(struct model *model, struct model_service *service,
			   const struct facts_entry *const *entries, size_t count, int64_t now_ms)
{
	struct model_backend *backend;

	for (size_t i = 0; i < count; i++) {
		if (!entries[i]->ours || entries[i]->port_index != service->config->port_index ||
		    strcmp(entries[i]->app, service->config->marathon_app) ||
		    model_find(service, entries[i]->task, entries[i]->port_index))
			continue;
		backend = model_add(model, service, entries[i]->task, entries[i]->app,
				    entries[i]->port_index, entries[i]->port);
		if (!backend)
			return -ENOMEM;
		backend->named = MODEL_NAMED_BY_MARATHON;
		if (service->marathon_answered && model->names_known) {
			model_m_lacks(backend, now_ms);
			backend->retired = true;
		}
	}
	return 0;
}

static int consul_service(struct model *model, struct model_service *service,
			  const struct facts_consul *answer, int64_t now_ms)
{
	const struct facts_entry **entries = calloc(answer->entry_count + 1, sizeof(*entries));
	const struct facts_entry *entry;
	struct model_backend *backend;
	size_t count = 0;
	int err;

	if (!entries)
		return -ENOMEM;
	for (size_t i = 0; i < answer->entry_count; i++) {
		entry = &answer->entries[i];
		if (strcmp(entry->service, service->config->consul_service) != 0)
			continue;
		/* without an address of our own nothing could be told to be ours */
		service->mentioned |= model->address_count > 0;
		if (!is_ghost(model, entry) &&
		    (entry->ours || is_own_address(model, entry->address)))
			entries[count++] = entry;
	}
	if (model_by_marathon(model, service)) {
		err = meet_registered(model, service, entries, count, now_ms);
		for (backend = service->backends; backend; backend = backend->next) {
			entry = speaker(entries, count, backend);
			if (entry)
				take_entry(backend, entry);
			else
				lack_entry(backend, answer, now_ms);
		}
	} else {
		err = consul_only(model, service, answer, entries, count, now_ms);
	}
	free(entries);
	if (err)
		return err; /* as after Marathon's: no first set yet */
	if (!service->first_answer_ms)
		service->first_answer_ms = now_ms;
	service->consul_answered = true;
	return 0;
}

int model_consul(struct model *model, const struct facts_consul *answer, int64_t now_ms)
{
	int err = model_strays_learn(model, answer), one;

	model->consul_answer_ms = now_ms;
	for (size_t s = 0; s < model->service_count; s++) {
		if (!model_by_consul(model, &model->service[s]))
			continue;
		one = consul_service(model, &model->service[s], answer, now_ms);
		if (one)
			err = one;
	}
	return err;
}
