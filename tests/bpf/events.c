/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads the ring as a monitor does. The gates that limit events are opened again between packets,
 * for cases send more in a second than anybody would want to be told.
 */
#include "events.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sluice.skel.h"

/* What sluicectl(8) names. */
static const enum sluice_reason told[] = {
	SLUICE_REASON_EMPTY_RESET,    SLUICE_REASON_EMPTY_DROP,	   SLUICE_REASON_FULL_RESET,
	SLUICE_REASON_FULL_DROP,      SLUICE_REASON_TABLE_FULL,	   SLUICE_REASON_OUT_OF_RANGE,
	SLUICE_REASON_TORN_SET,	      SLUICE_REASON_RESET_PAYLOAD, SLUICE_REASON_REWRITE_FAILED,
	SLUICE_REASON_CONFLICT,	      SLUICE_REASON_REDISPATCH,	   SLUICE_REASON_DENIED,
	SLUICE_REASON_RATE_LIMITED,   SLUICE_REASON_SYN_MOVED,	   SLUICE_REASON_RETIRED,
	SLUICE_REASON_CONFLICT_MOVED, SLUICE_REASON_REFUSED,
};

#define TOLD (sizeof(told) / sizeof(told[0]))
#define KEPT 512

static struct {
	struct ring_buffer *ring;
	int gate_fd;
	void *gate; /* zeros, for all CPUs */
	struct sluice_event kept[KEPT];
	unsigned count;
	bool stirred;
} events;

static int keep(void *ctx, void *data, size_t len)
{
	(void)ctx;
	if (len == sizeof(struct sluice_event) && events.count < KEPT)
		memcpy(&events.kept[events.count], data, len);
	events.count++;
	return 0;
}

int events_open(struct world *world)
{
	const struct bpf_map *gate = world->loader.skel->maps.sluice_evgate;

	events.gate_fd = bpf_map__fd(gate);
	events.gate = calloc(world->maps->cpus, bpf_map__value_size(gate));
	events.ring = ring_buffer__new(bpf_map__fd(world->loader.skel->maps.sluice_events), keep,
				       NULL, NULL);
	events.stirred = true;
	return events.gate && events.ring ? 0 : -ENOMEM;
}

void events_release(void)
{
	ring_buffer__free(events.ring);
	free(events.gate);
	events.ring = NULL;
	events.gate = NULL;
}

static void take(void)
{
	events.count = 0;
	ring_buffer__consume(events.ring);
}

static void open_gates(void)
{
	unsigned i;

	for (i = 0; i < TOLD; i++)
		bpf_map_update_elem(events.gate_fd, &told[i], events.gate, BPF_ANY);
}

void events_begin(void)
{
	take();
	if (events.count || events.stirred)
		open_gates();
	events.stirred = false;
}

static bool same_address(const __be32 event[4], const struct frame_address *address,
			 unsigned family)
{
	const __be32 zeros[3] = { 0 };

	if (family == 6)
		return !memcmp(event, address->bytes, 16);
	return !memcmp(event, address->bytes + 12, 4) && !memcmp(event + 1, zeros, 12);
}

static bool is_about(const struct sluice_event *event, bool out, const struct frame *frame)
{
	const struct frame_address *client = out ? &frame->dst : &frame->src;
	const struct frame_address *local = out ? &frame->src : &frame->dst;

	if (event->family != frame->family || !event->time_ns)
		return false;
	if (frame->icmp.is || frame->has_raw)
		return true;
	if (!same_address(event->client, client, frame->family) ||
	    !same_address(event->local, local, frame->family) ||
	    ntohs(event->client_port) != (out ? frame->dport : frame->sport))
		return false;
	if (!out && event->reason != SLUICE_REASON_CONFLICT)
		return ntohs(event->service_port) == frame->dport;
	return event->service_port && ntohs(event->service_port) != frame->sport;
}

/* From a backend to another one, and which. */
static bool names_backends(const struct sluice_event *event, bool out, const struct frame *frame,
			   const struct hook_result *result)
{
	struct frame_places places;
	const uint8_t *at;

	if (event->reason != SLUICE_REASON_REDISPATCH && event->reason != SLUICE_REASON_SYN_MOVED &&
	    event->reason != SLUICE_REASON_CONFLICT_MOVED)
		return true;
	if (!event->from_slot || !event->to_slot || event->from_slot == event->to_slot)
		return false;
	if (frame->icmp.is)
		return true;
	if (out)
		return ntohs(event->from_port) == frame->sport;
	if (!frame_locate(result->frame, result->len, &places))
		return false;
	at = result->frame + places.l4 + 2;
	return ntohs(event->to_port) == (at[0] << 8 | at[1]);
}

