# SPDX-License-Identifier: GPL-2.0-only
"""Real Consul agents: a server on the master, a client on each slave. With access control, if asked for: then nobody may do
anything without a token, and the slaves' daemons get one that allows what the manual says they need."""
import json
import os
import uuid

from .failure import LabError, wait_until
from .processes import run, spawn
from .state import DAEMON_ID, MASTER_ADDRESS
from .web import ask, must

HTTP = "127.0.0.1:8500"
_RULES = 'service_prefix "" { policy = "write" } node_prefix "" { policy = "read" } agent_prefix "" { policy = "read" }'


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
    if lab.data.get("consul_acl"):
        settings["acl"] = {"enabled": True, "default_policy": "deny",
                           "tokens": {"agent": _manager(lab)} | ({"master": _manager(lab)} if server else {})}
    with open(lab.path(host, "consul.json"), "w", encoding="utf-8") as file:
        json.dump(settings, file, indent=1)
    os.makedirs(lab.path(host, "consul.d"), exist_ok=True) # a test's own settings
    spawn(lab, host, "consul", [lab.data["consul"], "agent", "-config-file", lab.path(host, "consul.json"),
                                "-config-dir", lab.path(host, "consul.d")])


def _manager(lab):
    """The token that may do everything, made when the lab was."""
    return lab.data["consul_acl"]


def new_manager():
    return str(uuid.uuid4())


def _headers(lab):
    return {"X-Consul-Token": _manager(lab)} if lab.data.get("consul_acl") else {}


def write_token(lab):
    """A token for the slaves' daemons, into the file that their configuration names."""
    must(ask(lab, "master", HTTP, "PUT", "/v1/acl/policy", {"Name": "sluice", "Rules": _RULES}, headers=_headers(lab)), "policy")
    made = must(ask(lab, "master", HTTP, "PUT", "/v1/acl/token", {"Policies": [{"Name": "sluice"}]}, headers=_headers(lab)), "token")
    with open(lab.consul_token, "w", encoding="ascii", opener=lambda path, flags: os.open(path, flags, 0o640)) as file:
        file.write(made["SecretID"] + "\n")
    os.chown(lab.consul_token, 0, DAEMON_ID)


def wait(lab, host):
    """Ready: the agent knows the leader and its own node stands in the catalog."""
    def joined():
        if not ask(lab, host, HTTP, "GET", "/v1/status/leader", timeout=2, headers=_headers(lab))[1]:
            return False
        status, nodes = ask(lab, host, HTTP, "GET", "/v1/catalog/nodes", timeout=2, headers=_headers(lab))
        return status == 200 and any(node["Node"] == host for node in nodes)

    wait_until(joined, 60, f"consul on {host}", lab.log(host, "consul"))
