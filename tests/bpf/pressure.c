/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a full table forgets when nobody but the programs is there. Of an established one:
 * connections that are quiet, and not those that speak. Whom an LRU pushes out is the kernel's
 * choice, so the quiet ones are many and the others speak again and again, as connections do. Of a
 * half-open one that takes no more: nothing, a connection that stands stays.
 */
#include "pressure.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <string.h>

#include "hook.h"
#include "world.h"
#include "world_internal.h"

enum { SPEAKERS = 40, NEWCOMERS = 600, ROUND = 20, PORT = 80, HOST_PORT = 31001 };
enum { SPEAKER_PORT = 10000, NEWCOMER_PORT = 20000, QUIET_PORT = 40000 };
enum { ISN = 1000, NEWER_ISN = 70000 };

static bool expect(FILE *report, const char *what, unsigned got, unsigned want)
{
	if (got != want)
		fprintf(report, "FAIL pressure: %s: %u, want %u\n", what, got, want);
	return got == want;
}

/* One packet; the port that it came out with, 0 if it did not. */
static unsigned send_one(struct world *world, bool out, struct frame *frame)
{
	struct frame_places places;
	struct hook_result *result;
	uint8_t bytes[256];
	const uint8_t *at;

	if (hook_run_uncounted(world, out, false, bytes, frame_build(frame, bytes), &result) ||
	    result->verdict != HOOK_PASS || !frame_locate(result->frame, result->len, &places))
		return 0;
	at = result->frame + places.l4 + (out ? 0 : 2);
	return (unsigned)(at[0] << 8 | at[1]);
}

static unsigned speak(struct world *world, unsigned port)
{
	struct frame frame;

	frame_init_in(&frame);
	frame.sport = (uint16_t)port;
	frame.seq = ISN + 1;
	frame.ack = 5001;
	frame.flags = FRAME_ACK;
	return send_one(world, false, &frame);
}

static bool ask(struct world *world, unsigned port, uint32_t isn)
{
	struct frame frame;

	frame_init_in(&frame);
	frame.sport = (uint16_t)port;
	frame.seq = isn;
	frame.flags = FRAME_SYN;
	return send_one(world, false, &frame) == HOST_PORT;
}

static bool answer(struct world *world, unsigned port, uint32_t isn)
{
	struct frame frame;

	frame_init_out(&frame);
	frame.sport = HOST_PORT;
	frame.dport = (uint16_t)port;
	frame.ack = isn + 1;
	frame.flags = FRAME_SYN | FRAME_ACK;
	return send_one(world, true, &frame) == PORT;
}

static bool open_connection(struct world *world, unsigned port)
{
	return ask(world, port, ISN) && answer(world, port, ISN) && speak(world, port) == HOST_PORT;
}

/* Connections that have said nothing for an hour fill the table. */
static bool fill(struct world *world)
{
	const struct sluice_flow quiet = {
		.generation = 1,
		.slot = 1,
		.port = htons(HOST_PORT),
		.service = 1,
		.done = 1,
		.touched = world_jiffies(world) - 3600 * world->maps->meta.hz,
	};
	struct world_key key;
	struct frame frame;
	unsigned i;

	frame_init_in(&frame);
	for (i = 0; i < WORLD_FLOW_ENTRIES; i++) {
		world_make_key(&key, 4, &frame.src, &frame.dst, (uint16_t)(QUIET_PORT + i), PORT);
		if (bpf_map_update_elem(world_flows_fd(world, 4, true), &key.v4, &quiet,
					BPF_NOEXIST))
			return false;
	}
	return true;
}

static bool make_world(struct world *world)
{
	static struct sluice_set set = { .len = 1,
					 .balance = SLUICE_BALANCE_ROUNDROBIN,
					 .table = { 1 } };
	struct sluice_backend *backend = &world->maps->backends[1];
	struct frame frame;

	frame_init_in(&frame);
	if (world_reset(world) || world_set_service(world, 1, "web", PORT, NULL, 0) ||
	    world_add_address(world, &frame.dst))
		return false;
	backend->port = htons(HOST_PORT);
	backend->service = 1;
	backend->state = SLUICE_BACKEND_UP;
	backend->weight = 1;
	world_set_active(world, 1, 0);
	world_set_half_open(world, 1, 0);
	backend->generation = backend->last_generation = 1;
	world->maps->hports[HOST_PORT] =
		(struct sluice_hport){ .service_port = htons(PORT), .slot = 1 };
	world_publish(world, 1, &set);
	return true;
}

bool pressure_try(struct world *world, FILE *report)
{
	unsigned i, k, opened = 0, delivered = 0;
	bool good;

	good = expect(report, "a world with a full table", make_world(world) && fill(world), true);
	for (i = 0; i < SPEAKERS && good; i++)
		opened += open_connection(world, SPEAKER_PORT + i);
	for (i = 0; i < NEWCOMERS && good; i++) {
		opened += open_connection(world, NEWCOMER_PORT + i);
		for (k = 0; k < SPEAKERS && i % ROUND == 0; k++)
			delivered += speak(world, SPEAKER_PORT + k) == HOST_PORT;
	}
	good = good && expect(report, "connections opened", opened, SPEAKERS + NEWCOMERS);
	good = good && expect(report, "packets of connections that speak", delivered,
			      NEWCOMERS / ROUND * SPEAKERS);
	if (world_count_flows(world, true) > WORLD_FLOW_ENTRIES)
		good = expect(report, "flows in the table", world_count_flows(world, true),
			      WORLD_FLOW_ENTRIES);
	return !world_reset(world) && good;
}

bool pressure_try_newer(struct world *world, FILE *report)
{
	unsigned i;
	bool good;

	good = expect(report, "a connection",
		      make_world(world) && open_connection(world, SPEAKER_PORT), true);
	for (i = 0; i < WORLD_FEW_HALF && good; i++)
		good = expect(report, "SYNs fill the half-open table",
			      ask(world, NEWCOMER_PORT + i, ISN), true);
	good = good &&
	       expect(report, "a newer SYN is answered",
		      ask(world, SPEAKER_PORT, NEWER_ISN) && answer(world, SPEAKER_PORT, NEWER_ISN),
		      true);
	good = good &&
	       expect(report, "established flows after it", world_count_flows(world, true), 1);
	good = good && expect(report, "where the connection's next packet goes",
			      speak(world, SPEAKER_PORT), HOST_PORT);
	return !world_reset(world) && good;
}
