/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Makes random sequences, plays them, and makes a failing one shorter. Few clients and ports, so
 * that flows meet; numbers near those that the model knows, so that something comes of them.
 */
#include "sequence.h"

#include <stdlib.h>
#include <string.h>

enum { AGE_UNIT_MS = 290, ATTEMPTS = 50, CHANCES = 6 };

struct dice {
	uint64_t state;
};

/* SplitMix64. */
static uint32_t roll(struct dice *dice, uint32_t sides)
{
	uint64_t z = dice->state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return (uint32_t)((z ^ z >> 31) >> 16) % sides;
}

static bool chance(struct dice *dice, unsigned percent)
{
	return roll(dice, 100) < percent;
}

static uint32_t any_number(struct dice *dice)
{
	static const uint32_t favourites[] = { 0, 1000, 5000, 0xffffffff, 0xfffffff0, 0x80000000 };

	return chance(dice, 50) ? favourites[roll(dice, 6)] : roll(dice, 0xffffffff);
}

/* One of the numbers that matter, or near it. */
static uint32_t some(struct dice *dice, const uint32_t *numbers, unsigned count)
{
	uint32_t number = numbers[roll(dice, count)];

	if (chance(dice, 6))
		return number + roll(dice, 200000) - 100000;
	if (chance(dice, 6))
		return number + roll(dice, 3) - 1;
	return chance(dice, 2) ? any_number(dice) : number;
}

static uint8_t some_flags(struct dice *dice, const char *const *choices, unsigned count)
{
	struct frame frame;

	frame_set_flags(&frame, choices[roll(dice, count)]);
	return frame.flags;
}

static void choose_tuple(struct dice *dice, struct frame *frame)
{
	if (chance(dice, 30))
		frame->src.bytes[15] = 3;
	frame->sport = (uint16_t)(40000 + roll(dice, 2));
	frame->dport = chance(dice, 85) ? 80 : 81;
	if (chance(dice, 1))
		frame->dst.bytes[15] = 9;
	frame->payload_len = chance(dice, 25) ? 1 + roll(dice, 40) : 0;
	frame->tos = (uint8_t)roll(dice, 256);
	if (chance(dice, 30)) {
		frame->tcp_options_len = 4 * roll(dice, 11);
		memset(frame->tcp_options, 1, frame->tcp_options_len);
	}
}

static void choose_in(struct dice *dice, struct model *model, struct frame *frame)
{
	static const char *const usual[] = { "S", "S",	"A",   "A",    "A",  "PA", "PA", "FA", "FA",
					     "R", "RA", "SEC", "none", "SA", "SF", "SR", "F",  "P" };
	const struct model_flow *flow =
		model_find(model, &frame->src, &frame->dst, frame->sport, frame->dport);
	const struct model_flow nothing = { .used = false };

	frame->flags = flow || chance(dice, 20) ? some_flags(dice, usual, 18) : FRAME_SYN;
	if (!flow)
		flow = &nothing;

	const uint32_t seqs[] = { flow->client_next,	flow->client_next, flow->client_next,
				  flow->client_isn + 1, flow->client_fin,  flow->next_isn + 1 };
	const uint32_t acks[] = {
		flow->server_next,    flow->server_next,	   flow->server_next,
		flow->server_isn + 1, flow->server_isn_before + 1, flow->server_fin,
		flow->server_fin
	};

	if (frame->flags & FRAME_SYN) {
		frame->seq = chance(dice, 60) ? flow->client_isn : any_number(dice);
		if (chance(dice, 70))
			frame->payload_len = 0;
	} else {
		frame->seq = some(dice, seqs, 6);
	}
	frame->ack = some(dice, acks, 7);
	if (chance(dice, 4)) /* straight to the host-port */
		frame->dport = (uint16_t)(31001 + roll(dice, 6));
}

static void choose_out(struct dice *dice, struct model *model, struct frame *in,
		       struct frame *frame)
{
	static const char *const usual[] = { "SA", "SA", "SA", "A",  "A", "PA",	  "PA",
					     "FA", "FA", "RA", "RA", "R", "none", "F" };
	const struct model_flow *flow = model_find(model, &in->src, &in->dst, in->sport, in->dport);
	const struct model_flow nothing = { .port = 31001 };

	frame->src = in->dst;
	frame->dst = in->src;
	frame->dport = in->sport;
	frame->payload_len = in->payload_len;
	if (!flow)
		flow = &nothing;
	frame->sport = chance(dice, 92) ? flow->port : (uint16_t)(31001 + roll(dice, 6));
	frame->flags = some_flags(dice, usual, 14);

	const uint32_t seqs[] = { flow->server_next, flow->server_next, flow->server_isn,
				  flow->server_fin, flow->server_isn + 1 };
	const uint32_t acks[] = { flow->client_next,
				  flow->client_next,
				  flow->client_isn + 1,
				  flow->client_isn + 1,
				  flow->client_isn + 1 + flow->syn_payload,
				  flow->client_fin,
				  flow->client_fin,
				  flow->next_isn + 1 };

