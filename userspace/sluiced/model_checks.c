/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which health checks a task is registered with. A deployment that changes a check must not judge the tasks of the version before by it:
 * they keep theirs until they end. Knows nothing of Consul but whether it holds our entry.
 */
#include "model_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void model_checks_release(struct model_checks *checks)
{
	for (size_t i = 0; i < checks->count; i++)
		free(checks->check[i].path);
	free(checks->check);
	*checks = (struct model_checks){ 0 };
}

static bool same_checks(const struct model_checks *a, const struct facts_check *check, size_t count)
{
	if (a->count != count)
		return false;
	for (size_t i = 0; i < count; i++) {
		const struct facts_check *x = &a->check[i], *y = &check[i];

		if (x->protocol != y->protocol || strcmp(x->path, y->path ? y->path : "") ||
		    x->port_index != y->port_index || x->port != y->port ||
		    x->interval_s != y->interval_s || x->timeout_s != y->timeout_s ||
		    x->grace_s != y->grace_s || x->max_failures != y->max_failures)
			return false;
	}
	return true;
}

int model_checks_copy(struct model_checks *to, const struct facts_check *check, size_t count)
{
	struct model_checks copy = { .check = calloc(count + 1, sizeof(*check)) };

	if (!copy.check)
		return -ENOMEM;
	for (; copy.count < count; copy.count++) {
		copy.check[copy.count] = check[copy.count];
		copy.check[copy.count].path =
			strdup(check[copy.count].path ? check[copy.count].path : "");
		if (!copy.check[copy.count].path) {
			model_checks_release(&copy);
			return -ENOMEM;
		}
	}
	model_checks_release(to);
	*to = copy;
	return 0;
}

/* A scaled app has another version and the same checks; what it was configured at says so. */
static bool is_of_this_definition(const struct facts_app *app, const struct facts_task *task)
{
	if (app->config_version)
		return strcmp(task->version, app->config_version) >= 0;
	return !strcmp(task->version, app->version);
}

int model_checks_learn(struct model_backend *backend, const struct facts_app *app,
		       const struct facts_task *task)
{
	bool versions = task->version && (app->config_version || app->version);
	int err;

	if (versions ? !is_of_this_definition(app, task)
		     : backend->checks_known || backend->adopted)
		return 0;
	if (backend->checks_known && same_checks(&backend->checks, app->checks, app->check_count))
		return 0;
	err = model_checks_copy(&backend->checks, app->checks, app->check_count);
	if (!err)
		backend->checks_known = true;
	return err;
}

const struct model_checks *model_checks_of(const struct model_service *service,
					   const struct model_backend *backend)
{
	if (backend->checks_known)
		return &backend->checks;
	if (!service->consul_answered || (backend->c_present && backend->c_ours))
		return NULL;
	return &service->checks; /* it is not registered: better by these than not at all */
}
