# SPDX-License-Identifier: GPL-2.0-only
"""A run: which cells there are, in which order they are measured, how long that will take, and what came out.

Interleaved: a round measures every cell of a scenario once, and each round begins with another cell, so that what disturbs the machine
disturbs all alike. Rounds are added for bars that are not resolved, for as long as there is time.
"""
import contextlib
import math
import os
import time

from sluicelab.failure import LabError

from . import bars, machine, peer as peers, scenario as scenarios, stats
from .cpu import Meter
from .host import BenchError, laboratory, settle
from .scenario import Row
from .servers import Servers

MAX_ROUNDS = 80
FIRST = ("keepalive", "close", "latency")  # most bars are theirs: they get FIRST_BATCH rounds of the peers compared before the rest begins
FIRST_BATCH, FIRST_LEAST = 15, 10  # so many at most, and at least in a whole run: then other scenarios have fewer rounds, if time is short
BATCH = 10  # rounds between two looks at the verdicts: who looks after each one stops at the first lucky one
LOUD = 0.10  # of all cores: a row beside which others (or the hypervisor) used more does not count
LOUD_MEDIANS = 1.5  # on a machine that is never quiet the limit is this many medians of the same peer's rows instead


class Options:
    def __init__(self, rounds=5, chosen=(), peers_wanted=(), quick=False, limit_s=1470, seconds=1, more=True):
        self.rounds, self.scenarios, self.peers, self.quick = rounds, list(chosen), list(peers_wanted), quick
        self.limit_s, self.seconds, self.more = limit_s, seconds, more


def rotated(cells, number):
    """Round number's order: it begins with another cell each time, and every other round goes backwards."""
    if not cells:
        return []
    at = number % len(cells)
    turned = cells[at:] + cells[:at]
    return turned if number % 2 == 0 else turned[:1] + turned[:0:-1]


