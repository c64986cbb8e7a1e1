/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One step of a random sequence on programs and model, and the comparison of everything that can be
 * seen.
 */
#include <arpa/inet.h>
#include <string.h>
#include <time.h>

#include <sluice/flow_rules.h>

#include "hook.h"
#include "sequence.h"

/*
 * Ages are chosen so that no sum of them lies within this much below a time that the design names.
 */
enum { CALM_MS = 60 };

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int sequence_begin(struct sequence_play *play, struct world *world, const struct sequence *sequence)
{
	static const char *const names[MODEL_SERVICES] = { "", "web", "other" };
	struct frame frame;
	int moved[SLUICE_REASON_COUNT];
	unsigned i;
	int err;

	memset(play, 0, sizeof(*play));
	play->world = world;
	play->start_ms = now_ms();
	play->model.lie = sequence->lie;
	err = world_reset(world);
	if (err)
		return err;
	world_restart(world);
	frame_init_in(&frame);
	if (sequence->family == 6)
		frame_make_six(&frame);
	play->model.local = frame.dst;
	play->model.timeouts = world->timeouts;
	if (world->room != WORLD_ROOMY)
		play->model.room = (struct model_room){
			.half = WORLD_FEW_HALF,
			.est = WORLD_FEW_EST,
			.forgets = world->room == WORLD_FORGETS,
		};
	err = world_add_address(world, &frame.dst);
	for (i = 1; i < MODEL_SERVICES && !err; i++) {
		play->model.service_port[i] = (uint16_t)(79 + i);
		err = world_set_service(world, i, names[i], (uint16_t)(79 + i), NULL, 0);
	}
	for (i = 1; i < MODEL_SLOTS && !err; i++)
		err = world_read_stats(world, false, i, &play->base[i]);
	return err ? err : hook_count(world, moved);
}

/* --- changes of the world --- */

static void publish(struct sequence_play *play, const struct sequence_step *step)
{
	static struct sluice_set set;
	unsigned i;

	play->model.sets[step->service] = step->set;
	memset(&set, 0, sizeof(set));
	set.len = step->set.len;
	set.maxconn = step->set.maxconn;
	set.balance = (uint8_t)step->set.balance;
	set.on_empty = (uint8_t)step->set.on_empty;
	set.on_full = (uint8_t)step->set.on_full;
	for (i = 0; i < set.len; i++)
		set.table[i] = step->set.table[i];
	world_publish(play->world, step->service, &set);
}

static void new_backend(struct sequence_play *play, const struct sequence_step *step)
{
	struct sluice_backend *shared = &play->world->maps->backends[step->slot];
	struct model_backend *backend = &play->model.backends[step->slot];
	struct sluice_hport *hport;

	backend->generation = ++backend->last_generation;
	backend->port = (uint16_t)step->value;
	backend->service = step->service;
	backend->state = SLUICE_BACKEND_UP;
	backend->weight = step->weight;
	backend->suspect = backend->has_answered = false;
	backend->active = backend->half_open = 0;
	play->model.host_port_service[step->value] = play->model.service_port[step->service];

	shared->generation = 0;
	shared->port = htons(backend->port);
	shared->service = (uint16_t)step->service;
	shared->state = SLUICE_BACKEND_UP;
	shared->weight = step->weight;
	world_set_active(play->world, step->slot, 0);
	world_set_half_open(play->world, step->slot, 0);
	shared->suspect = 0;
	shared->answered = 0;
	shared->generation = backend->generation;
	hport = &play->world->maps->hports[step->value];
	hport->service_port = htons(play->model.service_port[step->service]);
	hport->slot = (uint16_t)step->slot;
}

static int allow(struct sequence_play *play, const struct sequence_step *step)
{
	struct model_access *access = &play->model.access[step->service];
	struct frame_address network = play->model.local;
	unsigned length = network.six ? 128 : 32;

	access->restricted = true;
	if (step->value)
		access->client[step->value] = true;
	else
		access->network = true;
	network.bytes[15] = (uint8_t)step->value;
	return world_allow(play->world, step->service, &network, step->value ? length : length - 8);
}

