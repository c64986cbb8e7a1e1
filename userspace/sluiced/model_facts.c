/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What comes in, from all but Consul: each source's answers are written down beside the backends they speak of, and nothing is decided
 * here. Absence from a good answer is written down as such and counted; an answer that is not there changes
 * nothing.
 */
#include "model_internal.h"

#include <errno.h>
#include <string.h>

/* Labels of older versions call Marathon the source of these, too. */
static bool is_hinted(const struct model_adopted *adopted)
{
	return adopted->state == SLUICE_BACKEND_DRAINING &&
	       (!strcmp(adopted->source, MODEL_HINT_SOURCE) ||
		!strcmp(adopted->reason, MODEL_HINT_REASON));
}

int model_adopt(struct model *model, const struct model_adopted *adopted)
{
	struct model_service *service = model_find_service(model, adopted->service);
	const struct model_identity of = { adopted->service, adopted->task, adopted->port_index,
					   adopted->port };
	struct model_backend *backend;

	if (!service || model_find_identity(model, &of))
		return 0;
	backend = model_add(model, service, adopted->task, adopted->app, adopted->port_index,
			    adopted->port);
	if (!backend)
		return -ENOMEM;
	backend->adopted = true;
	backend->state = backend->evidence = adopted->state;
	backend->since_ms = backend->unusable_ms = adopted->since_ms;
	backend->was_up = adopted->state != SLUICE_BACKEND_WAITING;
	model_set_reason(backend, "", "%s", adopted->reason);
	if (adopted->state == SLUICE_BACKEND_GONE) {
		backend->m_last = STATE_M_GONE;
		backend->gone_ms = adopted->since_ms;
	}
	/* The hint goes on for what is left of its time; it takes only what was up. */
	if (is_hinted(adopted)) {
		backend->evidence = SLUICE_BACKEND_UP;
		backend->hint_until_ms = adopted->since_ms + MODEL_HINT_MS;
		backend->hint_refuse_ms = backend->hint_until_ms + MODEL_HINT_REFUSE_MS;
		return 0;
	}
	/* Until Marathon speaks; its health checks may well pass. */
	if (!strcmp(adopted->source, "marathon") && adopted->state == SLUICE_BACKEND_DRAINING)
		backend->m_last = STATE_M_KILLING;
	/* So that an empty answer does not end it: see model_c_is_kept(). */
	if (!strcmp(adopted->source, "consul") && adopted->state == SLUICE_BACKEND_DRAINING)
		backend->c = FACTS_STATUS_MAINT;
	if (!strcmp(adopted->source, "consul") && adopted->state == SLUICE_BACKEND_DOWN)
		backend->c = FACTS_STATUS_CRITICAL;
	/* The veto and the operator's drain hide what the checks had said; it was up, or it would not have served. */
	if (!strcmp(adopted->source, "kernel") || !strcmp(adopted->source, "operator")) {
		backend->evidence = SLUICE_BACKEND_UP;
		backend->listened = !strcmp(adopted->source, "kernel");
	}
	return 0;
}

void model_adopt_synced(struct model *model, const char *service)
{
	struct model_service *found = model_find_service(model, service);

	if (found)
		found->synced = true;
}

void model_m_lacks(struct model_backend *backend, int64_t now_ms)
{
	if (backend->m_last != STATE_M_GONE) {
		backend->m_last = STATE_M_GONE;
		backend->gone_ms = now_ms;
		backend->m_lacks = 0;
	}
	backend->m_lost = false;
	backend->m_lately_ms = now_ms;
	if (backend->m_lacks && now_ms - backend->m_lack_ms < MODEL_SECOND_MS)
		return;
	backend->m_lacks++;
	backend->m_lack_ms = now_ms;
}

void model_m_has(struct model_backend *backend)
{
	backend->m_lacks = 0;
	backend->gone_ms = backend->m_named_ms = 0;
	backend->m_terminal = backend->m_killed = false;
}

void model_m_anybody(struct model_service *service, bool anybody, int64_t now_ms)
{
	if (anybody != service->m_anybody)
		service->m_turn_ms = now_ms;
	service->m_anybody = anybody;
}

/* --- Marathon --- */

/*
 * Not yet ready is only said of one that has not served: no answer of this kind takes anything away. Where nothing has been said yet,
 * that counts while somebody else serves.
 */
static bool is_unready(const struct model_service *service, const struct model_backend *backend,
		       const struct facts_task *task)
{
	if (backend->m_last == STATE_M_RUNNING || backend->m_last == STATE_M_KILLING ||
	    (backend->adopted && backend->was_up))
		return false;
	if (task->readiness == FACTS_READINESS_NOT)
		return true;
	if (task->readiness != FACTS_READINESS_PENDING)
		return false;
	for (const struct model_backend *b = service->backends; b; b = b->next)
		if (b != backend && model_usable(b))
			return true;
	return false;
}

