/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Directives that change the world in which packets are played: services, addresses, backends,
 * sets, time.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cases_read.h"

const struct name_value cases_names_state[] = {
	{ "free", SLUICE_BACKEND_FREE },
	{ "waiting", SLUICE_BACKEND_WAITING },
	{ "up", SLUICE_BACKEND_UP },
	{ "down", SLUICE_BACKEND_DOWN },
	{ "draining", SLUICE_BACKEND_DRAINING },
	{ "gone", SLUICE_BACKEND_GONE },
	{ NULL, 0 },
};

static const struct name_value names_balance[] = {
	{ "roundrobin", SLUICE_BALANCE_ROUNDROBIN }, { "leastconn", SLUICE_BALANCE_LEASTCONN },
	{ "random", SLUICE_BALANCE_RANDOM },	     { "source", SLUICE_BALANCE_SOURCE },
	{ "unset", SLUICE_BALANCE_UNSET },	     { NULL, 0 },
};

static const struct name_value names_on_empty[] = {
	{ "reset", SLUICE_EMPTY_RESET },
	{ "pass", SLUICE_EMPTY_PASS },
	{ "drop", SLUICE_EMPTY_DROP },
	{ NULL, 0 },
};

static const struct name_value names_on_full[] = {
	{ "drop", SLUICE_FULL_DROP },
	{ "reset", SLUICE_FULL_RESET },
	{ NULL, 0 },
};

/* service NAME PORT [ADDRESS...] */
int cases_read_service(struct reader *reader, struct step *step)
{
	uint32_t port;
	unsigned i;

	if (reader->count < 3 || cases_copy_name(step->service.name, reader->words[1]) ||
	    cases_parse_value(reader->words[2], NULL, &port) || !port || port > 65535)
		return cases_bad(reader, "service NAME PORT [ADDRESS...]", reader->words[0]);
	step->kind = STEP_SERVICE;
	step->service.port = (uint16_t)port;
	for (i = 3; i < reader->count; i++) {
		if (i - 3 == SLUICE_MAX_ADDRESS ||
		    frame_parse_address(reader->words[i], &step->service.address[i - 3]))
			return cases_bad(reader, "bad address", reader->words[i]);
		step->service.address_count++;
		cases_only_family(reader, 4);
	}
	return 0;
}

int cases_read_local(struct reader *reader, struct step *step)
{
	if (reader->count != 2 || frame_parse_address(reader->words[1], &step->local.address))
		return cases_bad(reader, "an address is wanted", reader->words[0]);
	step->kind = STEP_LOCAL;
	step->local.remove = !strcmp(reader->words[0], "notlocal");
	return 0;
}

/* allow SERVICE ADDRESS/LENGTH */
int cases_read_allow(struct reader *reader, struct step *step)
{
	char *slash = reader->count == 3 ? strchr(reader->words[2], '/') : NULL;
	uint32_t prefix;

	step->kind = STEP_ALLOW;
	if (!slash || cases_copy_name(step->allow.service, reader->words[1]) ||
	    cases_parse_value(slash + 1, NULL, &prefix))
		return cases_bad(reader, "allow SERVICE ADDRESS/LENGTH", reader->words[0]);
	*slash = '\0';
	step->allow.prefix = prefix;
	if (frame_parse_address(reader->words[2], &step->allow.network))
		return cases_bad(reader, "bad address", reader->words[2]);
	return 0;
}

/* rate SERVICE CONNECTIONS PREFIX */
int cases_read_rate(struct reader *reader, struct step *step)
{
	uint32_t prefix;

	step->kind = STEP_RATE;
	if (reader->count != 4 || cases_copy_name(step->rate.service, reader->words[1]) ||
	    cases_parse_value(reader->words[2], NULL, &step->rate.rate) ||
	    cases_parse_value(reader->words[3], NULL, &prefix) || prefix > 32)
		return cases_bad(reader, "rate SERVICE CONNECTIONS PREFIX", reader->words[0]);
	step->rate.prefix = prefix;
	return 0;
}

/* leave SERVICE, stay SERVICE */
int cases_read_leave(struct reader *reader, struct step *step)
{
	step->kind = STEP_LEAVE;
	if (reader->count != 2 || cases_copy_name(step->leave.service, reader->words[1]))
		return cases_bad(reader, "a service is wanted", reader->words[0]);
	step->leave.ends = !strcmp(reader->words[0], "stay");
	return 0;
}