/* For a while the model leaves open whether a connection that closes is counted: it is as its stamp in the table says. */
static void see_late(struct sequence_play *play)
{
	struct model *model = &play->model;
	struct sluice_half found;
	struct world_key key;

	for (struct model_flow *flow = model->flows; flow < model->flows + MODEL_FLOWS; flow++) {
		bool *late = model_counts_late(model, flow);

		if (!late)
			continue;
		world_make_key(&key, model->local.six ? 6 : 4, &flow->client, &flow->local,
			       flow->client_port, flow->service_port);
		if (!world_find_flow(play->world, &key, true, &found))
			*late = world_counts_late(play->world, &found.flow);
	}
	model_recount(model);
}

static int change_world(struct sequence_play *play, const struct sequence_step *step)
{
	struct sluice_backend *shared = &play->world->maps->backends[step->slot];
	struct model_backend *backend = &play->model.backends[step->slot];
	int err;

	switch (step->kind) {
	case SEQUENCE_AGE:
		model_age(&play->model, step->value);
		err = world_age(play->world, step->value);
		see_late(play);
		return err;
	case SEQUENCE_SET:
		publish(play, step);
		break;
	case SEQUENCE_STATE:
		backend->state = (enum sluice_backend_state)step->value;
		shared->state = (uint8_t)step->value;
		backend->weight = shared->weight = step->weight;
		break;
	case SEQUENCE_BACKEND:
		new_backend(play, step);
		break;
	case SEQUENCE_TEAR:
		play->model.sets[step->service].torn = true;
		world_tear(play->world, step->service);
		break;
	case SEQUENCE_ALLOW:
		return allow(play, step);
	case SEQUENCE_LEAVE:
		play->model.access[step->service].leaving = step->value;
		return world_leave(play->world, step->service, step->value);
	case SEQUENCE_RATE:
		play->model.access[step->service].limited = true;
		return world_limit_rate(play->world, step->service, 1, 32, 128);
	default:
		backend->generation = shared->generation = 0;
		break;
	}
	return 0;
}

/* A mark that is not too old. */
static bool is_suspect(const struct sequence_play *play, unsigned slot, uint32_t *age)
{
	const struct sluice_backend *shared = &play->world->maps->backends[slot];

	*age = sluice_age(world_jiffies(play->world), shared->suspect_since);
	return shared->suspect == SLUICE_SUSPECT_FRESH &&
	       *age < sluice_ms_to_jiffies(SLUICE_SUSPECT_MS, play->world->maps->meta.hz);
}

/* --- comparisons: true if something differs --- */

static bool differs(FILE *report, const char *what, uint64_t programs, uint64_t model)
{
	if (programs != model)
		fprintf(report, "    %s: programs %llu, model %llu\n", what,
			(unsigned long long)programs, (unsigned long long)model);
	return programs != model;
}

static bool flow_differs(const struct sluice_flow *flow, const struct model_flow *want,
			 FILE *report)
{
	bool bad = false;

	bad |= differs(report, "flow's slot", flow->slot, want->slot);
	bad |= differs(report, "flow's generation", flow->generation, want->generation);
	bad |= differs(report, "flow's port", ntohs(flow->port), want->port);
	bad |= differs(report, "flow's service", flow->service, want->service);
	bad |= differs(report, "flow's in_marks", flow->in_marks, want->in_marks);
	bad |= differs(report, "flow's out_marks", flow->out_marks, want->out_marks);
	bad |= differs(report, "flow's done", flow->done, want->done);
	if (want->done)
		bad |= differs(report, "flow's server_ack", flow->server_ack, want->server_ack);
	else if (!want->out_marks)
		bad |= differs(report, "flow's before_ack", flow->server_ack, want->before_ack);
	bad |= differs(report, "flow's client_isn", flow->client_isn, want->client_isn);
	bad |= differs(report, "flow's client_next", flow->client_next, want->client_next);
	bad |= differs(report, "flow's client_rst", flow->client_rst != 0, want->client_rst);
	if (want->in_marks & SLUICE_IN_NEW_SYN)
		bad |= differs(report, "flow's next_isn", flow->next_isn, want->next_isn);
	if (want->in_marks & SLUICE_IN_FIN)
		bad |= differs(report, "flow's client_fin", flow->client_fin, want->client_fin);
	if (want->out_marks & SLUICE_OUT_FIN)
		bad |= differs(report, "flow's server_fin", flow->server_fin, want->server_fin);
	if (want->out_marks & SLUICE_OUT_SYNACK) {
		bad |= differs(report, "flow's server_isn", flow->server_isn, want->server_isn);
		bad |= differs(report, "flow's server_isn_before", flow->server_isn_before,
			       want->server_isn_before);
		if (!want->done)
			bad |= differs(report, "flow's server_next", flow->server_next,
				       want->server_next);
	}
	return bad;
}

