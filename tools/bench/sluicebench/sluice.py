# SPDX-License-Identifier: GPL-2.0-only
"""Sluice as a peer: the shipped programs, attached by the shipped sluicectl in one mode; sets are published by the daemon's code."""
import json
import os
import subprocess

from sluicelab import processes, slave
from sluicelab.inifile import set_value

from .host import SERVICE, SLAVE, BenchError, Child
from .peer import Peer


class Publisher:
    def __init__(self, host):
        pins = os.path.join(host.lab.bpffs, SLAVE)
        self.child = Child(host, "publish", [host.tool("bench", "publish"), pins, SERVICE], stdin=subprocess.PIPE,
                           stdout=subprocess.PIPE)

    def publish(self, balance, up, draining=()):
        """Nanoseconds that the publication took."""
        words = [balance, *map(str, up), *(f"-{port}" for port in draining)]
        try:
            self.child.popen.stdin.write(" ".join(words) + "\n")
            self.child.popen.stdin.flush()
        except BrokenPipeError:
            raise BenchError(f"publish: {self.child.tail()}") from None
        answer = self.child.popen.stdout.readline().split()
        if not answer or answer[0] != "ok":
            raise BenchError(f"publish: {' '.join(answer) or self.child.tail()}")
        return int(answer[2])

    def end(self):
        self.child.end()


class SluicePeer(Peer):
    family = "sluice"
    mode = ""
    can_change = True
    # [node] settings beyond the lab's: room for 65,536 connections, half-open ones apart
    settings = {}

    def config(self, host, backends):
        text = slave.read_config(host.lab, SLAVE)
        for key, value in {"mode": self.mode, **self.settings}.items():
            text = set_value(text, "node", key, value)
        return set_value(text, "service web", "balance", self.balance)

    def check(self, host, backends):
        path = host.write(f"{self.name}.conf", self.config(host, backends))
        processes.run(host.lab.program("sluiced"), "--config", path, "--check")

    def _start(self):
        self.publisher = None
        self.path = self.host.write(f"{self.name}.conf", self.config(self.host, self.backends))
        self.host.run(self.host.lab.program("sluicectl"), "--config", self.path, "attach")
        self.publisher = Publisher(self.host)
        self.publisher.publish(self.balance, self.backends)
        self.host.wait_for(self.port(), self.name)
        self._must_be_in_mode()

    def _must_be_in_mode(self):
        mode = self.status()["mode"]
        if mode != self.mode:
            raise BenchError(f"{self.name}: attached in mode {mode}")

    def status(self):
        done = self.host.run(self.host.lab.program("sluicectl"), "--config", self.path, "--json", "status", check=False)
        return json.loads(done.stdout)

    def _stop(self):
        if self.publisher:
            self.publisher.end()
        self.host.run(self.host.lab.program("sluicectl"), "--config", self.path, "detach")

    def change(self, backends):
        gone = [port for port in self.backends if port not in backends]
        return self.publisher.publish(self.balance, backends, gone)

    def counters(self):
        done = self.host.run(self.host.lab.program("sluicectl"), "--config", self.path, "--json", "counters")
        return json.loads(done.stdout)

    def version(self, host):
        return processes.run(host.lab.program("sluicectl"), "version").stdout.splitlines()[0]
