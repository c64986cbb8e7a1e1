# SPDX-License-Identifier: GPL-2.0-only
"""Backends in Docker containers with published host-ports, and their registration in Consul, all on the lab's slave."""
from sluicelab import docker, processes
from sluicelab.consul import HTTP
from sluicelab.docker import APP_PORT, IMAGE
from sluicelab.web import ask, must

from .host import NO_TIME_WAIT, SLAVE
from .servers import ports


class Containers:
    """The lab's app, a container for each port."""

    def __init__(self, host, count):
        self.host, self.ports = host, ports(count)
        for port in self.ports:
            self.start(port)

    def add(self, port):
        self.start(port)
        self.ports.append(port)

    def docker(self, *args, check=True):
        return processes.run(docker.client(), "-H", f"unix://{self.host.lab.docker_socket(SLAVE)}", *args, check=check)

    def start(self, port):
        settings = [f"--sysctl=net.{name.replace('__', '.')}={value}" for name, value in NO_TIME_WAIT.items()]
        self.docker("run", *settings, "--detach", "--name", f"bench{port}", "--publish", f"{port}:{APP_PORT}", IMAGE,
                    "--port", str(APP_PORT), "--task", f"bench.{port}", "--hostport", str(port))

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


class Registered:
    """Healthy instances of the service `web` at the slave's agent. A container that is started anew is a new instance, as a new task is."""

    def __init__(self, lab):
        self.lab, self.ids, self.count = lab, {}, 0

    def add(self, port):
        self.count += 1
        name = f"bench{port}-{self.count}"
        body = {"ID": name, "Name": "web", "Port": port, "Address": self.lab.address(SLAVE),
                "Check": {"CheckID": f"check-{name}", "Name": "bench", "TTL": "1h", "Status": "passing"}}
        must(ask(self.lab, SLAVE, HTTP, "PUT", "/v1/agent/service/register", body), "register")
        self.ids[port] = name

    def remove(self, port):
        name = self.ids.pop(port, None)
        if name:
            must(ask(self.lab, SLAVE, HTTP, "PUT", f"/v1/agent/service/deregister/{name}"), "deregister")
