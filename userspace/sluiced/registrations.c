/* SPDX-License-Identifier: GPL-2.0-only */
/* Makes and keeps registrations, see registrations.h. */
#include "registrations.h"

#include <errno.h>
#include <stdlib.h>
#include <syslog.h>

#include "log.h"
#include "registrar_plan.h"
#include "registrar_refusals.h"
#include "registrar_wants.h"

#define UNLISTED_AFTER 2 /* writes that no answer shows */

void registrations_forget(struct registrations *registrations)
{
	for (size_t i = 0; i < registrations->count; i++)
		registration_release(&registrations->list[i]);
	free(registrations->list);
	registrations->list = NULL;
	registrations->count = 0;
}

int registrations_build(struct registrations *registrations, const struct registrar_wants *wants,
			const struct registrar_host *host)
{
	if (registrations->list)
		return 0;
	registrations->list = calloc(wants->count + 1, sizeof(*registrations->list));
	if (!registrations->list)
		return -ENOMEM;
	for (size_t i = 0; i < wants->count; i++) {
		const struct registrar_entry *entry = &wants->entries[i];
		struct registration *made = &registrations->list[registrations->count];
		int err = registration_make(entry, host, made);

		if (err == -ENOMEM) {
			registrations_forget(registrations);
			return err;
		}
		if (err) {
			log_event(LOG_WARNING, "registration-impossible",
				  "task=%s index=%u service=%s", entry->task, entry->port_index,
				  entry->service);
			continue;
		}
		if (made->told.checks_unrun)
			log_event(
				LOG_INFO, "checks-not-translated",
				"task=%s count=%zu reason=\"a command, or a port that is not on the host\"",
				entry->task, made->told.checks_unrun);
		registrations->count++;
	}
	return 0;
}

void registrations_judge_unlisted(struct registrations *registrations,
				  const struct registrar_refusals *written)
{
	const char *example = NULL;
	size_t count = 0;

	for (size_t i = 0; i < registrations->count; i++) {
		struct registration *registration = &registrations->list[i];
		const struct registrar_step about = { .verb = REGISTRAR_REGISTER,
						      .id = registration->id };

		if (registrar_refusals_times(written, &about) < UNLISTED_AFTER)
			registration->told.unlisted = false;
		if (!registration->told.unlisted)
			continue;
		example = example ? example : registration->id;
		count++;
	}
	if (count && !registrations->unlisted)
		log_event(
			LOG_WARNING, "registered-not-listed",
			"count=%zu id=%s reason=\"Consul took it and does not list it: the token lacks service_prefix \\\"sluice:\\\" { policy = \\\"read\\\" }\"",
			count, example);
	registrations->unlisted = count != 0;
}
