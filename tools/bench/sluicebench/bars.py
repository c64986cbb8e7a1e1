# SPDX-License-Identifier: GPL-2.0-only
"""The bars that Sluice is held to, as data, and whether a run meets them. A bar is a ratio within one round, never a time."""
from . import stats

QUICK_PEERS = ("direct", "direct-again", "sluice-native", "sluice-tc", "haproxy-tcp-2t-roundrobin", "haproxy-http-2t-roundrobin")


class Bar:
    """kind: `ratio` of two families in one metric, `added` CPU as a share of a peer's, `none`: not one in any round."""

    def __init__(self, name, text, scenario, metric, sense, limit, top, bottom, kind="ratio", point="", bottom_point=None,
                 note=""):
        self.name, self.text, self.scenario, self.metric, self.sense, self.limit = name, text, scenario, metric, sense, limit
        self.top, self.bottom, self.kind, self.point = top, bottom, kind, point
        self.bottom_point = point if bottom_point is None else bottom_point
        self.note = note


# Beside more than this share of all cores nothing is decided: a balancer that has to share them with a compiler is not at its limit.
NOT_QUIET = 0.25

_MORE, _LESS = ">=", "<="

# What was found about the causes of bars that were missed in some run.
_PROGRAMS = ("What it costs is the run of the programs: two or three a request on the way in, one or two on the way out; `make bench-prog` has the "
             "nanoseconds of each.")
_REUSE = ("HAProxy in mode http keeps its connections to the servers (http-reuse), so the server accepts none for such a request; direct and all "
          "layer 4 balancers make it accept one each. The column of the servers' process and the row haproxy-http-no-reuse, which is the "
          "same HAProxy without that, show how much it saves.")
_CONNECTION = ("A connection is five packets each way and a run of a program for each, with tables that are no longer in the cache, and two hooks of the "
               "server's socket: 7 us here by `kernel.bpf_stats_enabled=1` (tools/bench/README.md).")
_AT_REST = ("At half of the slowest peer's rate a p99 is made of what else the machine does: `direct` against itself, below, is as far apart.")

BARS = [
    Bar("keepalive/direct", "keep-alive, Sluice's best mode over direct", "keepalive", "rate", _MORE, 0.98, "sluice", "direct",
        note=_PROGRAMS),
    Bar("keepalive/haproxy-tcp", "keep-alive, Sluice's best mode over HAProxy tcp", "keepalive", "rate", _MORE, 1.5, "sluice",
        "haproxy-tcp"),
    Bar("keepalive/haproxy-http", "keep-alive, Sluice's best mode over HAProxy http", "keepalive", "rate", _MORE, 1.7, "sluice",
        "haproxy-http"),
    Bar("close/direct", "one connection per request, Sluice's best mode over direct", "close", "rate", _MORE, 0.97, "sluice", "direct",
        note=_PROGRAMS),
    Bar("close/haproxy-tcp", "one connection per request, over HAProxy tcp", "close", "rate", _MORE, 1.3, "sluice", "haproxy-tcp"),
    Bar("close/haproxy-http", "one connection per request, over HAProxy http", "close", "rate", _MORE, 1.3, "sluice", "haproxy-http",
        note=_REUSE),
    Bar("keepalive/cpu-tcp", "CPU added per request over direct, as a share of what HAProxy tcp adds", "keepalive", "cpu", _LESS, 0.1,
        "sluice", "haproxy-tcp", "added"),
    Bar("keepalive/cpu-http", "CPU added per request over direct, as a share of what HAProxy http adds", "keepalive", "cpu", _LESS, 0.1,
        "sluice", "haproxy-http", "added"),
    Bar("close/cpu-tcp", "CPU added per connection over direct, as a share of what HAProxy tcp adds", "close", "cpu", _LESS, 0.1,
        "sluice", "haproxy-tcp", "added", note=_CONNECTION),
    Bar("close/cpu-http", "CPU added per connection over direct, as a share of what HAProxy http adds", "close", "cpu", _LESS, 0.1,
        "sluice", "haproxy-http", "added", note=f"{_CONNECTION} {_REUSE}"),
    Bar("latency/p99", "p99 at the common 50 % rate, over direct", "latency", "p99", _LESS, 1.05, "sluice", "direct", point="50 %",
        note=_AT_REST),
    Bar("changes/failed", "failed requests while sets change each second", "changes", "failed", _LESS, 0, "sluice", "sluice", "none",
        point="set changes"),
    Bar("changes/p99", "p99 while sets change each second, over p99 without changes", "changes", "p99", _LESS, 1.05, "sluice", "sluice",
        point="set changes", bottom_point="no changes"),
    Bar("growth/cpu", "CPU per request with 1,000 backends and 15,000 connections, over 4 and 1,000", "growth", "cpu", _LESS, 1.2, "sluice",
        "sluice", point="1000 x 15000", bottom_point="4 x 1000"),
]


