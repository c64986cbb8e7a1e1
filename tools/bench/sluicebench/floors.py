# SPDX-License-Identifier: GPL-2.0-only
"""The floors that `make bench-check` holds a quick run to. A floor is never below its bar minus the resolution: else it would let a bar go."""
import json
import os

from . import bars, stats
from .host import BenchError

FILE = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "floors.json")
LEAST = 3  # rounds: a quick run has few


def allowed(bar):
    """The worst that a floor of this bar may be."""
    slack = stats.RESOLUTION * (bar.limit if bar.kind == "ratio" else 1)
    return bar.limit - slack if bar.sense == ">=" else bar.limit + slack


def read(path=FILE):
    """bar's name -> floor. BenchError names what is wrong with the file."""
    try:
        with open(path, encoding="utf-8") as file:
            floors = json.load(file)["floors"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BenchError(f"{path}: {error}") from None
    known = {bar.name: bar for bar in bars.BARS}
    for name, floor in floors.items():
        if name not in known:
            raise BenchError(f"{path}: no bar is called {name!r}")
        bar, worst = known[name], allowed(known[name])
        below = floor < worst - 1e-9 if bar.sense == ">=" else floor > worst + 1e-9
        if below:
            raise BenchError(f"{path}: {name}: the floor {floor:g} lies beyond its bar minus the resolution, {worst:g}")
    return floors


def _beyond(bar, value, floor):
    return value < floor if bar.sense == ">=" else value > floor


def compare(judged, floors):
    """(failures, undecided): lines for the floors that are broken or were not measured, and for those that this run cannot tell.

    A floor is broken as a bar is missed: by the whole interval. A median below it whose interval reaches above it is what an unlucky run of
    the same programs looks like; it is said, and more rounds (`make bench`) decide it.
    """
    found = {bar.name: bar for bar in judged}
    failures, undecided = [], []
    for name, floor in floors.items():
        judgement = found.get(name)
        if judgement is None or judgement.median is None:
            failures.append(f"{name}: not measured, for no row of it counts")
            continue
        bar = judgement.bar
        if not _beyond(bar, judgement.median, floor):
            continue
        line = (f"{name}: {judgement.median:.3f} [{judgement.low:.3f}, {judgement.high:.3f}] ({len(judgement.values)} rounds), the floor is "
                f"{floor:g}")
        broken = stats.verdict(judgement.values, bar.sense, floor, LEAST, relative=bar.kind == "ratio") == stats.MISSED
        (failures if broken else undecided).append(line)
    return failures, undecided


def say_and_judge(run, floors):
    broken, undecided = compare(bars.judge(run), floors)
    for line in broken:
        print(f"bench-check: FAIL {line}", flush=True)
    for line in undecided:
        print(f"bench-check: undecided {line}", flush=True)
    print(f"bench-check: {len(floors) - len(broken) - len(undecided)} of {len(floors)} floors hold, {len(undecided)} undecided")
    return 1 if broken else 0
