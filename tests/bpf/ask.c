/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Predictions and what became of them. Where an algorithm draws, the backend cannot be told, but the one that is drawn
 * must be one that explain calls eligible, and all else must agree.
 */
#include "ask.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "explain.h"
#include "sluice.skel.h"

enum { ASK_FIRST = 16, ASK_EVERY = 251, ASK_PICTURES = 5 };

/* All that asking could have changed: sums of the maps' contents. */
struct picture {
	uint64_t backends, cursor, half, est, rates, reasons, stats;
};

static struct {
	struct explain *explain;
	bool asked;
	unsigned asks, sent, drawn; /* backends that were told beforehand, and drawn ones */
	struct explain_answer answer;
	enum explain_why why[SLUICE_MAX_BACKENDS + 1]; /* valid for backends of the service */
	uint16_t port[SLUICE_MAX_BACKENDS + 1];
} ask;

int ask_open(struct world *world)
{
	const struct sluice_bpf *skel = world->loader.skel;
	bool same = false;
	char error[256];
	int err = explain_new(&ask.explain, world->maps, bpf_map__fd(skel->maps.sluice_rates),
			      bpf_map__fd(skel->maps.sluice_cursor), &same, error, sizeof(error));

	if (!err && !same) {
		snprintf(error, sizeof(error),
			 "explain has another program than the one under test");
		err = -EPROTO;
	}
	if (err)
		fprintf(stderr, "packets: %s\n", error);
	return err;
}

void ask_close(void)
{
	explain_free(ask.explain);
	memset(&ask, 0, sizeof(ask));
}

bool ask_was_used(FILE *report)
{
	if (ask.sent && ask.drawn)
		return true;
	fprintf(report, "FAIL explain: told the backend of %u SYNs, and of %u that one is drawn\n",
		ask.sent, ask.drawn);
	return false;
}

/* --- that nothing changes --- */

/* FNV-1a */
static uint64_t mix(uint64_t sum, const void *data, size_t len)
{
	const uint8_t *byte = data;

	while (len--)
		sum = (sum ^ *byte++) * 0x100000001b3;
	return sum;
}

static uint64_t sum_map(int fd, size_t key_size, size_t value_size)
{
	uint8_t key[64], value[128];
	uint64_t sum = 1;
	bool first = true;

	while (!bpf_map_get_next_key(fd, first ? NULL : key, key)) {
		first = false;
		sum = mix(sum, key, key_size);
		if (!bpf_map_lookup_elem(fd, key, value))
			sum = mix(sum, value, value_size);
	}
	return sum;
}

static void take_picture(struct world *world, unsigned service, struct picture *picture)
{
	const struct sluice_bpf *skel = world->loader.skel;
	const struct maps *maps = world->maps;
	uint64_t reasons[SLUICE_REASON_COUNT] = { 0 };
	struct sluice_stats stats = { .picks = 0 };

	memset(picture, 0, sizeof(*picture));
	picture->backends = mix(1, maps->backends, sizeof(struct sluice_backend) * 512);
	picture->cursor =
		sum_map(bpf_map__fd(skel->maps.sluice_cursor), 4, sizeof(struct sluice_cursor));
	picture->half = sum_map(maps->half4_fd, sizeof(struct sluice_flow_key4),
				sizeof(struct sluice_half)) ^
			sum_map(maps->half6_fd, sizeof(struct sluice_flow_key6),
				sizeof(struct sluice_half));
	picture->est =
		sum_map(maps->est4_fd, sizeof(struct sluice_flow_key4),
			sizeof(struct sluice_flow)) ^
		sum_map(maps->est6_fd, sizeof(struct sluice_flow_key6), sizeof(struct sluice_flow));
	if (world->limits)
		picture->rates = sum_map(bpf_map__fd(skel->maps.sluice_rates),
					 sizeof(struct sluice_rate_key),
					 sizeof(struct sluice_rate));
	world_read_reasons(world, reasons);
	picture->reasons = mix(1, reasons, sizeof(reasons));
	world_read_stats(world, true, service, &stats);
	picture->stats = mix(1, &stats, sizeof(stats));
}

/* --- asking --- */

/* What explain's plain SYN has in common with this frame is all that decides. */
static bool is_plain_syn(const struct frame *frame)
{
	return (frame->flags & (FRAME_SYN | FRAME_ACK | FRAME_RST | FRAME_FIN)) == FRAME_SYN &&
	       !frame->icmp.is && !frame->payload_len && !(frame->frag & 0x3fff) &&
	       !frame->cut.set && !frame->ihl.set && !frame->ip_len.set && !frame->doff.set &&
	       frame->proto == IPPROTO_TCP && frame->ip_version == frame->family &&
	       frame->eth_type == (frame->family == 4 ? 0x0800 : 0x86dd) &&
	       !frame->extension_count && !frame->tag_count;
}

