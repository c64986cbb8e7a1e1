# SPDX-License-Identifier: GPL-2.0-only
"""Large bodies, each way."""
from sluicebench import generators, rates, servers
from sluicebench.scenario import Row, Scenario

CONNECTIONS = 8
DOWN_BYTES, UP_BYTES = 4 << 20, 1 << 20


class Bulk(Scenario):
    name = "bulk"
    title = "Bulk transfer"
    text = (f"wrk, {CONNECTIONS} kept connections: bodies of 4 MiB to the client (down), of 1 MiB to the servers (up). The lab's app answers, a "
            "process for each port; direct has two connections to each.")
    peers = (*rates.COMPARED, "sluice-generic")
    order = 30
    metric = ("gbit", "Gbit/s", 2)
    more = (("cpu", "CPU us/MiB", 0),)
    seconds = 4

    def prepare(self, run):
        run.use_servers(servers.Apps(run.host, 4))

    def measure(self, run, peer, variant):
        with run.started(peer, run.backends):
            return [self._one(run, peer, "down", f"/bytes/{DOWN_BYTES}", DOWN_BYTES, 0),
                    self._one(run, peer, "up", "/", UP_BYTES, UP_BYTES)]

    def _one(self, run, peer, point, path, size, upload):
        before = run.meter.read()
        result = generators.wrk(run.host, peer.url(path), run.seconds, CONNECTIONS, spread=peer.targets(), threads=4, upload=upload)
        used = run.meter.since(before, run.meter.read())
        moved = result["requests"] * size
        row = Row(self.name, peer.name, point, gbit=moved * 8 / result["seconds"] / 1e9, requests=result["requests"],
                  cpu=used["lab"] / max(moved / (1 << 20), 1), cpu_all=used["all"] / max(moved / (1 << 20), 1),
                  other=run.other_load(used, result["seconds"]))
        if not moved:
            row.problem = "no whole body arrived"
        return row.fail_on_errors(result["failed"])


SCENARIOS = [Bulk]
