# SPDX-License-Identifier: GPL-2.0-only
"""What was measured on: facts of the machine that a reader needs to judge the figures."""
import os
import re
import subprocess

from .host import CLIENT, SLAVE, generator_core, servers_core

_OFFLOADS = ("tcp-segmentation-offload", "generic-receive-offload", "generic-segmentation-offload", "tx-checksumming", "rx-checksumming")


def _line(path, pattern, otherwise="?"):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            found = re.search(pattern, file.read(), re.M)
    except OSError:
        return otherwise
    return found.group(1) if found else otherwise


def _version(*argv):
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    except OSError:
        return "not there"
    return next((line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()), "?")


def offloads(host, on):
    said = host.run("ethtool", "-k", "eth0", on=on, check=False).stdout
    found = dict(re.findall(r"^([a-z-]+): (on|off)", said, re.M))
    return ", ".join(f"{name} {found.get(name, '?')}" for name in _OFFLOADS)


def generator_facts():
    return {
        "kernel (generator)": os.uname().release,
        "processor (generator)": f"{_line('/proc/cpuinfo', r'^model name.*: (.*)$')}, {os.cpu_count()} cores",
        "wrk": _version("wrk", "-v"),
    }


def facts(host):
    cores = os.cpu_count()
    shared = ("The generator has the last core to itself, the servers the first, balancers' processes may run on any."
              if cores > 2 else
              "Two cores: the generator is pinned to the last one, the servers to the first; a balancer's processes run on either, "
              "beside one of these. On veth the work of a balancer inside the kernel is done on the sender's core.")
    return {
        "kernel": os.uname().release,
        "processor": f"{_line('/proc/cpuinfo', r'^model name.*: (.*)$')}, {cores} cores",
        "memory": f"{int(_line('/proc/meminfo', r'^MemTotal: *([0-9]+)', '0')) / 2 ** 20:.0f} GiB",
        "who shares a core": f"{shared} Generator: core {generator_core()}, servers: core {servers_core()}.",
        "the lab's share of the processors": host.share,
        "network": "one veth pair each for client and slave, a bridge between them (tools/lab)",
        "offloads at the client": offloads(host, CLIENT),
        "offloads at the slave": offloads(host, SLAVE),
        "wrk": _version("wrk", "-v"),
        "nginx (servers)": _version("nginx", "-v"),
    }
