/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reader of the packet cases: what all directives share, and which there are. A line that is not
 * understood is reported with its place and the word that is wrong, and the whole run fails: a case
 * that is skipped in silence proves nothing.
 */
#include "cases.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cases_read.h"
#include "script.h"

int cases_bad(const struct reader *reader, const char *what, const char *word)
{
	fprintf(stderr, "%s: %s: `%s`\n", reader->where, what, word);
	reader->cases->errors++;
	return -EINVAL;
}

/* A number, or one or more names joined with +. */
int cases_parse_value(const char *text, const struct name_value *names, uint32_t *value)
{
	char copy[128], *word, *rest, *end;
	const struct name_value *name;

	*value = (uint32_t)strtoul(text, &end, 0);
	if (*text && !*end)
		return 0;
	if (!names)
		return -EINVAL;
	*value = 0;
	snprintf(copy, sizeof(copy), "%s", text);
	for (word = strtok_r(copy, "+", &rest); word; word = strtok_r(NULL, "+", &rest)) {
		for (name = names; name->name && strcmp(name->name, word); name++)
			;
		if (!name->name)
			return -EINVAL;
		*value |= name->value;
	}
	return 0;
}

void cases_only_family(struct reader *reader, unsigned family)
{
	struct test_case *last = &reader->cases->cases[reader->cases->count - 1];

	if (family == 4)
		last->only4 = true;
	else
		last->only6 = true;
}

int cases_parse_keys(struct reader *reader, unsigned from, const struct key *keys)
{
	unsigned i, k;
	char *equals;

	for (i = from; i < reader->count; i++) {
		equals = strchr(reader->words[i], '=');
		if (!equals)
			return cases_bad(reader, "KEY=VALUE is wanted", reader->words[i]);
		for (k = 0; keys[k].name; k++)
			if (!strncmp(keys[k].name, reader->words[i],
				     (size_t)(equals - reader->words[i])) &&
			    strlen(keys[k].name) == (size_t)(equals - reader->words[i]))
				break;
		if (!keys[k].name)
			return cases_bad(reader, "unknown key", reader->words[i]);
		if (cases_parse_value(equals + 1, keys[k].names, &keys[k].at->value))
			return cases_bad(reader, "bad value", reader->words[i]);
		keys[k].at->set = true;
	}
	return 0;
}

int cases_parse_ref(const char *text, struct backend_ref *ref)
{
	char *end;

	if (!strcmp(text, "any")) {
		ref->kind = REF_ANY;
	} else if (!strcmp(text, "same")) {
		ref->kind = REF_SAME;
	} else if (!strcmp(text, "other")) {
		ref->kind = REF_OTHER;
	} else {
		ref->kind = REF_SLOT;
		ref->slot = (unsigned)strtoul(text, &end, 10);
		return *end || !ref->slot || ref->slot > SLUICE_MAX_BACKENDS ? -EINVAL : 0;
	}
	return 0;
}

int cases_copy_name(char *to, const char *name)
{
	return snprintf(to, SLUICE_NAME_LEN, "%s", name) < SLUICE_NAME_LEN ? 0 : -EINVAL;
}

static const struct {
	const char *name;
	int (*read)(struct reader *reader, struct step *step);
} directives[] = {
	{ "service", cases_read_service }, { "local", cases_read_local },
	{ "notlocal", cases_read_local },  { "backend", cases_read_backend },
	{ "allow", cases_read_allow },	   { "rate", cases_read_rate },
	{ "icmp-in", cases_read_packet },  { "icmp-out", cases_read_packet },
	{ "set", cases_read_set },	   { "tear", cases_read_short },
	{ "leave", cases_read_leave },	   { "stay", cases_read_leave },
	{ "retire", cases_read_short },	   { "age", cases_read_short },
	{ "in", cases_read_packet },	   { "out", cases_read_packet },
	{ "spread", cases_read_spread },   { "flow", cases_read_flow },
	{ "flows", cases_read_flows },	   { "check", cases_read_check },
	{ "scan", cases_read_short },	   { "leftover", cases_read_short },
	{ "recount", cases_read_short },
};