static void remember_backends(void)
{
	const struct sluice_backend *backends = explain_backends(ask.explain);
	unsigned slot;

	for (slot = 1; slot <= SLUICE_MAX_BACKENDS; slot++) {
		ask.port[slot] = backends[slot].service == ask.answer.service &&
						 backends[slot].generation
					 ? ntohs(backends[slot].port)
					 : 0;
		if (ask.port[slot])
			ask.why[slot] = explain_why(ask.explain, slot);
	}
}

bool ask_before(struct world *world, const struct frame *frame, unsigned nth, FILE *report)
{
	struct explain_connection connection = {
		.family = frame->family == 4 ? AF_INET : AF_INET6,
		.client_port = frame->sport,
		.port = frame->dport,
		.has_isn = true,
		.isn = frame->seq,
	};
	const size_t at = frame->family == 4 ? 12 : 0, len = frame->family == 4 ? 4 : 16;
	struct picture before, after;
	unsigned service;
	bool pictures;
	int err;

	/* Of a thousand SYNs in a row the first ones, and some; looking at all maps takes long. */
	ask.asked = is_plain_syn(frame) && (nth < ASK_FIRST || nth % ASK_EVERY == 0);
	if (!ask.asked)
		return true;
	memcpy(connection.client, frame->src.bytes + at, len);
	memcpy(connection.local, frame->dst.bytes + at, len);
	service = world_service_on(world, frame->dport);
	pictures = ask.asks++ % ASK_PICTURES == 0;
	if (pictures)
		take_picture(world, service, &before);
	err = explain_ask(ask.explain, &connection, &ask.answer);
	if (pictures)
		take_picture(world, service, &after);
	if (err) {
		fprintf(report, "explain: %s\n", strerror(-err));
		return false;
	}
	if (pictures && memcmp(&before, &after, sizeof(before)) != 0) {
		fprintf(report, "explain has changed the maps\n");
		return false;
	}
	remember_backends();
	return true;
}

/* --- what became of it --- */

static enum explain_verdict what_happened(const struct hook_result *result, uint16_t *port)
{
	struct frame_places places;

	*port = 0;
	if (result->verdict == HOOK_DROP)
		return EXPLAIN_DROP;
	if (result->verdict == HOOK_ANSWER)
		return EXPLAIN_RESET;
	if (frame_locate(result->frame, result->len, &places))
		*port = (uint16_t)(result->frame[places.l4 + 2] << 8 |
				   result->frame[places.l4 + 3]);
	return EXPLAIN_PASS;
}

/* Nobody is called unfit and then given a connection, but for a suspect when there is nobody else. */
static bool was_eligible(uint16_t port, FILE *report)
{
	unsigned slot;

	for (slot = 1; slot <= SLUICE_MAX_BACKENDS; slot++) {
		if (ask.port[slot] == port &&
		    (ask.why[slot] == EXPLAIN_WHY_ELIGIBLE || ask.why[slot] == EXPLAIN_WHY_SUSPECT))
			return true;
	}
	fprintf(report, "explain calls the backend on %u unfit, and it got a new connection\n",
		port);
	return false;
}

static bool reasons_agree(const struct hook_result *result, FILE *report)
{
	unsigned i;

	for (i = 0; i < SLUICE_REASON_COUNT; i++) {
		if (i == SLUICE_REASON_TO_TC ||
		    (result->reasons[i] != 0) == ask.answer.syn.counted[i])
			continue;
		fprintf(report, "explain: counter %u would %smove, it moved by %d\n", i,
			ask.answer.syn.counted[i] ? "" : "not ", result->reasons[i]);
		return false;
	}
	return true;
}

bool ask_agrees(const struct hook_result *result, FILE *report)
{
	const struct explain_outcome *told = &ask.answer.syn;
	enum explain_verdict got;
	uint16_t port;

	if (!ask.asked)
		return true;
	got = what_happened(result, &port);
	if (got == EXPLAIN_PASS && told->verdict == EXPLAIN_BACKEND)
		got = EXPLAIN_BACKEND;
	if (got != told->verdict) {
		fprintf(report, "explain: verdict %d was told, %d came\n", told->verdict, got);
		return false;
	}
	if (!reasons_agree(result, report))
		return false;
	if (got != EXPLAIN_BACKEND)
		return true;
	if (told->counted[SLUICE_REASON_NEW] && !was_eligible(port, report))
		return false;
	if (ask.answer.by_chance)
		ask.drawn++;
	else
		ask.sent++;
	if (ask.answer.by_chance || told->port == port)
		return true;
	fprintf(report, "explain: port %u was told, %u came\n", told->port, port);
	return false;
}
