/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Steps that send packets. What comes out is compared whole, and the frame that must come out is
 * built from its description, never from what the programs did.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "events.h"
#include "hook.h"
#include "play_step.h"

/* The slot of the published set whose backend has this port; 0 if there is none. */
static unsigned slot_in_set(const struct play *play, const struct sluice_set *set, uint16_t port)
{
	unsigned i;

	for (i = 0; set && i < set->len; i++)
		if (play_backend_port(play, set->table[i]) == port)
			return set->table[i];
	return 0;
}

/* Where a packet may have been sent, by its reference and the port that it got. 0: nowhere of
 * these. */
static unsigned resolve_sent(const struct play *play, const struct backend_ref *ref,
			     uint16_t service_port, uint16_t got)
{
	unsigned slot;

	switch (ref->kind) {
	case REF_SLOT:
		return ref->slot;
	case REF_SAME:
		return play->last_slot;
	case REF_ANY:
		return slot_in_set(play, play_published_set(play, service_port), got);
	case REF_OTHER:
		slot = slot_in_set(play, play_published_set(play, service_port), got);
		return slot == play->last_slot ? 0 : slot;
	}
	return 0;
}

/* The port that stands where ingress puts a backend's. */
static uint16_t sent_port(const uint8_t *frame, size_t len)
{
	struct frame_places places;
	const uint8_t *at;

	if (!frame_locate(frame, len, &places))
		return 0;
	at = frame + (places.proto == IPPROTO_TCP ? places.l4 + 2 : places.quote_l4);
	return (uint16_t)(at[0] << 8 | at[1]);
}

static enum play_result compare_reasons(struct play *play, const int *moved, const int *wanted)
{
	static const char *const names[] = {
#define X(id, name, help) #name,
		SLUICE_REASONS(X)
#undef X
	};
	bool differ = false;
	unsigned i;

	for (i = 0; i < SLUICE_REASON_COUNT; i++)
		if (i != SLUICE_REASON_TO_TC && wanted[i] != CASES_REASON_MAY &&
		    moved[i] != wanted[i])
			differ = true;
	if (!differ)
		return PLAY_PASSED;
	fprintf(play->report, "%s: counters moved:", play->step->where);
	for (i = 0; i < SLUICE_REASON_COUNT; i++)
		if (i != SLUICE_REASON_TO_TC && wanted[i] != CASES_REASON_MAY &&
		    (moved[i] || wanted[i]))
			fprintf(play->report, " %s %+d (want %+d)", names[i], moved[i], wanted[i]);
	fputc('\n', play->report);
	return PLAY_FAILED;
}

/* XDP must leave to tc what it must, and say so. */
static enum play_result check_left_to_tc(struct play *play, const struct hook_result *result,
					 bool wanted)
{
	if (result->xdp_ran && wanted && (!result->xdp_passed || result->xdp_changed))
		return play_fail(play, "XDP did not leave the packet to tc: verdict %u, %s",
				 result->xdp_verdict,
				 result->xdp_changed ? "changed" : "unchanged");
	if (result->reasons[SLUICE_REASON_TO_TC] != (result->xdp_ran && wanted))
		return play_fail(play, "counter to_tc moved by %d",
				 result->reasons[SLUICE_REASON_TO_TC]);
	return PLAY_PASSED;
}

static enum play_result compare_frame(struct play *play, const struct hook_result *result,
				      const uint8_t *want, size_t len)
{
	if (result->len == len && !memcmp(result->frame, want, len))
		return PLAY_PASSED;
	play_fail(play, "the frame out differs");
	frame_print_difference(play->report, want, len, result->frame, result->len);
	return PLAY_FAILED;
}

/* Build the whole frame that must come out, from its description. Returns its length, 0 if the
 * packet went where it must not. */
static size_t build_expected(struct play *play, const struct step_packet *packet,
			     struct frame *sent, const struct hook_result *result, uint8_t *want)
{
	struct frame expected = *sent;
	uint16_t got = sent_port(result->frame, result->len);
	unsigned i, slot;