static char *join(char **words, unsigned count)
{
	char text[256] = "";
	unsigned i;

	for (i = 0; i < count; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), i ? " %s" : "%s",
			 words[i]);
	return strdup(text);
}

/* case NAME [tc-only] [quick] [v4|v6] [must-fail TEXT...] */
static int begin_case(struct reader *reader)
{
	struct cases *cases = reader->cases;
	struct test_case *more;
	unsigned i;

	if (reader->count < 2)
		return cases_bad(reader, "case NAME", reader->words[0]);
	for (i = 0; i < cases->count; i++)
		if (!strcmp(cases->cases[i].name, reader->words[1]))
			return cases_bad(reader, "a case of this name exists", reader->words[1]);
	more = reallocarray(cases->cases, cases->count + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	cases->cases = more;
	more += cases->count;
	memset(more, 0, sizeof(*more));
	more->name = strdup(reader->words[1]);
	more->where = strdup(reader->where);
	if (!more->name || !more->where)
		return -ENOMEM;
	cases->count++;
	i = 2;
	for (; i < reader->count && strcmp(reader->words[i], "must-fail"); i++) {
		if (!strcmp(reader->words[i], "tc-only"))
			more->only_tc = true;
		else if (!strcmp(reader->words[i], "quick"))
			more->quick = true;
		else if (!strcmp(reader->words[i], "v4"))
			more->only4 = true;
		else if (!strcmp(reader->words[i], "v6"))
			more->only6 = true;
		else
			break;
	}
	if (i == reader->count)
		return 0;
	if (strcmp(reader->words[i], "must-fail") || i + 1 == reader->count)
		return cases_bad(reader, "case NAME [tc-only] [quick] [v4|v6] [must-fail TEXT...]",
				 reader->words[i]);
	more->must_fail = join(reader->words + i + 1, reader->count - i - 1);
	return more->must_fail ? 0 : -ENOMEM;
}

static int read_line(void *ctx, const char *where, unsigned count, char **words)
{
	struct reader reader = { .cases = ctx, .where = where, .count = count, .words = words };
	struct test_case *last;
	struct step *more;
	size_t i;

	if (!strcmp(words[0], "case"))
		return begin_case(&reader);
	for (i = 0; i < sizeof(directives) / sizeof(directives[0]); i++)
		if (!strcmp(directives[i].name, words[0]))
			break;
	if (i == sizeof(directives) / sizeof(directives[0]))
		return cases_bad(&reader, "unknown directive or macro", words[0]);
	if (!reader.cases->count)
		return cases_bad(&reader, "stands before the first case", words[0]);
	last = &reader.cases->cases[reader.cases->count - 1];
	more = reallocarray(last->steps, last->step_count + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	last->steps = more;
	more += last->step_count++;
	memset(more, 0, sizeof(*more));
	more->where = strdup(where);
	return more->where ? directives[i].read(&reader, more) : -ENOMEM;
}

int cases_load(struct cases *cases, const char *file)
{
	return script_read(file, read_line, cases);
}

static void release_step(struct step *step)
{
	unsigned i;

	if (step->kind == STEP_PACKET && step->packet) {
		for (i = 0; i < step->packet->change_count; i++) {
			free(step->packet->changes[i].key);
			free(step->packet->changes[i].value);
		}
		free(step->packet->changes);
		free(step->packet);
	} else if (step->kind == STEP_SPREAD) {
		free(step->spread);
	} else if (step->kind == STEP_FLOW) {
		free(step->flow);
	}
	free(step->where);
}

void cases_release(struct cases *cases)
{
	unsigned i, j;

	for (i = 0; i < cases->count; i++) {
		for (j = 0; j < cases->cases[i].step_count; j++)
			release_step(&cases->cases[i].steps[j]);
		free(cases->cases[i].steps);
		free(cases->cases[i].name);
		free(cases->cases[i].where);
		free(cases->cases[i].must_fail);
	}
	free(cases->cases);
	memset(cases, 0, sizeof(*cases));
}
