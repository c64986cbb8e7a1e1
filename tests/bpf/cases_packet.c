/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Directives that send packets: the frame, what is expected to come out, which counters move.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cases_read.h"

static const struct name_value names_reason[] = {
#define X(id, name, help) { #name, SLUICE_REASON_##id },
	SLUICE_REASONS(X)
#undef X
		{ NULL, 0 },
};

static int parse_reason(const char *word, int reasons[SLUICE_REASON_COUNT])
{
	char name[64];
	uint32_t reason;
	uint32_t by = 1;
	char *times;

	snprintf(name, sizeof(name), "%s", word + (*word == '?'));
	times = strchr(name, '*');
	if (times) {
		*times = '\0';
		if (cases_parse_value(times + 1, NULL, &by))
			return -EINVAL;
	}
	if (cases_parse_value(name, names_reason, &reason) || reason >= SLUICE_REASON_COUNT)
		return -EINVAL;
	reasons[reason] = *word == '?' ? CASES_REASON_MAY : reasons[reason] + (int)by;
	return 0;
}

/* What stands behind the bar, from word i on. */
static int read_reasons(struct reader *reader, unsigned i, int reasons[SLUICE_REASON_COUNT])
{
	for (; i < reader->count; i++)
		if (parse_reason(reader->words[i], reasons))
			return cases_bad(reader, "unknown reason", reader->words[i]);
	return 0;
}

static int keep_change(struct step_packet *packet, const char *key, const char *value)
{
	struct cases_change *more =
		reallocarray(packet->changes, packet->change_count + 1, sizeof(*more));
	struct frame probe;

	if (!more)
		return -ENOMEM;
	packet->changes = more;
	more += packet->change_count;
	more->key = strdup(key);
	more->value = strdup(value);
	if (!more->key || !more->value)
		return -ENOMEM;
	packet->change_count++;
	frame_init_in(&probe);
	return strcmp(key, "flags") ? frame_set(&probe, key, value)
				    : frame_set_flags(&probe, value);
}

/* Behind the arrow: pass | to REF | as PORT | drop | reset | again | challenge, then KEY=VALUE of the frame
 * that comes out. Returns the next word or 0. */
static unsigned read_expectation(struct reader *reader, unsigned i, struct step_packet *packet)
{
	const char *verdict = i < reader->count ? reader->words[i] : "";
	uint32_t port;
	char *equals;

	if (!strcmp(verdict, "pass")) {
		packet->expect = EXPECT_PASS;
	} else if (!strcmp(verdict, "drop")) {
		packet->expect = EXPECT_DROP;
	} else if (!strcmp(verdict, "reset")) {
		packet->expect = EXPECT_RESET;
	} else if (!strcmp(verdict, "again")) {
		packet->expect = EXPECT_AGAIN;
	} else if (!strcmp(verdict, "challenge")) {
		packet->expect = EXPECT_CHALLENGE;
	} else if (!strcmp(verdict, "to") && i + 1 < reader->count &&
		   !cases_parse_ref(reader->words[i + 1], &packet->to)) {
		packet->expect = EXPECT_TO;
		i++;
	} else if (!strcmp(verdict, "as") && i + 1 < reader->count &&
		   !cases_parse_value(reader->words[i + 1], NULL, &port)) {
		packet->expect = EXPECT_AS;
		packet->as_port = (uint16_t)port;
		i++;
	} else {
		cases_bad(reader,
			  "-> pass | to BACKEND | as PORT | drop | reset | again | challenge",
			  verdict);
		return 0;
	}
	for (i++; i < reader->count && strcmp(reader->words[i], "|"); i++) {
		equals = strchr(reader->words[i], '=');
		if (equals)
			*equals = '\0';
		if (!equals || keep_change(packet, reader->words[i], equals + 1)) {
			cases_bad(reader, "unknown field of the frame out", reader->words[i]);
			return 0;
		}
	}
	return i;
}

/* What one family has not says which the case is for. */
static void note_family(struct reader *reader, const char *key)
{
	static const char *const four[] = { "ipopt", "frag", "ihl", "iplen",
					    "ipsum", "raw",  "cut", "version" };
	size_t i;

	if (!strcmp(key, "ext"))
		cases_only_family(reader, 6);
	for (i = 0; i < sizeof(four) / sizeof(four[0]); i++)
		if (!strcmp(key, four[i]))
			cases_only_family(reader, 4);
}

/* An ICMP error quotes what travels the other way. */
static void init_packet(const char *directive, struct step_packet *packet)
{
	bool icmp = !strncmp(directive, "icmp-", 5);

	packet->out = strstr(directive, "out") != NULL;
	if (packet->out != icmp)
		frame_init_out(&packet->frame);
	else
		frame_init_in(&packet->frame);
	packet->frame.icmp.is = icmp;
	if (icmp && !packet->out)
		packet->frame.sport = 80;
	if (icmp && packet->out) {
		packet->frame.dport = 0;
		memcpy(packet->frame.eth_dst, packet->frame.eth_src, 6);
		packet->frame.eth_src[5] = 2;
		packet->frame.icmp.via = packet->frame.dst;
	}
}

