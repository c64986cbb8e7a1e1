# SPDX-License-Identifier: GPL-2.0-only
"""Tasks as containers on a slave's own Docker Engine, by the Engine's API on its Unix socket."""

import http.client
import json
import re
import socket
import time
import urllib.parse

from . import launch
from .executor import Exit, LaunchError

_API = "/v1.40"
_RETRY_SECONDS = 0.2
_REMOVE_TRIES = 100
_NETWORKS = {"host": "host", "bridge": "bridge", "container": "bridge"}


class EngineError(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class _Connection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("docker", timeout=timeout)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Engine:
    """One call, one connection: calls come from many threads and some block for hours."""

    def __init__(self, path):
        self._path = path

    def call(self, method, path, body=None, timeout=60):
        """The answer's JSON, None if it has none. Raises EngineError, OSError, HTTPException."""
        connection = _Connection(self._path, timeout)
        try:
            payload = None if body is None else json.dumps(body)
            connection.request(method, _API + path, payload, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        if answer.status >= 400:
            try:
                message = json.loads(data)["message"]
            except (ValueError, KeyError, TypeError):
                message = f"{answer.status} {answer.reason}"
            raise EngineError(answer.status, message)
        return json.loads(data) if data else None


class DockerHandle:
    def __init__(self, engine, container, pid, ip):
        self._engine = engine
        self.container = container
        self.pid = pid
        self.ip = ip

    def wait(self):
        """An Engine that is away says nothing about its containers: asks until it is back."""
        while True:
            try:
                answer = self._engine.call("POST", f"/containers/{self.container}/wait",
                                           timeout=None)
                return self._ended(answer["StatusCode"])
            except EngineError as error:
                if error.status == 404:
                    return Exit(False, "Container is gone")
            except (OSError, http.client.HTTPException, ValueError, TypeError, KeyError):
                pass
            time.sleep(_RETRY_SECONDS)

    @staticmethod
    def _ended(code):
        return Exit(code == 0, f"Container exited with status {code}")

    def _kill(self, name):
        try:
            self._engine.call("POST", f"/containers/{self.container}/kill?signal={name}")
        except (EngineError, OSError, http.client.HTTPException):
            pass        # it has ended, or wait() will find out what became of it

    def terminate(self):
        self._kill("SIGTERM")

    def destroy(self):
        self._kill("SIGKILL")

    def hit(self, name):
        self._kill(name)

    def check(self, _command, _timeout):
        return "marathon-sim runs commands beside processes only"

    def cleanup(self):
        """An Engine that is just going away may be back soon: tries for a while."""
        for _ in range(_REMOVE_TRIES):
            try:
                self._engine.call("DELETE", f"/containers/{self.container}?force=1&v=1")
                return
            except EngineError as error:
                if error.status in (404, 409):      # gone, or somebody is removing it
                    return
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(_RETRY_SECONDS)


class DockerExecutor:
    def __init__(self, agent, sim_id):
        self._agent = agent
        self._sim_id = sim_id
        self._engine = Engine(agent.settings["docker_socket"])

    def _request(self, task):
        definition = task.definition
        image = definition.container["image"] if definition.container else None
        image = image or self._agent.settings.get("image")
        if not image:
            raise LaunchError("the app names no image and the slave has none of its own")
        bridged = definition.mode != "host"
        env = launch.environment(task, self._sim_id)
        entrypoint, command = launch.words(task, env, bridged)
        host = {"NetworkMode": _NETWORKS[definition.mode]}
        if self._agent.settings.get("cgroup_parent"):
            host["CgroupParent"] = self._agent.settings["cgroup_parent"]
        if definition.container:
            host["Privileged"] = definition.container["privileged"]
        labels = dict(self._agent.settings.get("labels", {}))
        labels["marathon-sim"] = self._sim_id
        labels["marathon-sim.task"] = task.id
        request = {"Image": image, "Cmd": command, "Env": [f"{k}={v}" for k, v in env.items()],
                   "Labels": labels, "HostConfig": host}
        if entrypoint:
            request["Entrypoint"] = entrypoint
        if bridged:
            self._publish(task, request)
        return request

    @staticmethod
    def _publish(task, request):
        exposed, bound = {}, {}
        for mapping, host_port in launch.mapped_ports(task):
            for protocol in mapping["protocol"].split(","):
                inner = f"{mapping['containerPort'] or host_port}/{protocol}"
                exposed[inner] = {}
                bound.setdefault(inner, []).append({"HostPort": str(host_port)})
        request["ExposedPorts"] = exposed
        request["HostConfig"]["PortBindings"] = bound

    def launch(self, task):
        name = "mesos-" + re.sub(r"[^A-Za-z0-9_.-]", "-", task.id)
        container = None
        try:
            answer = self._engine.call("POST", "/containers/create?name="
                                       + urllib.parse.quote(name), self._request(task))
            container = answer["Id"]
            self._engine.call("POST", f"/containers/{container}/start")
            return self._handle(container)
        except (EngineError, OSError, http.client.HTTPException, ValueError, KeyError) as error:
            if container is not None:
                DockerHandle(self._engine, container, None, None).cleanup()
            raise LaunchError(f"Failed to launch container: {error}") from error

    def _handle(self, container):
        facts = self._engine.call("GET", f"/containers/{container}/json")
        ip = facts["NetworkSettings"].get("IPAddress") or self._agent.address
        return DockerHandle(self._engine, container, facts["State"].get("Pid") or None, ip)

    def recover(self, known):
        wanted = urllib.parse.quote(json.dumps({"label": [f"marathon-sim={self._sim_id}"]}))
        found = {}
        for item in self._engine.call("GET", f"/containers/json?all=1&filters={wanted}"):
            task_id = item["Labels"].get("marathon-sim.task")
            if task_id in known and item["State"] == "running":
                found[task_id] = self._handle(item["Id"])
            else:
                DockerHandle(self._engine, item["Id"], None, None).cleanup()
        return found

    def close(self):
        pass
