/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Port assignment. Mappings are walked with a cursor into the task's list: a mapping that has no
 * host-port takes none of it. The task's list holds host-ports only; an app's own `ports` and
 * `portDefinitions[].port` are service ports, which nothing listens on.
 */
#include "marathon_ports.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum network { NETWORK_HOST, NETWORK_BRIDGE, NETWORK_CONTAINER };

/*
 * From 1.5 on `networks` says it; before, docker.network, and `ipAddress` for an address per task.
 */
static int read_network(const cJSON *app, const cJSON *docker, const char *place,
			enum network *network, struct json_error *error)
{
	const cJSON *networks, *address;
	const char *word = NULL;
	int err;

	*network = NETWORK_HOST;
	err = json_array(app, "networks", false, place, &networks, error);
	if (err)
		return err;
	if (networks && cJSON_GetArraySize(networks) > 0) {
		err = json_string(cJSON_GetArrayItem(networks, 0), "mode", false, place, &word,
				  error);
		if (err)
			return err;
		if (!word || strcmp(word, "container") == 0)
			*network = NETWORK_CONTAINER;
		else if (strcmp(word, "container/bridge") == 0)
			*network = NETWORK_BRIDGE;
		return 0;
	}
	err = json_string(docker, "network", false, place, &word, error);
	if (err)
		return err;
	if (word && strcmp(word, "BRIDGE") == 0)
		*network = NETWORK_BRIDGE;
	else if (word && strcmp(word, "USER") == 0)
		*network = NETWORK_CONTAINER;
	if (word)
		return 0;
	err = json_object(app, "ipAddress", false, place, &address, error);
	if (!err && address)
		*network = NETWORK_CONTAINER;
	return err;
}

static int read_port(const cJSON *item, enum network network, bool mapping, const char *place,
		     struct marathon_port *port, struct json_error *error)
{
	const char *protocol;
	int64_t host_port;
	int err;

	*port = (struct marathon_port){ .on_host = true, .tcp = true };
	if (!cJSON_IsObject(item)) /* app-level `ports` of old: a number, always TCP */
		return 0;
	err = json_string(item, "protocol", false, place, &protocol, error);
	if (err)
		return err;
	port->tcp = !protocol || strstr(protocol, "tcp");
	if (!mapping)
		return 0;
	err = json_number(item, "hostPort", 0, 65535, -1, place, &host_port, error);
	if (err)
		return err;
	/*
	 * Docker's bridge without a hostPort means a dynamic one; in a container network it means
	 * none
	 */
	port->on_host = host_port >= 0 || network == NETWORK_BRIDGE;
	return 0;
}

static int read_list(const cJSON *list, enum network network, bool mapping, const char *place,
		     struct marathon_ports *ports, struct json_error *error)
{
	const cJSON *item;

	ports->defined = true;
	cJSON_ArrayForEach(item, list)
	{
		int err;

		if (ports->count == FACTS_MAX_PORTS)
			break;
		err = read_port(item, network, mapping, place, &ports->port[ports->count], error);
		if (err)
			return err;
		ports->count++;
	}
	return 0;
}

int marathon_ports_read(const cJSON *app, const char *place, struct marathon_ports *ports,
			struct json_error *error)
{
	const cJSON *container, *docker, *mappings = NULL, *list;
	enum network network;
	int err;

	memset(ports, 0, sizeof(*ports));
	err = json_object(app, "container", false, place, &container, error);
	if (err)
		return err;
	err = json_object(container, "docker", false, place, &docker, error);
	if (err)
		return err;
	err = read_network(app, docker, place, &network, error);
	if (err)
		return err;
	err = json_array(container, "portMappings", false, place, &mappings, error);
	if (err)
		return err;
	if (!mappings) {
		err = json_array(docker, "portMappings", false, place, &mappings, error);
		if (err)
			return err;
	}
	if (network != NETWORK_HOST && mappings && cJSON_GetArraySize(mappings) > 0)
		return read_list(mappings, network, true, place, ports, error);
	if (network == NETWORK_CONTAINER) {
		ports->own_address = true;
		return 0;
	}
	err = json_array(app, "portDefinitions", false, place, &list, error);
	if (err)
		return err;
	if (!list) {
		err = json_array(app, "ports", false, place, &list, error);
		if (err)
			return err;
	}
	return list ? read_list(list, network, false, place, ports, error) : 0;
}

/* The first problem is told, it is the one that matters for port 0. */
static int set_problem(struct facts_task *out, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static int set_problem(struct facts_task *out, const char *format, ...)
{
	va_list args;
	int len;

	if (out->problem)
		return 0;
	va_start(args, format);
	len = vasprintf(&out->problem, format, args);
	va_end(args);
	if (len >= 0)
		return 0;
	out->problem = NULL;
	return -ENOMEM;
}

static size_t host_ports_wanted(const struct marathon_ports *ports)
{
	size_t wanted = 0;

	for (size_t i = 0; i < ports->count; i++)
		wanted += ports->port[i].on_host;
	return wanted;
}

int marathon_ports_assign(const struct marathon_ports *ports, const uint16_t *task_ports,
			  size_t task_port_count, bool same_version, struct facts_task *out)
{
	size_t wanted = host_ports_wanted(ports), cursor = 0;
	int err;

	if (ports->own_address)
		return set_problem(out, "the task has an address of its own only");
	if (!ports->defined) {
		out->port_count = task_port_count;
		memcpy(out->ports, task_ports, task_port_count * sizeof(*task_ports));
		return 0;
	}
	if (same_version && wanted != task_port_count)
		return set_problem(out, "the task has %u host-ports where its app defines %u",
				   (unsigned)task_port_count, (unsigned)wanted);
	for (size_t i = 0; i < ports->count; i++) {
		out->port_count = i + 1;
		if (!ports->port[i].on_host) {
			err = set_problem(out, "port %u is reached at the task's own address only",
					  (unsigned)i);
			if (err)
				return err;
			continue;
		}
		if (cursor == task_port_count)
			break;
		if (ports->port[i].tcp) {
			out->ports[i] = task_ports[cursor];
		} else {
			err = set_problem(out, "port %u is not TCP", (unsigned)i);
			if (err)
				return err;
		}
		cursor++;
	}
	return 0;
}
