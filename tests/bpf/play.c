/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Plays packet cases. Each step either changes the world, sends a packet or looks; the first
 * difference ends the case. The result of a hook is never taken from a program's own word alone:
 * frame, verdict and counters must agree.
 */
#include "play.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sluice/flow_rules.h>

#include "hook.h"
#include "play_step.h"

const char *const play_variant_names[PLAY_VARIANT_COUNT] = {
	[PLAY_TC] = "tc", [PLAY_XDP] = "xdp", [PLAY_TC6] = "tc6", [PLAY_XDP6] = "xdp6"
};

bool play_wants(const struct test_case *test, enum play_variant variant)
{
	if (test->only_tc && play_variant_is_xdp(variant))
		return false;
	return play_variant_family(variant) == 6 ? !test->only4 : !test->only6;
}

/* A case that took longer was disturbed: the shortest time that the programs tell apart from "now"
 * is 800 ms. */
enum { CALM_MS = 150, MAX_ATTEMPTS = 20 };

enum play_result play_fail(struct play *play, const char *format, ...)
{
	va_list args;

	fprintf(play->report, "%s: ", play->step->where);
	va_start(args, format);
	vfprintf(play->report, format, args);
	va_end(args);
	fputc('\n', play->report);
	return PLAY_FAILED;
}

unsigned play_find_service(const struct play *play, const char *name)
{
	unsigned i;

	for (i = 1; i <= play->service_count; i++)
		if (!strcmp(play->services[i], name))
			return i;
	return 0;
}

const struct sluice_set *play_published_set(const struct play *play, uint16_t service_port)
{
	uint64_t version;
	unsigned i;

	for (i = 1; i <= play->service_count; i++) {
		version = play->world->maps->active[i].version;
		if (play->service_ports[i] == service_port && version)
			return &play->world->maps
					->sets[i * SLUICE_SET_RING + version % SLUICE_SET_RING];
	}
	return NULL;
}

uint16_t play_backend_port(const struct play *play, unsigned slot)
{
	return ntohs(play->world->maps->backends[slot].port);
}

unsigned play_resolve(const struct play *play, const struct backend_ref *ref)
{
	return ref->kind == REF_SLOT ? ref->slot : play->last_slot;
}

static enum play_result play_backend(struct play *play, const struct step_backend *step,
				     unsigned slot, uint16_t port)
{
	unsigned service = play_find_service(play, step->service);
	struct sluice_backend *backend = &play->world->maps->backends[slot];
	uint32_t now = world_jiffies(play->world);

	if (step->service[0]) {
		if (!service)
			return play_fail(play, "no service %s", step->service);
		backend->service = (uint16_t)service;
		backend->port = htons(port);
		backend->state = SLUICE_BACKEND_UP;
		backend->weight = 1;
		/* the daemon's duty when it gives a slot to another backend */
		world_set_active(play->world, slot, 0);
		world_set_half_open(play->world, slot, 0);
		backend->answered = 0;
		backend->suspect = 0;
		backend->generation = ++backend->last_generation;
		play->world->maps->hports[port].service_port = htons(play->service_ports[service]);
		play->world->maps->hports[port].slot = (uint16_t)slot;
		if (world_read_stats(play->world, false, slot, &play->backend_base[slot]))
			return play_fail(play, "cannot read the counters");
	}
	if (step->generation.set)
		backend->generation = backend->last_generation = step->generation.value;
	if (step->state.set)
		backend->state = (uint8_t)step->state.value;
	if (step->weight.set)
		backend->weight = step->weight.value;
	if (step->active.set)
		world_set_active(play->world, slot, (int32_t)step->active.value);
	if (step->half_open.set)
		world_set_half_open(play->world, slot, (int32_t)step->half_open.value);
	if (step->hport.set && !step->hport.value)
		memset(&play->world->maps->hports[ntohs(backend->port)], 0,
		       sizeof(struct sluice_hport));
	if (step->suspect.set) {
		backend->suspect = step->suspect.value;
		backend->suspect_since =
			now +
			sluice_ms_to_jiffies(step->suspect_ms.set ? step->suspect_ms.value : 1000,
					     play->world->maps->meta.hz) -
			sluice_ms_to_jiffies(SLUICE_SUSPECT_MS, play->world->maps->meta.hz);
	}
	return PLAY_PASSED;
}

