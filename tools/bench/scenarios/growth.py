# SPDX-License-Identifier: GPL-2.0-only
"""What more backends and more connections cost a request, and a byte of memory."""
import json
import os
import time

from sluicebench import openrow, rates, servers
from sluicebench.host import SLAVE
from sluicebench.scenario import Row, Scenario

OURS, TCP, DIRECT = "sluice-tc", "haproxy-tcp-2t-roundrobin", "direct"
POINTS = ((OURS, 4, 1000), (OURS, 64, 1000), (OURS, 1000, 1000), (OURS, 4, 15000), (OURS, 1000, 15000), (DIRECT, 4, 1000), (DIRECT, 4, 15000),
          (DIRECT, 1000, 15000), (TCP, 4, 1000), (TCP, 1000, 7000))
HELD = 2000


class Growth(Scenario):
    name = "growth"
    title = "Growth: backends x connections"
    text = ("Open loop, keep-alive, at 30 % of the slowest peer's rate, spread over all connections. HAProxy stops at 7,000: each of its "
            "connections needs two of the 20,000 files that a process may open here.")
    order = 60
    metric = ("cpu", "CPU us/req", 1)
    more = (("p50", "p50 us", 0), ("p99", "p99 us", 0), ("rate", "req/s", 0))
    higher_is_better = False
    seconds = 4
    least_rounds = 5

    def prepare(self, run):
        run.start_servers([(servers.ports(1000), None)])
        rates.common(run, 1)

    def cells(self, run):
        chosen = run.chosen_names()
        return [(name, (backends, connections)) for name, backends, connections in POINTS if name in chosen]

    def measure(self, run, peer, variant):
        backends, connections = variant
        with run.started(peer, run.backends[:backends]):
            return [openrow.measure(run, self.name, peer, self.point(variant), rates.common(run, 0.3), 2 * run.seconds,
                                    connections=connections)]

    def point(self, variant):
        return f"{variant[0]} x {variant[1]}"


class Memory(Scenario):
    """Counted, not timed: one round."""
    name = "memory"
    title = "Memory"
    text = (f"Bytes a connection and a backend. Sluice's tables are allocated at attach, so an entry's share of its map is what it costs; "
            f"HAProxy's is the growth of its process with {HELD} idle connections and with 1,000 backends. Sockets: of the slave's kernel, servers "
            "included, a connection: one is the server's own.")
    order = 61
    peers = (OURS, TCP, "haproxy-http-2t-roundrobin")
    metric = ("bytes", "bytes", 0)
    more = (("sockets", "sockets", 2),)
    higher_is_better = False
    rounds = 1
    seconds = 8

    def prepare(self, run):
        run.start_servers([(servers.ports(1000), None)])

    def measure(self, run, peer, variant):
        with run.started(peer, run.backends[:4]):
            sockets, before = self._sockets(run), peer.memory()
            with openrow.client(run.host, peer.targets(), 10, 2, connections=1, idle=HELD, timeout=8000) as loop:
                time.sleep(0.5)
                more = (self._sockets(run) - sockets) / HELD
                grown = peer.memory()
                loop.result()
            maps = self._maps(run) if before is None else {}
        if before is None:
            return [Row(self.name, peer.name, "an established flow", bytes=maps["est4"], sockets=more),
                    Row(self.name, peer.name, "a half-open flow", bytes=maps["half4"]),
                    Row(self.name, peer.name, "a backend", bytes=maps["backend"]),
                    Row(self.name, peer.name, "all maps", bytes=maps["all"])]
        with run.started(peer, run.backends):
            many = peer.memory()
        return [Row(self.name, peer.name, "a connection", bytes=(grown - before) / HELD, sockets=more),
                Row(self.name, peer.name, "a backend", bytes=(many - before) / 996)]

    @staticmethod
    def _sockets(run):
        said = run.host.run("cat", "/proc/net/sockstat").stdout
        return int(next(line for line in said.splitlines() if line.startswith("TCP:")).split()[2])

    @staticmethod
    def _maps(run):
        pins = os.path.join(run.host.lab.bpffs, SLAVE)
        bytes_of, each = {}, {}
        for folder, _, files in os.walk(pins):
            for name in files:
                if not name.startswith("sluice_"):
                    continue
                said = run.host.run("bpftool", "-j", "map", "show", "pinned", os.path.join(folder, name), check=False)
                if said.returncode == 0 and said.stdout.startswith("{"):
                    known = json.loads(said.stdout)
                    bytes_of[name] = int(known.get("bytes_memlock", 0))
                    each[name] = bytes_of[name] / max(known.get("max_entries", 1), 1)
        return {"est4": each["sluice_est4"], "half4": each["sluice_half4"], "all": sum(bytes_of.values()),
                "backend": each["sluice_backends"] + each["sluice_labels"] + each["sluice_bstats"]}


SCENARIOS = [Growth, Memory]