static bool backends_differ(const struct sequence_play *play, FILE *report)
{
	const struct sluice_backend *shared = play->world->maps->backends;
	const struct model_backend *want = play->model.backends;
	bool bad = false;
	char what[64];
	uint32_t age;
	unsigned i;

	for (i = 1; i < MODEL_SLOTS; i++) {
		if (!want[i].generation)
			continue;
		snprintf(what, sizeof(what), "backend %u's active", i);
		bad |= differs(report, what, (uint64_t)maps_active(play->world->maps, &shared[i]),
			       (uint64_t)want[i].active);
		snprintf(what, sizeof(what), "backend %u's half_open", i);
		bad |= differs(report, what,
			       (uint64_t)maps_half_open(play->world->maps, &shared[i]),
			       (uint64_t)want[i].half_open);
		snprintf(what, sizeof(what), "backend %u is suspect", i);
		bad |= differs(report, what, is_suspect(play, i, &age),
			       want[i].suspect &&
				       play->model.now_ms - want[i].suspect_ms < SLUICE_SUSPECT_MS);
	}
	return bad;
}

static bool reasons_differ(const int *programs, const int *model, FILE *report)
{
	static const char *const names[] = {
#define X(id, name, help) #name,
		SLUICE_REASONS(X)
#undef X
	};
	bool bad = false;
	unsigned i;

	for (i = 0; i < SLUICE_REASON_COUNT; i++)
		bad |= differs(report, names[i], (uint64_t)programs[i], (uint64_t)model[i]);
	return bad;
}

static void make_challenge(const struct model_outcome *outcome, const struct frame *refusal,
			   struct frame *expected)
{
	frame_make_challenge(refusal, expected);
	expected->sport = outcome->port;
	expected->seq = outcome->seq;
	expected->ack = outcome->ack;
}

static bool frame_differs(const struct sequence_step *step, const struct model_outcome *outcome,
			  const struct hook_result *result, FILE *report)
{
	static const enum hook_verdict verdicts[] = {
		[MODEL_PASS] = HOOK_PASS,	 [MODEL_TO] = HOOK_PASS,
		[MODEL_AS] = HOOK_PASS,		 [MODEL_DROP] = HOOK_DROP,
		[MODEL_RESET] = HOOK_ANSWER,	 [MODEL_AGAIN] = HOOK_ANSWER,
		[MODEL_CHALLENGE] = HOOK_ANSWER,
	};
	static uint8_t want[FRAME_MAX];
	struct frame expected = step->frame;
	size_t len;

	if (differs(report, "verdict", result->verdict, verdicts[outcome->verdict]))
		return true;
	if (outcome->verdict == MODEL_DROP)
		return false;
	if (outcome->verdict == MODEL_TO && expected.icmp.is)
		expected.icmp.sport = (struct frame_override){ true, outcome->port };
	else if (outcome->verdict == MODEL_TO)
		expected.dport = outcome->port;
	else if (outcome->verdict == MODEL_AS && expected.icmp.is)
		expected.icmp.dport = (struct frame_override){ true, outcome->port };
	else if (outcome->verdict == MODEL_AS)
		expected.sport = outcome->port;
	else if (outcome->verdict == MODEL_RESET)
		frame_make_reset(&step->frame, &expected);
	else if (outcome->verdict == MODEL_AGAIN)
		frame_make_again(&outcome->syn, &step->frame, &expected);
	else if (outcome->verdict == MODEL_CHALLENGE)
		make_challenge(outcome, &step->frame, &expected);
	len = frame_build(&expected, want);
	if (len == result->len && !memcmp(want, result->frame, len))
		return false;
	frame_print_difference(report, want, len, result->frame, result->len);
	return true;
}

