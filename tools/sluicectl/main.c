/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sluicectl: attaches and detaches the BPF programs, and shows what is in their maps. The table of verbs is the program.
 * Options may stand before or behind the verb and are never abbreviated.
 */
#include <bpf/libbpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "config.h"

static const struct verb {
	const char *name;
	const char *arguments; /* NULL: takes none */
	const char *help;
	int (*run)(const struct command *command);
} verbs[] = {
	{ "status", NULL, "mode, interfaces, sources and services at a glance", verb_status },
	{ "services", NULL, "each service with its set and its counters", verb_services },
	{ "backends", NULL, "each backend with its state, flows and counters", verb_backends },
	{ "flows", NULL, "each balanced connection", verb_flows },
	{ "counters", NULL, "how many packets went which way", verb_counters },
	{ "changes", "[-n N]", "the last changes of backends, newest last", verb_changes },
	{ "preflight", NULL,
	  "what speaks for and against attaching here, and which mode it would be",
	  verb_preflight },
	{ "attach", "[--watch]", "load and attach the programs, or replace them (root)",
	  verb_attach },
	{ "detach", "[--wait TIME]",
	  "take out programs and maps; --wait: when the last connection has ended (root)",
	  verb_detach },
	{ "reload", NULL, "put a changed configuration in force", verb_reload },
	{ "version", NULL, "version of this program and of what is attached", verb_version },
	{ "why", "PORT|SERVICE/PORT|TASK",
	  "why a backend is in its state, and what stands behind it", verb_why },
	{ "explain", "CLIENT:PORT [LOCAL:PORT]", "where a connection would go, and why (root)",
	  verb_explain },
	{ "verify", NULL, "do maps, hooks, listeners, counters and sluiced agree?", verb_verify },
	{ "monitor", "[--count N] [--for TIME] [--past]",
	  "what happens to connections, as it happens (root)", verb_monitor },
	{ "drain", "BACKEND|--all [--wait TIME]", "stop new connections, let the others end",
	  verb_drain },
	{ "undrain", "BACKEND|--all", "allow new connections again", verb_undrain },
	{ "import-haproxy", "FILE", "a haproxy.cfg as sluice.conf, and what becomes of each line",
	  verb_import_haproxy },
	{ "weight", "BACKEND N", "change a backend's share; 0: no new connections", verb_weight },
};

#define VERB_COUNT (sizeof(verbs) / sizeof(verbs[0]))

static void print_usage(FILE *out)
{
	size_t i;

	fputs("usage: sluicectl [--config FILE] [--json] VERB [ARGUMENT...]\n\n", out);
	for (i = 0; i < VERB_COUNT; i++)
		fprintf(out, "  %-14s %-27s %s\n", verbs[i].name,
			verbs[i].arguments ? verbs[i].arguments : "", verbs[i].help);
	fputs("\n  --config FILE  instead of $SLUICE_CONFIG or " CONFIG_DEFAULT_FILE "\n"
	      "  --json         for programs; the keys are in sluicectl(8)\n"
	      "  --help         this text\n"
	      "Exit status: 0 done, 1 failed, 2 wrong usage.\n",
	      out);
}

static const struct verb *find_verb(const char *name)
{
	size_t i;

	for (i = 0; i < VERB_COUNT; i++) {
		if (!strcmp(verbs[i].name, name))
			return &verbs[i];
	}
	return NULL;
}

/* Take the options out of argv; what is left is the verb and its arguments. 0, or the exit status. */
static int parse_options(struct command *command, int argc, char **argv, bool *help)
{
	int i;

	for (i = 1; i < argc; i++) {
		char *word = argv[i];

		if (!strcmp(word, "--help")) {
			*help = true;
		} else if (!strcmp(word, "--json")) {
			command->json = true;
		} else if (!strcmp(word, "--config")) {
			if (++i == argc)
				return command_usage("--config: ", "no file is given");
			command->config_file = argv[i];
		} else if (!strncmp(word, "--config=", 9)) {
			command->config_file = word + 9;
		} else if (!command->verb) {
			if (word[0] == '-')
				return command_usage("no such option: ", word);
			command->verb = word;
		} else {
			command->argv[command->argc++] = word;
		}
	}
	return 0;
}

/* Verbs that take arguments look at their own, but for attach's --watch. */
static int check_arguments(struct command *command, const struct verb *verb)
{
	int i;

	if (verb->arguments && verb->run != verb_attach)
		return 0;
	for (i = 0; i < command->argc; i++) {
		if (verb->run != verb_attach || strcmp(command->argv[i], "--watch") != 0)
			return command_usage(command->argv[i][0] == '-' ? "no such option: "
									: "no such argument: ",
					     command->argv[i]);
		command->watch = true;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct command command = { .config_file = config_default_file() };
	const struct verb *verb;
	bool help = false;
	int status;

	libbpf_set_print(NULL);
	command.argv = calloc((size_t)argc + 1, sizeof(*command.argv));
	if (!command.argv) {
		command_error("out of memory");
		return EXIT_FAILURE;
	}
	status = parse_options(&command, argc, argv, &help);
	if (help) {
		print_usage(stdout);
		status = EXIT_SUCCESS;
		goto out;
	}
	if (status)
		goto out;
	if (!command.verb) {
		print_usage(stderr);
		status = EXIT_USAGE;
		goto out;
	}
	verb = find_verb(command.verb);
	status = verb ? check_arguments(&command, verb)
		      : command_usage("no such verb: ", command.verb);
	if (!status)
		status = verb->run(&command);
out:
	free(command.argv);
	return status;
}
