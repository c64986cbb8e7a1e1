/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copies and comparisons, see registrar_wants.h. The model gives its whole list again and again;
 * mostly it is the same, and then nothing is built anew.
 */
#include "registrar_wants.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *text_of(const char *text)
{
	return text ? text : "";
}

static bool same_text(const char *a, const char *b)
{
	return strcmp(text_of(a), text_of(b)) == 0;
}

static bool same_check(const struct facts_check *a, const struct facts_check *b)
{
	return a->protocol == b->protocol && same_text(a->path, b->path) &&
	       a->port_index == b->port_index && a->port == b->port &&
	       a->interval_s == b->interval_s && a->timeout_s == b->timeout_s;
}

static bool same_entry(const struct registrar_entry *a, const struct registrar_entry *b)
{
	if (!same_text(a->task, b->task) || !same_text(a->app, b->app) ||
	    !same_text(a->address, b->address) || !same_text(a->service, b->service) ||
	    a->port_index != b->port_index || a->port != b->port || a->status != b->status ||
	    a->gone_proved != b->gone_proved || a->check_count != b->check_count ||
	    a->port_count != b->port_count ||
	    (a->port_count && memcmp(a->ports, b->ports, a->port_count * sizeof(*a->ports)) != 0))
		return false;
	for (size_t i = 0; i < a->check_count; i++)
		if (!same_check(&a->checks[i], &b->checks[i]))
			return false;
	return true;
}

static bool same_list(const struct registrar_wants *wants, const struct registrar_entry *entries,
		      size_t count)
{
	if (!wants->entries || wants->count != count)
		return false;
	for (size_t i = 0; i < count; i++)
		if (!same_entry(&wants->entries[i], &entries[i]))
			return false;
	return true;
}

/* free() of what is const for everybody else; the kept entries own it */
static void drop(const void *memory)
{
	union {
		const void *given;
		void *own;
	} pointer = { .given = memory };

	free(pointer.own);
}

static void release_entry(struct registrar_entry *entry)
{
	for (size_t i = 0; entry->checks && i < entry->check_count; i++)
		free(entry->checks[i].path);
	drop(entry->task);
	drop(entry->app);
	drop(entry->address);
	drop(entry->service);
	drop(entry->checks);
	drop(entry->ports);
}

static int copy_checks(const struct registrar_entry *from, struct registrar_entry *to)
{
	struct facts_check *checks;

	to->check_count = 0;
	to->checks = NULL;
	if (!from->check_count)
		return 0;
	checks = calloc(from->check_count, sizeof(*checks));
	if (!checks)
		return -ENOMEM;
	to->checks = checks;
	for (size_t i = 0; i < from->check_count; i++) {
		checks[i] = from->checks[i];
		checks[i].path = strdup(text_of(from->checks[i].path));
		to->check_count++;
		if (!checks[i].path)
			return -ENOMEM;
	}
	return 0;
}

static int copy_entry(const struct registrar_entry *from, struct registrar_entry *to)
{
	uint16_t *ports = NULL;
	int err;

	*to = *from;
	to->ports = NULL;
	to->task = strdup(text_of(from->task));
	to->app = strdup(text_of(from->app));
	to->address = strdup(text_of(from->address));
	to->service = strdup(text_of(from->service));
	err = copy_checks(from, to);
	if (err || !to->task || !to->app || !to->address || !to->service)
		return -ENOMEM;
	to->port_count = from->ports ? from->port_count : 0;
	if (!to->port_count)
		return 0;
	ports = malloc(to->port_count * sizeof(*ports));
	if (!ports)
		return -ENOMEM;
	memcpy(ports, from->ports, to->port_count * sizeof(*ports));
	to->ports = ports;
	return 0;
}

int registrar_wants_set(struct registrar_wants *wants, const struct registrar_entry *entries,
			size_t count)
{
	struct registrar_wants copy = {};

	if (same_list(wants, entries, count))
		return 0;
	copy.entries = calloc(count + 1, sizeof(*copy.entries));
	if (!copy.entries)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		int err = copy_entry(&entries[i], &copy.entries[copy.count++]);

		if (err) {
			registrar_wants_release(&copy);
			return err;
		}
	}
	registrar_wants_release(wants);
	*wants = copy;
	return 1;
}

void registrar_wants_release(struct registrar_wants *wants)
{
	for (size_t i = 0; i < wants->count; i++)
		release_entry(&wants->entries[i]);
	free(wants->entries);
	memset(wants, 0, sizeof(*wants));
}

int registrar_copy_held(struct facts_consul *copy, const struct facts_consul *answer)
{
	struct facts_consul held = { .entries = calloc(answer->entry_count + 1,
						       sizeof(*held.entries)) };

	if (!held.entries)
		return -ENOMEM;
	for (size_t i = 0; i < answer->entry_count; i++) {
		const struct facts_entry *from = &answer->entries[i];
		struct facts_entry *to = &held.entries[held.entry_count];

		to->id = strdup(from->id);
		to->boot_id = strdup(text_of(from->boot_id));
		to->definition = strdup(text_of(from->definition));
		to->ours = from->ours;
		to->status = from->status;
		held.entry_count++;
		if (!to->id || !to->boot_id || !to->definition) {
			facts_consul_release(&held);
			return -ENOMEM;
		}
	}
	facts_consul_release(copy);
	*copy = held;
	return 0;
}
