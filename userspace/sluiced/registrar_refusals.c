/* SPDX-License-Identifier: GPL-2.0-only */
/* See registrar_refusals.h. A handful of entries at most, so a plain list. */
#include "registrar_refusals.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backoff.h"

struct registrar_refusal {
	char *id;
	enum registrar_verb verb;
	struct backoff backoff;
	int64_t until_ms;
	bool named; /* by the plan that is looked through */
};

static struct registrar_refusal *find(const struct registrar_refusals *refusals,
				      const struct registrar_step *step)
{
	for (size_t i = 0; i < refusals->count; i++)
		if (refusals->list[i].verb == step->verb &&
		    strcmp(refusals->list[i].id, step->id) == 0)
			return &refusals->list[i];
	return NULL;
}

static void drop(struct registrar_refusals *refusals, struct registrar_refusal *refusal)
{
	free(refusal->id);
	*refusal = refusals->list[--refusals->count];
}

int registrar_refusals_add(struct registrar_refusals *refusals, const struct registrar_step *step,
			   int64_t now_ms)
{
	struct registrar_refusal *refusal = find(refusals, step), *list;

	if (!refusal) {
		list = realloc(refusals->list, (refusals->count + 1) * sizeof(*list));
		if (!list)
			return -ENOMEM;
		refusals->list = list;
		refusal = &list[refusals->count];
		*refusal = (struct registrar_refusal){ .id = strdup(step->id), .verb = step->verb };
		if (!refusal->id)
			return -ENOMEM;
		refusals->count++;
	}
	refusal->until_ms = now_ms + backoff_next_ms(&refusal->backoff);
	return 0;
}

unsigned registrar_refusals_times(const struct registrar_refusals *refusals,
				  const struct registrar_step *step)
{
	const struct registrar_refusal *refusal = find(refusals, step);

	return refusal ? refusal->backoff.failures : 0;
}

void registrar_refusals_clear(struct registrar_refusals *refusals,
			      const struct registrar_step *step)
{
	struct registrar_refusal *refusal = find(refusals, step);

	if (refusal)
		drop(refusals, refusal);
}

void registrar_refusals_release(struct registrar_refusals *refusals)
{
	while (refusals->count)
		drop(refusals, &refusals->list[0]);
	free(refusals->list);
	memset(refusals, 0, sizeof(*refusals));
}

size_t registrar_refusals_filter(struct registrar_refusals *refusals, struct registrar_step *steps,
				 size_t count, int64_t now_ms)
{
	size_t kept = 0;

	for (size_t i = 0; i < refusals->count; i++)
		refusals->list[i].named = false;
	for (size_t i = 0; i < count; i++) {
		struct registrar_refusal *refusal = find(refusals, &steps[i]);

		if (refusal)
			refusal->named = true;
		if (!refusal || refusal->until_ms <= now_ms)
			steps[kept++] = steps[i];
	}
	for (size_t i = refusals->count; i--;)
		if (!refusals->list[i].named)
			drop(refusals, &refusals->list[i]);
	return kept;
}

int64_t registrar_refusals_next_ms(const struct registrar_refusals *refusals)
{
	int64_t next_ms = -1;

	for (size_t i = 0; i < refusals->count; i++)
		if (next_ms < 0 || refusals->list[i].until_ms < next_ms)
			next_ms = refusals->list[i].until_ms;
	return next_ms;
}