	if (packet->expect == EXPECT_TO) {
		slot = resolve_sent(play, &packet->to, sent->icmp.is ? sent->sport : sent->dport,
				    got);
		if (!slot) {
			play_fail(play, "went to port %u, which is none of the expected backends",
				  got);
			return 0;
		}
		play->last_slot = slot;
		if (sent->icmp.is)
			expected.icmp.sport =
				(struct frame_override){ true, play_backend_port(play, slot) };
		else
			expected.dport = play_backend_port(play, slot);
	} else if (packet->expect == EXPECT_AS) {
		if (sent->icmp.is)
			expected.icmp.dport = (struct frame_override){ true, packet->as_port };
		else
			expected.sport = packet->as_port;
	} else if (packet->expect == EXPECT_AGAIN) {
		got = sent->icmp.is ? sent->sport : sent->dport; /* the client's */
		frame_make_again(&play->last_syn[got % PLAY_SYNS], sent, &expected);
	} else if (packet->expect == EXPECT_RESET) {
		frame_make_reset(sent, &expected);
	} else if (packet->expect == EXPECT_CHALLENGE) {
		frame_make_challenge(sent, &expected);
	}
	for (i = 0; i < packet->change_count; i++) {
		if (strcmp(packet->changes[i].key, "flags"))
			frame_set(&expected, packet->changes[i].key, packet->changes[i].value);
		else
			frame_set_flags(&expected, packet->changes[i].value);
	}
	return frame_build_rewritten(sent, &expected, want);
}

static const char *verdict_name(enum hook_verdict verdict)
{
	static const char *const names[] = { "pass", "drop", "answer", "unknown" };

	return names[verdict];
}

/* What holds for every packet whatever the case says. */
static enum play_result check_invariants(struct play *play, bool out, const uint8_t *sent,
					 size_t len, const struct hook_result *result)
{
	const char *broken = hook_broken_invariant(out, sent, len, result);

	if (!broken)
		return PLAY_PASSED;
	play_fail(play, "invariant broken: %s", broken);
	frame_print_difference(play->report, sent, len, result->frame, result->len);
	return PLAY_FAILED;
}

/* Only these counters may move for a truncated frame. */
static enum play_result compare_sweep(struct play *play)
{
	static const enum sluice_reason allowed[] = { SLUICE_REASON_MALFORMED,
						      SLUICE_REASON_FRAGMENT_SHORT,
						      SLUICE_REASON_FRAGMENT };
	int moved[SLUICE_REASON_COUNT], none[SLUICE_REASON_COUNT] = { 0 };
	unsigned i;

