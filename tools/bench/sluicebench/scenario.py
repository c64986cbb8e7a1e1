# SPDX-License-Identifier: GPL-2.0-only
"""What a scenario is, and the row that it makes. A file in scenarios/ lists its classes in SCENARIOS.

A scenario has cells: a peer, or a peer in one variant. In each round every cell is run once, each round begins with another one. What
a cell measures comes back as rows; `point` tells apart several rows of one cell (a rate, a size).
"""
from . import classes
from .host import BenchError

ENOUGH = 0.99  # of the offered rate must have been achieved


class Row:
    """One measurement. `problem` says why it does not count; such a row is shown, and left out of every median."""

    def __init__(self, scenario, peer, point="", **metrics):
        self.scenario, self.peer, self.point, self.round = scenario, peer, point, None
        self.metrics = metrics
        self.failed = {}
        self.problem = None

    def fail_on_errors(self, failed):
        self.failed = {kind: count for kind, count in failed.items() if count}
        if self.failed:
            self.problem = "client-side errors: " + ", ".join(f"{count} {kind}" for kind, count in self.failed.items())
        return self

    def need_rate(self, achieved, offered):
        self.metrics["achieved"] = achieved / offered
        if achieved < ENOUGH * offered and not self.problem:
            self.problem = f"achieved {100 * achieved / offered:.1f} % of the offered rate"
        return self

    def as_dict(self):
        return {"scenario": self.scenario, "peer": self.peer, "point": self.point, "round": self.round,
                "metrics": self.metrics, "failed": self.failed, "problem": self.problem}


class Scenario:
    name = ""
    title = ""
    text = ""  # what is done, for the report
    lab = "process"  # or docker: with dockerd, Consul and the daemon
    order = 50  # in the run
    peers = ()  # by default
    any_peer = False  # PEERS may name others than the default ones
    quick = False  # part of QUICK=1 and of bench-check
    metric = ("rate", "req/s", 0)  # what tables and plots show first: name, unit, digits
    more = ()  # further columns, the same way
    higher_is_better = True
    seconds = 5  # a cell's guess, until one has been run
    rounds = None  # if not the run's own number
    least_rounds = 3  # these are made even if the time gets short; 5 where there is a bar

    def prepare(self, run):
        """Start the servers; what is started must be in run.servers or ended by finish()."""

    def finish(self, run):
        """End what prepare() started."""
        run.end_servers()

    def cells(self, run):
        """[(name of the peer, variant)]"""
        return [(name, None) for name in run.chosen_peers(self)]

    def point(self, variant):
        """What a row's point will be, for a variant that decides it."""
        return str(variant)

    def measure(self, run, peer, variant):
        """Rows. The peer is not started yet."""
        raise NotImplementedError


def load():
    found = {scenario.name: scenario for scenario in classes.load("scenarios", "SCENARIOS")}
    return dict(sorted(found.items(), key=lambda item: item[1].order))


def choose(known, words, quick):
    if not words:
        return [name for name, scenario in known.items() if scenario.quick or not quick]
    for word in words:
        if word not in known:
            raise BenchError(f"SCENARIOS: no scenario {word!r}; there are {', '.join(known)}")
    return [name for name in known if name in words]
