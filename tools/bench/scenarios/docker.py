# SPDX-License-Identifier: GPL-2.0-only
"""Backends in Docker containers, their host-ports published: raw rates, a container that dies, and how fast a change is followed."""
import signal
import threading
import time

from sluicelab import processes, slave
from sluicelab.failure import LabError, wait_until

from sluicebench import containers, generators, openrow
from sluicebench.follow import Follower
from sluicebench.host import SERVICE_PORT, SLAVE, BenchError
from sluicebench.scenario import Row, Scenario

OURS, TCP, HTTP = "sluice-tc", "haproxy-tcp-2t-roundrobin", "haproxy-http-2t-roundrobin"
CONNECTIONS = 32
TRACKED_S = 5  # what is over stays tracked for so long: with the usual 120 s five rounds would fill the table of 262,144 for those who come last
OUR_PORT = 81  # of the Sluice that has its daemon: the peers have 80


class _Docker(Scenario):
    lab = "docker"


class Published(_Docker):
    name = "docker"
    title = "Published Docker ports"
    text = (f"wrk, {CONNECTIONS} connections, kept (keep, by four threads) and for one request each (close); four containers of the lab's app. "
            "Docker's DNAT and connection tracking are in every row, in direct too; what is over stays tracked for "
            f"{TRACKED_S} s. In keep the eight connections of a thread are one container's in direct, a bit of each one's behind a balancer: "
            "direct wakes fewer processes for as many requests, which is no balancer's cost.")
    peers = ("direct", OURS, TCP, HTTP)
    any_peer = True
    order = 70
    more = (("cpu", "CPU us/req", 1),)
    seconds = 3

    def prepare(self, run):
        if processes.pid_of(run.host.lab, SLAVE, "sluiced"):
            processes.stop(run.host.lab, SLAVE, "sluiced", signal.SIGTERM)
            run.host.ctl("detach")
        run.host.sysctl(SLAVE, netfilter__nf_conntrack_tcp_timeout_time_wait=TRACKED_S)
        run.use_servers(containers.Containers(run.host, 4))

    def measure(self, run, peer, variant):
        with run.started(peer, run.backends):
            return [self._one(run, peer, "keep", False), self._one(run, peer, "close", True)]

    def _one(self, run, peer, point, close):
        before = run.meter.read()
        ways = {"in_turn": peer.targets()} if close else {"spread": peer.targets(), "threads": 4}
        result = generators.wrk(run.host, peer.url(), run.seconds, CONNECTIONS, **ways)
        used = run.meter.since(before, run.meter.read())
        answered = max(result["requests"], 1)
        row = Row(self.name, peer.name, point, rate=result["rate"], cpu=used["lab"] / answered, cpu_all=used["all"] / answered,
                  other=run.other_load(used, result["seconds"]))
        return row.fail_on_errors(result["failed"])


class _Daemon(_Docker):
    """Sluice with its daemon, on a port of its own, fed by Consul alone; the peers beside it on port 80."""
    peers = (OURS, TCP, HTTP)
    higher_is_better = False
    registered = None

    def prepare(self, run):
        lab = run.host.lab
        run.use_servers(containers.Containers(run.host, 4))
        run.host.ctl("attach")
        if not processes.pid_of(lab, SLAVE, "sluiced"):
            slave.start(lab, SLAVE)
            slave.wait(lab, SLAVE)
        slave.configure(lab, SLAVE, [("node", "mode", "tc"), ("service bench", "port", str(OUR_PORT)),
                                     ("service bench", "consul_service", "web"), ("service bench", "balance", "roundrobin")],
                        [name for name in ("service web",) if "[service web]" in slave.read_config(lab, SLAVE)])
        self.registered = containers.Registered(lab)
        for port in run.backends[:4]:
            self.registered.add(port)
        wait_until(lambda: self._up(lab) == run.backends[:4], 30, "Sluice's daemon has all backends up")

    @staticmethod
    def _up(lab):
        return sorted(backend["port"] for backend in slave.backends(lab, SLAVE) if backend["state"] == "up")

    def finish(self, run):
        for port in run.backends if self.registered else ():
            self.registered.remove(port)
        run.end_servers()