/* The flow of a packet, as the programs left it. */
struct seen_flow {
	bool in_half, in_est;
	struct sluice_half half, est;
};

static const struct sluice_flow *look(struct sequence_play *play, const struct frame *frame,
				      bool out, uint16_t service_port, struct seen_flow *seen)
{
	struct world_key key;

	world_make_key(&key, frame->family, out ? &frame->dst : &frame->src,
		       out ? &frame->src : &frame->dst, out ? frame->dport : frame->sport,
		       service_port);
	seen->in_half = !world_find_flow(play->world, &key, false, &seen->half);
	seen->in_est = !world_find_flow(play->world, &key, true, &seen->est);
	return seen->in_est ? &seen->est.flow : seen->in_half ? &seen->half.flow : NULL;
}

/* What the model leaves open is as the programs have it: an older suspicion may be all there is. */
static void settle_doubts(struct sequence_play *play)
{
	const uint32_t hz = play->world->maps->meta.hz;
	struct model_backend *backend;
	uint32_t age;
	unsigned i;

	for (i = 1; i < MODEL_SLOTS; i++) {
		backend = &play->model.backends[i];
		if (backend->unsure) {
			is_suspect(play, i, &age);
			backend->suspect = play->world->maps->backends[i].suspect !=
					   SLUICE_SUSPECT_NONE;
			backend->suspect_ms = play->model.now_ms - (uint64_t)age * 1000 / hz;
		}
		backend->unsure = false;
	}
}

static void count_traffic(struct model *model, const struct model_outcome *outcome,
			  const struct frame *frame, unsigned slot)
{
	struct sluice_stats *stats = &model->stats[slot];
	uint64_t len = frame_packet_len(frame) - 14 - 4 * frame->tag_count;

	if (frame->icmp.is)
		return;
	if (outcome->verdict == MODEL_TO && outcome->port) {
		stats->packets_in++;
		stats->bytes_in += len;
	} else if (outcome->verdict == MODEL_AS) {
		stats->packets_out++;
		stats->bytes_out += len;
	}
}

/* What an LRU has pushed out for the packet's flow is gone for the model too; anything else that is gone is a mistake. */
static bool forget_differs(struct sequence_play *play, bool aged, FILE *report)
{
	struct model *model = &play->model;
	struct sluice_half half;
	struct world_key key;
	unsigned i;

	for (i = 0; i < MODEL_FLOWS && model->room.forgets; i++) {
		struct model_flow *flow = &model->flows[i];

		if (!flow->used)
			continue;
		world_make_key(&key, model->local.six ? 6 : 4, &flow->client, &flow->local,
			       flow->client_port, flow->service_port);
		if (!world_find_flow(play->world, &key, flow->lives_in_est, &half))
			continue;
		if (aged)
			model_lost(model, flow);
		else if (!model_forgotten(model, flow))
			return differs(report, "flows that went for nobody", 1, 0);
	}
	return false;
}

/* Never more flows than there are places. */
static bool room_differs(const struct sequence_play *play, FILE *report)
{
	const struct model_room *room = &play->model.room;

	if (!room->half || (world_count_flows(play->world, false) <= room->half &&
			    world_count_flows(play->world, true) <= room->est))
		return false;
	return differs(report, "more flows than places", 1, 0);
}

