/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which host-port serves which port of an app: the one rule of Marathon that changed its place in
 * the JSON with nearly every version (NetworkInfo.portAssignments). Reads an app's definition once,
 * then answers for each of its tasks. Pure.
 */
#ifndef SLUICED_MARATHON_PORTS_H
#define SLUICED_MARATHON_PORTS_H

#include "facts.h"
#include "json.h"

struct marathon_port {
	bool on_host; /* false: reached at the task's own address only, takes none of the task's ports */
	bool tcp;
};

struct marathon_ports {
	bool own_address; /* container network without mappings: no port is on the host */
	bool defined; /* the app says which ports it has; else the task's speak for themselves */
	size_t count;
	struct marathon_port port[FACTS_MAX_PORTS];
};

/* app: the app's JSON object, place: its path for messages. 0 or -EINVAL with error filled. */
int marathon_ports_read(const cJSON *app, const char *place, struct marathon_ports *ports,
			struct json_error *error);

/*
 * Fill ports, port_count and problem of out from the task's own list. same_version: the task runs
 * the definition that was read, so the counts must agree; else as many as there are are matched. 0
 * or -ENOMEM.
 */
int marathon_ports_assign(const struct marathon_ports *ports, const uint16_t *task_ports,
			  size_t task_port_count, bool same_version, struct facts_task *out);

#endif