	if (hook_count(play->world, moved))
		return play_fail(play, "cannot read the counters");
	for (i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
		none[allowed[i]] = moved[allowed[i]];
	if (compare_reasons(play, moved, none) == PLAY_PASSED)
		return PLAY_PASSED;
	return play_fail(play, "for some truncation of the frame");
}

static enum play_result sweep(struct play *play, bool out, const struct frame *frame,
			      const uint8_t *sent)
{
	unsigned half = world_count_flows(play->world, false),
		 est = world_count_flows(play->world, true);
	size_t len, whole = frame_packet_len(frame);
	struct hook_result *result = NULL;
	enum play_result verdict = PLAY_PASSED;
	int err;

	for (len = 14; len < whole && verdict == PLAY_PASSED; len += len < 2000 ? 1 : 997) {
		err = hook_run_uncounted(play->world, out, play_variant_is_xdp(play->variant), sent,
					 len, &result);
		if (err == -EINVAL && len < 14 + 40) /* the kernel makes no such skb */
			continue;
		if (err)
			return play_fail(play, "cut to %zu bytes: test run: %s", len,
					 strerror(-err));
		if (result->verdict != HOOK_PASS || result->len != len ||
		    memcmp(result->frame, sent, len)) {
			verdict = play_fail(play,
					    "cut to %zu bytes: verdict %s, must pass untouched",
					    len, verdict_name(result->verdict));
			frame_print_difference(play->report, sent, len, result->frame, result->len);
		}
	}
	if (verdict == PLAY_PASSED)
		verdict = compare_sweep(play);
	if (verdict == PLAY_PASSED && (half != world_count_flows(play->world, false) ||
				       est != world_count_flows(play->world, true)))
		verdict = play_fail(play, "a truncated frame made or ended a flow");
	return verdict;
}

/* What a packet is only known to be when it is sent. */
static void prepare(struct play *play, const struct step_packet *packet, struct frame *frame)
{
	uint16_t *port = frame->icmp.is ? &frame->dport : &frame->sport;

	if (packet->has_from)
		*port = play_backend_port(play, play_resolve(play, &packet->from));
	if (play_variant_family(play->variant) == 6)
		frame_make_six(frame);
	if (!packet->out && !frame->icmp.is && frame->flags & FRAME_SYN)
		play->last_syn[frame->sport % PLAY_SYNS] = *frame;
}

enum play_result play_packet(struct play *play, const struct step_packet *packet)
{
	static const enum hook_verdict verdicts[] = {
		[EXPECT_PASS] = HOOK_PASS,	  [EXPECT_TO] = HOOK_PASS,
		[EXPECT_AS] = HOOK_PASS,	  [EXPECT_DROP] = HOOK_DROP,
		[EXPECT_RESET] = HOOK_ANSWER,	  [EXPECT_AGAIN] = HOOK_ANSWER,
		[EXPECT_CHALLENGE] = HOOK_ANSWER,
	};
	static uint8_t sent[FRAME_MAX], want[FRAME_MAX];
	struct frame frame = packet->frame;
	struct hook_result *result;
	enum play_result verdict;
	size_t len, want_len;
	int err;

	prepare(play, packet, &frame);
	len = frame_build(&frame, sent);
	if (!frame.cut.set && !packet->no_sweep) {
		verdict = sweep(play, packet->out, &frame, sent);
		if (verdict != PLAY_PASSED)
			return verdict;
	}
	if (!packet->out && !ask_before(play->world, &frame, 0, play->report))
		return play_fail(play, "asking went wrong");
	events_begin();
	err = hook_run(play->world, packet->out, play_variant_is_xdp(play->variant), sent, len,
		       &result);
	if (err) {
		play_fail(play, "test run of %zu bytes: %s", len, strerror(-err));
		return len > 2000 ? PLAY_SKIPPED : PLAY_FAILED;
	}
	if (play->verbose) {
		fprintf(play->report, "  %s:\n", play->step->where);
		frame_print(play->report, packet->out ? "    out" : "    in ", sent, len);
		frame_print(play->report, verdict_name(result->verdict), result->frame,
			    result->len);
	}
	if (result->verdict != verdicts[packet->expect]) {
		play_fail(play, "verdict %s (XDP %u, tc %d), want %s",
			  verdict_name(result->verdict), result->xdp_verdict,
			  (int)result->tc_verdict, verdict_name(verdicts[packet->expect]));
		frame_print(play->report, "    sent", sent, len);
		compare_reasons(play, result->reasons, packet->reasons);
		return PLAY_FAILED;
	}
	verdict = check_invariants(play, packet->out, sent, len, result);
	if (verdict == PLAY_PASSED && packet->expect != EXPECT_DROP) {
		want_len = build_expected(play, packet, &frame, result, want);
		verdict = want_len ? compare_frame(play, result, want, want_len) : PLAY_FAILED;
	}
	if (verdict == PLAY_PASSED)
		verdict = compare_reasons(play, result->reasons, packet->reasons);
	if (verdict == PLAY_PASSED && !packet->out && !ask_agrees(result, play->report))
		verdict = play_fail(play, "what was explained differs");
	if (verdict == PLAY_PASSED && !events_agree(packet->out, &frame, result, play->report))
		verdict = play_fail(play, "what was told differs");
	if (verdict == PLAY_PASSED)
		verdict = check_left_to_tc(play, result,
					   packet->xdp_untouched || packet->expect == EXPECT_RESET);
	return verdict;
}

/* Is the sequence of slots the set's table, read cyclically from some point? */
static bool follows_table(const struct sluice_set *set, const unsigned *slots, unsigned count)
{
	unsigned start, i;

	for (start = 0; start < set->len; start++) {
		for (i = 0; i < count && set->table[(start + i) % set->len] == slots[i]; i++)
			;
		if (i == count)
			return true;
	}
	return false;
}

/* What a spread has seen so far. */
struct spread_seen {
	unsigned *slots; /* in order of sending */
	unsigned per_slot[SLUICE_MAX_BACKENDS + 1];
	int reasons[SLUICE_REASON_COUNT];
};

static enum play_result spread_send(struct play *play, const struct step_spread *spread, unsigned i,
				    struct spread_seen *seen)
{
	static const struct step_packet packet = { .expect = EXPECT_TO, .to.kind = REF_ANY };
	static uint8_t sent[FRAME_MAX], want[FRAME_MAX];
	struct frame frame = spread->frame;
	struct hook_result *result;
	enum play_result verdict;
	size_t len, want_len;
	unsigned r;
	int err;