class Killed(_Daemon):
    name = "killed"
    title = "A container is killed"
    text = ("Open loop, 1,000 requests a second, ten to a connection; after a second one of four containers gets SIGKILL. Requests that it had "
            "are lost whoever balances. HAProxy checks each second (fall 2) and redispatches; Sluice hears from the kernel that nobody "
            "listens. `failing` is the time from the first failure to the last.")
    order = 71
    metric = ("failed", "failed requests", 0)
    more = (("failing", "failing ms", 1), ("p99", "p99 us", 0))
    seconds = 5

    def measure(self, run, peer, variant):
        victim = run.backends[1]
        try:
            if peer.name == OURS:
                run.configs.setdefault("sluice with its daemon", slave.read_config(run.host.lab, SLAVE))
                return [self._one(run, peer, [f"{run.host.address}:{OUR_PORT}"], victim)]
            peer.checks = "check inter 1s fall 2"
            with run.started(peer, run.backends):
                return [self._one(run, peer, peer.targets(), victim)]
        finally:
            peer.checks = ""
            self.registered.remove(victim)
            run.servers.remove(victim)
            run.servers.start(victim)
            run.host.wait_for(victim, "the container that was started anew")
            self.registered.add(victim)
            wait_until(lambda: self._up(run.host.lab) == run.backends, 30, "Sluice's daemon has all backends up again")

    def _one(self, run, peer, targets, victim):
        with openrow.client(run.host, targets, 1000, 2.5, connections=64, turns=10) as loop:
            before = run.meter.read()
            timer = threading.Timer(1.0, run.servers.kill, [victim])
            timer.start()
            result = loop.result()
            timer.join()
            used = run.meter.since(before, run.meter.read())
        row = openrow.row(run, self.name, peer, "", result, used, may_fail=True)
        row.metrics["failing"] = result["last_failure_ms"] - result["first_failure_ms"]
        return row


class Registry(_Daemon):
    name = "registry"
    title = "From registry change to first right connection"
    text = ("One more container is registered in Consul as healthy; a client opens one connection after another until the first is answered by it. "
            "HAProxy is told by a stand-in for consul-template: a blocking query, the file, a reload, without any pause between. "
            "A row in which the new container did not answer within 5 s does not count; what keeps it is not known.")
    order = 72
    metric = ("ms", "ms", 1)
    seconds = 3

    def measure(self, run, peer, variant):
        # A new one each time, and none is taken out again: rows after a deregistration have been seen to wait for many seconds, for a
        # cause that is not known.
        there = list(run.backends)
        new = there[-1] + 1
        run.servers.add(new)
        run.host.wait_for(new, "one more container")
        if peer.name == OURS:
            return [self._one(run, peer, OUR_PORT, new)]
        peer.by_reload = True
        try:
            with run.started(peer, there):
                follower = Follower(run.host, peer.change, there)
                try:
                    if not follower.ready.wait(10):
                        raise BenchError("Consul does not answer")
                    return [self._one(run, peer, SERVICE_PORT, new)]
                finally:
                    follower.end()
        finally:
            peer.by_reload = False

    def _one(self, run, peer, port, new):
        wanted = f"task=bench.{new} "
        started = time.monotonic()
        self.registered.add(new)
        while wanted not in ((self._answer(run, port) or "") + " "):
            if time.monotonic() > started + 5:
                child = getattr(peer, "child", None)
                raise BenchError(f"{peer.name} has not followed within 5 s; its last words: {child.tail()[-300:] if child else '-'}")
        took = (time.monotonic() - started) * 1000
        wait_until(lambda: new in self._up(run.host.lab), 30, "Sluice's daemon has it up")
        return Row(self.name, peer.name, "", ms=took)

    @staticmethod
    def _answer(run, port):
        try:
            return run.host.answers(port)
        except (OSError, LabError):
            return None


SCENARIOS = [Published, Killed, Registry]