static void take_task(const struct model_service *service, struct model_backend *backend,
		      const struct facts_task *task, int64_t now_ms)
{
	if (task->port_count) {
		memcpy(backend->ports, task->ports, sizeof(backend->ports));
		backend->port_count = task->port_count < FACTS_MAX_PORTS ? task->port_count
									 : FACTS_MAX_PORTS;
	}
	if (task->started_ms)
		backend->started_ms = task->started_ms;
	switch (task->state) {
	case FACTS_TASK_GONE:
		model_m_lacks(backend, now_ms);
		backend->m_terminal = true;
		return;
	case FACTS_TASK_LOST: /* the last word on state and health counts */
		backend->m_lost = true;
		backend->m_lacks = 0;
		if (backend->m_last == STATE_M_GONE && !backend->m_terminal) {
			backend->m_last = STATE_M_SILENT; /* it was only missing from an answer */
			backend->gone_ms = backend->m_named_ms = 0;
		}
		return;
	case FACTS_TASK_STARTING:
		backend->m_last = STATE_M_STARTING;
		break;
	case FACTS_TASK_RUNNING:
		backend->unready = is_unready(service, backend, task);
		backend->m_last = backend->unready ? STATE_M_STARTING : STATE_M_RUNNING;
		break;
	case FACTS_TASK_KILLING:
		backend->m_last = STATE_M_KILLING;
		break;
	}
	model_m_has(backend);
	backend->m_killed = task->state == FACTS_TASK_KILLING;
	backend->m_lost = false;
	/* After an election Marathon knows no health for a while: its last word stands. */
	if (task->health == FACTS_HEALTH_UNKNOWN && backend->health != FACTS_HEALTH_NO_CHECKS)
		return;
	backend->health = task->health;
	backend->m_health_ms = now_ms;
}

static uint16_t task_port(const struct facts_task *task, unsigned port_index)
{
	if (port_index >= FACTS_MAX_PORTS || port_index >= task->port_count)
		return 0;
	return task->ports[port_index];
}

/*
 * A task keeps its host-ports for life. An answer that says otherwise, as of an app whose definition has another order of ports by now,
 * moves none from a port behind which somebody listens.
 */
static bool may_move(const struct model *model, const struct model_backend *backend, uint16_t port)
{
	return port == backend->port || backend->retired || !model->kernel_known ||
	       !backend->listens;
}

/* One that has not started is not who listens there. */
static struct model_backend *new_task(struct model *model, struct model_service *service,
				      const struct facts_app *app, const struct facts_task *task,
				      int *err)
{
	const struct model_new_name name = { .by = MODEL_NAMED_BY_MARATHON,
					     .task = task->id,
					     .app = app->id,
					     .port = task_port(task, service->config->port_index) };
	struct model_backend *backend = NULL;

	if (task->state != FACTS_TASK_STARTING && model_rename(model, service, &name, &backend)) {
		*err = -ENOMEM;
		return NULL;
	}
	if (!backend)
		backend = model_add(model, service, name.task, name.app,
				    service->config->port_index, name.port);
	if (backend)
		backend->named = MODEL_NAMED_BY_MARATHON;
	else
		*err = -ENOMEM;
	return backend;
}

/* The backend of a task in this service, new if it must be; NULL: none, or no memory (then *err is set). */
static struct model_backend *meet_task(struct model *model, struct model_service *service,
				       const struct facts_app *app, const struct facts_task *task,
				       int *err)
{
	unsigned port_index = service->config->port_index;
	uint16_t port = task_port(task, port_index);
	struct model_backend *backend = model_find_at(service, task->id, port_index, port);

	if (!backend || backend->retired)
		backend = model_find(service, task->id, port_index);
	if (backend && port && may_move(model, backend, port))
		model_set_port(model, backend, port);
	if (backend && backend->retired && task->state == FACTS_TASK_GONE)
		return backend;
	if (backend && backend->retired && task->state != FACTS_TASK_LOST) {
		backend->retired = backend->listened = backend->watched = false;
		backend->evidence = SLUICE_BACKEND_FREE;
	}
	if (backend)
		backend->named = MODEL_NAMED_BY_MARATHON;
	if (backend)
		return backend;
	if (!port || task->state == FACTS_TASK_GONE || !model_is_local_name(model, task->host))
		return NULL;
	return new_task(model, service, app, task, err);
}

static const struct facts_app *find_app(const struct facts_marathon *answer, const char *id)
{
	for (size_t i = 0; i < answer->app_count; i++)
		if (!strcmp(answer->apps[i].id, id))
			return &answer->apps[i];
	return NULL;
}

/*
 * That Marathon speaks of the app, or of other apps and not of this one, is more than that it lists nothing at all. That it knows no app of
 * this name says neither.
 */
static void miss_task(struct model_backend *backend, const struct facts_app *app,
		      const struct facts_marathon *answer, int64_t now_ms)
{
	model_m_lacks(backend, now_ms);
	if (answer->gone)
		return;
	if (!app && !answer->others)
		backend->m_named_ms = 0;
	else if (!backend->m_named_ms)
		backend->m_named_ms = now_ms;
}

