/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What becomes of each of HAProxy's keywords without HAProxy, as a table: HAProxy's manual names some hundreds, and those that
 * people use are here. Knows nothing of other lines; haproxy_import.h judges what depends on them.
 */
#ifndef SLUICE_HAPROXY_WORDS_H
#define SLUICE_HAPROXY_WORDS_H

#include "haproxy_file.h"

/* From the least to the worst: of a line with several, the worst counts. */
enum haproxy_class {
	HAPROXY_NOT_NEEDED, /* gone without loss */
	HAPROXY_TRANSLATED, /* stands in sluice.conf, or is how Sluice works */
	HAPROXY_APP,	    /* the app, its check or the ELB must do it from now on */
	HAPROXY_BLOCKS,	    /* only a proxy can do it, or nobody here knows what it does */
	HAPROXY_CLASSES,
};

struct haproxy_word {
	const char *words; /* the line begins with them */
	enum haproxy_class class;
	const char *reason;
};

/* An option of `server`, `default-server` or `bind`. */
struct haproxy_option {
	const char *word;
	unsigned values; /* words behind it that belong to it */
	enum haproxy_class class;
	const char *reason; /* NULL: nothing to say */
};

/* For a line of a section of this kind; never NULL: what is not known blocks, in global it is HAProxy's own business. */
const struct haproxy_word *haproxy_words_find(const struct haproxy_line *line,
					      enum haproxy_kind kind);

/* For a whole section of another kind, by its header. */
const struct haproxy_word *haproxy_words_section(const struct haproxy_line *header);

/* NULL: not known. */
const struct haproxy_option *haproxy_words_server(const char *word);
const struct haproxy_option *haproxy_words_bind(const char *word);

#endif
