# SPDX-License-Identifier: GPL-2.0-only
"""The floors that `make bench-check` holds a quick run to. A floor is never below its bar minus the resolution: else it would let a bar go."""
import json
import os

from . import bars, stats
from .host import BenchError

FILE = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "floors.json")


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


def failures(judged, floors):
    """One line for each floor that is broken or was not measured."""
    found = {bar.name: bar for bar in judged}
    lines = []
    for name, floor in floors.items():
        bar = found.get(name)
        if bar is None or bar.median is None:
            lines.append(f"{name}: not measured, for no row of it counts")
        elif (bar.median < floor) if bar.bar.sense == ">=" else (bar.median > floor):
            lines.append(f"{name}: {bar.median:.3f} ({len(bar.values)} rounds), the floor is {floor:g}")
    return lines


def say_and_judge(run, floors):
    broken = failures(bars.judge(run), floors)
    for line in broken:
        print(f"bench-check: FAIL {line}", flush=True)
    print(f"bench-check: {len(floors) - len(broken)} of {len(floors)} floors hold")
    return 1 if broken else 0
