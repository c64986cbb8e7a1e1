/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Directives that look: at flows, backends and counters of traffic.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/flow_rules.h>

#include "cases_read.h"

static const struct name_value names_flow_state[] = {
	{ "half-open", SLUICE_FLOW_HALF_OPEN },
	{ "established", SLUICE_FLOW_ESTABLISHED },
	{ "closing", SLUICE_FLOW_CLOSING },
	{ "closed", SLUICE_FLOW_CLOSED },
	{ NULL, 0 },
};

static const struct name_value names_in_marks[] = {
	{ "none", 0 },
	{ "fin", SLUICE_IN_FIN },
	{ "fin_acked", SLUICE_IN_FIN_ACKED },
	{ "new_syn", SLUICE_IN_NEW_SYN },
	{ NULL, 0 },
};

static const struct name_value names_out_marks[] = {
	{ "none", 0 },
	{ "synack", SLUICE_OUT_SYNACK },
	{ "fin", SLUICE_OUT_FIN },
	{ "fin_acked", SLUICE_OUT_FIN_ACKED },
	{ "rst", SLUICE_OUT_RST },
	{ NULL, 0 },
};

/* flow none|half|est [client fields] [KEY=VALUE...] */
int cases_read_flow(struct reader *reader, struct step *step)
{
	struct step_flow *flow = calloc(1, sizeof(*flow));
	const char *where = reader->count > 1 ? reader->words[1] : "";
	struct reader rest = *reader;
	unsigned i, kept = 0;
	char *equals;

	if (!flow)
		return -ENOMEM;
	step->kind = STEP_FLOW;
	step->flow = flow;
	frame_init_in(&flow->key);
	if (strcmp(where, "none") && strcmp(where, "half") && strcmp(where, "est"))
		return cases_bad(reader, "flow none|half|est", where);
	flow->where = *where == 'n' ? FLOW_NOWHERE : *where == 'h' ? FLOW_HALF : FLOW_EST;

	const struct key keys[] = {
		{ "state", &flow->state, names_flow_state },
		{ "gen", &flow->generation, NULL },
		{ "in", &flow->in_marks, names_in_marks },
		{ "out", &flow->out_marks, names_out_marks },
		{ "isn", &flow->client_isn, NULL },
		{ "next", &flow->next_isn, NULL },
		{ "sisn", &flow->server_isn, NULL },
		{ "snext", &flow->server_next, NULL },
		{ "cfin", &flow->client_fin, NULL },
		{ "sfin", &flow->server_fin, NULL },
		{ "rst", &flow->rst, NULL },
		{ "port", &flow->port, NULL },
		{ "again", &flow->redispatched, NULL },
		{ "done", &flow->done, NULL },
		{ NULL, NULL, NULL },
	};

	for (i = 2; i < reader->count; i++) {
		equals = strchr(reader->words[i], '=');
		if (equals && !strncmp(reader->words[i], "slot=", 5)) {
			flow->has_ref = true;
			if (cases_parse_ref(equals + 1, &flow->ref))
				return cases_bad(reader, "bad backend", reader->words[i]);
			continue;
		}
		if (equals)
			*equals = '\0';
		if (equals && strlen(reader->words[i]) > 2 && strchr("sd", reader->words[i][0]) &&
		    !frame_set(&flow->key, reader->words[i], equals + 1))
			continue;
		if (equals)
			*equals = '=';
		rest.words[kept++] = reader->words[i];
	}
	rest.count = kept;
	return cases_parse_keys(&rest, 0, keys);
}

int cases_read_flows(struct reader *reader, struct step *step)
{
	struct cases_number half = { .set = false }, est = half;
	const struct key keys[] = { { "half", &half, NULL },
				    { "est", &est, NULL },
				    { NULL, NULL, NULL } };
	int err = cases_parse_keys(reader, 1, keys);

	step->kind = STEP_FLOWS;
	step->flows.half = half.value;
	step->flows.est = est.value;
	return err;
}

/* check backend REF KEY=VALUE... | check stats REF|SERVICE KEY=VALUE... */
int cases_read_check(struct reader *reader, struct step *step)
{
	struct step_stats *stats = &step->stats;
	const struct key keys[] = {
		{ "connections", &stats->connections, NULL },
		{ "picks", &stats->picks, NULL },
		{ "packets_in", &stats->packets_in, NULL },
		{ "bytes_in", &stats->bytes_in, NULL },
		{ "packets_out", &stats->packets_out, NULL },
		{ "bytes_out", &stats->bytes_out, NULL },
		{ NULL, NULL, NULL },
	};
	struct reader rest = *reader;
	int err;

	if (reader->count < 3)
		return cases_bad(reader, "check backend|stats WHICH KEY=VALUE", reader->words[0]);
	if (!strcmp(reader->words[1], "backend")) {
		rest.words++;
		rest.count--;
		err = cases_read_backend(&rest, step);
		step->kind = STEP_CHECK_BACKEND;
		return err;
	}
	step->kind = STEP_CHECK_STATS;
	if (cases_parse_ref(reader->words[2], &stats->ref) &&
	    cases_copy_name(stats->service, reader->words[2]))
		return cases_bad(reader, "a backend or a service is wanted", reader->words[2]);
	return cases_parse_keys(reader, 3, keys);
}
