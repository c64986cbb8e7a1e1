/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How many flows a backend has, counted so that no mistake lasts. Nobody takes back a flow that an
 * LRU has pushed out, or whose client vanished. So each flow is counted in the period of its stamp
 * (the pick of a half-open one, the last packet of an established one, which moves with it), and a
 * period's part is dropped when no flow of it can be in force any more. Shared by the programs and by
 * user space; knows nothing of flows.
 *
 * Periods divide the round of the 32-bit clock evenly: their number is a multiple of the parts', so
 * that nothing happens at the wrap, and three of them are no shorter than the time-out. What is left
 * over is gone after four, 4/3 of the time-out and a little.
 */
#ifndef SLUICE_TALLY_H
#define SLUICE_TALLY_H

#include <sluice/abi.h>

#define SLUICE_TALLY_FEWEST 8 /* periods: fewer, and a clock that is behind cannot be told */

/* How many periods there are for a time-out in jiffies. */
static inline __u32 sluice_tally_periods(__u32 timeout)
{
	const __u32 length = timeout / (SLUICE_TALLY_PARTS - 1) + 2;
	const __u32 periods = (__u32)((1ull << 32) / length) & ~(__u32)(SLUICE_TALLY_PARTS - 1);

	return periods < SLUICE_TALLY_FEWEST ? SLUICE_TALLY_FEWEST : periods;
}

static inline __u32 sluice_tally_period(__u32 stamp, __u32 periods)
{
	return (__u64)stamp * periods >> 32;
}

/* Periods from one to the other, round the clock; 0 if the other is one ahead. */
static inline __u32 sluice_tally_distance(__u32 from, __u32 to, __u32 periods)
{
	const __u32 distance = to >= from ? to - from : to + periods - from;

	return distance + 1 == periods ? 0 : distance;
}

/* All ones if the part is in force, when the newest one is so many periods late; else 0. */
static inline __s32 sluice_tally_mask(__u32 part, __u32 newest, __u32 late)
{
	const __u32 age = (newest - part) % SLUICE_TALLY_PARTS;

	return (__s32)(age + late - SLUICE_TALLY_PARTS) >> 31;
}

/*
 * Those that are in force at a moment; below 0 while two CPUs disagree. Without a branch: the BPF
 * verifier would follow each.
 */
static inline __s32 sluice_tally_sum(const volatile struct sluice_tally *tally, __u32 now,
				     __u32 periods)
{
	const __u32 newest = tally->period;
	const __u32 late =
		sluice_tally_distance(newest, sluice_tally_period(now, periods), periods);
	__s32 sum;

	/* one part after the other: all at once would need the stack, of which BPF has little */
	sum = tally->part[0] & sluice_tally_mask(0, newest, late);
	asm volatile("" : "+r"(sum));
	sum += tally->part[1] & sluice_tally_mask(1, newest, late);
	asm volatile("" : "+r"(sum));
	sum += tally->part[2] & sluice_tally_mask(2, newest, late);
	asm volatile("" : "+r"(sum));
	return sum + (tally->part[3] & sluice_tally_mask(3, newest, late));
}

/* Drop the parts whose time is over; whoever counts does it first. */
static inline void sluice_tally_advance(struct sluice_tally *tally, __u32 now, __u32 periods)
{
	const __u32 newest = tally->period, to = sluice_tally_period(now, periods);
	const __u32 late = sluice_tally_distance(newest, to, periods);

	if (!late)
		return;
	tally->part[(newest + 1) % SLUICE_TALLY_PARTS] = 0;
	if (late > 1)
		tally->part[(newest + 2) % SLUICE_TALLY_PARTS] = 0;
	if (late > 2)
		tally->part[(newest + 3) % SLUICE_TALLY_PARTS] = 0;
	if (late > 3)
		tally->part[newest % SLUICE_TALLY_PARTS] = 0;
	tally->period = to;
}

/* Count a flow with such a stamp, or take it back; one of a part that was dropped is nobody's. */
static inline void sluice_tally_add(struct sluice_tally *tally, __u32 stamp, __u32 now,
				    __u32 periods, __s32 change)
{
	const __u32 period = sluice_tally_period(stamp, periods);

	sluice_tally_advance(tally, now, periods);
	if (sluice_tally_distance(period, tally->period, periods) < SLUICE_TALLY_PARTS)
		__sync_fetch_and_add(&tally->part[period % SLUICE_TALLY_PARTS], change);
}

/* Nothing is counted. */
static inline void sluice_tally_reset(struct sluice_tally *tally, __u32 now, __u32 periods)
{
	int i;

	for (i = 0; i < SLUICE_TALLY_PARTS; i++)
		tally->part[i] = 0;
	tally->period = sluice_tally_period(now, periods);
}

#endif
