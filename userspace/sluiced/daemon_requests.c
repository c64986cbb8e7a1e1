/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The verbs of the admin socket. Reads ask the model and change nothing.
 */
#include "daemon_internal.h"

#include <string.h>

#include "clock.h"
#include "config.h"
#include "config_value.h"
#include "consul.h"
#include "listeners.h"
#include "marathon.h"
#include "status.h"
#include "why.h"

/* --- the admin socket's verbs --- */

static char *answer_status(struct daemon *daemon)
{
	const struct facts_source *const sources[] = { marathon_source(daemon->marathon),
						       consul_source(daemon->consul),
						       listeners_source(daemon->listeners) };
	const struct status_input input = {
		.config_file = daemon->config->file,
		.needs_attach = daemon->needs_attach,
		.source = sources,
		.source_count = sizeof(sources) / sizeof(sources[0]),
		.model = daemon->model,
		.refused = daemon->reconcile.counters.refused,
		.now_ms = clock_ms(),
	};

	return status_json(&input);
}

/* why SERVICE PORT; "*" is any service. */
static char *answer_why(const struct daemon *daemon, const char *service, const char *port_text)
{
	const char *problem;
	uint16_t port;

	if (config_value_port(port_text, &port, &problem))
		return status_result_json(false, problem);
	return why_json(daemon->model, strcmp(service, "*") != 0 ? service : NULL, port,
			clock_ms());
}

char *daemon_answer(void *ctx, int argc, char **argv)
{
	char message[CONFIG_ERROR_LEN + 64];
	struct daemon *daemon = ctx;
	int err;

	if (argc == 1 && !strcmp(argv[0], "status"))
		return answer_status(daemon);
	if (argc == 3 && !strcmp(argv[0], "why"))
		return answer_why(daemon, argv[1], argv[2]);
	if (argc == 1 && !strcmp(argv[0], "wanted"))
		return why_wanted_json(daemon->model);
	if (argc == 1 && !strcmp(argv[0], "reload")) {
		err = daemon_reload(daemon, message, sizeof(message));
		return status_result_json(!err, message);
	}
	if (argc == 1 && !strcmp(argv[0], "overrides")) {
		daemon_take_turn(
			daemon); /* sluicectl has changed them in the map and wants no second of delay */
		return status_result_json(true, "taken");
	}
	return status_result_json(false, argc ? "unknown request" : "empty request");
}
