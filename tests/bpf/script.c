/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Lines of the case files. A macro is text: `macro NAME` ... `end` keeps lines, `NAME A B` runs
 * them with $1 and $2 replaced ($* is all of them). Macros know no scope: what is defined or
 * included once is known to the end of the file.
 */
#include "script.h"

#include <ctype.h>
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_MACROS = 64, MAX_BODY = 64, MAX_DEPTH = 8, MAX_LINE = 2048 };

struct macro {
	char *name;
	char *body[MAX_BODY];
	unsigned line[MAX_BODY];
	char *file;
	unsigned len;
};

struct script {
	script_line line;
	void *ctx;
	struct macro macros[MAX_MACROS];
	unsigned macro_count;
	struct macro *open; /* being defined */
	unsigned depth;
	int err; /* first error */
};

static int run_line(struct script *script, const char *file, const char *where, const char *text);

static void note(struct script *script, int err, const char *where, const char *what)
{
	if (!err)
		return;
	if (what)
		fprintf(stderr, "%s: %s\n", where, what);
	if (!script->err)
		script->err = err;
}

static int read_file(struct script *script, const char *file)
{
	char line[MAX_LINE], where[MAX_LINE];
	unsigned number = 0;
	FILE *from;
	int err;

	from = fopen(file, "r");
	if (!from) {
		err = -errno;
		fprintf(stderr, "packets: cannot open %s: %s\n", file, strerror(-err));
		return err;
	}
	while (fgets(line, sizeof(line), from)) {
		snprintf(where, sizeof(where), "%s:%u", file, ++number);
		note(script, run_line(script, file, where, line), where, NULL);
	}
	fclose(from);
	if (script->open) {
		note(script, -EINVAL, file, "a macro has no `end`");
		script->open = NULL;
	}
	return 0;
}

static int include(struct script *script, const char *from, const char *name)
{
	char *copy = strdup(from);
	char path[MAX_LINE];
	int err;

	if (!copy)
		return -ENOMEM;
	snprintf(path, sizeof(path), "%s/%s", dirname(copy), name);
	free(copy);
	if (script->depth >= MAX_DEPTH)
		return -ELOOP;
	script->depth++;
	err = read_file(script, path);
	script->depth--;
	return err;
}

static struct macro *find_macro(struct script *script, const char *name)
{
	unsigned i;

	for (i = 0; i < script->macro_count; i++)
		if (!strcmp(script->macros[i].name, name))
			return &script->macros[i];
	return NULL;
}

static void append(char *to, size_t size, const char *text)
{
	size_t len = strlen(to);

	snprintf(to + len, size - len, "%s", text);
}

/* Replace $1 to $9 and $* in a macro's line. */
static void substitute(char *to, size_t size, const char *body, unsigned count, char **words)
{
	char one[2] = "";
	unsigned i;

	for (*to = '\0'; *body; body++) {
		if (body[0] == '$' && body[1] == '*') {
			for (i = 1; i < count; i++) {
				append(to, size, words[i]);
				append(to, size, " ");
			}
			body++;
		} else if (body[0] == '$' && isdigit((unsigned char)body[1])) {
			i = (unsigned)(body[1] - '0');
			append(to, size, i < count ? words[i] : "");
			body++;
		} else {
			one[0] = *body;
			append(to, size, one);
		}
	}
}

static int run_macro(struct script *script, const struct macro *macro, const char *where,
		     unsigned count, char **words)
{
	char line[MAX_LINE], inner[MAX_LINE];
	int err, first = 0;
	unsigned i;

	if (script->depth >= MAX_DEPTH) {
		fprintf(stderr, "%s: macros nest too deep\n", where);
		return -ELOOP;
	}
	script->depth++;
	for (i = 0; i < macro->len; i++) {
		substitute(line, sizeof(line), macro->body[i], count, words);
		snprintf(inner, sizeof(inner), "%.*s (%s:%u)", MAX_LINE / 2, where, macro->file,
			 macro->line[i]);
		err = run_line(script, macro->file, inner, line);
		if (err && !first)
			first = err;
	}
	script->depth--;
	return first;
}

static int define(struct script *script, const char *file, const char *where, unsigned count,
		  char **words)
{
	struct macro *macro = &script->macros[script->macro_count];

	if (count != 2 || script->macro_count == MAX_MACROS || find_macro(script, words[1])) {
		fprintf(stderr, "%s: macro NAME: a new name is needed\n", where);
		return -EINVAL;
	}
	memset(macro, 0, sizeof(*macro));
	macro->name = strdup(words[1]);
	macro->file = strdup(file);
	if (!macro->name || !macro->file)
		return -ENOMEM;
	script->macro_count++;
	script->open = macro;
	return 0;
}

static int keep_line(struct script *script, const char *where, const char *text)
{
	struct macro *macro = script->open;

	if (!strncmp(text + strspn(text, " \t"), "end", 3)) {
		script->open = NULL;
		return 0;
	}
	if (macro->len == MAX_BODY) {
		fprintf(stderr, "%s: the macro is too long\n", where);
		return -E2BIG;
	}
	macro->line[macro->len] = (unsigned)strtoul(strrchr(where, ':') + 1, NULL, 10);
	macro->body[macro->len] = strdup(text);
	return macro->body[macro->len++] ? 0 : -ENOMEM;
}

static int run_words(struct script *script, const char *file, const char *where, unsigned count,
		     char **words)
{
	const struct macro *macro = find_macro(script, words[0]);

	if (macro)
		return run_macro(script, macro, where, count, words);
	if (!strcmp(words[0], "macro"))
		return define(script, file, where, count, words);
	if (!strcmp(words[0], "include") && count == 2)
		return include(script, file, words[1]);
	return script->line(script->ctx, where, count, words);
}

static int run_line(struct script *script, const char *file, const char *where, const char *text)
{
	char *words[SCRIPT_MAX_WORDS];
	char *copy, *word, *rest;
	unsigned count = 0;
	int err;

	if (script->open)
		return keep_line(script, where, text);
	copy = strdup(text);
	if (!copy)
		return -ENOMEM;
	copy[strcspn(copy, "#\n")] = '\0';
	for (word = strtok_r(copy, " \t", &rest); word && count < SCRIPT_MAX_WORDS;
	     word = strtok_r(NULL, " \t", &rest))
		words[count++] = word;
	err = count ? run_words(script, file, where, count, words) : 0;
	free(copy);
	return err;
}

int script_read(const char *file, script_line line, void *ctx)
{
	struct script *script = calloc(1, sizeof(*script));
	unsigned i, j;
	int err;

	if (!script)
		return -ENOMEM;
	script->line = line;
	script->ctx = ctx;
	err = read_file(script, file);
	if (!err)
		err = script->err;
	for (i = 0; i < script->macro_count; i++) {
		for (j = 0; j < script->macros[i].len; j++)
			free(script->macros[i].body[j]);
		free(script->macros[i].name);
		free(script->macros[i].file);
	}
	free(script);
	return err;
}