static enum play_result play_backends(struct play *play, const struct step_backend *step)
{
	unsigned i, slot = play_resolve(play, &step->ref),
		    count = step->count.set ? step->count.value : 1;
	enum play_result result = PLAY_PASSED;

	if (slot + count > SLUICE_MAX_BACKENDS + 1)
		return play_fail(play, "there are no %u slots from %u on", count, slot);
	for (i = 0; i < count && result == PLAY_PASSED; i++)
		result = play_backend(play, step, slot + i, (uint16_t)(step->port + i));
	if (result == PLAY_PASSED && world_forget(play->world))
		return play_fail(play, "the programs' memories cannot be cleared");
	return result;
}

/* The table that the daemon would write, unless the case gives one: usable backends, by weight
 * under roundrobin. */
static void fill_table(const struct play *play, unsigned service, struct sluice_set *set)
{
	const struct sluice_backend *backend;
	unsigned slot, times;

	for (slot = 1; slot <= SLUICE_MAX_BACKENDS; slot++) {
		backend = &play->world->maps->backends[slot];
		if (backend->service != service || backend->state != SLUICE_BACKEND_UP ||
		    !backend->weight)
			continue;
		times = set->balance == SLUICE_BALANCE_ROUNDROBIN ? backend->weight : 1;
		while (times-- && set->len < SLUICE_SET_TABLE)
			set->table[set->len++] = (uint16_t)slot;
	}
}

static enum play_result play_set(struct play *play, const struct step_set *step)
{
	static struct sluice_set set;
	unsigned i, service = play_find_service(play, step->service);

	if (!service)
		return play_fail(play, "no service %s", step->service);
	memset(&set, 0, sizeof(set));
	set.balance = step->balance;
	set.on_empty = step->on_empty;
	set.on_full = step->on_full;
	set.maxconn = step->maxconn;
	if (step->has_table) {
		memcpy(set.table, step->table, sizeof(step->table));
		set.len = step->len;
	} else {
		fill_table(play, service, &set);
	}
	for (i = 0; i < step->repeat; i++)
		world_publish(play->world, service, &set);
	return PLAY_PASSED;
}

static enum play_result play_service(struct play *play, const struct step *step)
{
	unsigned index = ++play->service_count;
	int err;

	snprintf(play->services[index], SLUICE_NAME_LEN, "%s", step->service.name);
	play->service_ports[index] = step->service.port;
	err = world_set_service(play->world, index, step->service.name, step->service.port,
				step->service.address, step->service.address_count);
	if (!err)
		err = world_read_stats(play->world, true, index, &play->service_base[index]);
	return err ? play_fail(play, "cannot write the service: %s", strerror(-err)) : PLAY_PASSED;
}

/* In an IPv6 variant a case's IPv4 addresses become IPv6 ones. */
static struct frame_address own_address(const struct play *play, struct frame_address address)
{
	if (play_variant_family(play->variant) == 6)
		frame_address_make_six(&address);
	return address;
}

static int play_access(struct play *play, const struct step *step)
{
	const char *name = step->kind == STEP_RATE ? step->rate.service : step->allow.service;
	unsigned service = play_find_service(play, name), prefix = step->allow.prefix;
	struct frame_address address = own_address(
		play, step->kind == STEP_LOCAL ? step->local.address : step->allow.network);

	if (step->kind == STEP_LOCAL)
		return step->local.remove ? world_remove_address(play->world, &address)
					  : world_add_address(play->world, &address);
	if (!service)
		return -ENOENT;
	if (step->kind == STEP_RATE)
		return world_limit_rate(play->world, service, step->rate.rate, step->rate.prefix,
					step->rate.prefix + 96);
	if (address.six && !step->allow.network.six)
		prefix += 96;
	return world_allow(play->world, service, &address, prefix);
}