bool events_agree(bool out, const struct frame *frame, const struct hook_result *result,
		  FILE *report)
{
	int left[SLUICE_REASON_COUNT];
	unsigned i, counted = 0;
	bool good = true;

	memset(left, 0, sizeof(left));
	for (i = 0; i < TOLD; i++) {
		left[told[i]] = result->reasons[told[i]];
		counted += left[told[i]] != 0;
	}
	take();
	events.stirred = events.count != 0;
	for (i = 0; i < events.count && i < KEPT; i++) {
		const struct sluice_event *event = &events.kept[i];

		if (event->reason >= SLUICE_REASON_COUNT || left[event->reason]-- <= 0 ||
		    event->suppressed || event->lost || !is_about(event, out, frame) ||
		    !names_backends(event, out, frame, result)) {
			fprintf(report,
				"event %u of %u: reason %u, family %u, ports %u to %u, from %u/%u to %u/%u, suppressed %u, lost %u\n",
				i + 1, events.count, event->reason, event->family,
				ntohs(event->client_port), ntohs(event->service_port),
				event->from_slot, ntohs(event->from_port), event->to_slot,
				ntohs(event->to_port), event->suppressed, event->lost);
			good = false;
		}
	}
	for (i = 0; i < TOLD; i++) {
		if (left[told[i]] <= 0)
			continue;
		fprintf(report, "reason %u was counted and not told\n", told[i]);
		good = false;
	}
	return good && events.count >= counted;
}

/* --- too many --- */

enum { SERVICE = 1, PORT = 80, FLOOD = 2000, FULL = SLUICE_EVENTS_BYTES / 80 };

static bool expect(FILE *report, const char *what, bool holds, unsigned got)
{
	if (!holds)
		fprintf(report, "events: %s: %u\n", what, got);
	return holds;
}

/* A SYN that nobody may send, count times. How often it was dropped and counted. */
static unsigned send_denied(struct world *world, unsigned count)
{
	struct hook_result *result;
	unsigned dropped = 0, i;
	uint8_t bytes[256];
	struct frame frame;
	size_t len;

	frame_init_in(&frame);
	frame.flags = FRAME_SYN;
	len = frame_build(&frame, bytes);
	for (i = 0; i < count; i++)
		dropped += !hook_run(world, false, false, bytes, len, &result) &&
			   result->verdict == HOOK_DROP &&
			   result->reasons[SLUICE_REASON_DENIED] == 1;
	return dropped;
}

static unsigned sum_suppressed(void)
{
	unsigned sum = 0, i;

	for (i = 0; i < events.count && i < KEPT; i++)
		sum += events.kept[i].suppressed;
	return sum;
}

/* As if the second that the gates count were over. */
static void let_a_second_pass(struct world *world)
{
	const uint32_t reason = SLUICE_REASON_DENIED, hz = world->maps->meta.hz;
	struct {
		uint32_t since, tried, suppressed, lost;
	} *gates = events.gate;
	unsigned cpu;

	if (bpf_map_lookup_elem(events.gate_fd, &reason, gates))
		return;
	for (cpu = 0; cpu < world->maps->cpus; cpu++)
		gates[cpu].since -= 2 * hz;
	bpf_map_update_elem(events.gate_fd, &reason, gates, BPF_ANY);
	memset(gates, 0, world->maps->cpus * sizeof(*gates));
}

/* A slow machine may take several seconds, each with its ration. None is lost from the sum. */
static bool try_sampling(struct world *world, FILE *report)
{
	unsigned sent, sum, i, dropped;
	bool good = true;

	events.stirred = true;
	events_begin();
	dropped = send_denied(world, FLOOD);
	take();
	sent = events.count;
	sum = sum_suppressed();
	good &= expect(report, "dropped in a flood", dropped == FLOOD, dropped);
	good &= expect(report, "told in a flood",
		       sent >= SLUICE_EVENTS_PER_SECOND && sent < FLOOD / 4, sent);
	for (i = 0; i < SLUICE_EVENTS_PER_SECOND; i++)
		good &= expect(report, "held back before there were many",
			       !events.kept[i].suppressed, events.kept[i].suppressed);
	let_a_second_pass(world);
	send_denied(world, 1);
	take();
	good &= expect(report, "told when the flood was over", events.count == 1, events.count);
	sum += sum_suppressed();
	good &= expect(report, "told and held back", sent + sum == FLOOD, sent + sum);
	return good;
}

static bool try_unread(struct world *world, FILE *report)
{
	unsigned i, dropped;
	bool good = true;

	events.stirred = true;
	events_begin();
	for (i = 0; i < FULL + SLUICE_EVENTS_PER_SECOND; i += SLUICE_EVENTS_PER_SECOND) {
		open_gates();
		send_denied(world, SLUICE_EVENTS_PER_SECOND);
	}
	open_gates();
	dropped = send_denied(world, 5);
	good &= expect(report, "dropped while the ring was full", dropped == 5, dropped);
	take();
	good &= expect(report, "kept by a ring that nobody read",
		       events.count > FULL / 2 && events.count <= FULL, events.count);
	send_denied(world, 1);
	take();
	good &= expect(report, "told when there was room again", events.count == 1, events.count);
	good &= expect(report, "told as lost", events.kept[0].lost == 5, events.kept[0].lost);
	return good;
}

bool events_try_flood(struct world *world, FILE *report)
{
	const struct frame_address nobody = { .bytes = { [12] = 192, 0, 2, 1 } };
	struct frame frame;
	int moved[SLUICE_REASON_COUNT];
	bool good;

	frame_init_in(&frame);
	if (world_reset(world) || world_set_service(world, SERVICE, "web", PORT, NULL, 0) ||
	    world_add_address(world, &frame.dst) || world_allow(world, SERVICE, &nobody, 32) ||
	    hook_count(world, moved))
		return expect(report, "the world cannot be made", false, 0);
	good = try_sampling(world, report);
	good = try_unread(world, report) && good;
	return !world_reset(world) && good;
}
