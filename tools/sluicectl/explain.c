/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sluicectl explain: where a connection would go, by asking the program that decides (lib/explain). Nothing is changed.
 */
#include "explain.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "config.h"
#include "endpoint.h"
#include "explain_view.h"
#include "maps.h"
#include "pins.h"

static int usage(const char *word, const char *why)
{
	command_error("explain: %s: %s (--help tells more)", word, why);
	return EXIT_USAGE;
}

/* An address of this host, of the client's family; loopback only if there is no other. */
static bool own_address(const struct maps *maps, int family, __be32 address[4])
{
	const int fd = family == AF_INET6 ? maps->addrs6_fd : maps->addrs4_fd;
	const struct in6_addr loopback = IN6ADDR_LOOPBACK_INIT;
	__be32 key[4] = {}, *last = NULL;
	bool found = false, outside = false;

	while (!outside && !bpf_map_get_next_key(fd, last, key)) {
		last = key;
		outside = family == AF_INET6 ? memcmp(key, &loopback, sizeof(loopback)) != 0
					     : ntohl(key[0]) >> 24 != 127;
		if (!found || outside)
			memcpy(address, key, sizeof(key));
		found = true;
	}
	return found;
}

/* Without LOCAL: the only service, on an address of its own or of the host. */
static int guess_local(const struct maps *maps, const struct sluice_service *services,
		       struct explain_connection *connection)
{
	const struct sluice_service *only = NULL;
	unsigned i;

	for (i = 1; i <= SLUICE_MAX_SERVICES; i++) {
		if (!services[i].name[0])
			continue;
		if (only)
			return usage("LOCAL:PORT", "needed where there is more than one service");
		only = &services[i];
	}
	if (!only)
		return usage("LOCAL:PORT", "needed where no service is attached");
	connection->port = ntohs(only->port);
	if (connection->family == AF_INET && only->address_count) {
		connection->local[0] = only->address[0];
		return 0;
	}
	if (!own_address(maps, connection->family, connection->local))
		return usage("LOCAL:PORT", "needed: no address of this host is known");
	return 0;
}

static int parse(const struct command *command, const struct maps *maps,
		 const struct sluice_service *services, struct explain_connection *connection)
{
	struct endpoint client, local;

	if (!endpoint_parse(command->argv[0], &client))
		return usage(command->argv[0], "not ADDRESS:PORT ([ADDRESS]:PORT with IPv6)");
	connection->family = client.family;
	connection->client_port = client.port;
	memcpy(connection->client, client.address, sizeof(client.address));
	if (command->argc < 2)
		return guess_local(maps, services, connection);
	if (!endpoint_parse(command->argv[1], &local))
		return usage(command->argv[1], "not ADDRESS:PORT ([ADDRESS]:PORT with IPv6)");
	if (local.family != client.family)
		return usage(command->argv[1], "not of the client's address family");
	connection->port = local.port;
	memcpy(connection->local, local.address, sizeof(local.address));
	return 0;
}

static int open_root_map(const char *pin_dir, const char *name)
{
	LIBBPF_OPTS(bpf_obj_get_opts, options, .file_flags = BPF_F_RDONLY);
	char path[PINS_PATH_LEN];
	int fd, err;

	err = pins_root_path(pin_dir, name, path);
	if (err)
		return err;
	fd = bpf_obj_get_opts(path, &options);
	if (fd >= 0)
		return fd;
	err = -errno;
	command_error("%s: %s%s", path, strerror(-err),
		      err == -EACCES ? " (explain is for root)" : "");
	return err;
}

static int show(const struct command *command, const struct explain_view *view)
{
	return command->json ? explain_view_json(view) : explain_view_text(view);
}

static int ask(const struct command *command, const struct maps *maps, const char *pin_dir,
	       struct explain_view *view, const struct sluice_service *services)
{
	int rates = open_root_map(pin_dir, SLUICE_MAP_RATES), cursor = -1, err;
	struct explain *explain = NULL;
	int status = EXIT_FAILURE;
	struct explain_answer answer;
	char error[256];

	if (rates >= 0)
		cursor = open_root_map(pin_dir, SLUICE_MAP_CURSOR);
	if (rates < 0 || cursor < 0)
		goto out;
	if (explain_new(&explain, maps, rates, cursor, &view->same_program, error, sizeof(error))) {
		command_error("%s", error);
		goto out;
	}
	err = explain_ask(explain, view->connection, &answer);
	if (err) {
		command_error("the program that answers could not be asked: %s", strerror(-err));
		goto out;
	}
	view->explain = explain;
	view->answer = &answer;
	view->service = services[answer.service];
	status = show(command, view);
out:
	explain_free(explain);
	if (cursor >= 0)
		close(cursor);
	if (rates >= 0)
		close(rates);
	return status;
}

int verb_explain(const struct command *command)
{
	struct sluice_service services[SLUICE_MAX_SERVICES + 1];
	struct explain_connection connection = {};
	struct config *config;
	struct maps maps;
	int status, err;

	if (command->argc < 1 || command->argc > 2)
		return command_usage("explain: ", "wants CLIENT:PORT and perhaps LOCAL:PORT");
	if (!command_maps(command, &config, &maps))
		return EXIT_FAILURE;
	err = maps_read_services(&maps, services);
	if (err) {
		command_error("%s: cannot read the services: %s", config->pin_dir, strerror(-err));
		status = EXIT_FAILURE;
	} else {
		struct explain_view view = { .connection = &connection, .mode = maps.meta.mode };

		status = parse(command, &maps, services, &connection);
		if (!status)
			status = ask(command, &maps, config->pin_dir, &view, services);
	}
	maps_release(&maps);
	config_free(config);
	return status;
}
