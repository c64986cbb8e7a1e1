/* SPDX-License-Identifier: GPL-2.0-only */
/* use_backend goes before default_backend, and a section of `listen` is its own backend. */
#include "haproxy_route.h"

#include <string.h>

static const struct haproxy_section *find_backend(const struct haproxy_file *file, const char *name)
{
	for (unsigned s = 0; s < file->section_count; s++)
		if ((file->section[s].kind == HAPROXY_BACKEND ||
		     file->section[s].kind == HAPROXY_LISTEN) &&
		    !strcmp(file->section[s].name, name))
			return &file->section[s];
	return NULL;
}

bool haproxy_route_is_conditional(const struct haproxy_line *line)
{
	return line->count > 2;
}

const struct haproxy_section *haproxy_route_serving(const struct haproxy_file *file,
						    const struct haproxy_section *front,
						    const struct haproxy_line **line)
{
	*line = NULL;
	for (unsigned i = front->first; i < front->end; i++)
		if (haproxy_line_begins(&file->line[i], "use_backend") &&
		    !haproxy_route_is_conditional(&file->line[i]))
			*line = &file->line[i];
	if (!*line)
		*line = haproxy_file_setting(file, front, "default_backend");
	if (*line && (*line)->count > 1)
		return find_backend(file, (*line)->word[1]);
	return front->kind == HAPROXY_LISTEN && (haproxy_file_find(file, front, "server") ||
						 haproxy_file_find(file, front, "server-template"))
		       ? front
		       : NULL;
}

static bool is_disabled(const struct haproxy_file *file, const struct haproxy_section *section)
{
	const struct haproxy_line *line = haproxy_file_find(file, section, "disabled");

	return line && line->count == 1;
}

const char *haproxy_route_why_idle(const struct haproxy_file *file,
				   const struct haproxy_section *section)
{
	const struct haproxy_line *by;

	if (section->kind != HAPROXY_FRONTEND && section->kind != HAPROXY_LISTEN &&
	    section->kind != HAPROXY_BACKEND)
		return NULL;
	if (is_disabled(file, section))
		return "its section is switched off (disabled)";
	if (section->kind == HAPROXY_BACKEND || !haproxy_file_find(file, section, "stats") ||
	    haproxy_file_find(file, section, "use_backend") ||
	    haproxy_route_serving(file, section, &by))
		return NULL;
	return "of a page of statistics: sluicectl and /metrics tell it";
}

bool haproxy_route_reads(const struct haproxy_file *file, const char *name)
{
	for (unsigned i = 0; i < file->count; i++)
		if (haproxy_line_begins(&file->line[i], "use_backend") &&
		    haproxy_route_is_conditional(&file->line[i]) &&
		    (!strcmp(file->line[i].word[1], name) || strchr(file->line[i].word[1], '%')))
			return true;
	return false;
}
