/* SPDX-License-Identifier: GPL-2.0-only */
/* An acl is judged last: it is worth what the lines are that ask it. */
#include "haproxy_judge.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "haproxy_route.h"
#include "haproxy_servers.h"

struct haproxy_verdict *haproxy_judge_verdict(struct haproxy_import *import,
					      const struct haproxy_line *line)
{
	return &import->verdict[line - import->file.line];
}

void haproxy_judge(struct haproxy_import *import, const struct haproxy_line *line,
		   enum haproxy_class class, const char *format, ...)
{
	struct haproxy_verdict *verdict = haproxy_judge_verdict(import, line);
	va_list args;

	verdict->class = class;
	va_start(args, format);
	vsnprintf(verdict->reason, sizeof(verdict->reason), format, args);
	va_end(args);
}

void haproxy_judge_alone(struct haproxy_import *import)
{
	const struct haproxy_file *file = &import->file;

	for (unsigned s = 0; s < file->section_count; s++) {
		const struct haproxy_section *section = &file->section[s];

		for (unsigned i = section->first; i < section->end; i++) {
			const struct haproxy_word *word =
				section->kind == HAPROXY_OTHER
					? haproxy_words_section(&file->line[section->first])
					: haproxy_words_find(&file->line[i], section->kind);

			haproxy_judge(import, &file->line[i], word->class, "%s", word->reason);
		}
		if (section->kind == HAPROXY_GLOBAL || section->kind == HAPROXY_DEFAULTS)
			haproxy_judge(import, &file->line[section->first], HAPROXY_NOT_NEEDED,
				      "a section's name");
	}
}

static void judge_balance(struct haproxy_import *import, const struct haproxy_line *line)
{
	static const char *const known[] = { "roundrobin", "static-rr", "leastconn", "source" };
	const char *word = line->count > 1 ? line->word[1] : "";

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcmp(word, known[i])) {
			haproxy_judge(import, line, HAPROXY_TRANSLATED, "balance = %s",
				      i == 1 ? known[0] : known[i]);
			return;
		}
	if (!strncmp(word, "random", 6))
		haproxy_judge(import, line, HAPROXY_TRANSLATED, "balance = random");
	else if (!strcmp(word, "first"))
		haproxy_judge(
			import, line, HAPROXY_NOT_NEEDED,
			"fills one server after the other to save some: balance = roundrobin spreads");
	else
		haproxy_judge(import, line, HAPROXY_BLOCKS,
			      "chooses by what a request says, which only a proxy reads");
}

static void judge_use_backend(struct haproxy_import *import, const struct haproxy_line *line)
{
	if (haproxy_route_is_conditional(line))
		haproxy_judge(
			import, line, HAPROXY_BLOCKS,
			"routes by what a request says: give that app a port, or an ELB, of its own");
}

/* Worth as much as the worst of the lines that ask it. */
static void judge_acl(struct haproxy_import *import, const struct haproxy_section *section,
		      const struct haproxy_line *acl)
{
	const struct haproxy_verdict *worst = NULL;

	for (unsigned i = section->first; i < section->end && acl->count > 1; i++) {
		const struct haproxy_line *line = &import->file.line[i];
		const struct haproxy_verdict *verdict = haproxy_judge_verdict(import, line);
		bool asks = false;

		if (haproxy_line_begins(line, "acl"))
			continue;
		for (unsigned k = 1; k < line->count; k++)
			asks |= !strcmp(line->word[k] + (line->word[k][0] == '!'), acl->word[1]);
		if (asks && (!worst || verdict->class > worst->class))
			worst = verdict;
	}
	if (worst)
		haproxy_judge(import, acl, worst->class, "for line %u: %.200s", worst->line,
			      worst->reason);
	else
		haproxy_judge(import, acl, HAPROXY_NOT_NEEDED, "no line of its section asks it");
}

void haproxy_judge_together(struct haproxy_import *import, const struct haproxy_section *section)
{
	const struct haproxy_file *file = &import->file;
	const bool by_source = haproxy_file_setting(file, section, "stick on src");
	const char *idle = haproxy_route_why_idle(file, section);

	if (idle) {
		for (unsigned i = section->first; i < section->end; i++)
			haproxy_judge(import, &file->line[i], HAPROXY_NOT_NEEDED, "%s", idle);
		return;
	}
	for (unsigned i = section->first; i < section->end; i++) {
		const struct haproxy_line *line = &file->line[i];

		if (by_source && haproxy_line_begins(line, "balance"))
			haproxy_judge(import, line, HAPROXY_TRANSLATED,
				      "balance = source, for `stick on src`");
		else if (haproxy_line_begins(line, "balance"))
			judge_balance(import, line);
		else if (haproxy_line_begins(line, "use_backend"))
			judge_use_backend(import, line);
		else if (haproxy_line_begins(line, "default-server"))
			haproxy_servers_judge_default(line, haproxy_judge_verdict(import, line));
		else if (by_source && (haproxy_line_begins(line, "stick on src") ||
				       haproxy_line_begins(line, "stick-table")))
			haproxy_judge(import, line, HAPROXY_TRANSLATED, "balance = source");
	}
	if (section->kind == HAPROXY_DEFAULTS) {
		const struct haproxy_line *line =
			haproxy_file_find(file, section, "default_backend");

		if (line && haproxy_judge_verdict(import, line)->class == HAPROXY_BLOCKS)
			haproxy_judge(import, line, HAPROXY_NOT_NEEDED,
				      "no frontend falls back on it");
	}
	for (unsigned i = section->first; i < section->end; i++)
		if (haproxy_line_begins(&file->line[i], "acl"))
			judge_acl(import, section, &file->line[i]);
}
