/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Runs a packet through the hooks of one direction by BPF_PROG_TEST_RUN and sums up.
 */
#include "hook.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <netinet/in.h>
#include <string.h>

enum { RANGE_FIRST = 31000, RANGE_LAST = 32000 };

static enum hook_verdict tc_verdict(uint32_t verdict)
{
	switch ((int)verdict) {
	case TC_ACT_OK:
	case TC_ACT_UNSPEC:
		return HOOK_PASS;
	case TC_ACT_SHOT:
		return HOOK_DROP;
	case TC_ACT_REDIRECT:
		return HOOK_ANSWER;
	default:
		return HOOK_UNKNOWN;
	}
}

static int run_programs(struct world *world, bool out, bool in_xdp, const uint8_t *frame,
			size_t len, struct hook_result *result)
{
	static uint8_t between[FRAME_MAX];
	int err;

	if (!out && in_xdp) {
		err = world_run(world, WORLD_XDP, frame, len, between, &result->len,
				&result->xdp_verdict);
		if (err)
			return err;
		result->xdp_ran = true;
		result->xdp_passed = result->xdp_verdict == XDP_PASS;
		result->xdp_changed = result->len != len || memcmp(between, frame, len);
		if (!result->xdp_passed) {
			result->verdict = result->xdp_verdict == XDP_DROP ? HOOK_DROP
									  : HOOK_UNKNOWN;
			return 0;
		}
		frame = between;
		len = result->len;
	}
	err = world_run(world, out ? WORLD_TC_OUT : WORLD_TC_IN, frame, len, result->frame,
			&result->len, &result->tc_verdict);
	if (err)
		return err;
	result->verdict = tc_verdict(result->tc_verdict);
	return 0;
}

static struct hook_result last;

int hook_run_uncounted(struct world *world, bool out, bool in_xdp, const uint8_t *frame, size_t len,
		       struct hook_result **result)
{
	memset(&last, 0, offsetof(struct hook_result, frame));
	*result = &last;
	return run_programs(world, out, in_xdp, frame, len, &last);
}

int hook_count(struct world *world, int moved[SLUICE_REASON_COUNT])
{
	static uint64_t before[SLUICE_REASON_COUNT];
	uint64_t after[SLUICE_REASON_COUNT];
	unsigned i;
	int err = world_read_reasons(world, after);

	if (err)
		return err;
	for (i = 0; i < SLUICE_REASON_COUNT; i++)
		moved[i] = (int)(after[i] - before[i]);
	memcpy(before, after, sizeof(before));
	return 0;
}

int hook_run(struct world *world, bool out, bool in_xdp, const uint8_t *frame, size_t len,
	     struct hook_result **result)
{
	int err = hook_run_uncounted(world, out, in_xdp, frame, len, result);

	return err ? err : hook_count(world, last.reasons);
}

/* The offsets of port and checksum: the only ones where a frame may differ. */
static bool may_change(const struct frame_places *places, bool out, size_t *port_at,
		       size_t *check_at)
{
	if (places->proto == IPPROTO_TCP) {
		*port_at = places->l4 + (out ? 0 : 2);
		*check_at = places->l4 + 16;
		return true;
	}
	*port_at = places->quote_l4 + (out ? 2 : 0);
	*check_at = places->l4 + 2;
	return places->quote_l4;
}

/* What is made of an ICMP error takes nothing over from it, a wrong checksum neither. */
static bool is_right_answer(const uint8_t *sent, size_t len, const struct hook_result *result)
{
	bool valid = frame_checksum_valid(result->frame, result->len);
	struct frame_places places;

	if (frame_locate(sent, len, &places) && places.proto != IPPROTO_TCP)
		return valid;
	return frame_checksum_valid(sent, len) == valid;
}

const char *hook_broken_invariant(bool out, const uint8_t *sent, size_t len,
				  const struct hook_result *result)
{
	struct frame_places places;
	size_t i, port_at, check_at;
	unsigned port;

	if (result->verdict == HOOK_UNKNOWN)
		return "a verdict that no program may give";
	if (result->verdict == HOOK_DROP)
		return NULL;
	if (result->verdict == HOOK_ANSWER)
		return is_right_answer(sent, len, result)
			       ? NULL
			       : "the answer's checksum is not as right as the packet's";
	if (result->len != len)
		return "the length changed";
	if (!memcmp(sent, result->frame, len))
		return NULL;
	if (!frame_locate(sent, len, &places) || !may_change(&places, out, &port_at, &check_at))
		return "a packet changed that has no port of ours";
	for (i = 0; i < len; i++)
		if (sent[i] != result->frame[i] && i - port_at > 1 && i - check_at > 1)
			return "a byte changed that is neither port nor checksum";
	if (frame_checksum_valid(sent, len) != frame_checksum_valid(result->frame, len))
		return "the checksum's being right changed";
	port = (unsigned)(result->frame[port_at] << 8 | result->frame[port_at + 1]);
	if (!out && (port < RANGE_FIRST || port > RANGE_LAST))
		return "a port outside the range";
	return NULL;
}
