/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * seed_packets DIRECTORY: every packet case, in both families and with XDP and without, as an input
 * of the packets target. What a case expects is left out: the target has invariants of its own.
 */
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../bpf/frame_bytes.h"
#include "cases.h"
#include "packets_input.h"
#include "play.h"

struct seed {
	struct packets_input input;
	enum play_variant variant;
	char services[SLUICE_MAX_SERVICES + 1][SLUICE_NAME_LEN];
	unsigned service_count;
	uint16_t last_set[CASES_MAX_TABLE];
	struct {
		unsigned service;
		uint16_t port;
		uint8_t state, weight;
	} backends[256];
};

static unsigned find_service(const struct seed *seed, const char *name)
{
	unsigned i;

	for (i = 1; i <= seed->service_count; i++)
		if (!strcmp(seed->services[i], name))
			return i;
	return 0;
}

/* How the target reads a service or a slot: counted from 0. */
static uint8_t index_byte(unsigned index)
{
	return (uint8_t)(index - 1);
}

static void add_service(struct seed *seed, const struct step *step)
{
	uint8_t body[4 + 4 * SLUICE_MAX_ADDRESS] = { 0 };
	unsigned i, count = step->service.address_count;

	if (seed->service_count == SLUICE_MAX_SERVICES)
		return;
	memcpy(seed->services[++seed->service_count], step->service.name, SLUICE_NAME_LEN);
	body[0] = index_byte(seed->service_count);
	put16(body + 1, step->service.port);
	body[3] = (uint8_t)count;
	for (i = 0; i < count; i++)
		memcpy(body + 4 + 4 * i, step->service.address[i].bytes + 12, 4);
	packets_add(&seed->input, PACKETS_SERVICE, body, 4 + 4 * count);
}

static struct frame_address own_address(const struct seed *seed, struct frame_address address)
{
	if (play_variant_family(seed->variant) == 6)
		frame_address_make_six(&address);
	return address;
}

static void add_local(struct seed *seed, const struct step *step)
{
	struct frame_address address = own_address(seed, step->local.address);
	uint8_t body[18] = { step->local.remove, address.six ? 6 : 4 };

	memcpy(body + 2, address.bytes, 16);
	packets_add(&seed->input, PACKETS_LOCAL, body, sizeof(body));
}

static void add_access(struct seed *seed, const struct step *step)
{
	struct frame_address network;
	uint8_t body[19] = { 0 };

	if (step->kind == STEP_RATE) {
		body[0] = index_byte(find_service(seed, step->rate.service));
		body[1] = (uint8_t)step->rate.rate;
		body[2] = (uint8_t)step->rate.prefix;
		body[3] = (uint8_t)(step->rate.prefix + 96);
		packets_add(&seed->input, PACKETS_RATE, body, 4);
		return;
	}
	network = own_address(seed, step->allow.network);
	body[0] = index_byte(find_service(seed, step->allow.service));
	body[1] = network.six ? 6 : 4;
	body[2] =
		(uint8_t)(step->allow.prefix + (network.six && !step->allow.network.six ? 96 : 0));
	memcpy(body + 3, network.bytes, 16);
	packets_add(&seed->input, PACKETS_ALLOW, body, sizeof(body));
}

static void add_backend(struct seed *seed, const struct step_backend *step)
{
	unsigned slot = step->ref.kind == REF_SLOT ? step->ref.slot % 256 : 1;
	uint8_t body[6] = { index_byte(slot) };
	bool fresh = step->service[0];

	if (fresh) {
		seed->backends[slot].service = find_service(seed, step->service);
		seed->backends[slot].port = step->port;
		seed->backends[slot].state = SLUICE_BACKEND_UP;
		seed->backends[slot].weight = 1;
	}
	if (step->state.set)
		seed->backends[slot].state = (uint8_t)step->state.value;
	if (step->weight.set)
		seed->backends[slot].weight = (uint8_t)step->weight.value;
	if (fresh) {
		body[1] = index_byte(seed->backends[slot].service);
		put16(body + 2, seed->backends[slot].port);
		body[4] = seed->backends[slot].state;
		body[5] = seed->backends[slot].weight;
		packets_add(&seed->input, PACKETS_BACKEND, body, 6);
		return;
	}
	body[1] = seed->backends[slot].state;
	body[2] = seed->backends[slot].weight;
	body[3] = step->suspect.set && step->suspect.value;
	body[4] = step->active.set ? (uint8_t)step->active.value : 0;
	packets_add(&seed->input, PACKETS_STATE, body, 5);
}