/* in|out FLAGS [KEY=VALUE...] -> EXPECTATION [| REASONS]; icmp-in|icmp-out KIND FLAGS ... */
int cases_read_packet(struct reader *reader, struct step *step)
{
	struct step_packet *packet = calloc(1, sizeof(*packet));
	char *equals;
	unsigned i = 1;

	if (!packet)
		return -ENOMEM;
	step->kind = STEP_PACKET;
	step->packet = packet;
	init_packet(reader->words[0], packet);
	if (packet->frame.icmp.is &&
	    (reader->count < 5 || frame_parse_icmp(reader->words[i++], &packet->frame.icmp)))
		return cases_bad(reader, "a kind of ICMP error is wanted",
				 reader->words[1 % reader->count]);
	if (reader->count < 4 || frame_set_flags(&packet->frame, reader->words[i]))
		return cases_bad(reader, "TCP flags are wanted (FSRPAUEC or none)",
				 reader->words[i % reader->count]);
	for (i++; i < reader->count && strcmp(reader->words[i], "->"); i++) {
		equals = strchr(reader->words[i], '=');
		if (!strcmp(reader->words[i], "xdp-untouched")) {
			packet->xdp_untouched = true;
			continue;
		}
		if (!strcmp(reader->words[i], "no-sweep")) {
			packet->no_sweep = true;
			continue;
		}
		if (!equals)
			return cases_bad(reader, "KEY=VALUE is wanted", reader->words[i]);
		*equals = '\0';
		packet->has_from |= !strcmp(reader->words[i], "from");
		note_family(reader, reader->words[i]);
		if (strcmp(reader->words[i], "from")
			    ? frame_set(&packet->frame, reader->words[i], equals + 1)
			    : cases_parse_ref(equals + 1, &packet->from))
			return cases_bad(reader, "bad field", reader->words[i]);
	}
	if (packet->out && !packet->has_from &&
	    !(packet->frame.icmp.is ? packet->frame.dport : packet->frame.sport)) {
		packet->has_from = true;
		packet->from.kind = REF_SAME;
	}
	i = read_expectation(reader, i + 1, packet);
	if (!i)
		return -EINVAL;
	return read_reasons(reader, i + 1, packet->reasons);
}

/* spread COUNT [order] [FIELD=VALUE...] -> SLOT=N|SLOT=LEAST..MOST ... [| REASONS] */
int cases_read_spread(struct reader *reader, struct step *step)
{
	struct step_spread *spread = calloc(1, sizeof(*spread));
	unsigned i, least, most, slot;
	char *equals;

	if (!spread)
		return -ENOMEM;
	step->kind = STEP_SPREAD;
	step->spread = spread;
	frame_init_in(&spread->frame);
	spread->frame.flags = FRAME_SYN;
	if (reader->count < 2 || cases_parse_value(reader->words[1], NULL, &spread->count))
		return cases_bad(reader, "spread COUNT", reader->words[0]);
	for (i = 2; i < reader->count && strcmp(reader->words[i], "->"); i++) {
		equals = strchr(reader->words[i], '=');
		if (!strcmp(reader->words[i], "order")) {
			spread->in_order = true;
			continue;
		}
		if (equals)
			*equals = '\0';
		note_family(reader, reader->words[i]);
		if (!equals || frame_set(&spread->frame, reader->words[i], equals + 1))
			return cases_bad(reader, "bad field", reader->words[i]);
	}
	for (i++; i < reader->count && strcmp(reader->words[i], "|"); i++) {
		if (sscanf(reader->words[i], "%u=%u..%u", &slot, &least, &most) != 3) {
			if (sscanf(reader->words[i], "%u=%u", &slot, &least) != 2)
				return cases_bad(reader, "SLOT=N or SLOT=LEAST..MOST is wanted",
						 reader->words[i]);
			most = least;
		}
		if (spread->share_count == CASES_MAX_SHARES)
			return cases_bad(reader, "too many shares", reader->words[i]);
		spread->share[spread->share_count].slot = slot;
		spread->share[spread->share_count].least = least;
		spread->share[spread->share_count++].most = most;
	}
	if (!spread->count || !spread->share_count)
		return cases_bad(reader, "spread COUNT -> SLOT=N ...", reader->words[0]);
	if (i >= reader->count)
		spread->reasons[SLUICE_REASON_NEW] = (int)spread->count;
	return read_reasons(reader, i + 1, spread->reasons);
}