	frame->seq = some(dice, seqs, 5);
	frame->ack = some(dice, acks, 8);
	if (flow->used && !flow->done && !(flow->out_marks & SLUICE_OUT_SYNACK) &&
	    chance(dice, 40)) { /* refuse it */
		frame->flags = FRAME_RST | FRAME_ACK;
		frame->seq = 0;
		frame->ack = flow->client_isn + 1;
		frame->payload_len = 0;
		return;
	}
	if (frame->flags & FRAME_SYN) {
		frame->payload_len = 0;
		if (chance(dice, 30))
			frame->seq = any_number(dice);
	}
	if (frame->flags & FRAME_RST && chance(dice, 80)) {
		frame->payload_len = 0;
		if (chance(dice, 70))
			frame->seq = 0;
	}
}

static void choose_set(struct dice *dice, struct sequence_step *step)
{
	struct model_set *set = &step->set;
	unsigned slot;

	step->kind = SEQUENCE_SET;
	step->service = chance(dice, 80) ? 1 : 2;
	set->published = true;
	set->balance = (enum sluice_balance)(1 + roll(dice, 4));
	set->on_empty = (enum sluice_on_empty)roll(dice, 3);
	set->on_full = (enum sluice_on_full)roll(dice, 2);
	set->maxconn = chance(dice, 70) ? 0 : 1 + roll(dice, 2);
	for (slot = 1; slot < MODEL_SLOTS - 1; slot++)
		if (chance(dice, 60))
			set->table[set->len++] = (uint16_t)slot;
	if (chance(dice, 5))
		set->len = 0;
}

static void choose_change(struct dice *dice, struct sequence_step *step)
{
	static const unsigned ages[] = { 1, 1, 2, 3, 3, 4, 7, 8, 8, 260, 24830 };

	step->slot = 1 + roll(dice, MODEL_SLOTS - 2);
	switch (roll(dice, 10)) {
	case 0:
	case 1:
	case 2:
	case 3:
		step->kind = SEQUENCE_AGE;
		step->value = AGE_UNIT_MS * ages[roll(dice, 11)];
		break;
	case 4:
	case 5:
		choose_set(dice, step);
		break;
	case 6:
	case 7:
		step->kind = SEQUENCE_STATE;
		step->value = chance(dice, 60) ? SLUICE_BACKEND_UP : 1 + roll(dice, 5);
		step->weight = chance(dice, 90) ? 1 + roll(dice, 3) : 0;
		break;
	case 8:
		step->kind = SEQUENCE_BACKEND;
		step->service = chance(dice, 85) ? 1 : 2;
		step->value = 31000 + step->slot;
		step->weight = 1 + roll(dice, 2);
		break;
	default:
		step->kind = SEQUENCE_RETIRE;
	}
}

/* The first steps make a world in which something can happen. */
static void choose_step(struct dice *dice, struct model *model, unsigned family, unsigned number,
			struct sequence_step *step)
{
	struct frame other;

	memset(step, 0, sizeof(*step));
	if (number < 4) {
		step->kind = SEQUENCE_BACKEND;
		step->slot = number + 1;
		step->service = number == 3 ? 2 : 1;
		step->value = 31000 + step->slot;
		step->weight = 1 + roll(dice, 2);
		return;
	}
	if (number < 6) {
		choose_set(dice, step);
		step->service = number - 3;
		return;
	}
	if (chance(dice, 12)) {
		choose_change(dice, step);
		return;
	}
	step->kind = chance(dice, 55) ? SEQUENCE_IN : SEQUENCE_OUT;
	frame_init_in(&step->frame);
	frame_init_out(&other);
	if (family == 6) {
		frame_make_six(&step->frame);
		frame_make_six(&other);
	}
	choose_tuple(dice, &step->frame);
	if (step->kind == SEQUENCE_IN) {
		choose_in(dice, model, &step->frame);
		return;
	}
	choose_out(dice, model, &step->frame, &other);
	step->frame = other;
}

void sequence_print(const struct sequence_step *step, unsigned number, FILE *to)
{
	static const char *const names[] = {
		"in", "out", "age", "set", "state", "backend", "retire"
	};
	static uint8_t bytes[FRAME_MAX];
	struct frame frame = step->frame;
	unsigned i;

	fprintf(to, "  %3u %s", number, names[step->kind]);
	if (step->kind <= SEQUENCE_OUT) {
		frame_print(to, "", bytes, frame_build(&frame, bytes));
		return;
	}
	if (step->kind == SEQUENCE_SET) {
		fprintf(to, " service=%u balance=%d on_empty=%d on_full=%d maxconn=%u table=",
			step->service, step->set.balance, step->set.on_empty, step->set.on_full,
			step->set.maxconn);
		for (i = 0; i < step->set.len; i++)
			fprintf(to, "%u,", step->set.table[i]);
		fputc('\n', to);
		return;
	}
	fprintf(to, " slot=%u service=%u value=%u weight=%u\n", step->slot, step->service,
		step->value, step->weight);
}

