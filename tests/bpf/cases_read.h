/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the readers of directives share. Only for cases*.c.
 */
#ifndef TESTS_CASES_READ_H
#define TESTS_CASES_READ_H

#include "cases.h"

/* One line. */
struct reader {
	struct cases *cases;
	const char *where;
	unsigned count;
	char **words;
};

/* Report the line. Always -EINVAL. */
int cases_bad(const struct reader *reader, const char *what, const char *word);

struct name_value {
	const char *name;
	uint32_t value;
};

/* State of a backend by name; ends with a NULL. */
extern const struct name_value cases_names_state[];

/* A number, or one or more names joined with +. names may be NULL. 0 or -EINVAL. */
int cases_parse_value(const char *text, const struct name_value *names, uint32_t *value);

/* Keys that a directive knows; the value goes where `at` points. */
struct key {
	const char *name;
	struct cases_number *at;
	const struct name_value *names;
};

/* Read KEY=VALUE from word `from` on; keys end with a NULL name. 0, or -EINVAL after the line was
 * reported. */
int cases_parse_keys(struct reader *reader, unsigned from, const struct key *keys);

/* A slot, or any, same, other. 0 or -EINVAL. */
int cases_parse_ref(const char *text, struct backend_ref *ref);

/* Into SLUICE_NAME_LEN bytes. 0 or -EINVAL. */
int cases_copy_name(char *to, const char *name);

/* The case that is being read is for one family alone: it says something that the other has not. */
void cases_only_family(struct reader *reader, unsigned family);

/* The directives. 0, or negative errno after the line was reported. */
int cases_read_service(struct reader *reader, struct step *step);
int cases_read_local(struct reader *reader, struct step *step);
int cases_read_allow(struct reader *reader, struct step *step);
int cases_read_rate(struct reader *reader, struct step *step);
int cases_read_leave(struct reader *reader, struct step *step);
int cases_read_backend(struct reader *reader, struct step *step);
int cases_read_set(struct reader *reader, struct step *step);
int cases_read_short(struct reader *reader, struct step *step);
int cases_read_packet(struct reader *reader, struct step *step);
int cases_read_spread(struct reader *reader, struct step *step);
int cases_read_flow(struct reader *reader, struct step *step);
int cases_read_flows(struct reader *reader, struct step *step);
int cases_read_check(struct reader *reader, struct step *step);

#endif
