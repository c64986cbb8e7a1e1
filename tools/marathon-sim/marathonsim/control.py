# SPDX-License-Identifier: GPL-2.0-only
"""The control endpoint of the lab: misbehave, kill, tell what runs. No part of Marathon's API."""

import http.server
import json
import os
import socket
import socketserver
import threading

from . import events, wire


class Refused(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class Control:
    def __init__(self, front, cluster, listen):
        """cluster is None for a standby."""
        self._front = front
        self._cluster = cluster
        self._listen = listen
        self._routes = {
            ("GET", "/sim/status"): self._status,
            ("GET", "/sim/tasks"): self._tasks,
            ("GET", "/sim/requests"): lambda _body: front.requests.render(),
            ("POST", "/sim/requests/reset"): self._reset_requests,
            ("POST", "/sim/misbehave"): self._misbehave,
            ("POST", "/sim/kill"): self._kill,
            ("POST", "/sim/cut"): self._cut,
            ("POST", "/sim/task-state"): self._task_state,
            ("POST", "/sim/emit"): self._emit,
            ("POST", "/sim/stop-all"): self._stop_all,
            ("POST", "/sim/standby-of"): self._standby_of,
        }

    def handle(self, method, path, body):
        """The answer's object. Raises Refused."""
        handler = self._routes.get((method, path))
        if handler is None:
            raise Refused(404, f"no such request: {method} {path}")
        if self._cluster is None and handler in (self._tasks, self._kill, self._task_state,
                                                 self._stop_all):
            raise Refused(409, "this is a standby: it has no tasks")
        return handler(body)

    # -- answers ---------------------------------------------------------------------

    def _status(self, _body):
        front = self._front
        callbacks = front.bus.callbacks
        shown = {"version": front.version.text, "listen": self._listen, "pid": os.getpid(),
                 "leader": front.leader is None, "mode": front.misbehaviour.state,
                 "streams": front.bus.streams(), "events": front.bus.count,
                 "subscriptions": callbacks.urls() if callbacks is not None else [],
                 "agents": []}
        if self._cluster is not None:
            with self._cluster.lock:
                tasks = self._cluster.tasks()
                shown["agents"] = [
                    {"name": slave.name, "host": slave.host, "address": slave.address,
                     "type": slave.kind,
                     "tasks": sum(1 for task in tasks if task.agent is slave and not task.terminal)}
                    for slave in self._cluster.agents]
        return shown

    @staticmethod
    def _show(task):
        handle = task.handle
        return {"id": task.id, "app": task.app_id, "instance": task.instance_id,
                "host": task.agent.host, "agent": task.agent.name, "address": task.agent.address,
                "port": task.ports[0] if task.ports else None, "ports": task.ports,
                "container": handle.container if handle else None,
                "pid": handle.pid if handle else None,
                "state": task.state, "healthy": task.healthy}

    def _tasks(self, _body):
        with self._cluster.lock:
            return {"tasks": [self._show(task) for task in self._cluster.tasks()
                              if not task.terminal]}

    def _find(self, body):
        text = body.get("task")
        if not isinstance(text, str) or not text:
            raise Refused(400, "'task' must name a task")
        live = [task for task in self._cluster.tasks() if not task.terminal]
        found = [task for task in live if task.id == text]
        found = found or [task for task in live for port in task.ports
                          if f"{task.agent.name}:{port}" == text]
        found = found or [task for task in live if text in task.id]
        if not found:
            raise Refused(404, f"no task '{text}'")
        if len(found) > 1:
            raise Refused(409, f"'{text}' is the name of {len(found)} tasks")
        return found[0]

    def _kill(self, body):
        with self._cluster.lock:
            task = self._find(body)
            shown = self._show(task)
            if body.get("marathon"):
                self._cluster.kill([task], bool(body.get("scale")), False, "127.0.0.1",
                                   f"/v2/apps{task.app_id}/tasks/{task.id}")
                return {"task": shown}
            if task.handle is None:
                raise Refused(409, f"task '{task.id}' does not run yet")
        name = body.get("signal", "KILL")
        try:
            task.handle.hit(name)
        except KeyError as error:
            raise Refused(400, f"signal '{name}' is not known") from error
        return {"task": shown}

    def _task_state(self, body):
        state = body.get("state")
        if state not in events.CONDITIONS:
            raise Refused(400, f"state '{state}' is not known")
        with self._cluster.lock:
            task = self._find(body)
            self._cluster.declare(task, state, str(body.get("message", "")))
            return {"task": self._show(task)}

    def _misbehave(self, body):
        try:
            return self._front.misbehaviour.apply(body)
        except ValueError as error:
            raise Refused(400, str(error)) from error

    def _cut(self, _body):
        self._front.bus.cut()
        return {}

    def _emit(self, body):
        if not isinstance(body.get("eventType"), str):
            raise Refused(400, "an event needs an 'eventType'")
        self._front.bus.publish(body)
        return {}

    def _reset_requests(self, _body):
        self._front.requests.reset()
        return {}

    def _stop_all(self, _body):
        left = self._cluster.stop_all()
        if left:
            raise Refused(409, f"{len(left)} tasks do not end, one is {left[0].id}")
        return {}

    def _standby_of(self, body):
        if self._front.leader is None:
            raise Refused(409, "this is no standby")
        if not isinstance(body.get("url"), str):
            raise Refused(400, "'url' must be a string")
        self._front.leader.url = body["url"]
        return {}


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format, *args):
        pass

    def _handle(self):
        length = int(self.headers.get("Content-Length") or 0)
        try:
            body = json.loads(self.rfile.read(length) or b"{}")
            if not isinstance(body, dict):
                raise ValueError("an object is expected")
            status, answer = 200, self.server.control.handle(self.command, self.path, body)
        except ValueError as error:
            status, answer = 400, {"message": f"not the JSON that is expected: {error}"}
        except Refused as error:
            status, answer = error.status, {"message": str(error)}
        payload = wire.compact(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    do_GET = do_POST = _handle


class _UnixServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 64

    def get_request(self):
        connection, _ = super().get_request()
        return connection, ("local", 0)


def listen(address, control):
    """Serves the control endpoint at unix:PATH or HOST:PORT in a thread. Raises OSError."""
    if address.startswith("unix:"):
        path = address[len("unix:"):]
        _remove_stale(path)
        server = _UnixServer(path, _Handler)
        os.chmod(path, 0o600)
    else:
        host, _, port = address.rpartition(":")
        server = http.server.ThreadingHTTPServer((host, int(port)), _Handler)
    server.control = control
    threading.Thread(target=server.serve_forever, args=(0.2,), daemon=True,
                     name="control").start()
    return server


def _remove_stale(path):
    """Takes away the socket of a run that was killed; one that answers stays."""
    if not os.path.exists(path):
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
