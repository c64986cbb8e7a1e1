# SPDX-License-Identifier: GPL-2.0-only
"""One of four backends is five times slower than the others; how each algorithm copes."""
from sluicebench import openrow, servers
from sluicebench.scenario import Scenario

FAST, SLOW, OFFERED = 1000, 200, 1200
OURS, TCP, HTTP = "sluice-tc", "haproxy-tcp-2t-", "haproxy-http-2t-"


class Unequal(Scenario):
    name = "unequal"
    title = "Unequal backends"
    text = (f"Three backends serve {FAST} requests a second, one {SLOW}, and queue what is more; offered are {OFFERED} a second at random times, "
            "each over a connection of its own. An equal share is more than the slow one can do.")
    order = 50
    metric = openrow.LATENCY
    more = (("p50", "p50 us", 0), ("slow", "% to the slow one", 1))
    higher_is_better = False
    seconds = 4

    def prepare(self, run):
        fast = [([port], FAST) for port in servers.ports(3)]
        run.start_servers([*fast, ([servers.ports(4)[3]], SLOW)])

    def cells(self, run):
        wanted = [(OURS, "roundrobin"), (OURS, "leastconn"), (OURS, "random"), (TCP + "roundrobin", "roundrobin"),
                  (TCP + "leastconn", "leastconn"), (HTTP + "roundrobin", "roundrobin"), (HTTP + "leastconn", "leastconn")]
        chosen = run.chosen_names()
        return [cell for cell in wanted if cell[0] in chosen]

    def measure(self, run, peer, variant):
        kept = peer.balance
        peer.balance = variant
        try:
            with run.started(peer, run.backends):
                row = openrow.measure(run, self.name, peer, variant, OFFERED, 2, connections=1500, turns=1, random=True,
                                      timeout=8000)
        finally:
            peer.balance = kept
        by = row.metrics["result"]["answered_by"]
        row.metrics["slow"] = 100 * by.get(f"port={run.backends[3]}", 0) / max(sum(by.values()), 1)
        # What waits in the slow one's queue is answered after the end: that is what is measured here, not a rate that was not achieved.
        if row.problem and row.problem.startswith("achieved"):
            row.problem = None
        return [row]


SCENARIOS = [Unequal]