/* Play the steps again. Its number + 1 if one differs, 0 if none does, undisturbed. */
static unsigned replay_once(struct world *world, struct sequence_play *play,
			    const struct sequence *sequence, FILE *report)
{
	enum sequence_result result;
	unsigned i, attempt;

	for (attempt = 0; attempt < ATTEMPTS; attempt++) {
		rewind(report);
		if (sequence_begin(play, world, sequence))
			return 0;
		result = SEQUENCE_SAME;
		for (i = 0; i < sequence->count && result == SEQUENCE_SAME; i++)
			result = sequence_step(play, sequence, &sequence->steps[i], report);
		if (result == SEQUENCE_SAME)
			result = sequence_end(play, report);
		if (result != SEQUENCE_DISTURBED)
			return result == SEQUENCE_DIFFERENT ? i : 0;
	}
	return 0;
}

/* Some backends are picked by chance: a few tries. */
static unsigned replay(struct world *world, struct sequence_play *play,
		       const struct sequence *sequence, FILE *report)
{
	unsigned i, fails = 0;

	for (i = 0; i < CHANCES && !fails; i++)
		fails = replay_once(world, play, sequence, report);
	return fails;
}

/* Leave out whatever is not needed for a difference. */
static void shorten(struct world *world, struct sequence_play *play, struct sequence *sequence)
{
	struct sequence *shorter = malloc(sizeof(*shorter));
	FILE *nowhere = fopen("/dev/null", "w");
	unsigned at, fails;

	for (at = sequence->count; shorter && nowhere && at-- > 0;) {
		*shorter = *sequence;
		memmove(&shorter->steps[at], &shorter->steps[at + 1],
			(shorter->count - at - 1) * sizeof(shorter->steps[0]));
		shorter->count--;
		fails = replay(world, play, shorter, nowhere);
		if (!fails)
			continue;
		shorter->count = fails;
		*sequence = *shorter;
		if (at > fails)
			at = fails;
	}
	if (nowhere)
		fclose(nowhere);
	free(shorter);
}

static void report_difference(struct world *world, struct sequence_play *play,
			      struct sequence *sequence, const char *variant, uint64_t seed)
{
	char *text = NULL;
	size_t len = 0;
	FILE *report = open_memstream(&text, &len);
	unsigned i;

	if (!report)
		return;
	shorten(world, play, sequence);
	i = replay(world, play, sequence, report);
	fclose(report);
	printf("FAIL sequence [%s] seed %llu: %s after %u steps:\n", variant,
	       (unsigned long long)seed,
	       i ? "programs and model differ" : "they differed once, but not again", i);
	for (i = 0; i < sequence->count; i++)
		sequence_print(&sequence->steps[i], i, stdout);
	printf("%s", text);
	free(text);
}

/* Make and play one sequence. Each sequence has a seed of its own, which makes it again. */
static enum sequence_result wander(struct world *world, struct sequence_play *play,
				   struct sequence *sequence, uint64_t seed, FILE *report)
{
	struct dice dice = { .state = seed };
	enum sequence_result result = SEQUENCE_SAME;
	unsigned i;

	sequence->count = 0;
	if (sequence_begin(play, world, sequence))
		return SEQUENCE_DISTURBED;
	for (i = 0; i < SEQUENCE_STEPS && result == SEQUENCE_SAME; i++) {
		choose_step(&dice, &play->model, sequence->family, i, &sequence->steps[i]);
		sequence->count = i + 1;
		result = sequence_step(play, sequence, &sequence->steps[i], report);
	}
	return result == SEQUENCE_SAME ? sequence_end(play, report) : result;
}

bool sequence_run(struct world *world, const struct sequence_options *options, unsigned family,
		  bool xdp)
{
	char variant[8];
	struct sequence_play *play = malloc(sizeof(*play));
	struct sequence *sequence = calloc(1, sizeof(*sequence));
	unsigned long steps = 0, disturbed = 0;
	enum sequence_result result = SEQUENCE_SAME;
	FILE *nowhere = fopen("/dev/null", "w");
	uint64_t seed = options->seed;

	snprintf(variant, sizeof(variant), "%s%s", xdp ? "xdp" : "tc", family == 6 ? "6" : "");
	while (play && sequence && nowhere && steps < options->steps && disturbed < 10000) {
		sequence->family = family;
		sequence->xdp = xdp;
		result = wander(world, play, sequence, seed, nowhere);
		if (result == SEQUENCE_DISTURBED) {
			disturbed++;
			continue;
		}
		if (result == SEQUENCE_DIFFERENT) {
			report_difference(world, play, sequence, variant, seed);
			break;
		}
		steps += sequence->count;
		seed++;
	}
	printf("sequences [%s]: seeds %llu to %llu, %lu steps, %lu sequences begun again\n",
	       variant, (unsigned long long)options->seed, (unsigned long long)seed, steps,
	       disturbed);
	if (nowhere)
		fclose(nowhere);
	free(sequence);
	free(play);
	return result == SEQUENCE_SAME && steps >= options->steps;
}