class Run:
    def __init__(self, options, say):
        self.options, self.say = options, say
        self.known = peers.load()
        self.scenarios = [cls() for name, cls in scenarios.load().items()
                          if name in scenarios.choose(scenarios.load(), options.scenarios, options.quick)]
        self.rows, self.configs, self.versions, self.facts, self.problems = [], {}, {}, {}, []
        self.host = self.meter = self.servers = None
        self.seconds = options.seconds
        self.started_at = time.monotonic()
        self.cost = {}  # (scenario, peer, variant) -> seconds that it took last time
        self.rounds_done = {}
        self.finished = set()
        self.capacities, self.slowest = {}, None
        self._others = (-1, {})  # how many rows there were, and the median of what was beside them, by scenario, peer and point
        self.peers = {name: cls() for name, cls in self.known.items()}
        self.chosen_names()  # a wrong name is told before anything is started

    # --- what scenarios use

    @property
    def backends(self):
        return self.servers.ports if self.servers else []

    def chosen_peers(self, scenario):
        default = list(self.known) if scenario.peers == "all" else scenario.peers
        if self.options.quick and scenario.peers == "all":
            default = bars.QUICK_PEERS
        if self.options.peers:
            chosen = peers.choose(self.known, self.options.peers, ())
            return [name for name in chosen if scenario.any_peer or name in default]
        return [name for name in self.known if name in default]

    def chosen_names(self):
        """All that PEERS names, or all there are."""
        return peers.choose(self.known, self.options.peers, ()) if self.options.peers else list(self.known)

    @contextlib.contextmanager
    def started(self, peer, backends):
        """The peer at work for as long as the block runs. Its configuration is kept for the report."""
        settle()
        self.configs.setdefault(peer.name, peer.config(self.host, backends))
        if peer.name not in self.versions:
            self.versions[peer.name] = peer.version(self.host)
        try:
            peer.start(self.host, backends)
            yield peer
        finally:
            peer.stop()

    def start_servers(self, groups):
        self.use_servers(Servers(self.host, groups))

    def use_servers(self, servers):
        """Servers that have just been started; the old ones end. They need other ports, or to have ended before."""
        self.end_servers()
        self.servers = servers
        servers.wait()

    def end_servers(self):
        if self.servers:
            self.servers.end()
        self.servers = None

    def other_load(self, used, seconds):
        """The share of all cores that something outside the lab has used, or another machine on the same host."""
        return max(0.0, (used["all"] - used["lab"] + used["steal"]) / (seconds * 1e6 * os.cpu_count()))

    def loud(self, row):
        """Was there more beside it than LOUD, and than LOUD_MEDIANS of its like? Who leaves a core idle has more beside him, and no harm of it."""
        other = row.metrics.get("other")
        if other is None or other <= LOUD:
            return False
        if self._others[0] != len(self.rows):
            found = {}
            for each in self.rows:
                if each.metrics.get("other") is not None:
                    found.setdefault((each.scenario, each.peer, each.point), []).append(each.metrics["other"])
            self._others = len(self.rows), {key: stats.median(values) for key, values in found.items()}
        return other > LOUD_MEDIANS * self._others[1][row.scenario, row.peer, row.point]

    def values(self, scenario, peer, metric, point=""):
        """round -> value of the rows that count."""
        return {row.round: row.metrics[metric] for row in self.rows
                if row.scenario == scenario and row.peer == peer and row.point == point and not row.problem and not self.loud(row)
                and row.metrics.get(metric) is not None and not math.isnan(row.metrics[metric])}

    # --- the run itself

    def left_s(self):
        return self.options.limit_s - (time.monotonic() - self.started_at)

    def all(self):
        for lab in ("process", "docker"):
            mine = [scenario for scenario in self.scenarios if scenario.lab == lab]
            if mine:
                with laboratory(lab, lab == "docker", self.say) as host:
                    self.host, self.meter = host, Meter(host.cgroup())
                    if not self.facts:
                        self.facts.update(machine.facts(host))
                    self._idle_reference(lab)
                    for scenario in mine:
                        if self.left_s() > 0:
                            self._scenario(scenario, self._planned_rounds(scenario))
                            if scenario.name in FIRST and self.options.more:
                                self._first_batch(scenario)
                            self.finished.add(scenario.name)
                        else:
                            self.problems.append(f"{scenario.name}: not measured, the time was over")
                    if lab == "process" and self.options.more:
                        self._more_rounds(mine)
                self.host = None

    def _idle_reference(self, lab):
        """What the machine does while the lab does nothing: other load on a shared machine, and the lab's own daemons."""
        before, started = self.meter.read(), time.monotonic()
        time.sleep(1)
        used = self.meter.since(before, self.meter.read())
        self.facts[f"idle {lab}"] = {key: value / (time.monotonic() - started) / 1e4 for key, value in used.items()}

    def _planned_rounds(self, scenario):
        return min(scenario.rounds or self.options.rounds, self.options.rounds)

    def _scenario(self, scenario, rounds, cells=None):
        try:
            scenario.prepare(self)
            added, cells = bool(cells), cells or scenario.cells(self)
            for number in range(rounds):
                if added and self._cost_s(scenario, cells) > self.left_s() - self._around_s():
                    break
                least = 2 if self.options.quick else scenario.least_rounds
                if not added and number >= least and self.remaining_s() > self.left_s() - self._around_s():
                    self.problems.append(f"{scenario.name}: {number} rounds, for there was no time for more")
                    break
                self._round(scenario, cells)
        finally:
            scenario.finish(self)

    def _round(self, scenario, cells):
        number = self.rounds_done.get(scenario.name, 0)
        for name, variant in rotated(cells, number):
            started = time.monotonic()
            self._cell(scenario, name, variant, number)
            self.cost[scenario.name, name, variant] = time.monotonic() - started
        self.rounds_done[scenario.name] = number + 1

    def _cell(self, scenario, name, variant, number):
        try:
            rows = scenario.measure(self, self.peers[name], variant)
        except (LabError, OSError) as error:
            row = Row(scenario.name, name, "" if variant is None else str(variant))
            row.problem = f"could not be measured: {error}"
            rows = [row]
        for row in rows:
            row.round = number
            self.rows.append(row)
            self._progress(scenario, row, number)

    def _progress(self, scenario, row, number):
        name, unit, digits = scenario.metric
        value = row.metrics.get(name)
        shown = row.problem or (f"{value:.{digits}f} {unit}" if value is not None else "")
        self.say(f"{scenario.name:11} round {number + 1}  {row.peer:28} {row.point:14} {shown.splitlines()[0] if shown else '':40}"
                 f" about {self.remaining_s() / 60:.0f} min left")

    def remaining_s(self):
        """From what cells have cost so far, else from their guesses."""
        total = 0
        for scenario in self.scenarios:
            left = self._planned_rounds(scenario) - self.rounds_done.get(scenario.name, 0)
            if left > 0 and scenario.name not in self.finished:
                total += left * sum(self.cost.get((scenario.name, name, variant), scenario.seconds)
                                    for name, variant in scenario.cells(self))
        return max(0, total)

    def _first_batch(self, scenario):
        """More rounds of what this scenario's bars compare, in its share of the time that the others' planned rounds leave."""
        waiting = sum(1 for each in self.scenarios if each.name in FIRST and each.name not in self.finished)
        share_s = (self.left_s() - self.remaining_s() - self._around_s()) / waiting
        for _, cells in self._compared([scenario], lambda judged: True):
            least = 0 if self.options.quick else FIRST_LEAST
            rounds = max(least, min(FIRST_BATCH, int(share_s / self._cost_s(scenario, cells))))
            if rounds > 0:
                self.say(f"{scenario.name}: {rounds} more rounds of {', '.join(sorted({name for name, _ in cells}))}")
                self._scenario(scenario, rounds, cells)

    def _more_rounds(self, mine):
        """Rounds of those peers whose bars are unresolved, a batch of each scenario after another, while there is time."""
        reserve = sum(self._planned_rounds(scenario) * scenario.seconds * len(scenario.cells(self))
                      for scenario in self.scenarios if scenario.lab == "docker")
        reserve += self._around_s()
        while True:
            wanted, fit = self._compared(mine, lambda judged: judged.verdict == stats.UNRESOLVED and judged.bar.kind != "none"), []
            for scenario, cells in wanted:
                share_s = (self.left_s() - reserve) / (len(wanted) - len(fit))
                rounds = min(BATCH, MAX_ROUNDS - self.rounds_done[scenario.name], int(share_s / self._cost_s(scenario, cells)))
                if rounds > 0:
                    self.say(f"{scenario.name}: {rounds} more rounds of {', '.join(sorted({name for name, _ in cells}))}")
                    self._scenario(scenario, rounds, cells)
                    fit.append(scenario)
            if not fit:
                return

    def _around_s(self):
        """What is no row: all has to be written, and a lab with Docker to come up."""
        return 40 if any(scenario.lab == "docker" for scenario in self.scenarios) else 6

    def _compared(self, mine, chosen):
        """[(scenario, cells that its chosen bars compare, and direct against itself)]"""
        found = {}
        for judged in bars.judge(self):
            if chosen(judged):
                peers_of, points = found.setdefault(judged.scenario, (set(), set()))
                peers_of.update((judged.top, judged.bottom, "direct", "direct-again"))
                points.update((judged.bar.point, judged.bar.bottom_point))
        wanted = []
        for scenario in mine:
            if scenario.name in found and self.rounds_done.get(scenario.name):
                names, points = found[scenario.name]
                wanted.append((scenario, [(name, variant) for name, variant in scenario.cells(self)
                                          if name in names and (variant is None or scenario.point(variant) in points)]))
        return wanted

    def _cost_s(self, scenario, cells):
        return 0.5 + sum(self.cost.get((scenario.name, *cell), scenario.seconds) for cell in cells)


def need_root():
    if os.geteuid() != 0:
        raise BenchError("must be root")