static enum play_result play_other(struct play *play, const struct step *step)
{
	struct sluice_backend *backend;
	int err = 0;

	switch (step->kind) {
	case STEP_LOCAL:
	case STEP_ALLOW:
	case STEP_RATE:
		err = play_access(play, step);
		break;
	case STEP_LEAVE:
		err = world_leave(play->world, play_find_service(play, step->leave.service),
				  !step->leave.ends);
		break;
	case STEP_TEAR:
		world_tear(play->world, play_find_service(play, step->tear));
		break;
	case STEP_RETIRE:
		backend = &play->world->maps->backends[play_resolve(play, &step->retire)];
		backend->generation = 0;
		backend->state = SLUICE_BACKEND_FREE;
		break;
	case STEP_AGE:
		err = world_age(play->world, step->age_ms);
		break;
	case STEP_RECOUNT:
		err = world_recount(play->world);
		break;
	case STEP_SCAN:
		err = world_scan(play->world, play->report);
		return err > 0 ? play_fail(play, "scan and programs count otherwise")
		       : err   ? play_fail(play, "cannot scan: %s", strerror(-err))
			       : PLAY_PASSED;
	case STEP_FLOWS:
		if (world_count_flows(play->world, false) != step->flows.half ||
		    world_count_flows(play->world, true) != step->flows.est)
			return play_fail(play,
					 "%u half-open and %u established flows, want %u and %u",
					 world_count_flows(play->world, false),
					 world_count_flows(play->world, true), step->flows.half,
					 step->flows.est);
		break;
	default:
		err = -EINVAL;
	}
	return err ? play_fail(play, "cannot change the maps: %s", strerror(-err)) : PLAY_PASSED;
}

static enum play_result play_step(struct play *play, const struct step *step)
{
	play->step = step;
	switch (step->kind) {
	case STEP_SERVICE:
		return play_service(play, step);
	case STEP_BACKEND:
		return play_backends(play, &step->backend);
	case STEP_SET:
		return play_set(play, &step->set);
	case STEP_PACKET:
		return play_packet(play, step->packet);
	case STEP_SPREAD:
		return play_spread(play, step->spread);
	case STEP_FLOW:
		return play_flow(play, step->flow);
	case STEP_CHECK_BACKEND:
		return play_check_backend(play, &step->backend);
	case STEP_CHECK_STATS:
		return play_check_stats(play, &step->stats);
	case STEP_LEFTOVER:
		return play_leftover(play);
	default:
		return play_other(play, step);
	}
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static enum play_result play_once(struct world *world, const struct test_case *test,
				  enum play_variant variant, bool verbose, FILE *report)
{
	struct play *play = calloc(1, sizeof(*play));
	enum play_result result = PLAY_PASSED;
	int moved[SLUICE_REASON_COUNT];
	unsigned i;

	if (!play || world_reset(world) || hook_count(world, moved)) {
		fprintf(report, "%s: cannot start from an empty world\n", test->where);
		free(play);
		return PLAY_FAILED;
	}
	play->world = world;
	play->variant = variant;
	play->verbose = verbose;
	play->report = report;
	for (i = 0; i < test->step_count && result == PLAY_PASSED; i++)
		result = play_step(play, &test->steps[i]);
	if (!test->step_count) {
		fprintf(report, "%s: the case has no steps\n", test->where);
		result = PLAY_FAILED;
	}
	free(play);
	return result;
}

enum play_result play_case(struct world *world, const struct test_case *test,
			   enum play_variant variant, bool verbose, FILE *report)
{
	enum play_result result;
	unsigned attempt;
	int64_t start;

	for (attempt = 1;; attempt++) {
		start = now_ms();
		rewind(report);
		result = play_once(world, test, variant, verbose, report);
		if (now_ms() - start < CALM_MS || attempt == MAX_ATTEMPTS)
			return result;
	}
}
