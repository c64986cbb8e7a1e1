# SPDX-License-Identifier: GPL-2.0-only
"""Real Consul agents: a server on the master, a client on each slave."""
import json
import os

from .failure import LabError, wait_until
from .processes import run, spawn
from .state import MASTER_ADDRESS
from .web import ask

HTTP = "127.0.0.1:8500"


def find(lab):
    """A consul in PATH, else the one that tools/deps has unpacked."""
    found = run(os.path.join(lab.repository, "tools", "deps"), "--consul-path", check=False)
    if found.returncode:
        raise LabError("consul is not installed: run tools/deps")
    return found.stdout.strip()


def start(lab, host):
    server = host == "master"
    os.makedirs(lab.path(host, "consul"), exist_ok=True)
    settings = {
        "node_name": host,
        "bind_addr": lab.address(host),
        "client_addr": "0.0.0.0" if server else "127.0.0.1",
        "data_dir": lab.path(host, "consul"),
        "disable_update_check": True,
        "performance": {"raft_multiplier": 1},
        "ports": {"dns": -1},
        "log_level": "INFO",
    }
    if server:
        settings |= {"server": True, "bootstrap_expect": 1}
    else:
        settings |= {"retry_join": [MASTER_ADDRESS], "retry_interval": "1s"}
    with open(lab.path(host, "consul.json"), "w", encoding="utf-8") as file:
        json.dump(settings, file, indent=1)
    spawn(lab, host, "consul", [lab.data["consul"], "agent", "-config-file", lab.path(host, "consul.json")])


def wait(lab, host):
    """Ready: the agent knows the leader and its own node stands in the catalog."""
    def joined():
        if not ask(lab, host, HTTP, "GET", "/v1/status/leader", timeout=2)[1]:
            return False
        status, nodes = ask(lab, host, HTTP, "GET", "/v1/catalog/nodes", timeout=2)
        return status == 200 and any(node["Node"] == host for node in nodes)

    wait_until(joined, 60, f"consul on {host}", lab.log(host, "consul"))
