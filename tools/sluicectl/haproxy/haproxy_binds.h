/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ports and addresses that a frontend or listen has: each port is a service. Part of haproxy_import.h.
 */
#ifndef SLUICE_HAPROXY_BINDS_H
#define SLUICE_HAPROXY_BINDS_H

#include "haproxy_import.h"

/* Adds its services to import, with name, line, port and addresses, and judges its binds. 0 or -ENOMEM. */
int haproxy_binds_take(struct haproxy_import *import, const struct haproxy_section *front);

#endif