static void add_set(struct seed *seed, const struct step_set *step)
{
	unsigned i, service = find_service(seed, step->service);
	uint8_t body[5 + CASES_MAX_TABLE + 256] = { index_byte(service), step->balance,
						    step->on_empty, step->on_full,
						    (uint8_t)step->maxconn };
	size_t len = 5;

	if (step->has_table)
		for (i = 0; i < step->len; i++)
			body[len++] = (uint8_t)step->table[i];
	else
		for (i = 1; i < 256; i++)
			if (seed->backends[i].service == service && seed->backends[i].state == 2)
				body[len++] = (uint8_t)i;
	for (i = 0; i < step->repeat && i < 5; i++)
		packets_add(&seed->input, PACKETS_SET, body, len);
}

static void add_packet(struct seed *seed, const struct step_packet *packet)
{
	static uint8_t bytes[FRAME_MAX];
	struct frame frame = packet->frame;
	size_t len;

	if (play_variant_family(seed->variant) == 6)
		frame_make_six(&frame);
	len = frame_build(&frame, bytes);
	packets_add(&seed->input,
		    !packet->out       ? PACKETS_IN
		    : packet->has_from ? PACKETS_OUT_SAME
				       : PACKETS_OUT,
		    bytes, len);
}

static void add_step(struct seed *seed, const struct step *step)
{
	uint8_t body[4] = { 0 };

	switch (step->kind) {
	case STEP_SERVICE:
		add_service(seed, step);
		break;
	case STEP_LOCAL:
		add_local(seed, step);
		break;
	case STEP_ALLOW:
	case STEP_RATE:
		add_access(seed, step);
		break;
	case STEP_BACKEND:
		add_backend(seed, &step->backend);
		break;
	case STEP_SET:
		add_set(seed, &step->set);
		break;
	case STEP_RETIRE:
	case STEP_TEAR:
		body[0] = step->kind == STEP_RETIRE ? index_byte(step->retire.slot)
						    : index_byte(find_service(seed, step->tear));
		packets_add(&seed->input, step->kind == STEP_RETIRE ? PACKETS_RETIRE : PACKETS_TEAR,
			    body, 1);
		break;
	case STEP_LEAVE:
		body[0] = index_byte(find_service(seed, step->leave.service));
		body[1] = !step->leave.ends;
		packets_add(&seed->input, PACKETS_LEAVE, body, 2);
		break;
	case STEP_AGE:
		put32(body, step->age_ms);
		packets_add(&seed->input, PACKETS_AGE, body, 4);
		break;
	case STEP_PACKET:
		add_packet(seed, step->packet);
		break;
	default: /* looks; and spreads, which are many alike */
		break;
	}
}

/* 0 or negative errno. */
static int write_seed(const struct test_case *test, enum play_variant variant,
		      const char *directory)
{
	static uint8_t bytes[PACKETS_INPUT_MAX];
	struct seed *seed = calloc(1, sizeof(*seed));
	char path[512];
	FILE *file;
	unsigned i;
	size_t len;
	int err = 0;

	if (!seed)
		return -ENOMEM;
	seed->variant = variant;
	seed->input.settings = play_variant_is_xdp(variant) ? PACKETS_XDP : 0;
	for (i = 0; i < test->step_count; i++)
		add_step(seed, &test->steps[i]);
	len = packets_encode(&seed->input, bytes, sizeof(bytes));
	snprintf(path, sizeof(path), "%s/%s-%s", directory, test->name,
		 play_variant_names[variant]);
	file = fopen(path, "w");
	if (!file || fwrite(bytes, 1, len, file) != len)
		err = -EIO;
	if (file && fclose(file))
		err = -EIO;
	if (err)
		fprintf(stderr, "seed_packets: cannot write %s\n", path);
	free(seed);
	return err;
}

int main(int argc, char **argv)
{
	struct cases cases = { .cases = NULL };
	unsigned i, variant;
	glob_t found;
	int err = 0;
	size_t f;

	if (argc != 2) {
		fprintf(stderr, "usage: seed_packets DIRECTORY\n");
		return 2;
	}
	if (glob("tests/bpf/cases/*.case", 0, NULL, &found)) {
		fprintf(stderr, "seed_packets: no tests/bpf/cases/*.case here\n");
		return EXIT_FAILURE;
	}
	for (f = 0; f < found.gl_pathc && !err; f++)
		err = cases_load(&cases, found.gl_pathv[f]);
	globfree(&found);
	for (i = 0; i < cases.count && !err; i++)
		for (variant = 0; variant < PLAY_VARIANT_COUNT && !err; variant++)
			if (play_wants(&cases.cases[i], variant))
				err = write_seed(&cases.cases[i], variant, argv[1]);
	cases_release(&cases);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}
