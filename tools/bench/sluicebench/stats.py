# SPDX-License-Identifier: GPL-2.0-only
"""The arithmetic of the report: medians, bootstrap intervals, and when a bar counts as met or missed. Pure; the seed is fixed."""
import functools
import math
import random
import statistics

RESOLUTION = 0.03  # half of an interval may be so wide, as a share of the median, and still decide a bar that lies close by
GUARD = 0.003  # an interval that ends nearer to a bar than this share of it decides nothing: a run has more to it than its rounds show
RESAMPLES = 4000
SEED = 20261122

MET, MISSED, UNRESOLVED = "met", "missed", "unresolved"


def median(values):
    return statistics.median(values)


def spread(values):
    """(smallest, largest): with five to fifteen rounds that says more than a deviation."""
    return min(values), max(values)


def interval(values, resamples=RESAMPLES, seed=SEED):
    """The 95 % percentile bootstrap interval of the median."""
    return _interval(tuple(values), resamples, seed)


@functools.lru_cache(maxsize=4096)  # tables, bars and words ask for the same again and again
def _interval(values, resamples, seed):
    if len(values) < 2:
        return (-math.inf, math.inf) if not values else (values[0], values[0])
    chance = random.Random(seed)
    found = sorted(statistics.median(chance.choices(values, k=len(values))) for _ in range(resamples))
    return found[int(0.025 * resamples)], found[min(int(0.975 * resamples), resamples - 1)]


def half_width(values, low, high, relative=True):
    half = (high - low) / 2
    middle = abs(median(values))
    return half / middle if relative and middle else half


def verdict(values, sense, limit, least=5, resolution=RESOLUTION, relative=True):
    """met, missed or unresolved. sense: ">=" or "<=".

    The whole interval must lie on one side of the bar, and not end right beside it. One that is wider than the resolution decides only if the bar lies
    further from it than half its width: what two runs may not contradict must not hang by a thread.
    """
    if len(values) < least:
        return UNRESOLVED
    low, high = interval(values)
    guard = GUARD * abs(limit) if relative else 0
    if sense == "<=":
        low, high, limit = -high, -low, -limit
    if low >= limit + guard:
        side, distance = MET, low - limit
    elif high < limit - guard:
        side, distance = MISSED, limit - high
    else:
        return UNRESOLVED
    wide = half_width(values, low, high, relative) > resolution
    return UNRESOLVED if wide and distance < (high - low) / 2 else side


def paired(top, bottom):
    """Ratios of two peers in the rounds that both have: round -> value in, list in order of rounds out."""
    return [top[number] / bottom[number] for number in sorted(top) if bottom.get(number)]


def added_share(ours, theirs, ceiling):
    """What ours adds over the ceiling as a share of what theirs adds, in each round that has all three."""
    shares = []
    for number in sorted(ours):
        if number in theirs and number in ceiling and theirs[number] > ceiling[number]:
            shares.append((ours[number] - ceiling[number]) / (theirs[number] - ceiling[number]))
    return shares
