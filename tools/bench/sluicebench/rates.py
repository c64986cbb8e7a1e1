# SPDX-License-Identifier: GPL-2.0-only
"""One rate for all: shares of what the slowest peer can do, so that nobody is measured at its limit while others idle."""
from . import generators, stats
from .host import BenchError

COMPARED = ("direct", "sluice-native", "sluice-tc", "haproxy-tcp-2t-roundrobin", "haproxy-http-2t-roundrobin")


def capacity(run, names):
    """Keep-alive requests a second of the slowest of these; measured now for those that have no rows yet."""
    found = {}
    for name in names:
        rates = list(run.values("keepalive", name, "rate").values()) or run.capacities.get(name)
        if not rates:
            with run.started(run.peers[name], run.backends[:4]) as peer:
                rates = [generators.wrk(run.host, peer.url(), 1, 32)["rate"]]
            run.capacities[name] = rates
        found[name] = stats.median(rates)
    if not found:
        raise BenchError("no peer to take a rate from")
    slowest = min(found, key=found.get)
    run.facts["common rates"] = f"shares of {found[slowest]:.0f} requests a second, what the slowest compared peer ({slowest}) can do"
    return found[slowest]


def common(run, share):
    """The same in the whole run, whichever rows came later; a round number."""
    if run.slowest is None:
        chosen = run.chosen_names()
        run.slowest = capacity(run, [name for name in COMPARED if name in chosen] or chosen)
    return max(100, round(run.slowest * share, -2))
