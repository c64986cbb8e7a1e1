# SPDX-License-Identifier: GPL-2.0-only
"""TARGET=host: another machine carries balancers and servers, this one only sends. What is compared are addresses that are given.

Nothing is started or changed on the target: whoever measures sets up each peer there, on a port of its own. The CPU columns need
CPU_COMMAND, a command that prints the target's /proc/stat; without it they stay empty.
"""
import ipaddress
import os
import re
import shlex
import shutil
import subprocess
import tempfile

from . import machine, rates
from .cpu import parse_stat
from .host import BenchError, generator_core
from .peer import Peer
from .run import Run

_FAMILIES = ("direct-again", "haproxy-http-no-reuse", "sluice", "haproxy-tcp", "haproxy-http", "direct")
SCENARIOS = ("keepalive", "close", "latency", "idle1000")


def parse_peer(word):
    """NAME=ADDRESS:PORT -> (name, address, port)"""
    match = re.fullmatch(r"([a-z][a-z0-9-]*)=([0-9.]+):([0-9]+)", word)
    if not match:
        raise BenchError(f"PEERS: with TARGET=host not NAME=ADDRESS:PORT: {word!r}")
    name, address, port = match.groups()
    try:
        ipaddress.IPv4Address(address)
    except ValueError:
        raise BenchError(f"PEERS: not an IPv4 address: {word!r}") from None
    if not 1 <= int(port) <= 65535:
        raise BenchError(f"PEERS: not a port: {word!r}")
    return name, address, int(port)


def peer_class(word):
    given, address, number = parse_peer(word)

    class Given(Peer):
        name = given
        family = next((known for known in _FAMILIES if given == known or given.startswith(known + "-")), given)

        def config(self, host, backends):
            return f"{address}:{number}, set up by whoever measured"

        def start(self, host, backends):
            self.host = host

        def _stop(self):
            pass

        def targets(self):
            return [f"{address}:{number}"]

    return Given


class _Client:
    """The host object of a run that starts nothing: generators run here as they are."""

    def __init__(self, folder):
        self.folder = folder

    def client_argv(self, argv):
        return list(argv)

    def client_path(self, name):
        return os.path.join(self.folder, name)

    def tool(self, *parts):
        path = os.path.join(os.environ.get("LAB_BUILD") or "build", *parts)
        if not os.access(path, os.X_OK):
            raise BenchError(f"{path} is missing: run make bench-tools")
        return os.path.abspath(path)

    def run(self, *argv, on=None, check=True):
        return subprocess.run(argv, capture_output=True, text=True, check=False)


class _Meter:
    def __init__(self, command):
        self.command = shlex.split(command)

    def read(self):
        if not self.command:
            return {"lab": float("nan"), "all": float("nan")}
        done = subprocess.run(self.command, capture_output=True, text=True, check=False)
        if done.returncode or not done.stdout.startswith("cpu "):
            raise BenchError(f"CPU_COMMAND: exit {done.returncode}, and no /proc/stat: {done.stderr.strip() or done.stdout[:80]!r}")
        busy, *_ = parse_stat(done.stdout.splitlines()[0])
        return {"lab": busy, "all": busy}

    @staticmethod
    def since(before, after):
        return {key: after[key] - before[key] for key in before}


class TargetRun(Run):
    def __init__(self, options, say, cpu_command):
        given = [peer_class(word) for word in options.peers]
        if not given:
            raise BenchError("TARGET=host: PEERS must say what to measure: NAME=ADDRESS:PORT ..., for instance direct=10.0.0.2:31000 "
                             "sluice=10.0.0.2:80 haproxy-tcp=10.0.0.2:8080")
        if len({cls.name for cls in given}) != len(given):
            raise BenchError("PEERS: two have one name")
        super().__init__(options, say)
        unfit = [scenario.name for scenario in self.scenarios if scenario.name not in SCENARIOS]
        if options.scenarios and unfit:
            raise BenchError(f"SCENARIOS: not with TARGET=host: {', '.join(unfit)} (there are {', '.join(SCENARIOS)})")
        self.scenarios = [scenario for scenario in self.scenarios if scenario.name in SCENARIOS]
        self.known = {cls.name: cls for cls in given}
        self.peers = {name: cls() for name, cls in self.known.items()}
        self.meter = _Meter(cpu_command)

    def chosen_peers(self, scenario):
        return list(self.known)

    def chosen_names(self):
        return list(self.known)

    def start_servers(self, groups):
        pass

    def other_load(self, used, seconds):
        return None

    def all(self):
        folder = tempfile.mkdtemp(prefix="sluice-bench-")
        try:
            self.host = _Client(folder)
            self.facts.update(machine.generator_facts())
            self.facts["target"] = "another machine; CPU columns are " + (
                "its own" if self.meter.command else "empty, for CPU_COMMAND was not given")
            self.facts["who shares a core"] = f"The generator has core {generator_core()} of its machine; see the target for the rest."
            if "keepalive" not in [scenario.name for scenario in self.scenarios]:
                rates.common(self, 1)
            for scenario in self.scenarios:
                self._scenario(scenario, self._planned_rounds(scenario))
                self.finished.add(scenario.name)
            if self.options.more:
                self._more_rounds(self.scenarios)
        finally:
            shutil.rmtree(folder)
