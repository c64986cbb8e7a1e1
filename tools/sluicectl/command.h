/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the verbs of sluicectl share: the parsed command line, and the few things that most of them do first. A verb is one
 * file with one function; the table in main.c is the list of them.
 */
#ifndef SLUICECTL_COMMAND_H
#define SLUICECTL_COMMAND_H

#include <stdbool.h>

struct cJSON;
struct config;
struct maps;

#define EXIT_USAGE 2

struct command {
	const char *verb;
	const char *config_file;
	bool json;
	bool watch; /* attach --watch */
	int argc;   /* what stands behind the verb */
	char **argv;
};

/* "sluicectl: " and the text, to stderr. */
void command_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The configuration with the host's defaults filled in; NULL after an error was printed. */
struct config *command_config(const struct command *command);

/* The configuration and its maps, open for reading. false after an error was printed. */
bool command_maps(const struct command *command, struct config **config, struct maps *maps);

/* What a leave means, for people. */
extern const char command_leaving[];

/* "what: text (--help tells more)", to stderr. EXIT_USAGE. */
int command_usage(const char *what, const char *text);

/* Print and free the document. EXIT_SUCCESS, or EXIT_FAILURE after an error was printed. */
int command_print_json(struct cJSON *document);

/* One verb each; they return the program's exit status. */
int verb_attach(const struct command *command);
int verb_detach(const struct command *command);
int verb_reload(const struct command *command);
int verb_status(const struct command *command);
int verb_services(const struct command *command);
int verb_backends(const struct command *command);
int verb_flows(const struct command *command);
int verb_counters(const struct command *command);
int verb_changes(const struct command *command);
int verb_drain(const struct command *command);
int verb_undrain(const struct command *command);
int verb_weight(const struct command *command);
int verb_preflight(const struct command *command);
int verb_version(const struct command *command);
int verb_verify(const struct command *command);
int verb_why(const struct command *command);
int verb_explain(const struct command *command);
int verb_monitor(const struct command *command);
int verb_import_haproxy(const struct command *command);

#endif
