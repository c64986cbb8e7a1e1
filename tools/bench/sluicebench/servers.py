# SPDX-License-Identifier: GPL-2.0-only
"""What stands behind every balancer: one nginx worker that answers from memory on as many host-ports as backends are wanted.

One process for all ports, pinned to one core: then a thousand backends cost the servers what four do, and what a row costs more is the
balancer's. Where bodies are large the lab's app stands there instead, a process for each port: it takes a whole body before it answers,
which nginx does not by itself. So it does in containers (containers.py).
"""
import contextlib
import os
import resource

from .host import FIRST_PORT, Child, processes_of, servers_core

_CONFIG = """\
# Servers of the benchmark: answers from memory, connections kept for as long as the client wants.
user root;
worker_processes 1;
daemon off;
pid {work}/servers.pid;
error_log stderr error;
worker_rlimit_nofile {files};
events {{
    worker_connections {connections};
    accept_mutex off;
}}
http {{
    access_log off;
    default_type text/plain;
    client_body_temp_path {work}/servers-body;
    proxy_temp_path {work}/servers-proxy;
    fastcgi_temp_path {work}/servers-fastcgi;
    uwsgi_temp_path {work}/servers-uwsgi;
    scgi_temp_path {work}/servers-scgi;
    keepalive_requests 1000000000;
    keepalive_timeout 300s;
    lingering_close off;
    tcp_nodelay on;
    sendfile on;
{zones}
{servers}
}}
"""

_SERVER = """\
    server {{
{listens}
        location / {{
            {limit}
            add_header X-Task "port=$server_port";
            {answer}
        }}
    }}
"""
# `return` comes before limit_req in nginx's phases; a file from the page cache comes after it.
_ANSWER = 'return 200 "a backend of the benchmark answers, and this is all it has to say\\n";'
_LIMITED_ANSWER = "root {work}; try_files /answer.txt =404;"


def ports(count):
    return list(range(FIRST_PORT, FIRST_PORT + count))


def config(work, groups, files):
    """groups: lists of (ports, requests a second or None): who can only do so many queues the rest, as a busy server does."""
    zones, servers = [], []
    for listen, rate in groups:
        limit = ""
        if rate:
            for port in listen:
                zones.append(f"    limit_req_zone $server_port zone=limit{port}:64k rate={rate}r/s;")
            limit = f"limit_req zone=limit{listen[0]} burst=100000;"
        servers.append(_SERVER.format(
            listens="\n".join(f"        listen {port} backlog=65535;" for port in listen), limit=limit, work=work,
            answer=_LIMITED_ANSWER.format(work=work) if rate else _ANSWER))
    return _CONFIG.format(work=work, files=files, connections=files - 500, zones="\n".join(zones), servers="\n".join(servers))


class Servers:
    def __init__(self, host, groups):
        self.host = host
        self.ports = [port for listen, _ in groups for port in listen]
        work = host.work("servers")
        os.makedirs(work, exist_ok=True)
        with open(os.path.join(work, "answer.txt"), "w", encoding="ascii") as file:
            file.write("a backend of the benchmark answers, and this is all it has to say\n")
        files = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 200000)
        path = os.path.join(work, "nginx.conf")
        with open(path, "w", encoding="ascii") as file:
            file.write(config(work, groups, files))
        self.child = Child(host, "servers", ["nginx", "-p", work, "-c", path], core=servers_core())

    def wait(self):
        for port in (self.ports[0], self.ports[-1]):
            self.host.wait_for(port, "the servers themselves", self.child)

    def cpu_us(self):
        """What its processes have used so far. Packet work of others that interrupted them is in it, and theirs in others' is not."""
        total = 0.0
        for pid in processes_of(self.child.pid):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
                total += int(file.read().split()[0]) / 1000
        return total

    def end(self):
        self.child.end()


class Apps:
    """The lab's app, a process for each port."""

    def __init__(self, host, count):
        self.host, self.ports = host, ports(count)
        app = host.tool("lab", "app")
        self.children = [Child(host, f"app{port}", [app, "--port", str(port), "--ipv4", "--task", f"bench.{port}"], core=servers_core())
                         for port in self.ports]

    def wait(self):
        for port, child in zip(self.ports, self.children):
            self.host.wait_for(port, "the servers themselves", child)

    def end(self):
        for child in self.children:
            child.end()
