/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the registrar wants in Consul, as Consul wants to be told it: made once from the list that
 * it was given, and judged by what was written and is listed nowhere. Writes nothing, and says in
 * the log what cannot be made or is not listed.
 */
#ifndef SLUICED_REGISTRATIONS_H
#define SLUICED_REGISTRATIONS_H

#include <stdbool.h>
#include <stddef.h>

struct registrar_host;
struct registrar_refusals;
struct registrar_wants;
struct registration;

struct registrations {		   /* zeroed: to be built */
	struct registration *list; /* owned; NULL: to be built */
	size_t count;
	bool unlisted; /* said so already */
};

/*
 * Of wants, which has to be there for as long as they are. Nothing is done if they are built. 0, or
 * -ENOMEM: there are none.
 */
int registrations_build(struct registrations *registrations, const struct registrar_wants *wants,
			const struct registrar_host *host);

/* They are to be built anew. */
void registrations_forget(struct registrations *registrations);

/*
 * After registrar_plan(): what was taken and is listed by no answer would be written again with
 * each answer, for ever. The first answer after a write may be older than the write; the next is
 * not. written: the writes that no answer has shown.
 */
void registrations_judge_unlisted(struct registrations *registrations,
				  const struct registrar_refusals *written);

#endif
