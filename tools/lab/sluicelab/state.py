# SPDX-License-Identifier: GPL-2.0-only
"""What a lab is called, where its things lie, and what it remembers between commands.

The state file says how the lab was made and which processes were started. It is a convenience for the verbs: `down`
finds everything by names and places alone, so that it also works when `up` was cut off before it wrote anything.
"""
import contextlib
import fcntl
import json
import os
import re
import tempfile
import threading

from .failure import LabError

NETWORK = "10.80.0"
NETWORK6 = "fd00:80::"
MASTER_ADDRESS = f"{NETWORK}.250"
ELB_ADDRESS = f"{NETWORK}.1"
ROUTER_ADDRESS = f"{NETWORK}.254"
ROUTER_ADDRESS6 = f"{NETWORK6}fe"
MAX_SLAVES = 200
DAEMON_ID = 64080  # the daemon's user and group, a number without an account
DOMAIN = "lab"

_HOST = r"(elb|master|switch|router|slave[0-9]+)"
_lock = threading.Lock()


def default_work(name):
    return os.environ.get("LAB_DIR") or os.path.join(tempfile.gettempdir(), f"sluice-lab-{name}")


class Lab:
    def __init__(self, name=None):
        self.name = name or os.environ.get("LAB") or "sluice"
        if not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", self.name):
            raise LabError(f"LAB: not a lab's name (small letters, digits and dashes): {self.name!r}")
        self.work = os.path.abspath(default_work(self.name))
        here = os.path.dirname(os.path.realpath(__file__))
        self.repository = os.path.dirname(os.path.dirname(os.path.dirname(here)))
        self.build = os.environ.get("LAB_BUILD") or os.path.join(self.repository, "build")
        self.data = {}

    # --- names and places

    @property
    def cgroup(self):
        """The lab's cgroup, below the root of each hierarchy."""
        return f"sluice-lab-{self.name}"

    @property
    def bpffs(self):
        return self.path("bpf")

    @property
    def control(self):
        return self.path("master", "marathon.sock")

    @property
    def consul_token(self):
        return self.path("consul.token")

    def path(self, *parts):
        return os.path.join(self.work, *parts)

    def log(self, host, process):
        return self.path("log", f"{host}-{process}.log")

    def config(self, host):
        return self.path(host, "sluice.conf")

    def docker_socket(self, host):
        return self.path(host, "run", "docker.sock")

    def admin_socket(self, host):
        return self.path(host, "admin", "admin.sock")

    def netns(self, host):
        return f"{self.name}-{host}"

    def netns_path(self, host):
        return f"/run/netns/{self.netns(host)}"

    def netns_hosts(self):
        """Hosts that have a namespace now, whoever wrote what into the state file."""
        pattern = re.compile(re.escape(self.name) + "-" + _HOST)
        try:
            names = sorted(os.listdir("/run/netns"))
        except FileNotFoundError:
            return []
        return [match.group(1) for match in map(pattern.fullmatch, names) if match]

    def program(self, name):
        path = os.path.join(self.build, "bin", name)
        if not os.access(path, os.X_OK):
            raise LabError(f"{path} is missing: run make first")
        return path

    # --- hosts

    @property
    def slaves(self):
        return [f"slave{n}" for n in range(1, self.data.get("slaves", 0) + 1)]

    @property
    def hosts(self):
        return ["elb", *self.slaves, "master"]

    def address(self, host):
        if host == "elb":
            return ELB_ADDRESS
        if host == "master":
            return MASTER_ADDRESS
        return f"{NETWORK}.{1 + int(host.removeprefix('slave'))}"

    def address6(self, host):
        """The same number as in IPv4, written as IPv6 writes it: slave1 is fd00:80::2, master fd00:80::fa."""
        return f"{NETWORK6}{int(self.address(host).rsplit('.', 1)[1]):x}"

    def check_host(self, host, only_slaves=False):
        known = self.slaves if only_slaves else self.hosts
        if host not in known:
            raise LabError(f"no such host: {host} (there is {', '.join(known)})")

    # --- the state file

    def load(self):
        try:
            with open(self.path("state.json"), encoding="utf-8") as file:
                self.data = json.load(file)
        except FileNotFoundError:
            raise LabError(f"lab {self.name} is not up") from None
        return self

    @contextlib.contextmanager
    def changed(self):
        """Change self.data inside; other commands and threads see the old state or the new one."""
        with _lock, open(self.path("lock"), "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with contextlib.suppress(FileNotFoundError), open(self.path("state.json"), encoding="utf-8") as file:
                self.data = json.load(file)
            yield self.data
            with open(self.path("state.json.new"), "w", encoding="utf-8") as file:
                json.dump(self.data, file, indent=1)
            os.rename(self.path("state.json.new"), self.path("state.json"))
