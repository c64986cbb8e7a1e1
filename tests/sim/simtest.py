# SPDX-License-Identifier: GPL-2.0-only
"""What the simulator's tests share: a simulator started as people start it, and plain clients."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
TOOL = os.path.join(ROOT, "tools", "marathon-sim")
DATA = os.path.join(ROOT, "tests", "data", "marathon")
DEADLINE = 60.0

sys.path.insert(0, TOOL)


def fixture(name):
    with open(os.path.join(DATA, name), encoding="utf-8") as file:
        return json.load(file)


def wait_for(what, condition):
    """Waits until condition() is true; returns its value."""
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited in vain for {what}")


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("sim", timeout=DEADLINE)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def exchange(connection, method, path, body=None, headers=None):
    """(status, headers, parsed body or text)"""
    payload = None if body is None else json.dumps(body)
    try:
        connection.request(method, path, payload, headers or {"Accept": "application/json"})
        answer = connection.getresponse()
        text = answer.read().decode()
    finally:
        connection.close()
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    return answer.status, answer.headers, value


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def process_agent(number, ports):
    address = f"127.{os.getpid() >> 8 & 127 | 64}.{os.getpid() & 255}.{number}"    # ours alone
    return {"name": f"slave{number}", "host": f"slave{number}.lab", "address": address,
            "type": "process", "ports": ports, "attributes": {"rack": f"r{number}"},
            "entrypoint": [sys.executable, os.path.join(HERE, "app.py"), "$LISTEN_PORT", address],
            "command": []}


def dry_agent(number):
    return {"name": f"slave{number}", "host": f"slave{number}.lab", "address": "127.0.0.1",
            "type": "dry", "ports": [31000, 32000]}


class Sim:
    """One simulator process with a folder of its own."""

    def __init__(self, agents, *options, version="1.8.222"):
        self.folder = tempfile.mkdtemp(prefix="marathon-sim-test-")
        self.version = version
        self.options = list(options)
        self.control_path = os.path.join(self.folder, "control.sock")
        self.agents_path = os.path.join(self.folder, "agents.json")
        with open(self.agents_path, "w", encoding="utf-8") as file:
            json.dump({"id": os.path.basename(self.folder), "agents": agents}, file)
        self.port = 0
        self.process = None
        self.start()

    def start(self, *more):
        command = [os.path.join(TOOL, "marathon-sim"), "--version", self.version,
                   "--listen", f"127.0.0.1:{self.port}", "--agents", self.agents_path,
                   "--state-dir", self.folder, "--control", f"unix:{self.control_path}",
                   *self.options, *more]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if "ready on http://" not in line:
            self.process.wait()
            self.process.stdout.close()
            raise AssertionError(f"marathon-sim did not start: {line!r}")
        self.port = int(line.rsplit(":", 1)[1])

    def end(self, number=signal.SIGTERM):
        """The exit status."""
        self.process.send_signal(number)
        status = self.process.wait(DEADLINE)
        self.process.stdout.close()
        return status

    def close(self):
        if self.process.poll() is None:
            self.end()
        shutil.rmtree(self.folder)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def call(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
        return exchange(connection, method, path, body, headers)

    def get(self, path):
        status, _, value = self.call("GET", path)
        if status != 200:
            raise AssertionError(f"GET {path}: {status} {value}")
        return value

    def control(self, path, body=None):
        method = "GET" if body is None else "POST"
        status, _, value = exchange(UnixConnection(self.control_path), method, path, body)
        if status != 200:
            raise AssertionError(f"{method} {path}: {status} {value}")
        return value

    def tasks(self):
        return self.control("/sim/tasks")["tasks"]

    def settled(self):
        """Waits for the end of all deployments; returns the tasks."""
        wait_for("the end of the deployments", lambda: self.get("/v2/deployments") == [])
        return self.tasks()

    def create(self, app_id, instances=1, **more):
        status, _, value = self.call("POST", "/v2/apps",
                                     {"id": app_id, "instances": instances, **more})
        if status != 201:
            raise AssertionError(f"POST /v2/apps: {status} {value}")
        return self.settled()


class EventStream:
    """A raw client of /v2/events that keeps every byte, and what each read gave."""

    def __init__(self, port, query="", accept="text/event-stream", address="127.0.0.1"):
        self.sock = socket.create_connection((address, port), DEADLINE)
        self.sock.sendall(f"GET /v2/events{query} HTTP/1.1\r\nHost: x\r\n"
                          f"Accept: {accept}\r\n\r\n".encode())
        self.reads = []
        start = b""
        while b"\r\n\r\n" not in start:
            start += self._read()
        self.head, _, rest = start.partition(b"\r\n\r\n")
        self.body = bytearray(rest)
        self._events = []
        self._parsed = 0

    def _read(self):
        data = self.sock.recv(65536)
        if not data:
            raise EOFError
        self.reads.append(data)
        return data

    def events(self):
        """The events that have come whole, as objects."""
        end = self.body.rfind(b"\r\n\r\n")
        if end > self._parsed:
            for line in self.body[self._parsed:end].split(b"\r\n"):
                if line.startswith(b"data: "):
                    self._events.append(json.loads(line[len(b"data: "):]))
            self._parsed = end
        return self._events

    def read_more(self):
        self.body += self._read()

    def until(self, what, condition):
        """Reads on until an event fulfils the condition; returns that event."""
        deadline = time.monotonic() + DEADLINE
        seen = 0
        while time.monotonic() < deadline:
            now = self.events()
            for event in now[seen:]:
                if condition(event):
                    return event
            seen = len(now)
            self.read_more()
        raise AssertionError(f"no event: {what}")

    def until_success(self, deployment_id):
        return self.until("deployment_success", lambda event:
                          event["eventType"] == "deployment_success"
                          and event["id"] == deployment_id)

    def close(self):
        self.sock.close()


class SimCase(unittest.TestCase):
    """A case that starts simulators and ends them whatever happens."""

    def sim(self, agents, *options, **more):
        made = Sim(agents, *options, **more)
        self.addCleanup(made.close)
        return made

    def stream(self, sim, *arguments, **more):
        made = EventStream(sim.port, *arguments, **more)
        self.addCleanup(made.close)
        return made