/* backend SLOT [SERVICE PORT] [KEY=VALUE...] */
int cases_read_backend(struct reader *reader, struct step *step)
{
	struct step_backend *backend = &step->backend;
	const struct key keys[] = {
		{ "gen", &backend->generation, NULL },
		{ "state", &backend->state, cases_names_state },
		{ "weight", &backend->weight, NULL },
		{ "active", &backend->active, NULL },
		{ "half", &backend->half_open, NULL },
		{ "suspect", &backend->suspect, NULL },
		{ "for", &backend->suspect_ms, NULL },
		{ "hport", &backend->hport, NULL },
		{ "count", &backend->count, NULL },
		{ NULL, NULL, NULL },
	};
	unsigned from = 2;
	uint32_t port;

	step->kind = STEP_BACKEND;
	if (reader->count < 2 || cases_parse_ref(reader->words[1], &backend->ref))
		return cases_bad(reader, "backend SLOT", reader->words[0]);
	if (reader->count > 3 && !strchr(reader->words[2], '=')) {
		if (cases_copy_name(backend->service, reader->words[2]) ||
		    cases_parse_value(reader->words[3], NULL, &port) || port > 65535)
			return cases_bad(reader, "backend SLOT SERVICE PORT", reader->words[3]);
		backend->port = (uint16_t)port;
		from = 4;
	}
	return cases_parse_keys(reader, from, keys);
}

static int parse_table(const char *text, struct step_set *set)
{
	char *end;

	set->has_table = true;
	if (!strcmp(text, "none"))
		return 0;
	for (set->len = 0; *text && set->len < CASES_MAX_TABLE; text = *end ? end + 1 : end) {
		set->table[set->len++] = (uint16_t)strtoul(text, &end, 10);
		if (*end && *end != ',')
			return -EINVAL;
	}
	return *text ? -EINVAL : 0;
}

/* set SERVICE BALANCE [table=SLOT,...|none] [on_empty=] [on_full=] [maxconn=] [repeat=] */
int cases_read_set(struct reader *reader, struct step *step)
{
	struct cases_number on_empty = { .set = false }, on_full = on_empty, maxconn = on_empty,
			    repeat = on_empty;
	const struct key keys[] = {
		{ "on_empty", &on_empty, names_on_empty },
		{ "on_full", &on_full, names_on_full },
		{ "maxconn", &maxconn, NULL },
		{ "repeat", &repeat, NULL },
		{ NULL, NULL, NULL },
	};
	uint32_t balance;
	unsigned from = 3;

	step->kind = STEP_SET;
	if (reader->count < 3 || cases_copy_name(step->set.service, reader->words[1]) ||
	    cases_parse_value(reader->words[2], names_balance, &balance))
		return cases_bad(reader, "set SERVICE BALANCE", reader->words[0]);
	if (reader->count > 3 && !strncmp(reader->words[3], "table=", 6)) {
		if (parse_table(reader->words[3] + 6, &step->set))
			return cases_bad(reader, "bad table", reader->words[3]);
		from = 4;
	}
	if (cases_parse_keys(reader, from, keys))
		return -EINVAL;
	step->set.balance = (uint8_t)balance;
	step->set.on_empty = (uint8_t)on_empty.value;
	step->set.on_full = (uint8_t)on_full.value;
	step->set.maxconn = maxconn.value;
	step->set.repeat = repeat.set ? repeat.value : 1;
	return 0;
}

/* scan | recount | leftover */
static int read_word(struct reader *reader, struct step *step, enum step_kind kind)
{
	step->kind = kind;
	return reader->count == 1 ? 0 : cases_bad(reader, "stands alone", reader->words[1]);
}

int cases_read_short(struct reader *reader, struct step *step)
{
	if (!strcmp(reader->words[0], "scan"))
		return read_word(reader, step, STEP_SCAN);
	if (!strcmp(reader->words[0], "recount"))
		return read_word(reader, step, STEP_RECOUNT);
	if (!strcmp(reader->words[0], "leftover"))
		return read_word(reader, step, STEP_LEFTOVER);
	if (!strcmp(reader->words[0], "tear")) {
		step->kind = STEP_TEAR;
		if (reader->count != 2 || cases_copy_name(step->tear, reader->words[1]))
			return cases_bad(reader, "tear SERVICE", reader->words[0]);
	} else if (!strcmp(reader->words[0], "retire")) {
		step->kind = STEP_RETIRE;
		if (reader->count != 2 || cases_parse_ref(reader->words[1], &step->retire))
			return cases_bad(reader, "retire SLOT", reader->words[0]);
	} else {
		step->kind = STEP_AGE;
		if (reader->count != 2 || cases_parse_value(reader->words[1], NULL, &step->age_ms))
			return cases_bad(reader, "age MILLISECONDS", reader->words[0]);
	}
	return 0;
}