/* Without the right name the app seems to have no task here; that there is no such app is another matter. */
static bool is_absence(const struct model *model, const struct facts_app *app,
		       const struct facts_marathon *answer)
{
	return model->names_known || !app || answer->gone;
}

static int marathon_service(struct model *model, struct model_service *service,
			    const struct facts_marathon *answer, int64_t now_ms)
{
	const struct facts_app *app = find_app(answer, service->config->marathon_app);
	struct model_backend *backend;
	bool anybody = false;
	int err = 0;

	if (!app && !answer->full)
		return 0;
	if (app)
		model_learn_name(model, app);
	for (backend = service->backends; backend; backend = backend->next)
		backend->seen = false;
	for (size_t i = 0; app && i < app->task_count; i++) {
		backend = meet_task(model, service, app, &app->tasks[i], &err);
		if (!backend)
			continue;
		backend->seen = true;
		anybody |= app->tasks[i].state != FACTS_TASK_GONE;
		take_task(service, backend, &app->tasks[i], now_ms);
		if (model_checks_learn(backend, app, &app->tasks[i]))
			err = -ENOMEM;
	}
	model_problems_learn(model, service, app);
	service->mentioned |= app && !answer->gone;
	if (app && model_checks_copy(&service->checks, app->checks, app->check_count))
		err = -ENOMEM;
	if (!err)
		model_m_anybody(service, anybody, now_ms);
	for (backend = service->backends; backend && !err; backend = backend->next)
		if (!backend->seen && is_absence(model, app, answer))
			miss_task(backend, app, answer, now_ms);
	if (err)
		return err; /* what was not taken in may be all that is left: no first set yet */
	if (!service->marathon_answered && !service->first_answer_ms)
		service->first_answer_ms = now_ms;
	service->marathon_answered = service->marathon_fresh = true;
	return 0;
}

int model_marathon(struct model *model, const struct facts_marathon *answer, int64_t now_ms)
{
	int err = 0, one;

	for (size_t s = 0; s < model->service_count; s++) {
		if (!model_by_marathon(model, &model->service[s]))
			continue;
		one = marathon_service(model, &model->service[s], answer, now_ms);
		if (one)
			err = one;
	}
	return err;
}

void model_hint(struct model *model, const struct facts_hint *hint, int64_t now_ms)
{
	bool match;

	if (hint->kind != FACTS_HINT_REMOVAL ||
	    (hint->host[0] && !model_is_local_name(model, hint->host)))
		return;
	for (size_t s = 0; s < model->service_count; s++) {
		for (struct model_backend *b = model->service[s].backends; b; b = b->next) {
			match = (hint->task[0] && !strcmp(b->task, hint->task)) ||
				(hint->uuid[0] && strstr(b->task, hint->uuid));
			if (!match || now_ms < b->hint_refuse_ms)
				continue;
			b->hint_until_ms = now_ms + MODEL_HINT_MS;
			b->hint_refuse_ms = b->hint_until_ms + MODEL_HINT_REFUSE_MS;
		}
	}
}

/* --- the kernel, the sources' own state --- */

static void take_listener(struct model_backend *backend, bool listens, int64_t now_ms)
{
	if (listens) {
		backend->watched |= !backend->listened;
		backend->listened = true;
		backend->lost_usable = backend->lost_mass = false;
	} else if (backend->listens) {
		backend->lost_ms = now_ms;
		backend->lost_usable = model_usable(backend);
	}
	backend->watched &= listens;
	backend->listens = listens;
}

void model_listeners(struct model *model, const struct facts_listeners *listeners, int64_t now_ms)
{
	model->kernel_known = true;
	for (size_t s = 0; s < model->service_count; s++) {
		for (struct model_backend *b = model->service[s].backends; b; b = b->next) {
			take_listener(b, facts_listens(listeners, b->port), now_ms);
		}
	}
	model->listeners = *listeners;
}

void model_source(struct model *model, const struct facts_source *source, int64_t now_ms)
{
	if (!strcmp(source->name, "marathon")) {
		model->marathon_connected = source->answers;
		for (size_t s = 0; s < model->service_count && !source->answers; s++)
			model->service[s].marathon_fresh = false;
	} else if (!strcmp(source->name, "consul")) {
		if (model->consul_connected != source->answers)
			model->consul_change_ms = now_ms;
		model->consul_connected = source->answers;
		for (size_t s = 0; s < model->service_count && !source->answers; s++)
			model->service[s].consul_answered = false;
	} else if (!strcmp(source->name, "kernel") && !source->connected) {
		model->kernel_known = false;
		for (size_t s = 0; s < model->service_count; s++)
			for (struct model_backend *b = model->service[s].backends; b; b = b->next)
				b->watched = false;
	}
}
