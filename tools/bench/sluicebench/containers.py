# SPDX-License-Identifier: GPL-2.0-only
"""Backends in Docker containers with published host-ports, and their registration in Consul, all on the lab's slave."""
from sluicelab import docker, processes
from sluicelab.consul import HTTP
from sluicelab.docker import APP_PORT, IMAGE
from sluicelab.web import ask, must

from .host import SLAVE
from .servers import ports


class Containers:
    """The lab's app, a container for each port."""

    def __init__(self, host, count):
        self.host, self.ports = host, ports(count)
        for port in self.ports:
            self.start(port)

    def docker(self, *args, check=True):
        return processes.run(docker.client(), "-H", f"unix://{self.host.lab.docker_socket(SLAVE)}", *args, check=check)

    def start(self, port):
        self.docker("run", "--detach", "--name", f"bench{port}", "--publish", f"{port}:{APP_PORT}", IMAGE, "--port", str(APP_PORT),
                    "--task", f"bench.{port}", "--hostport", str(port))

    def kill(self, port):
        """As an accident would."""
        self.docker("kill", f"bench{port}")

    def remove(self, port):
        self.docker("rm", "--force", f"bench{port}", check=False)

    def wait(self):
        for port in self.ports:
            self.host.wait_for(port, f"the container on {port}")

    def end(self):
        for port in self.ports:
            self.remove(port)


def register(lab, port):
    """A healthy instance of the service `web` at the slave's agent."""
    body = {"ID": f"bench{port}", "Name": "web", "Port": port, "Address": lab.address(SLAVE),
            "Check": {"CheckID": f"check{port}", "Name": "bench", "TTL": "1h", "Status": "passing"}}
    must(ask(lab, SLAVE, HTTP, "PUT", "/v1/agent/service/register", body), "register")


def deregister(lab, port):
    must(ask(lab, SLAVE, HTTP, "PUT", f"/v1/agent/service/deregister/bench{port}"), "deregister")
