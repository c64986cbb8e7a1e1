/* SPDX-License-Identifier: GPL-2.0-only */
/* Names of a haproxy.cfg as sluice.conf takes them: letters, digits and dashes. */
#ifndef SLUICE_HAPROXY_NAMES_H
#define SLUICE_HAPROXY_NAMES_H

#include <stdbool.h>
#include <stddef.h>

struct haproxy_import;
struct haproxy_service;

/* from, or as much of it as there is room for (at least 1), in to; "" if nothing of it can stand in a name. lower: in small letters. */
void haproxy_names_clean(char *to, size_t room, const char *from, bool lower);

/* A name for the service, of its proxy's and, if another service of import has that one, of its port; sets service->name. */
void haproxy_names_service(const struct haproxy_import *import, struct haproxy_service *service,
			   const char *proxy);

#endif
