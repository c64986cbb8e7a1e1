/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where HAProxy would send a connection: which section serves it if nothing of it is read, and which sections nothing leads to.
 * Knows lines and sections alone, no verdict and no service.
 */
#ifndef SLUICE_HAPROXY_ROUTE_H
#define SLUICE_HAPROXY_ROUTE_H

#include <stdbool.h>

#include "haproxy_file.h"

/* Has this use_backend a condition? */
bool haproxy_route_is_conditional(const struct haproxy_line *line);

/*
 * Who serves a connection of the frontend or listen of which nothing is read. *line: what says so, NULL if no line does. NULL: the
 * name in *line leads nowhere, or there is no such line.
 */
const struct haproxy_section *haproxy_route_serving(const struct haproxy_file *file,
						    const struct haproxy_section *front,
						    const struct haproxy_line **line);

/* Does a rule that reads what a request says lead to this backend? */
bool haproxy_route_reads(const struct haproxy_file *file, const char *name);

/* A page of statistics serves nobody else; and a section may be switched off as a whole. NULL, or why it is not needed. */
const char *haproxy_route_why_idle(const struct haproxy_file *file,
				   const struct haproxy_section *section);

#endif
