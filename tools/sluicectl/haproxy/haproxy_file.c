/* SPDX-License-Identifier: GPL-2.0-only */
/* One pass over the bytes: a line's words are cut out into one block of memory, which the line's text shares. */
#include "haproxy_file.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- words --- */

/* What `\x` stands for; the rest of a \xHH is not needed to tell what a line is about. */
static char escaped(char c)
{
	switch (c) {
	case 'n':
	case 'r':
	case 't':
		return ' ';
	default:
		return c;
	}
}

/*
 * Cuts the line into words, in place: what is written is never longer than what is read. Single quotes take everything as it
 * stands, double quotes and bare words take escapes; # begins a comment outside of quotes.
 */
static void cut_words(struct haproxy_line *line, char *text)
{
	char *from = text, *to = text, quote = '\0';
	bool inside = false;

	for (;;) {
		char c = *from;

		if (!c || (!quote && (c == '#' || c == ' ' || c == '\t'))) {
			bool last = !c || c == '#';

			if (inside)
				*to++ = '\0';
			inside = false;
			if (last)
				break;
			from++;
			continue;
		}
		if (!inside) {
			if (line->count == HAPROXY_MAX_WORDS)
				break;
			line->word[line->count++] = to;
			inside = true;
		}
		from++;
		if (quote && c == quote)
			quote = '\0';
		else if (!quote && (c == '"' || c == '\''))
			quote = c;
		else if (c == '\\' && quote != '\'' && *from)
			*to++ = escaped(*from++);
		else
			*to++ = c;
	}
}

static void trim(const char **text, size_t *len)
{
	while (*len && isspace((unsigned char)**text)) {
		(*text)++;
		(*len)--;
	}
	while (*len && isspace((unsigned char)(*text)[*len - 1]))
		(*len)--;
}

/* 0, 1 if there is nothing in it, or -ENOMEM. */
static int read_line(struct haproxy_line *line, const char *text, size_t len, unsigned number)
{
	char *words;

	trim(&text, &len);
	memset(line, 0, sizeof(*line));
	if (!len || *text == '#')
		return 1;
	line->number = number;
	line->text = malloc(2 * len + 3); /* the last word may end where no blank stood */
	if (!line->text)
		return -ENOMEM;
	for (size_t i = 0; i < len; i++)
		line->text[i] = iscntrl((unsigned char)text[i]) ? (text[i] == '\t' ? ' ' : '?')
								: text[i];
	line->text[len] = '\0';
	words = line->text + len + 1;
	memcpy(words, line->text, len + 1);
	cut_words(line, words);
	if (line->count)
		return 0;
	free(line->text);
	return 1;
}

/* --- sections --- */

static enum haproxy_kind kind_of(const char *word)
{
	static const struct {
		const char *word;
		enum haproxy_kind kind;
	} kinds[] = {
		{ "global", HAPROXY_GLOBAL },	  { "defaults", HAPROXY_DEFAULTS },
		{ "frontend", HAPROXY_FRONTEND }, { "backend", HAPROXY_BACKEND },
		{ "listen", HAPROXY_LISTEN },	  { "userlist", HAPROXY_OTHER },
		{ "peers", HAPROXY_OTHER },	  { "resolvers", HAPROXY_OTHER },
		{ "mailers", HAPROXY_OTHER },	  { "program", HAPROXY_OTHER },
		{ "cache", HAPROXY_OTHER },	  { "ring", HAPROXY_OTHER },
		{ "http-errors", HAPROXY_OTHER }, { "fcgi-app", HAPROXY_OTHER },
		{ "log-forward", HAPROXY_OTHER }, { "crt-store", HAPROXY_OTHER },
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(kinds[i].word, word))
			return kinds[i].kind;
	return HAPROXY_NOTHING;
}

/* `from NAME` (HAProxy 2.4), else the last section of defaults above. */
static int defaults_of(const struct haproxy_file *file, const struct haproxy_line *header, int last)
{
	for (unsigned i = 2; i + 1 < header->count; i++) {
		if (strcmp(header->word[i], "from") != 0)
			continue;
		for (unsigned k = 0; k < file->section_count; k++)
			if (file->section[k].kind == HAPROXY_DEFAULTS &&
			    !strcmp(file->section[k].name, header->word[i + 1]))
				return (int)k;
	}
	return last;
}

static int cut_sections(struct haproxy_file *file)
{
	struct haproxy_section *section;
	int last = -1;

	file->section = calloc((size_t)file->count + 1, sizeof(*file->section));
	if (!file->section)
		return -ENOMEM;
	section = file->section;
	section->name = "";
	section->defaults = -1;
	file->section_count = 1;
	for (unsigned i = 0; i < file->count; i++) {
		const struct haproxy_line *line = &file->line[i];
		enum haproxy_kind kind = kind_of(line->word[0]);

		if (kind != HAPROXY_NOTHING) {
			int defaults = kind == HAPROXY_GLOBAL || kind == HAPROXY_OTHER
					       ? -1
					       : defaults_of(file, line,
							     kind == HAPROXY_DEFAULTS ? -1 : last);

			if (kind == HAPROXY_DEFAULTS)
				last = (int)file->section_count;
			section = &file->section[file->section_count++];
			*section = (struct haproxy_section){ kind,
							     line->count > 1 ? line->word[1] : "",
							     i, i, defaults };
		}
		section->end = i + 1;
	}
	return 0;
}

/* --- the whole --- */

int haproxy_file_read(struct haproxy_file *file, const char *text, size_t len)
{
	const char *end = text + len;
	unsigned number = 0, room = 0;
	int err;

	memset(file, 0, sizeof(*file));
	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		const char *stop = newline ? newline : end;

		if (file->count == room) {
			struct haproxy_line *grown;

			room = room ? 2 * room : 64;
			grown = realloc(file->line, room * sizeof(*grown));
			if (!grown)
				return -ENOMEM;
			file->line = grown;
		}
		if (++number > HAPROXY_MAX_LINES) {
			file->truncated = true;
			break;
		}
		err = read_line(&file->line[file->count], text, (size_t)(stop - text), number);
		if (err < 0)
			return err;
		file->count += !err;
		text = newline ? newline + 1 : end;
	}
	return cut_sections(file);
}

void haproxy_file_release(struct haproxy_file *file)
{
	for (unsigned i = 0; i < file->count; i++)
		free(file->line[i].text);
	free(file->line);
	free(file->section);
	memset(file, 0, sizeof(*file));
}

unsigned haproxy_line_begins(const struct haproxy_line *line, const char *words)
{
	unsigned i = 0;

	while (*words) {
		size_t len = strcspn(words, " ");

		if (i == line->count || strlen(line->word[i]) != len ||
		    memcmp(line->word[i], words, len) != 0)
			return 0;
		i++;
		words += len;
		words += *words == ' ';
	}
	return i;
}

const struct haproxy_line *haproxy_file_find(const struct haproxy_file *file,
					     const struct haproxy_section *section,
					     const char *words)
{
	for (unsigned i = section->first; i < section->end; i++)
		if (haproxy_line_begins(&file->line[i], words))
			return &file->line[i];
	return NULL;
}

const struct haproxy_line *haproxy_file_setting(const struct haproxy_file *file,
						const struct haproxy_section *section,
						const char *words)
{
	const struct haproxy_line *line = haproxy_file_find(file, section, words);

	if (!line && section->defaults >= 0)
		line = haproxy_file_find(file, &file->section[section->defaults], words);
	return line;
}
