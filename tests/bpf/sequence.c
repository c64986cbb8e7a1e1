/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Plays random sequences, and makes a failing one shorter.
 */
#include "sequence.h"

#include <stdlib.h>
#include <string.h>

enum { ATTEMPTS = 50, CHANCES = 6, CANARY_SEQUENCES = 40 };
/* MAX_UNSTEADY in a run: more are no accident */
enum { MAX_DISTURBED = 10000, MAX_UNSTEADY = 2 };

void sequence_print(const struct sequence_step *step, unsigned number, FILE *to)
{
	static const char *const names[] = { "in",     "out",  "age",	"set",	 "state", "backend",
					     "retire", "tear", "allow", "leave", "rate" };
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
				   struct sequence *sequence, uint64_t seed, bool *seen,
				   FILE *report)
{
	struct sequence_dice dice = { .state = seed };
	enum sequence_result result = SEQUENCE_SAME;
	unsigned i, r;

	sequence->count = 0;
	if (sequence_begin(play, world, sequence))
		return SEQUENCE_DISTURBED;
	for (i = 0; i < SEQUENCE_STEPS && result == SEQUENCE_SAME; i++) {
		sequence_choose(&dice, &play->model, sequence->family, i, &sequence->steps[i]);
		sequence->count = i + 1;
		result = sequence_step(play, sequence, &sequence->steps[i], report);
		for (r = 0; r < SLUICE_REASON_COUNT; r++)
			seen[r] |= play->model.reasons[r] != 0;
	}
	return result == SEQUENCE_SAME ? sequence_end(play, report) : result;
}

/*
 * The kernel's clock runs on while a sequence is played, and a machine that stalls at the wrong moment makes a difference that is
 * nobody's fault. One of programs and model comes again: the same sequence is played up to three times more.
 */
static bool differs_again(struct world *world, struct sequence_play *play,
			  struct sequence *sequence, uint64_t seed, FILE *report)
{
	bool seen[SLUICE_REASON_COUNT] = { false };
	unsigned plays = 0, disturbed = 0;

	while (plays < 3 && disturbed < MAX_DISTURBED) {
		enum sequence_result result = wander(world, play, sequence, seed, seen, report);

		if (result == SEQUENCE_DIFFERENT)
			return true;
		if (result == SEQUENCE_DISTURBED)
			disturbed++;
		else
			plays++;
	}
	return false;
}

/* Can a packet come to it in this variant? Other ways lead through sockets, or through a kernel without memory. */
static bool can_be_met(unsigned reason, const struct world *world, unsigned family, bool xdp)
{
	switch (reason) {
	case SLUICE_REASON_REWRITE_FAILED:
	case SLUICE_REASON_LOCAL_NEW:
	case SLUICE_REASON_LOCAL_CLOSED:
	case SLUICE_REASON_LOCAL_REFUSED:
	case SLUICE_REASON_LOCAL_PASS:
	case SLUICE_REASON_LOCAL_MOVED:
	case SLUICE_REASON_LOCAL_UNCOUNTED:
		return false;
	case SLUICE_REASON_EXT_HEADER:
		return family == 6;
	case SLUICE_REASON_TO_TC:
		return xdp;
	case SLUICE_REASON_TABLE_FULL:
		return world->room == WORLD_REFUSES;
	default:
		return true;
	}
}

/* What no sequence came by is proved by cases only. */
static void print_unseen(const bool *seen, const struct world *world, unsigned family, bool xdp)
{
	static const char *const names[] = {
#define X(id, name, help) #name,
		SLUICE_REASONS(X)
#undef X
	};
	unsigned i;

	for (i = 1; i < SLUICE_REASON_COUNT; i++)
		if (!seen[i] && can_be_met(i, world, family, xdp))
			printf(" %s", names[i]);
	putchar('\n');
}

bool sequence_run(struct world *world, const struct sequence_options *options, unsigned family,
		  bool xdp)
{
	static const char *const rooms[] = {
		[WORLD_ROOMY] = "", [WORLD_REFUSES] = ", full", [WORLD_FORGETS] = ", forgetful"
	};
	char variant[24];
	bool seen[SLUICE_REASON_COUNT] = { false };
	struct sequence_play *play = malloc(sizeof(*play));
	struct sequence *sequence = calloc(1, sizeof(*sequence));
	unsigned long steps = 0, disturbed = 0, unsteady = 0;
	enum sequence_result result = SEQUENCE_SAME;
	FILE *nowhere = fopen("/dev/null", "w");
	uint64_t seed = options->seed;

	snprintf(variant, sizeof(variant), "%s%s%s", xdp ? "xdp" : "tc", family == 6 ? "6" : "",
		 rooms[world->room]);
	while (play && sequence && nowhere && steps < options->steps && disturbed < MAX_DISTURBED) {
		sequence->family = family;
		sequence->xdp = xdp;
		result = wander(world, play, sequence, seed, seen, nowhere);
		if (result == SEQUENCE_DISTURBED) {
			disturbed++;
			continue;
		}
		if (result == SEQUENCE_DIFFERENT && unsteady < MAX_UNSTEADY &&
		    !differs_again(world, play, sequence, seed, nowhere)) {
			printf("sequence [%s] seed %llu differed once, and in three more plays not\n",
			       variant, (unsigned long long)seed);
			unsteady++;
			result = SEQUENCE_SAME;
			seed++;
			continue;
		}
		if (result == SEQUENCE_DIFFERENT) {
			report_difference(world, play, sequence, variant, seed);
			break;
		}
		steps += sequence->count;
		seed++;
	}
	printf("sequences [%s]: seeds %llu to %llu, %lu steps, %lu sequences begun again; not met:",
	       variant, (unsigned long long)options->seed, (unsigned long long)seed, steps,
	       disturbed);
	print_unseen(seen, world, family, xdp);
	if (nowhere)
		fclose(nowhere);
	free(sequence);
	free(play);
	return result == SEQUENCE_SAME && steps >= options->steps;
}

bool sequence_lie_shows(enum model_lie lie, enum world_room room)
{
	if (lie == MODEL_LIE_ROOM)
		return room == WORLD_REFUSES;
	if (lie == MODEL_LIE_GHOST)
		return room == WORLD_FORGETS;
	return room == WORLD_ROOMY;
}

bool sequence_canary(struct world *world, enum model_lie lie)
{
	struct sequence_play *play = malloc(sizeof(*play));
	struct sequence *sequence = calloc(1, sizeof(*sequence));
	enum sequence_result result = SEQUENCE_SAME;
	bool seen[SLUICE_REASON_COUNT] = { false };
	FILE *nowhere = fopen("/dev/null", "w");
	unsigned disturbed = 0;
	uint64_t seed = 1;

	while (play && sequence && nowhere && seed <= CANARY_SEQUENCES) {
		sequence->family = seed & 1 ? 4 : 6;
		sequence->lie = lie;
		result = wander(world, play, sequence, seed, seen, nowhere);
		if (result == SEQUENCE_DIFFERENT)
			break;
		/* a sequence that the machine disturbed has shown nothing */
		if (result != SEQUENCE_DISTURBED || ++disturbed >= MAX_DISTURBED)
			seed++;
	}
	if (result != SEQUENCE_DIFFERENT)
		printf("FAIL sequence canary %d: no difference from a model that is wrong\n", lie);
	if (nowhere)
		fclose(nowhere);
	free(sequence);
	free(play);
	return result == SEQUENCE_DIFFERENT;
}