	frame.sport = (uint16_t)(frame.sport + i);
	if (play_variant_family(play->variant) == 6)
		frame_make_six(&frame);
	len = frame_build(&frame, sent);
	if (!ask_before(play->world, &frame, i, play->report))
		return play_fail(play, "asking went wrong");
	err = hook_run(play->world, false, play_variant_is_xdp(play->variant), sent, len, &result);
	if (err)
		return play_fail(play, "test run: %s", strerror(-err));
	for (r = 0; r < SLUICE_REASON_COUNT; r++)
		seen->reasons[r] += result->reasons[r];
	verdict = check_invariants(play, false, sent, len, result);
	if (verdict != PLAY_PASSED)
		return verdict;
	want_len = build_expected(play, &packet, &frame, result, want);
	if (!ask_agrees(result, play->report))
		return play_fail(play, "what was explained differs");
	seen->slots[i] = play->last_slot;
	seen->per_slot[play->last_slot]++;
	return want_len ? compare_frame(play, result, want, want_len) : PLAY_FAILED;
}

static enum play_result spread_check(struct play *play, const struct step_spread *spread,
				     const struct spread_seen *seen)
{
	const struct sluice_set *set = play_published_set(play, spread->frame.dport);
	unsigned i, got, sum = 0;

	for (i = 0; i < spread->share_count; i++) {
		got = seen->per_slot[spread->share[i].slot];
		sum += got;
		if (got < spread->share[i].least || got > spread->share[i].most)
			return play_fail(play, "backend %u got %u of %u connections",
					 spread->share[i].slot, got, spread->count);
	}
	if (sum != spread->count)
		return play_fail(play, "%u connections went to backends that are not listed",
				 spread->count - sum);
	if (spread->in_order && !follows_table(set, seen->slots, spread->count))
		return play_fail(play, "the order is not that of the table");
	return compare_reasons(play, seen->reasons, spread->reasons);
}

enum play_result play_spread(struct play *play, const struct step_spread *spread)
{
	struct spread_seen *seen = calloc(1, sizeof(*seen));
	enum play_result verdict = PLAY_PASSED;
	unsigned i;

	if (seen)
		seen->slots = calloc(spread->count, sizeof(*seen->slots));
	if (!seen || !seen->slots) {
		free(seen);
		return play_fail(play, "no memory");
	}
	for (i = 0; i < spread->count && verdict == PLAY_PASSED; i++)
		verdict = spread_send(play, spread, i, seen);
	if (verdict == PLAY_PASSED)
		verdict = spread_check(play, spread, seen);
	free(seen->slots);
	free(seen);
	return verdict;
}
