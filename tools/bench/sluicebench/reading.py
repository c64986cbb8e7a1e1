# SPDX-License-Identifier: GPL-2.0-only
"""The page that says in words what the figures mean: where Sluice wins, where it does not, and what could not be measured here.

Every sentence with a figure is made from the rows of this run, and says nothing where there are none.
"""
from . import bars, stats, tables


def _median(run, scenario, peer, metric, point=""):
    values = run.values(scenario, peer, metric, point) if peer else {}
    return stats.median(values.values()) if values else None


def _ratio(run, scenario, top, bottom, metric, point=""):
    values = stats.paired(run.values(scenario, top, metric, point), run.values(scenario, bottom, metric, point)) if top and bottom else []
    return stats.median(values) if values else None


def _raw(run, scenario, what):
    ours = bars.best(run, "sluice", scenario, "rate")
    if not ours:
        return []
    said = []
    for family, shown in (("direct", "asking the host-port directly"), ("haproxy-tcp", "HAProxy in mode tcp"),
                          ("haproxy-http", "HAProxy in mode http"), ("nginx-stream", "nginx stream"), ("nft-numgen", "nftables' numgen"),
                          ("iptables-statistic", "iptables' statistic")):
        theirs = bars.best(run, family, scenario, "rate")
        ratio = _ratio(run, scenario, ours, theirs, "rate")
        if ratio:
            said.append(f"{ratio:.2f} times {shown}")
    return [f"- **{what}**: Sluice's best mode ({ours}) made {', '.join(said)}."] if said else []


def _cpu(run, scenario, what):
    ours = bars.mode(run, "sluice", scenario, "cpu")
    base = _median(run, scenario, "direct", "cpu")
    mine = _median(run, scenario, ours, "cpu")
    if base is None or mine is None:
        return []
    added = [f"Sluice ({ours}) {mine - base:+.2f} us"]
    for family in ("haproxy-tcp", "haproxy-http", "nginx-stream", "nft-numgen", "iptables-statistic"):
        theirs = _median(run, scenario, bars.mode(run, family, scenario, "cpu"), "cpu")
        if theirs is not None:
            added.append(f"{family} {theirs - base:+.2f} us")
    return [f"- **CPU that a balancer adds, {what}**, over the {base:.1f} us that client, servers and kernel need anyway: "
            f"{', '.join(added)}."]


def _generic(run, name):
    """Every scenario beyond the two raw ones: each point's figures, one sentence a point."""
    scenario = next((found for found in run.scenarios if found.name == name), None)
    if not scenario:
        return []
    metric, unit, digits = scenario.metric
    points = {}
    for peer, point in tables.keys(run, scenario):
        value = _median(run, name, peer, metric, point)
        if value is not None:
            points.setdefault(point, []).append(f"{peer} {tables.number(value, digits)}")
    return [f"- **{scenario.title}{', ' + point if point else ''}** ({unit}): {', '.join(figures)}." for point, figures in points.items()]


def _growth(run):
    """How much of the growth is the host's own: direct at the same two sizes."""
    values = stats.paired(run.values("growth", "direct", "cpu", "1000 x 15000"), run.values("growth", "direct", "cpu", "4 x 1000"))
    return [f"- **Growth that is not the balancer's**: without any, 15,000 connections cost {stats.median(values):.2f} times the CPU per "
            "request of 1,000 (sockets, generator and server that no longer fit into caches)."] if values else []


_LOSES = """\
Where Sluice does not win, by its nature:

- It balances connections, not requests. HAProxy in mode http picks a backend for each request of a kept connection and so evens out
  long-lived connections of an ELB; Sluice's choice holds for the connection's life.
- It does nothing that needs the bytes: no TLS, no cookies, no `X-Forwarded-For`, no retry of a request on another backend. A request that
  dies with its backend is the client's to send again.
- nftables and iptables do the same job in the same place. They are close in rate; what they lack is everything around it: health,
  draining, weights, least connections, a set that changes without a reload of rules.
- Native XDP on veth takes the sender's segmentation offload away and copies each packet: bulk uploads are much slower in that mode than by
  tc. That is why mode `auto` takes tc on such devices."""

_NOT_HERE = """\
What was not measurable here, and how to measure it there:

- Real network cards (ENA, mlx5, ixgbe), their XDP drivers, interrupts and queues: two machines, `make bench TARGET=host` (tools/bench/README.md).
- More cores than this machine has; more packets a second than a core's worth.
- IPVS and flow tables: not in this kernel. Flow tables larger than 15,000 connections: `make bench-prog` has them, up to a million.
- HAProxy with more than 7,500 connections: each needs two of the 20,000 files that a process may open here.
- The generator shares the machine: at saturation the rate is that of generator, servers and balancer together. The CPU columns are the
  better ones to compare balancers by; the ratio of rates understates a balancer's cost by what client and servers cost."""


def page(run, judged):
    wins = [f"{found.text}: {found.median:.3f}" for found in judged if found.verdict == stats.MET]
    missed = [f"{found.text}: {found.median:.3f}, the bar is {found.bar.sense} {found.bar.limit:g}. {found.bar.note}".strip() for found in judged
              if found.verdict == stats.MISSED]
    open_ = [f"{found.text}: {found.median:.3f} [{found.low:.3f}, {found.high:.3f}]" if found.median is not None else found.text
             for found in judged if found.verdict == stats.UNRESOLVED]
    out = ["What this run says:", ""]
    out += _raw(run, "keepalive", "Keep-alive requests") + _raw(run, "close", "One connection per request")
    out += _cpu(run, "keepalive", "a request") + _cpu(run, "close", "a connection")
    for scenario in run.scenarios:
        if scenario.name not in ("keepalive", "close"):
            out += _generic(run, scenario.name)
    out += _growth(run)
    for title, items in (("Bars that are met", wins), ("Bars that are **missed**", missed), ("Bars that this run could not decide", open_)):
        if items:
            out += ["", f"{title}:", "", *(f"- {item}" for item in items)]
    failed = [row for row in run.rows if row.problem or run.loud(row)]
    out += ["", f"{len(failed)} of {len(run.rows)} rows do not count; the tables say why." if failed else
            f"All {len(run.rows)} rows count: no client-side error, no rate that was not achieved, no other load."]
    return "\n".join([*out, "", _LOSES, "", _NOT_HERE])
