# SPDX-License-Identifier: GPL-2.0-only
"""The world that is measured in: one slave of a lab, the client in front of it, and processes on both.

Everything started here is a child of this process inside the lab's namespaces and cgroups, so the lab's `down` ends it whatever
happens. Generator and servers are pinned; a balancer's process may run on any core, for the kernel knows best which one is free.
"""
import contextlib
import os
import shutil
import signal
import subprocess
import time

from sluicelab import cgroups, processes, slave, world
from sluicelab.failure import LabError, wait_until
from sluicelab.net import inside
from sluicelab.state import Lab

from . import front

SLAVE, CLIENT = "slave1", "elb"
SERVICE, SERVICE_PORT, FIRST_PORT = "web", 80, 31000
ADDRESS = "10.80.0.2"
# Ports for 15,000 connections to one address come round every three seconds, and a row must not meet what the row before has left: a client
# that comes to a host-port by way of :80 has other timestamps than one that asks it directly, so its SYN to a socket in TIME_WAIT is dropped
# (PAWS) and sent again a second later. So both ends keep none, containers neither. The time-out of 61 s lets FIN-WAIT-2 stay a socket, which
# answers a FIN as it should; one of 60 s and less would need a place in the table that there is not.
NO_TIME_WAIT = {"ipv4__tcp_max_tw_buckets": 0, "ipv4__tcp_fin_timeout": 61}


class BenchError(LabError):
    """A row or a run cannot be made; one message for the person who asked for it."""


def servers_core():
    return min(os.sched_getaffinity(0))


def generator_core():
    return max(os.sched_getaffinity(0))


class Child:
    """A process of the benchmark's own. Output goes to a file; `end` is always safe to call."""

    def __init__(self, host, name, argv, on=SLAVE, core=None, **kwargs):
        if core is not None:
            argv = ["taskset", "-c", str(core), *argv]
        self.name, self.log = name, host.lab.log(on, name)
        with open(self.log, "ab") as log:
            self.popen = subprocess.Popen(processes.on_host(host.lab, on, *argv), start_new_session=True, stderr=log,
                                          stdin=kwargs.get("stdin", subprocess.DEVNULL), stdout=kwargs.get("stdout", log),
                                          text=True)

    @property
    def pid(self):
        return self.popen.pid

    def must_live(self):
        if self.popen.poll() is not None:
            raise BenchError(f"{self.name} has ended with {self.popen.returncode}:\n{self.tail()}")

    def tail(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return "".join(file.readlines()[-10:]).rstrip()

    def end(self, number=signal.SIGTERM, seconds=5):
        if self.popen.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.popen.pid, number)
            try:
                self.popen.wait(seconds)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
        for pipe in (self.popen.stdin, self.popen.stdout):
            if pipe:
                pipe.close()


def processes_of(pid):
    """That process and its children."""
    found, todo = [], [pid]
    while todo:
        pid = todo.pop()
        found.append(pid)
        with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            todo += [int(word) for word in file.read().split()]
    return found


class Host:
    """The slave that carries the balancer, and all that stands around it."""

    def __init__(self, lab):
        self.lab = lab
        self.address = ADDRESS
        self.share = ""  # of the processors, in words

    def work(self, *parts):
        return self.lab.path(SLAVE, *parts)

    def tool(self, *parts):
        path = os.path.join(self.lab.build, *parts)
        if not os.access(path, os.X_OK):
            raise BenchError(f"{path} is missing: run make bench, or make all")
        return path

    def client_argv(self, argv):
        """What a generator's command line becomes, so that it runs where the client is."""
        return processes.on_host(self.lab, CLIENT, *argv)

    def client_path(self, name):
        return self.lab.path(CLIENT, name)

    def run(self, *argv, on=SLAVE, check=True):
        return processes.run(*processes.on_host(self.lab, on, *argv), check=check)

    def ctl(self, *args, check=True):
        return slave.ctl(self.lab, SLAVE, *args, check=check)

    def write(self, name, text):
        path = self.work(name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def answers(self, port, path="/", on=CLIENT):
        """Does the client get a whole answer from that port? Returns its X-Task header or body."""
        import http.client
        with inside(self.lab, on):
            connection = http.client.HTTPConnection(self.address, port, timeout=2)
            try:
                connection.request("GET", path, headers={"Connection": "close"})
                answer = connection.getresponse()
                body = answer.read().decode("utf-8", "replace")
                return (answer.getheader("X-Task") or body) if answer.status == 200 else None
            except http.client.HTTPException as error:
                raise OSError(str(error)) from error
            finally:
                connection.close()

    def wait_for(self, port, what, child=None):
        def answers():
            if child:
                child.must_live()
            return self.answers(port)

        return wait_until(answers, 20, f"an answer through {what}", child.log if child else None)

    def sysctl(self, host, **values):
        with inside(self.lab, host):
            for name, value in values.items():
                path = f"/proc/sys/net/{name.replace('__', '/')}"
                if os.path.exists(path):
                    with open(path, "w", encoding="ascii") as file:
                        file.write(str(value))

    def cgroup(self):
        return os.path.join(cgroups.unified(), self.lab.cgroup)


@contextlib.contextmanager
def laboratory(containers, daemon, say):
    """A lab of the benchmark's own for as long as the block runs; whatever happens, nothing of it is left."""
    name = os.environ.get("LAB") or f"bench{os.getpid()}"
    lab = Lab(name)
    options = {"slaves": 1, "containers": containers, "mtu": None, "version": "1.8", "events": "sse", "features": "",
               "daemon": daemon, "consul_acl": None, "keep": False}
    world.up(lab, options, lambda text: None)
    try:
        host = Host(lab)
        host.sysctl(CLIENT, ipv4__ip_local_port_range="1500 30999", core__somaxconn=65535, **NO_TIME_WAIT)
        host.sysctl(SLAVE, ipv4__tcp_max_syn_backlog=65535, core__netdev_max_backlog=10000, **NO_TIME_WAIT)
        if not daemon:
            host.ctl("detach")
        with front.before_all(lab) as host.share:
            say(f"lab {name} is up ({containers}{', with daemon, Consul and Docker' if daemon else ''})")
            yield host
    finally:
        _undisturbed(lab)


def _undisturbed(lab):
    """Take the lab down; an impatient second Ctrl-C must not leave half of it."""
    old = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        world.down(lab)
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def need(*programs):
    missing = [name for name in programs if not shutil.which(name)]
    if missing:
        raise BenchError(f"not installed: {', '.join(missing)} (run tools/deps)")


def settle(seconds=0.05):
    """What a row has left behind (sockets, RCU) gets a moment before the next one begins."""
    time.sleep(seconds)
