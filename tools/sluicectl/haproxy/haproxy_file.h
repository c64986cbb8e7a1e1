/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A haproxy.cfg as lines of words and sections (HAProxy's configuration manual, section 2: quoting, escaping, comments). Pure:
 * text in, structures out; any bytes are accepted. Knows no keyword but the names of sections.
 */
#ifndef SLUICE_HAPROXY_FILE_H
#define SLUICE_HAPROXY_FILE_H

#include <stdbool.h>
#include <stddef.h>

#define HAPROXY_MAX_WORDS 64	/* HAProxy's own limit; what is more is left out */
#define HAPROXY_MAX_LINES 65536 /* longer files are cut: truncated is set */

struct haproxy_line {
	unsigned number; /* from 1 */
	char *text;	 /* as it stands, without blanks around; control characters are '?' */
	char *word[HAPROXY_MAX_WORDS];
	unsigned count; /* at least 1 */
};

enum haproxy_kind {
	HAPROXY_NOTHING, /* lines in front of the first section */
	HAPROXY_GLOBAL,
	HAPROXY_DEFAULTS,
	HAPROXY_FRONTEND,
	HAPROXY_BACKEND,
	HAPROXY_LISTEN,
	HAPROXY_OTHER, /* its first word tells which */
};

struct haproxy_section {
	enum haproxy_kind kind;
	const char *name;    /* the second word of its first line, or "" */
	unsigned first, end; /* lines [first, end); first is the header, but for HAPROXY_NOTHING */
	int defaults;	     /* index of the section of defaults that holds for it; -1: none */
};

struct haproxy_file {
	struct haproxy_line *line; /* those with at least one word */
	unsigned count;
	struct haproxy_section *section;
	unsigned section_count;
	bool truncated;
};

/* 0 or -ENOMEM; *file is valid after either and is to be released. */
int haproxy_file_read(struct haproxy_file *file, const char *text, size_t len);
void haproxy_file_release(struct haproxy_file *file);

/* The first line of the section with these words in front (words: "timeout client"), or NULL. Its defaults are not asked. */
const struct haproxy_line *haproxy_file_find(const struct haproxy_file *file,
					     const struct haproxy_section *section,
					     const char *words);

/* The same, or else that of the section of defaults that holds for it. */
const struct haproxy_line *haproxy_file_setting(const struct haproxy_file *file,
						const struct haproxy_section *section,
						const char *words);

/* Does the line begin with these words? How many they are; 0: no. */
unsigned haproxy_line_begins(const struct haproxy_line *line, const char *words);

#endif
