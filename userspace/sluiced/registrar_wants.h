/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Deep copies of what the registrar is told, kept until it gets round to it. Pure.
 */
#ifndef SLUICED_REGISTRAR_WANTS_H
#define SLUICED_REGISTRAR_WANTS_H

#include <stddef.h>

#include "registrar.h"

struct registrar_wants {
	struct registrar_entry *entries; /* own all that they point to */
	size_t count;
};

/* 1: copied, 0: it is what was kept already, -ENOMEM: what was kept stays. */
int registrar_wants_set(struct registrar_wants *wants, const struct registrar_entry *entries,
			size_t count);
void registrar_wants_release(struct registrar_wants *wants);

/* The entries with what the plan looks at, and nothing else. 0 or -ENOMEM: copy is as before. */
int registrar_copy_held(struct facts_consul *copy, const struct facts_consul *answer);

#endif
