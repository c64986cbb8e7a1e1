# SPDX-License-Identifier: GPL-2.0-only
"""The set of backends changes each second under load. HAProxy learns of it by reload, as from consul-template, and by its runtime API."""
import time

from sluicebench import openrow, rates, servers
from sluicebench.scenario import Scenario

OURS, TCP, HTTP = "sluice-tc", "haproxy-tcp-2t-roundrobin", "haproxy-http-2t-roundrobin"
WITHOUT, EACH = "no changes", "set changes"
SECONDS = {(OURS, EACH): 24, (OURS, WITHOUT): 6, (TCP, "reload"): 8}  # five rounds of 24 s are two minutes
OTHERS_SECONDS = 4


class Changes(Scenario):
    name = "changes"
    title = "Sets that change each second"
    text = ("Open loop at 20 % of the slowest peer's rate, ten requests to a connection. Each second another one of the four backends is taken "
            "out and the last one put back; Sluice bears it for 24 seconds in each round, two minutes in five, HAProxy with reload for 8. A reload is "
            "asked for when HAProxy's master says that it is there, and a row in which HAProxy does not serve the last set in the end does not "
            "count; whether it served each set before is not looked at.")
    peers = (OURS, TCP, HTTP)
    order = 40
    metric = openrow.LATENCY
    more = (("failed", "failed requests", 0), ("changes", "changes", 0), *openrow.MORE[:3])
    higher_is_better = False
    seconds = 12
    least_rounds = 5

    def prepare(self, run):
        run.start_servers([(servers.ports(4), None)])
        rates.common(run, 1)

    def cells(self, run):
        wanted = [(OURS, EACH), (OURS, WITHOUT), (TCP, "reload"), (HTTP, "reload"), (HTTP, "runtime API")]
        return [cell for cell in wanted if cell[0] in run.chosen_peers(self)]

    def measure(self, run, peer, variant):
        seconds = SECONDS.get((peer.name, variant), OTHERS_SECONDS)
        if run.options.rounds == 1:
            seconds = min(seconds, 6)  # somebody only wants to see it work
        peer.by_reload = variant == "reload"
        try:
            with run.started(peer, run.backends):
                with openrow.client(run.host, peer.targets(), rates.common(run, 0.2), seconds, connections=64, turns=10,
                                    timeout=10000) as loop:
                    before = run.meter.read()
                    changes = 0 if variant == WITHOUT else seconds - 1
                    last = self._change(peer, run.backends, changes)
                    result = loop.result()
                    used = run.meter.since(before, run.meter.read())
                peer.wait_served(last)
        finally:
            peer.by_reload = False
        row = openrow.row(run, self.name, peer, variant, result, used, may_fail=True)
        row.metrics["changes"] = changes
        return [row.need_rate(result["answered"] + row.metrics["failed"], result["offered"])]

    @staticmethod
    def _change(peer, backends, changes):
        """The set that is left: the last one told."""
        started, last = time.monotonic(), backends
        for number in range(changes):
            time.sleep(max(0.0, started + number + 0.5 - time.monotonic()))
            out = backends[number % len(backends)]
            last = [port for port in backends if port != out]
            peer.change(last)
        return last


SCENARIOS = [Changes]