def of_family(run, family, scenario):
    return [name for name in run.known if run.known[name].family == family and any(
        row.peer == name and row.scenario == scenario for row in run.rows)]


def best(run, family, scenario, metric, point="", higher=True):
    """The family's member with the best median there; None if none has a row that counts.

    The rounds that are added are the best one's alone. Who has less than half as many is out: a few lucky rows beat many honest ones.
    """
    found = {}
    for name in of_family(run, family, scenario):
        values = run.values(scenario, name, metric, point)
        if values:
            found[name] = values
    if not found:
        return None
    most = max(len(values) for values in found.values())
    medians = {name: stats.median(values.values()) for name, values in found.items() if 2 * len(values) >= most}
    return (max if higher else min)(medians, key=medians.get)


class Judged:
    def __init__(self, bar, values, top, bottom, verdict, resolution_us=None):
        self.bar, self.name, self.text, self.scenario = bar, bar.name, bar.text, bar.scenario
        self.values, self.top, self.bottom, self.verdict = values, top, bottom, verdict
        self.resolution_us = resolution_us
        self.median = stats.median(values) if values else None
        self.low, self.high = stats.interval(values) if values else (None, None)

    def as_dict(self):
        return {"name": self.name, "text": self.text, "sense": self.bar.sense, "limit": self.bar.limit, "top": self.top,
                "bottom": self.bottom, "values": self.values, "median": self.median, "low": self.low, "high": self.high,
                "verdict": self.verdict, "resolution_us": self.resolution_us}


def judge(run, least=5):
    """Every bar that this run has rows for."""
    return [found for found in (_judge(run, bar, least) for bar in BARS) if found]


def beside(run, scenario):
    """The median of what others used beside a scenario's rows, as a share of all cores."""
    others = [row.metrics["other"] for row in run.rows if row.scenario == scenario and row.metrics.get("other") is not None]
    return stats.median(others) if others else 0.0


def mode(run, family, scenario, metric, point=""):
    """The family's member that makes the best rate, if it has rows of this: nobody runs one mode for rate and another one for CPU."""
    name = best(run, family, "close" if scenario == "close" else "keepalive", "rate")
    return name if name and run.values(scenario, name, metric, point) else None


def _judge(run, bar, least):
    higher = bar.sense == _MORE
    top = mode(run, bar.top, bar.scenario, bar.metric, bar.point) or best(run, bar.top, bar.scenario, bar.metric, bar.point, higher)
    bottom = best(run, bar.bottom, bar.scenario, bar.metric, bar.bottom_point, higher)
    if not top or not bottom:
        return None
    ours = run.values(bar.scenario, top, bar.metric, bar.point)
    theirs = run.values(bar.scenario, bottom, bar.metric, bar.bottom_point)
    resolution = None
    if bar.kind == "none":
        values = [ours[number] for number in sorted(ours)]
        verdict = stats.MISSED if sum(values) else stats.MET if len(values) >= least else stats.UNRESOLVED
        return Judged(bar, values, top, bottom, verdict)
    if bar.kind == "added":
        ceiling = run.values(bar.scenario, "direct", bar.metric, bar.point)
        values = stats.added_share(ours, theirs, ceiling)
        resolution = _resolution_us(ours, ceiling)
    else:
        values = stats.paired(ours, theirs)
    verdict = stats.verdict(values, bar.sense, bar.limit, least, relative=bar.kind == "ratio")
    if beside(run, bar.scenario) > NOT_QUIET:
        verdict = stats.UNRESOLVED
    return Judged(bar, values, top, bottom, verdict, resolution)


# What two rows of the same say of a run: scenario, metric, point, what it is, and whether its difference counts in place of its ratio.
_AGAIN = (("keepalive", "rate", "", "keep-alive, rate", False), ("keepalive", "cpu", "", "keep-alive, CPU us a request", True),
          ("close", "rate", "", "one connection per request, rate", False), ("close", "cpu", "", "one connection per request, CPU us", True),
          ("latency", "p99", "50 %", "p99 at the common 50 % rate", False))


def against_itself(run):
    """[(what, is it a difference, values)]: `direct-again` against `direct`, in the rounds that have both."""
    found = []
    for scenario, metric, point, what, apart in _AGAIN:
        again, once = run.values(scenario, "direct-again", metric, point), run.values(scenario, "direct", metric, point)
        values = [again[number] - once[number] for number in sorted(again) if number in once] if apart else stats.paired(again, once)
        if values:
            found.append((what, apart, values))
    return found


def _resolution_us(ours, ceiling):
    """Half the interval of what ours adds to the ceiling: less than this cannot be told from nothing here."""
    added = [ours[number] - ceiling[number] for number in sorted(ours) if number in ceiling]
    if len(added) < 2:
        return None
    low, high = stats.interval(added)
    return (high - low) / 2
