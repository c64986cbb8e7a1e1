# SPDX-License-Identifier: GPL-2.0-only
"""As many requests as go, by wrk: over connections that are kept, and over a new one each time."""
from sluicebench import generators, servers
from sluicebench.scenario import Row, Scenario

CONNECTIONS = 32
BACKENDS = 4


def one(run, peer, scenario, close):
    meter = run.meter
    served = run.servers.cpu_us() if run.servers else None
    before = meter.read()
    result = generators.wrk(run.host, peer.url(), run.seconds, CONNECTIONS, in_turn=peer.targets() if close else ())
    used = meter.since(before, meter.read())
    served = (run.servers.cpu_us() - served) / max(result["requests"], 1) if run.servers else None
    row = Row(scenario, peer.name, rate=result["rate"], cpu=used["lab"] / max(result["requests"], 1),
              server=served, cpu_all=used["all"] / max(result["requests"], 1), requests=result["requests"],
              other=run.other_load(used, result["seconds"]))
    return row.fail_on_errors(result["failed"])


class _Raw(Scenario):
    """Both rows of a peer are made in one go: it is started once a round."""
    any_peer = True
    least_rounds = 5
    quick = True
    order = 10
    more = (("cpu", "CPU us/req", 1), ("server", "of it the servers' process", 1))

    def measure(self, run, peer, variant):
        with run.started(peer, run.backends):
            return [one(run, peer, self.name, self.close)]


class KeepAlive(_Raw):
    name = "keepalive"
    title = "Keep-alive requests"
    text = f"wrk, one thread, {CONNECTIONS} connections that are kept, small answers from memory, {BACKENDS} backends."
    peers = "all"
    close = False
    seconds = 2

    def prepare(self, run):
        run.start_servers([(servers.ports(BACKENDS), None)])


class Close(KeepAlive):
    name = "close"
    title = "One connection per request"
    text = f"The same with `Connection: close`: {CONNECTIONS} connections at a time, each for one request; direct asks the host-ports in turn."
    metric = ("rate", "conn/s", 0)
    more = (("cpu", "CPU us/conn", 1), ("server", "of it the servers' process", 1))
    close = True
    order = 11


SCENARIOS = [KeepAlive, Close]
