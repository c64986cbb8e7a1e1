/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The servers of one backend of a haproxy.cfg: what their options mean without HAProxy, which limits of a service they tell,
 * and whether they are containers of one host. Part of haproxy_import.h.
 */
#ifndef SLUICE_HAPROXY_SERVERS_H
#define SLUICE_HAPROXY_SERVERS_H

#include <stdbool.h>

#include "haproxy_import.h"

/* The worst of the options from a word on; one that is not known is the worst. NULL: there are none. */
const struct haproxy_option *
haproxy_servers_worst(const struct haproxy_line *line, unsigned from,
		      const struct haproxy_option *(*find)(const char *word));

/* maxconn, slowstart and the name in Consul, into service. */
void haproxy_servers_limits(const struct haproxy_file *file, const struct haproxy_section *back,
			    struct haproxy_service *service);

/*
 * A verdict on each server of the backend; the host-ports of one that is served go into import. served: a service leads there;
 * routed: a rule that reads requests does.
 */
void haproxy_servers_judge(struct haproxy_import *import, const struct haproxy_section *back,
			   bool served, bool routed);

/* When all are judged: a range of host-ports that would hold a service's own port is none; port_min is 0 then. */
void haproxy_servers_settle(struct haproxy_import *import);

void haproxy_servers_judge_default(const struct haproxy_line *line,
				   struct haproxy_verdict *verdict);

#endif
