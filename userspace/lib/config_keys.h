/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The table of keys: which keys each section of the configuration file has, and what text each of them takes. Knows
 * nothing about files, lines and messages: config.c finds the key and reports.
 */
#ifndef SLUICE_CONFIG_KEYS_H
#define SLUICE_CONFIG_KEYS_H

#include <stddef.h>

#define CONFIG_KEYS_MAX 64 /* more than there are keys; config_keys_index() stays below */

enum config_section {
	CONFIG_SECTION_NONE,
	CONFIG_SECTION_NODE,
	CONFIG_SECTION_SERVICE,
	CONFIG_SECTION_MARATHON,
	CONFIG_SECTION_CONSUL,
	CONFIG_SECTION_GUARDS,
	CONFIG_SECTION_ADMIN,
	CONFIG_SECTION_COUNT,
};

struct config_choice {
	const char *word;
	int value;
};

struct config_key;

/*
 * Stores text, which is not empty, in the key's field of base. 0, or negative errno with *why completing "KEY = TEXT: ". What was
 * stored before a failure stays, and config_free() releases it.
 */
typedef int config_setter(const struct config_key *key, void *base, const char *text,
			  const char **why);

struct config_key {
	enum config_section section;
	const char *name;
	size_t offset; /* of the field that it fills, in struct config_service for services, else in struct config */
	config_setter *set;
	const struct config_choice
		*choices; /* NULL, or the words that set accepts, ended by a NULL word */
};

/* NULL if the section has no such key. */
const struct config_key *config_keys_find(enum config_section section, const char *name);

/* The key of the section that the user may have meant, NULL if none is near. */
const struct config_key *config_keys_nearest(enum config_section section, const char *name);

/* Position in the table, for arrays with CONFIG_KEYS_MAX entries. */
size_t config_keys_index(const struct config_key *key);

#endif
