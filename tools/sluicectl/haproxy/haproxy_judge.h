/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The verdicts on lines: what each is worth by itself, and what only its section tells. Part of haproxy_import.h, whose other parts
 * overrule what stands here for the lines that they understand.
 */
#ifndef SLUICE_HAPROXY_JUDGE_H
#define SLUICE_HAPROXY_JUDGE_H

#include "haproxy_import.h"

/* line is one of import's. */
struct haproxy_verdict *haproxy_judge_verdict(struct haproxy_import *import,
					      const struct haproxy_line *line);

/* Its verdict from now on. */
void haproxy_judge(struct haproxy_import *import, const struct haproxy_line *line,
		   enum haproxy_class class, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* First: every line by its words (haproxy_words.h). */
void haproxy_judge_alone(struct haproxy_import *import);

/* Last, for a section that is neither global nor of a kind that is judged as a whole. */
void haproxy_judge_together(struct haproxy_import *import, const struct haproxy_section *section);

#endif