static bool packet_differs(struct sequence_play *play, const struct sequence *sequence,
			   const struct sequence_step *step, FILE *report)
{
	bool out = step->kind == SEQUENCE_OUT, bad, host_port;
	struct frame frame = step->frame;
	const struct sluice_flow *flow;
	struct model_outcome outcome;
	static uint8_t bytes[FRAME_MAX];
	const struct model_flow *want;
	struct hook_result *result;
	struct seen_flow seen;
	bool reply = out != frame.icmp.is; /* what is quoted went the other way */
	uint16_t port = reply ? frame.sport : frame.dport;

	host_port = play->model.host_port_service[port];
	if (host_port)
		port = play->model.host_port_service[port];
	if (hook_run(play->world, out, sequence->xdp, bytes, frame_build(&frame, bytes), &result))
		return differs(report, "the test run failed", 1, 0);
	see_late(play);
	flow = look(play, &frame, reply, port, &seen);
	outcome = out ? model_out(&play->model, &frame, flow ? flow->slot : 0)
		      : model_in(&play->model, &frame, flow ? flow->slot : 0);
	settle_doubts(play);
	want = model_find(&play->model, reply ? &frame.dst : &frame.src,
			  reply ? &frame.src : &frame.dst, reply ? frame.dport : frame.sport, port);
	if (want)
		count_traffic(&play->model, &outcome, &frame, want->slot);

	bad = frame_differs(step, &outcome, result, report);
	if (play->model.may_refuse_port && result->reasons[SLUICE_REASON_OUT_OF_RANGE] == 1)
		play->model.reasons[SLUICE_REASON_OUT_OF_RANGE] = 1;
	/* left out of the comparison: how far XDP got is no part of the result */
	play->model.reasons[SLUICE_REASON_TO_TC] = result->reasons[SLUICE_REASON_TO_TC];
	bad |= reasons_differ(result->reasons, play->model.reasons, report);
	bad |= differs(report, "flow in the half-open table", seen.in_half,
		       want && !want->lives_in_est);
	bad |= differs(report, "flow in the established table", seen.in_est,
		       want && want->lives_in_est);
	if (want && flow)
		bad |= flow_differs(flow, want, report);
	bad |= forget_differs(play, false, report) || room_differs(play, report);
	return backends_differ(play, report) || bad;
}

static enum sequence_result judge(const struct sequence_play *play, bool bad)
{
	if (now_ms() - play->start_ms > CALM_MS)
		return SEQUENCE_DISTURBED;
	return bad ? SEQUENCE_DIFFERENT : SEQUENCE_SAME;
}

enum sequence_result sequence_step(struct sequence_play *play, const struct sequence *sequence,
				   const struct sequence_step *step, FILE *report)
{
	if (step->kind == SEQUENCE_IN || step->kind == SEQUENCE_OUT)
		return judge(play, packet_differs(play, sequence, step, report));
	if (change_world(play, step))
		return judge(play, true);
	/* an LRU may push somebody out for one that is put back into it (world_age.c) */
	return judge(play, step->kind == SEQUENCE_AGE && forget_differs(play, true, report));
}

/* When the time of everything is over, no flow is counted any more, whoever forgot it. */
static bool counts_stay(struct sequence_play *play, FILE *report)
{
	const struct sluice_backend *backends = play->world->maps->backends;
	bool bad = false;
	unsigned i;

	if (world_age(play->world, SEQUENCE_FOREVER_MS))
		return differs(report, "the world cannot be aged", 1, 0);
	for (i = 1; i < MODEL_SLOTS; i++) {
		if (!backends[i].generation)
			continue;
		bad |= differs(report, "active that stays",
			       (uint64_t)maps_active(play->world->maps, &backends[i]), 0);
		bad |= differs(report, "half-open that stays",
			       (uint64_t)maps_half_open(play->world->maps, &backends[i]), 0);
	}
	return bad;
}

enum sequence_result sequence_end(struct sequence_play *play, FILE *report)
{
	struct sluice_stats now;
	const struct sluice_stats *want, *base;
	bool bad = false;
	unsigned i;

	/* a scan finds no flow that was forgotten */
	if (!play->model.ghost_count)
		bad |= world_scan(play->world, report) != 0;

	for (i = 1; i < MODEL_SLOTS; i++) {
		want = &play->model.stats[i];
		base = &play->base[i];
		if (world_read_stats(play->world, false, i, &now))
			return SEQUENCE_DIFFERENT;
		bad |= differs(report, "picks", now.picks - base->picks, want->picks);
		bad |= differs(report, "connections", now.connections - base->connections,
			       want->connections);
		bad |= differs(report, "packets_in", now.packets_in - base->packets_in,
			       want->packets_in);
		bad |= differs(report, "bytes_in", now.bytes_in - base->bytes_in, want->bytes_in);
		bad |= differs(report, "packets_out", now.packets_out - base->packets_out,
			       want->packets_out);
		bad |= differs(report, "bytes_out", now.bytes_out - base->bytes_out,
			       want->bytes_out);
	}
	return judge(play, bad || counts_stay(play, report));
}
