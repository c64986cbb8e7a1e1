# SPDX-License-Identifier: GPL-2.0-only
"""What a peer is: one way to spread the connections of port 80 over backends. A file in peers/ lists its classes in PEERS.

A row's life: start(host, backends), traffic, stop(). Between them nothing of another peer is on the host. `config` is the whole
configuration as text; it goes into the report, and `check` asks the peer's own program whether it is good.
"""
import contextlib
import os
import signal

from sluicelab.failure import LabError

from . import classes
from .host import SERVICE_PORT, BenchError, Child, processes_of


class Peer:
    name = ""
    family = ""  # peers of one family stand for each other in bars: the best of them counts
    balance = "roundrobin"
    can_change = False  # its set, while connections run
    programs = ()

    def __init__(self):
        self.host, self.backends = None, []

    # --- what each peer says

    def config(self, host, backends):
        """The configuration as text, for people and for check()."""
        raise NotImplementedError

    def check(self, host, backends):
        """LabError if the peer's own program refuses the configuration."""

    def _start(self):
        raise NotImplementedError

    def _stop(self):
        raise NotImplementedError

    def change(self, backends):
        """Another set, for connections to come; those that are there stay."""
        raise BenchError(f"{self.name} cannot change its set")

    def wait_served(self, backends):
        """LabError if what change() was told last does not come into force. By default change() itself knows."""

    def version(self, host):
        return ""

    def memory(self):
        """Bytes of resident memory of its processes; None if it has none."""
        return None

    # --- what the driver calls

    def start(self, host, backends):
        self.host, self.backends = host, list(backends)
        self._start()

    def stop(self):
        if self.host:
            self._stop()
        self.host = None

    def targets(self):
        return [f"{self.host.address}:{SERVICE_PORT}"]

    def url(self, path="/"):
        return f"http://{self.targets()[0]}{path}"

    def port(self):
        return SERVICE_PORT


class ProcessPeer(Peer):
    """A peer that is a process with a configuration file."""

    def argv(self, path):
        raise NotImplementedError

    def write(self, host, backends):
        return host.write(f"{self.name}.cfg", self.config(host, backends))

    def _start(self):
        self.child = Child(self.host, self.name, self.argv(self.write(self.host, self.backends)))
        try:
            self.host.wait_for(self.port(), self.name, self.child)
        except LabError:
            self._stop()
            raise

    def _stop(self):
        self.child.end(signal.SIGTERM)

    def pids(self):
        return processes_of(self.child.pid)

    def memory(self):
        total = 0
        for pid in self.pids():
            with contextlib.suppress(OSError), open(f"/proc/{pid}/statm", encoding="ascii") as file:
                total += int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        return total


def load():
    """name -> class, in the order of the files' names."""
    found = {}
    for peer in classes.load("peers", "PEERS"):
        if peer.name in found:
            raise BenchError(f"two peers are called {peer.name}")
        found[peer.name] = peer
    return found


def choose(known, words, default):
    """Peers by name or by the beginning of one: haproxy-tcp means all its variants. Order as known."""
    if not words:
        return [name for name in known if name in default]
    chosen = set()
    for word in words:
        meant = [name for name in known if name == word] or [name for name in known if name.startswith(word + "-")]
        if not meant:
            raise BenchError(f"PEERS: no peer {word!r}; there are {', '.join(known)}")
        chosen.update(meant)
    return [name for name in known if name in chosen]
