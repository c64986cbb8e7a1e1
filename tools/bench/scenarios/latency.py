# SPDX-License-Identifier: GPL-2.0-only
"""Latency at rates that every peer can bear, and beside a thousand connections that mostly idle."""
from sluicebench import openrow, rates, servers
from sluicebench.scenario import Scenario

SHARES = (30, 50, 70)
CONNECTIONS = 64


class _AtCommonRate(Scenario):
    peers = (*rates.COMPARED, "direct-again")
    metric = openrow.LATENCY
    more = openrow.MORE
    higher_is_better = False

    def prepare(self, run):
        run.start_servers([(servers.ports(4), None)])
        rates.common(run, 1)


class Latency(_AtCommonRate):
    name = "latency"
    title = "Latency at a fixed rate"
    text = ("Open loop, keep-alive, 64 connections, at 30, 50 and 70 % of what the slowest of these peers can do; each request's time "
            "counts from when it was to be sent.")
    quick = True
    least_rounds = 5
    order = 20
    seconds = 2

    def cells(self, run):
        shares = (50,) if run.options.quick else SHARES
        return [(name, share) for name in run.chosen_peers(self) for share in shares if share == 50 or name != "direct-again"]

    def point(self, variant):
        return f"{variant} %"

    def measure(self, run, peer, variant):
        seconds = (2 if variant == 50 else 1) * run.seconds
        with run.started(peer, run.backends):
            return [openrow.measure(run, self.name, peer, self.point(variant), rates.common(run, variant / 100), seconds,
                                    connections=CONNECTIONS)]


class Idle(_AtCommonRate):
    peers = rates.COMPARED
    name = "idle1000"
    title = "1,000 idle connections, as an ELB keeps them"
    text = "Open loop over 64 connections at 30 % of the slowest peer's rate, while 1,000 more are open and idle."
    order = 21
    seconds = 3

    def measure(self, run, peer, variant):
        with run.started(peer, run.backends):
            row = openrow.measure(run, self.name, peer, "", rates.common(run, 0.3), 1.5 * run.seconds, connections=CONNECTIONS, idle=1000)
        result = row.metrics["result"]
        if result["idle_open"] != 1000 and not row.problem:
            row.problem = f"{1000 - result['idle_open']} of the idle connections are gone"
        return [row]


SCENARIOS = [Latency, Idle]
